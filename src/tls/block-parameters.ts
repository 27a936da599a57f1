// Reads the cryptographic options of a tls block: cipher suites, curves, minimum version, pins. Reports what OpenSSL does
// not support.

import type { MapReader } from '../conf/reader.ts';
import type { ArrayValue, Position, StringValue } from '../conf/value.ts';
import { nearest } from '../suggest.ts';
import type { Pin } from '../x509/pin.ts';
import {
  findCipherSuite,
  findCurve,
  isSuiteSupported,
  secureSuiteNames,
  supportedCurves,
  type TlsVersion,
} from './ciphers.ts';

/** Reads cipher_suites as Go names. */
export function readCipherSuites(reader: MapReader): string[] | undefined {
  const mayBeInsecure = reader.boolean('allow_insecure_cipher_suites') ?? false;
  return readNames(reader, 'cipher_suites', (name, position) => {
    const suite = findCipherSuite(name);
    if (suite === undefined) {
      const near = nearest(name, secureSuiteNames());
      reader.error(
        position,
        `unknown cipher suite "${name}"`,
        near === undefined ? `use one or more of ${secureSuiteNames().join(', ')}` : `did you mean "${near}"`,
      );
    } else if (suite.insecure && !mayBeInsecure) {
      reader.error(
        position,
        `cipher suite "${name}" is insecure`,
        'remove it, or set allow_insecure_cipher_suites: true',
      );
    } else if (!isSuiteSupported(suite)) {
      reader.error(position, `cipher suite "${name}" is not in this build of OpenSSL`, 'remove it');
    } else if (suite.name !== name) {
      reader.warning(
        position,
        `nats-server does not support "${name}" and rejects the configuration`,
        `write "${suite.name}"`,
        'nats-server-refuses',
      );
    }
    return suite?.name;
  });
}

/** Reads curve_preferences as Go names, in order of preference. */
export function readCurves(reader: MapReader): string[] | undefined {
  return readNames(reader, 'curve_preferences', (name, position) => {
    const supported = supportedCurves();
    if (supported.includes(name)) return name;
    const hint = `use one or more of ${supported.join(', ')}`;
    if (findCurve(name) === undefined) reader.error(position, `unknown curve "${name}"`, hint);
    else reader.error(position, `curve "${name}" is not in OpenSSL ${process.versions.openssl}`, hint);
    return undefined;
  });
}

/** Reads min_version. */
export function readMinVersion(reader: MapReader): TlsVersion | undefined {
  const found = reader.value('min_version');
  if (found === undefined) return undefined;
  const text = found.kind === 'string' || found.kind === 'float' ? String(found.value) : '';
  if (text !== '1.0' && text !== '1.1' && text !== '1.2' && text !== '1.3') {
    reader.error(
      found.position,
      '"min_version" is not a TLS version',
      'use "1.2" or "1.3"; "1.0" and "1.1" work too, but are insecure',
    );
    return undefined;
  }
  if (found.kind === 'float') {
    reader.error(found.position, '"min_version" must be a string', `write "${text}" with its quotes`);
  }
  if (text < '1.2') {
    reader.warning(
      found.position,
      `TLS ${text} is insecure, and nats-server rejects it as min_version`,
      'write min_version: "1.3", or "1.2" where a client needs it',
      'protocol-version',
    );
  }
  return text;
}

/** Reads pinned_certs; an empty list pins nothing, as in nats-server. */
export function readPins(reader: MapReader): Set<Pin> | undefined {
  const array = reader.array('pinned_certs');
  if (array === undefined || array.items.length === 0) return undefined;
  const pins = new Set<Pin>();
  for (const { value, position } of strings(reader, 'pinned_certs', array)) {
    if (/^[0-9a-f]{64}$/i.test(value)) {
      pins.add(value.toLowerCase() as Pin);
    } else {
      reader.error(
        position,
        'a pin is the hex SHA-256 of a public key (DER SubjectPublicKeyInfo): 64 digits',
        'natspki pin CERTIFICATE prints it',
      );
    }
  }
  return pins;
}

/** Reads an array of names, which must not be empty; `check` reports a wrong name. */
function readNames(
  reader: MapReader,
  option: string,
  check: (name: string, position: Position) => string | undefined,
): string[] | undefined {
  const array = reader.array(option);
  if (array === undefined) return undefined;
  if (array.items.length === 0) reader.error(array.position, `"${option}" cannot be empty`);
  const names = strings(reader, option, array).flatMap(({ value, position }) => check(value, position) ?? []);
  // OpenSSL rejects a curve that is listed twice.
  return names.length === 0 ? undefined : [...new Set(names)];
}

function strings(reader: MapReader, option: string, array: ArrayValue): StringValue[] {
  return array.items.flatMap((item) => {
    if (item.kind === 'string') return [item];
    reader.error(item.position, `"${option}" must be an array of strings`);
    return [];
  });
}
