// Best practices of TLS in a NATS system, and where nats-server understands a configuration otherwise than this broker:
// rules over what a configuration says and the files it names. All of them warn; what cannot work at all is no rule here.
import { type ConfProblem, confProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { MapValue, Position } from '../../conf/value.ts';
import { formatMode } from '../../files.ts';
import type { TlsBlock } from '../../tls/block.ts';
import { findCipherSuite, supportedCurves, tls13Suites } from '../../tls/ciphers.ts';
import type { CertificateFacts, TlsMaterial } from '../../tls/material.ts';
import { placeOfOption, placeOfString } from './place.ts';

/** A port that others connect to: what is said of its TLS, and what was found in the files. */
export interface Entrance {
  readonly context: 'client' | 'cluster';
  /** The tls block as it is written; the block around it where there is none. */
  readonly map: MapValue;
  readonly tls: TlsBlock | undefined;
  /** Undefined where the files cannot be used, which is an error of its own. */
  readonly material: TlsMaterial | undefined;
  /** Of the files that hold keys, by their names. */
  readonly keyModes: ReadonlyMap<string, number>;
}

/** What the rules look at. */
export interface Setup {
  readonly root: MapValue;
  readonly entrances: readonly Entrance[];
  readonly allowNonTls: boolean;
  /** The users that no certificate here is known to name in any way but its common name. */
  readonly usersByCommonName: readonly string[];
  /** Passwords and tokens that the configuration holds as they are. */
  readonly plaintext: readonly string[];
  readonly now: Date;
}

interface Fault {
  readonly position: Position;
  readonly message: string;
  readonly hint?: string;
}

interface Practice {
  /** Stable: what `--json` carries. */
  readonly code: string;
  readonly contexts: readonly Entrance['context'][];
  faults(entrance: Entrance & { readonly tls: TlsBlock }, setup: Setup): readonly Fault[];
}

/** A handshake over a slow link, with a busy server at its end, takes a good part of this. */
const reasonableTimeoutMs = 1000;

const everywhere = ['client', 'cluster'] as const;

/** Every rule for a port with a tls block. `no-tls` is for those without one. */
const practices: readonly Practice[] = [
  {
    code: 'plain-text-allowed',
    contexts: ['client'],
    faults: (_, { root, allowNonTls }) =>
      warnIf(allowNonTls, placeOfOption(root, 'allow_non_tls'), {
        message: '"allow_non_tls" lets clients in without TLS: what they send can be read on the way',
        hint: 'remove allow_non_tls once every client has TLS',
      }),
  },
  {
    code: 'no-client-verification',
    contexts: ['client'],
    faults: ({ map, tls }) =>
      warnIf(!tls.verify, placeOfOption(map, 'verify', 'verify_and_map'), {
        message: 'clients are not asked for a certificate: whoever reaches the port may try to log in',
        hint: 'add verify: true or verify_and_map: true, and ca_file',
      }),
  },
  {
    code: 'plaintext-password',
    contexts: ['client'],
    faults: (_, { root, plaintext }) =>
      plaintext.slice(0, 1).map((secret) => ({
        position: placeOfString(root, (text) => text === secret),
        message: `${plaintext.length === 1 ? 'a password stands' : `${plaintext.length} passwords stand`} here in the clear: whoever reads the file can log in`,
        hint: 'nats server passwd makes a bcrypt hash of one; with certificates and verify_and_map none is needed',
      })),
  },
  {
    code: 'weak-cipher',
    contexts: everywhere,
    faults: ({ map }) => weakSuites(map),
  },
  {
    code: 'short-handshake-timeout',
    contexts: everywhere,
    faults: ({ map, tls: { timeoutMs } }) =>
      warnIf(timeoutMs < reasonableTimeoutMs, placeOfOption(map, 'timeout'), {
        message: `"timeout" gives a handshake ${timeoutMs} ms: clients on slow links are cut off, and all of them when many come at once`,
        hint: 'leave it out for the default of 2 seconds, or write more',
      }),
  },
  {
    code: 'key-mode',
    contexts: everywhere,
    faults: ({ map, keyModes }) =>
      [...keyModes]
        .filter(([, mode]) => (mode & 0o077) !== 0)
        .map(([file, mode]) => ({
          position: placeOfFile(map, file),
          message: `"${file}" holds a private key and has mode ${formatMode(mode)}: others than its owner can use it`,
          hint: `chmod 600 ${file}`,
        })),
  },
  {
    code: 'shared-certificate',
    contexts: ['cluster'],
    faults: ({ map, material }, { entrances }) => {
      const ofClients = entrances.find(({ context }) => context === 'client')?.material?.certificates ?? [];
      return (material?.certificates ?? [])
        .filter(({ pin }) => ofClients.some((other) => other.pin === pin))
        .map(({ certFile }) => ({
          position: placeOfFile(map, certFile),
          message: `"${certFile}" has the key that clients see too: whoever takes it from one can stand in for the other`,
          hint: 'natspki issue route NAME makes a certificate for routes',
        }));
    },
  },
  {
    code: 'certificate-due',
    contexts: everywhere,
    faults: ({ map, material }, { now }) =>
      (material?.certificates ?? [])
        .filter((certificate) => isDue(certificate, now))
        .map((certificate) => ({
          position: placeOfFile(map, certificate.certFile),
          message: `certificate ${certificate.subject} in "${certificate.certFile}" ${timeLeft(certificate, now)}`,
          hint: 'natspki rotate --due renews what is in the last third of its life',
        })),
  },
  {
    code: 'authority-due',
    contexts: everywhere,
    faults: ({ map, material }, { now }) => {
      // While one authority replaces another, the old one may run out in peace.
      const [last] = [...(material?.authorities ?? [])].sort((a, b) => +b.notAfter - +a.notAfter);
      if (last === undefined || !isDue(last, now)) return [];
      const message = `authority ${last.subject} in "${last.certFile}" ${timeLeft(last, now)}, and with it every certificate it issued`;
      const hint = 'natspki rotate --ca puts a new one beside it';
      return [{ position: placeOfFile(map, last.certFile), message, hint }];
    },
  },
  {
    code: 'nats-server-ignores',
    contexts: everywhere,
    faults: ({ map, tls: { cipherSuites = [] } }) => {
      const named = tls13Suites.filter(({ name }) => cipherSuites.includes(name)).length;
      return warnIf(named > 0 && named < tls13Suites.length, placeOfOption(map, 'cipher_suites'), {
        message: 'nats-server offers all suites of TLS 1.3 whatever "cipher_suites" says',
        hint: `name all of ${tls13Suites.map(({ name }) => name).join(', ')} for the same on both`,
      });
    },
  },
  {
    code: 'nats-server-ignores',
    contexts: everywhere,
    faults: ({ map, tls: { curvePreferences = [] } }) => {
      const inItsOrder = supportedCurves().filter((curve) => curvePreferences.includes(curve));
      return warnIf(
        inItsOrder.join() !== [...new Set(curvePreferences)].join(),
        placeOfOption(map, 'curve_preferences'),
        {
          message: 'nats-server uses the curves of "curve_preferences", and not their order',
          hint: `its own order is ${inItsOrder.join(', ')}`,
        },
      );
    },
  },
  {
    code: 'common-name-mapping',
    contexts: ['client'],
    faults: ({ map, tls }, { usersByCommonName: users }) =>
      warnIf(tls.verifyAndMap && users.length > 0, placeOfOption(map, 'verify_and_map'), {
        message: `nats-server maps no bare common name: there ${listed(users)} can only come from an e-mail, DNS or URI name in the certificate`,
        hint: 'natspki issue client NAME puts one in; natspki inspect FILE shows those of a certificate',
      }),
  },
];

/** Finds what the rules warn of. */
export function findFaults(setup: Setup): ConfProblem[] {
  return setup.entrances.flatMap((entrance) => {
    const { context, map, tls } = entrance;
    // An empty block turns nothing on.
    if (tls === undefined || (tls.pairs.length === 0 && map.entries.size === 0)) {
      const who = context === 'client' ? 'clients connect' : 'the servers of the cluster connect';
      const message = `${who} without TLS: everything they send can be read on the way, passwords too`;
      const hint = `natspki tls ${context} prints a tls block`;
      return [confProblem('warning', map.position, message, hint, 'no-tls')];
    }
    return practices
      .filter(({ contexts }) => contexts.includes(context))
      .flatMap(({ code, faults }) =>
        faults({ ...entrance, tls }, setup).map(({ position, message, hint }) =>
          confProblem('warning', position, message, hint, code),
        ),
      );
  });
}

function weakSuites(map: MapValue): Fault[] {
  const named = new MapReader(map, [], '').array('cipher_suites')?.items ?? [];
  return named.flatMap((item) => {
    const suite = item.kind === 'string' ? findCipherSuite(item.value) : undefined;
    const weakness = suite === undefined ? undefined : weaknessOf(suite.name);
    if (weakness === undefined) return [];
    const message = `cipher suite "${suite?.name}" is weak: ${weakness}`;
    return [{ position: item.position, message, hint: 'keep to suites with GCM or CHACHA20_POLY1305' }];
  });
}

function weaknessOf(suite: string): string | undefined {
  if (/_RC4_|_3DES_/.test(suite)) return 'its cipher is broken';
  if (suite.startsWith('TLS_RSA_'))
    return 'whoever gets the key of the server can read what was recorded before';
  if (suite.includes('_CBC_')) return 'CBC has been attacked again and again';
  return undefined;
}

/** The rule of `natspki list` and `natspki rotate --due`; one that has expired is no longer due. */
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

function placeOfFile(map: MapValue, file: string): Position {
  return placeOfString(map, (text) => text === file);
}

function warnIf(condition: boolean, position: Position, fault: Omit<Fault, 'position'>): Fault[] {
  return condition ? [{ position, ...fault }] : [];
}
