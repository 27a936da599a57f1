// What `init` needs to know before it starts: from its flags, from questions on a terminal, or by default.
import { hostname } from 'node:os';
import { UsageError } from '../errors.ts';
import { type TemplateName, templates } from '../files/templates.ts';
import { given } from '../given.ts';
import { defaultHosts, type InitOptions } from '../pki/issue/init.ts';
import { intermediateDays } from '../pki/issue/intermediate.ts';
import { checkNames } from '../pki/store/directory.ts';
import { parseNode, type ServerNames } from '../rollout/server-configuration.ts';
import { type KeyType, keyTypes } from '../x509/key.ts';
import { sanOfHost } from '../x509/name.ts';
import { askNewPassphrase, readPassphrase } from './passphrase.ts';
import { askChoice, askWords, mayAsk } from './prompts.ts';

export const templateNames = Object.keys(templates) as TemplateName[];
export const usualClusterName = 'secure-cluster';

/** The flags of `init` that describe the certificates and the configuration. */
interface InitFlags {
  readonly template?: TemplateName | undefined;
  readonly host?: string[] | undefined;
  readonly client?: string[] | undefined;
  readonly node?: string[] | undefined;
  readonly 'cluster-name'?: string | undefined;
  readonly 'key-type'?: KeyType | undefined;
  readonly intermediate?: boolean | undefined;
  readonly 'intermediate-days'?: number | undefined;
  readonly 'passphrase-file'?: string | undefined;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export interface InitAnswers
  extends Pick<InitOptions, 'hosts' | 'clients' | 'keyType' | 'intermediate' | 'passphrase'> {
  readonly template: TemplateName;
  readonly nodes: readonly ServerNames[];
  readonly clusterName: string;
}

/** Completes the flags: asks on a terminal, and takes the defaults elsewhere or with --yes. Throws a UsageError. */
export async function initAnswers(flags: InitFlags): Promise<InitAnswers> {
  const asking = mayAsk(flags);
  const answer = async <T>(flag: T | undefined, question: () => Promise<T>, usual: T): Promise<T> =>
    flag ?? (asking ? question() : usual);

  const template = await answer<TemplateName>(
    flags.template ?? (flags.node && 'cluster'),
    () => askChoice('Configuration', 'verify', templateNames, (name) => templates[name]),
    'verify',
  );
  if (template !== 'cluster') rejectClusterFlags(flags, template);
  const nodes = (
    await answer(
      flags.node ?? (template === 'cluster' ? undefined : []),
      () => askWords('Nodes as NAME=HOST (leave empty for one server)', [], parseNode),
      [],
    )
  ).map(parseNode);
  const usualHosts = defaultHosts(hostname());
  const hosts = await answer(
    flags.host ?? (nodes.length > 0 ? [] : undefined),
    () => askWords('Names and addresses of the server', usualHosts, sanOfHost),
    usualHosts,
  );
  const clients = await answer(
    flags.client,
    () => askWords('Clients', ['client'], (name) => checkNames([name])),
    ['client'],
  );
  const keyType = await answer(
    flags['key-type'],
    () => askChoice<KeyType>('Key type', keyTypes[0], keyTypes),
    keyTypes[0],
  );
  const intermediate = await answer(flags.intermediate, askIntermediate, false);
  const passphrase = await answer(
    flags['passphrase-file'] && (await readPassphrase(flags['passphrase-file'])),
    askNewPassphrase,
    undefined,
  );
  return {
    template,
    hosts,
    clients,
    keyType,
    clusterName: flags['cluster-name'] ?? usualClusterName,
    // With nodes, --host names an address that leads to all of them, such as that of a load balancer.
    nodes: nodes.map((node) => ({ ...node, hosts: [...node.hosts, ...hosts] })),
    ...given({
      passphrase,
      intermediate: intermediate ? { days: flags['intermediate-days'] ?? intermediateDays } : undefined,
    }),
  };
}

function rejectClusterFlags(flags: InitFlags, template: TemplateName): void {
  const flag = (['node', 'cluster-name'] as const).find((name) => flags[name] !== undefined);
  if (flag === undefined) return;
  throw new UsageError(`--${flag} needs the template cluster, found "${template}"`, '--template cluster');
}

async function askIntermediate(): Promise<boolean> {
  const kinds = {
    root: 'One key signs every certificate.',
    intermediate: "An intermediate signs; the root's key can be kept offline.",
  };
  const names = ['root', 'intermediate'] as const;
  return (await askChoice('Authority', 'root', names, (name) => kinds[name])) === 'intermediate';
}
