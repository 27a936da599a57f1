// The public interface of the package: what a program imports from `natspki`. What is not here may change in any version.
export {
  type AuthorityOptions,
  type CertificateFacts,
  type CreatedAuthority,
  createAuthority,
  type Issued,
  type IssueOptions,
  issue,
  type Rotated,
  type RotateOptions,
  rotate,
} from './api/authority.ts';
export { type BrokerOptions, type BrokerTls, type RunningBroker, startBroker } from './api/broker.ts';
export {
  type ConfigurationSource,
  type ConfigurationValue,
  check,
  type Finding,
  pin,
  readConfiguration,
  type TlsBlockOptions,
  tlsBlock,
} from './api/configuration.ts';
export { NatspkiError } from './errors.ts';
