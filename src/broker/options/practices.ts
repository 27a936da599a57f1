// Rules for good TLS practice in a NATS system, and for configurations that nats-server reads differently from this
// broker. They look at a configuration and the files it names. Every rule warns: errors are reported elsewhere.
import type { Stats } from 'node:fs';
import { type ConfProblem, confProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { MapValue, Position } from '../../conf/value.ts';
import { formatMode } from '../../files/files.ts';
import { hintToClose } from '../../files/key-access.ts';
import type { TlsBlock } from '../../tls/block.ts';
import { findCipherSuite, supportedCurves, tls13Suites } from '../../tls/ciphers.ts';
import type { CertificateFacts, TlsMaterial } from '../../tls/material.ts';
import { positionOfOption, positionOfString } from './positions.ts';

/** A listening port: its TLS configuration, and the contents of the files that the configuration names. */
export interface ListeningPort {
  readonly context: 'client' | 'cluster' | 'websocket';
  /** The parsed tls block; the block around it if there is none. */
  readonly map: MapValue;
  readonly tls: TlsBlock | undefined;
  /** Undefined if the files cannot be used, which is reported as an error. */
  readonly material: TlsMaterial | undefined;
  /** Owner and mode of the private keys, by file name. */
  readonly keyModes: ReadonlyMap<string, Pick<Stats, 'mode' | 'uid' | 'gid'>>;
}

/** The input of the rules. */
export interface RuleInput {
  readonly root: MapValue;
  readonly ports: readonly ListeningPort[];
  readonly allowNonTls: boolean;
  /** The users that certificates are only known to name by their common name. */
  readonly usersByCommonName: readonly string[];
  /** Passwords and tokens that the configuration stores in plain text. */
  readonly plaintext: readonly string[];
  readonly now: Date;
}

interface Finding {
  readonly position: Position;
  readonly message: string;
  readonly hint?: string;
}

interface Practice {
  /** Stable: part of the `--json` output. */
  readonly code: string;
  readonly contexts: readonly ListeningPort['context'][];
  findings(port: ListeningPort & { readonly tls: TlsBlock }, input: RuleInput): readonly Finding[];
}

/** A handshake with a busy server over a slow link takes a good part of this. */
const reasonableTimeoutMs = 1000;

const everywhere = ['client', 'cluster', 'websocket'] as const;

const peersOf: Record<ListeningPort['context'], string> = {
  client: 'clients',
  cluster: 'the servers of the cluster',
  websocket: 'WebSocket clients',
};

/** Every rule for a port with a tls block. `findFaults` reports `no-tls` for a port without one. */
const practices: readonly Practice[] = [
  {
    code: 'plain-text-allowed',
    contexts: ['client'],
    findings: (_, { root, allowNonTls }) =>
      warnIf(allowNonTls, positionOfOption(root, 'allow_non_tls'), {
        message: '"allow_non_tls" accepts clients without TLS: their traffic can be read on the network',
        hint: 'remove allow_non_tls once every client uses TLS',
      }),
  },
  {
    code: 'no-client-verification',
    contexts: ['client'],
    findings: ({ map, tls }) =>
      warnIf(!tls.verify, positionOfOption(map, 'verify', 'verify_and_map'), {
        message: 'clients need no certificate: anyone who can reach the port can try to log in',
        hint: 'add verify: true or verify_and_map: true, and ca_file',
      }),
  },
  {
    code: 'plaintext-password',
    contexts: ['client'],
    findings: (_, { root, plaintext }) =>
      plaintext.slice(0, 1).map((secret) => ({
        position: positionOfString(root, (text) => text === secret),
        message: `${plaintext.length === 1 ? '1 password is' : `${plaintext.length} passwords are`} stored in plain text: anyone who can read the file can log in`,
        hint: 'hash each with nats server passwd, or replace them by client certificates and verify_and_map',
      })),
  },
  {
    code: 'no-ocsp-address',
    contexts: ['client', 'websocket'],
    findings: ({ map, tls, material }) => {
      if (tls.ocspPeer === undefined) return [];
      const { certificates = [], authorities = [] } = material ?? {};
      // The certificates of clients are elsewhere: those of this server show what their authority puts into them.
      const [own] = certificates.filter(({ issuer }) =>
        authorities.some(({ subject }) => subject === issuer),
      );
      return warnIf(own?.ocspUrls.length === 0, positionOfFile(map, own?.certFile ?? ''), {
        message: `"ocsp_peer" asks about certificates that name a responder, and "${own?.certFile}" of the same authority names none: such clients are let in without a question`,
        hint: 'natspki rotate --ocsp-url http://HOST:PORT/ocsp',
      });
    },
  },
  {
    code: 'weak-cipher',
    contexts: everywhere,
    findings: ({ map }) => weakSuites(map),
  },
  {
    code: 'short-handshake-timeout',
    contexts: everywhere,
    findings: ({ map, tls: { timeoutMs } }) =>
      warnIf(timeoutMs < reasonableTimeoutMs, positionOfOption(map, 'timeout'), {
        message: `"timeout" limits a handshake to ${timeoutMs} ms: clients on slow links, or many at once, are disconnected`,
        hint: 'remove it for the default of 2 seconds, or raise it',
      }),
  },
  {
    code: 'key-mode',
    contexts: everywhere,
    findings: ({ map, keyModes }) =>
      [...keyModes].flatMap(([file, stats]) => {
        const hint = hintToClose(file, stats);
        if (hint === undefined) return [];
        const message = `"${file}" holds a private key and has mode ${formatMode(stats.mode)}: users other than its owner can access it`;
        return [{ position: positionOfFile(map, file), message, hint }];
      }),
  },
  {
    code: 'shared-certificate',
    contexts: ['cluster'],
    findings: ({ map, material }, { ports }) => {
      const ofClients = ports.find(({ context }) => context === 'client')?.material?.certificates ?? [];
      return (material?.certificates ?? [])
        .filter(({ pin }) => ofClients.some((other) => other.pin === pin))
        .map(({ certFile }) => ({
          position: positionOfFile(map, certFile),
          message: `"${certFile}" has the same key as the client port: an attacker who gets it can impersonate both`,
          hint: 'natspki issue route NAME issues a certificate for routes',
        }));
    },
  },
  {
    code: 'no-san',
    contexts: everywhere,
    findings: ({ map, material }) =>
      (material?.certificates ?? [])
        .filter(
          ({ sans, extendedKeyUsage: usage }) => !sans.some(isHostName) && usage?.join() !== 'clientAuth',
        )
        .map(({ certFile, subject }) => ({
          position: positionOfFile(map, certFile),
          message: `certificate ${subject} in "${certFile}" has no host name or address as alternative name (SAN): clients that verify the server reject it`,
          hint: 'natspki issue server NAME --san dns:HOST issues one for a host',
        })),
  },
  {
    code: 'wrong-usage',
    contexts: ['cluster'],
    findings: ({ map, material }) =>
      (material?.certificates ?? [])
        .filter(({ extendedKeyUsage: usage }) => usage !== undefined && !allowsClients(usage))
        .map(({ certFile, subject, extendedKeyUsage = [] }) => ({
          position: positionOfFile(map, certFile),
          message: `certificate ${subject} in "${certFile}" is not for client authentication (its extended key usage is ${extendedKeyUsage.join(', ')}): the other servers of the cluster reject the routes that this one opens`,
          hint: 'natspki issue route NAME issues a certificate for both ends of a route',
        })),
  },
  {
    code: 'certificate-due',
    contexts: everywhere,
    findings: ({ map, material }, { now }) =>
      (material?.certificates ?? [])
        .filter((certificate) => isDue(certificate, now))
        .map((certificate) => ({
          position: positionOfFile(map, certificate.certFile),
          message: `certificate ${certificate.subject} in "${certificate.certFile}" ${timeLeft(certificate, now)}`,
          hint: 'natspki rotate --due renews certificates in the last third of their lifetime',
        })),
  },
  {
    code: 'authority-due',
    contexts: everywhere,
    findings: ({ map, material }, { now }) => {
      // During a CA rollover the old authority may expire: only the one that lasts longest counts.
      const [last] = [...(material?.authorities ?? [])].sort((a, b) => +b.notAfter - +a.notAfter);
      if (last === undefined || !isDue(last, now)) return [];
      const message = `authority ${last.subject} in "${last.certFile}" ${timeLeft(last, now)}, and with it every certificate it issued`;
      const hint = 'natspki rotate --ca adds a new authority next to it';
      return [{ position: positionOfFile(map, last.certFile), message, hint }];
    },
  },
  {
    code: 'nats-server-ignores',
    contexts: everywhere,
    findings: ({ map, tls: { cipherSuites = [] } }) => {
      const named = tls13Suites.filter(({ name }) => cipherSuites.includes(name)).length;
      return warnIf(named > 0 && named < tls13Suites.length, positionOfOption(map, 'cipher_suites'), {
        message: 'nats-server offers every TLS 1.3 cipher suite, regardless of "cipher_suites"',
        hint: `list all of ${tls13Suites.map(({ name }) => name).join(', ')} for the same result on both servers`,
      });
    },
  },
  {
    code: 'nats-server-ignores',
    contexts: everywhere,
    findings: ({ map, tls: { curvePreferences = [] } }) => {
      const inItsOrder = supportedCurves().filter((curve) => curvePreferences.includes(curve));
      return warnIf(
        inItsOrder.join() !== [...new Set(curvePreferences)].join(),
        positionOfOption(map, 'curve_preferences'),
        {
          message: 'nats-server ignores the order of "curve_preferences"',
          hint: `its order is always ${inItsOrder.join(', ')}`,
        },
      );
    },
  },
  {
    code: 'common-name-mapping',
    contexts: ['client'],
    findings: ({ map, tls }, { usersByCommonName: users }) =>
      warnIf(tls.verifyAndMap && users.length > 0, positionOfOption(map, 'verify_and_map'), {
        message: `nats-server does not map a bare common name: it finds ${listed(users)} only by an e-mail, DNS or URI name in the certificate`,
        hint: 'natspki issue client NAME adds one; natspki inspect FILE shows the names in a certificate',
      }),
  },
];

function isHostName(name: string): boolean {
  return /^(dns|ip):/.test(name);
}

function allowsClients(usage: readonly string[]): boolean {
  return usage.includes('clientAuth') || usage.includes('anyExtendedKeyUsage');
}

/** Applies the rules to every port. */
export function findBadPractices(input: RuleInput): ConfProblem[] {
  return input.ports.flatMap((port) => {
    const { context, map, tls } = port;
    // An empty block does not turn TLS on.
    if (tls === undefined || (tls.pairs.length === 0 && map.entries.size === 0)) {
      const message = `${peersOf[context]} connect without TLS: their traffic, including passwords, can be read on the network`;
      const hint = `natspki tls ${context} prints a tls block`;
      return [confProblem('warning', map.position, message, hint, 'no-tls')];
    }
    return practices
      .filter(({ contexts }) => contexts.includes(context))
      .flatMap(({ code, findings }) =>
        findings({ ...port, tls }, input).map(({ position, message, hint }) =>
          confProblem('warning', position, message, hint, code),
        ),
      );
  });
}

function weakSuites(map: MapValue): Finding[] {
  const named = new MapReader(map, [], '').array('cipher_suites')?.items ?? [];
  return named.flatMap((item) => {
    const suite = item.kind === 'string' ? findCipherSuite(item.value) : undefined;
    const weakness = suite === undefined ? undefined : weaknessOf(suite.name);
    if (weakness === undefined) return [];
    const message = `cipher suite "${suite?.name}" is weak: ${weakness}`;
    return [{ position: item.position, message, hint: 'use suites with GCM or CHACHA20_POLY1305' }];
  });
}

function weaknessOf(suite: string): string | undefined {
  if (/_RC4_|_3DES_/.test(suite)) return 'its cipher is broken';
  if (suite.startsWith('TLS_RSA_'))
    return 'without forward secrecy, the key of the server decrypts recorded traffic';
  if (suite.includes('_CBC_')) return 'its CBC mode is open to padding attacks';
  return undefined;
}

/** The rule of `natspki list` and `natspki rotate --due`; an expired certificate is not due but an error. */
function isDue({ notBefore, notAfter }: CertificateFacts, now: Date): boolean {
  const left = +notAfter - +now;
  return left > 0 && left <= (+notAfter - +notBefore) / 3;
}

function timeLeft({ notAfter }: CertificateFacts, now: Date): string {
  const days = Math.floor((+notAfter - +now) / 86_400_000);
  return `expires at ${notAfter.toISOString()}, in ${days === 1 ? '1 day' : `${days} days`}`;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => JSON.stringify(name));
  const more = names.length - shown.length;
  return `user${names.length === 1 ? '' : 's'} ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function positionOfFile(map: MapValue, file: string): Position {
  return positionOfString(map, (text) => text === file);
}

function warnIf(condition: boolean, position: Position, finding: Omit<Finding, 'position'>): Finding[] {
  return condition ? [{ position, ...finding }] : [];
}
