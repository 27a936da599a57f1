// Creates an authority in a folder and issues certificates from it: the part of the public interface for certificates. The
// functions do what the commands `natspki init`, `issue` and `rotate` do, on the same files.
import { hostname } from 'node:os';
import { parseDuration } from '../duration.ts';
import { templates } from '../files/templates.ts';
import { given } from '../given.ts';
import { defaultHosts, initialize, mappedUsers } from '../pki/issue/init.ts';
import { issueCertificates } from '../pki/issue/issue.ts';
import { rotateLeaves, stalePins } from '../pki/rotate/rotate.ts';
import { PkiDirectory } from '../pki/store/directory.ts';
import type { ListedCertificate } from '../pki/store/listing.ts';
import { parseProfile } from '../pki/store/profile.ts';
import { Rollout } from '../rollout/rollout.ts';
import {
  refuseExistingConfigurations,
  serverConfigurations,
  serverPairs,
} from '../rollout/server-configuration.ts';
import { readChoice } from '../suggest.ts';
import { type KeyType, keyTypes } from '../x509/key.ts';
import { parseSan } from '../x509/name.ts';
import { parseConstraint } from '../x509/name-constraints.ts';

/** A certificate: what it says, and where its files are. */
export interface CertificateFacts {
  /** `ca` for the authority, otherwise the name that it was issued under. */
  readonly name: string;
  /** `authority`, `server`, `route`, `client`, `gateway` or `leafnode`. */
  readonly profile: string;
  /** Alternative names, as `dns:localhost` or `ip:127.0.0.1`. */
  readonly sans: readonly string[];
  /** `p256`, `ed25519`, `rsa2048` and so on. */
  readonly keyType: string;
  /** Common name of the issuer. */
  readonly issuer: string;
  /** Serial number, lower-case hex. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SHA-256 of the public key, 64 lower-case hex digits, as `pinned_certs` expects it. */
  readonly pin: string;
  /** Path of the certificate in PEM, with its intermediates. */
  readonly certificateFile: string;
  /** Path of the private key in PEM; absent when the key is elsewhere. */
  readonly keyFile?: string;
}

/** New certificates, and remarks for the operator, one line each. */
export interface Issued {
  readonly certificates: readonly CertificateFacts[];
  readonly notices: readonly string[];
}

/** What `createAuthority` creates. All but `dir` is optional. */
export interface AuthorityOptions {
  /** Folder for the certificates. */
  readonly dir: string;
  /** DNS names and addresses of the server; by default `localhost`, `127.0.0.1`, `::1` and the name of this host. */
  readonly hosts?: readonly string[];
  /** Names of clients to issue certificates for; by default none. */
  readonly clients?: readonly string[];
  /** Nodes of a cluster, each with its hosts: each gets a server and a route certificate. */
  readonly nodes?: Readonly<Record<string, readonly string[]>>;
  /** Common name of the authority; by default `natspki CA`. */
  readonly name?: string;
  /** Days until the authority expires; by default 3650. */
  readonly authorityDays?: number;
  /** Days until the certificates expire; by default 365. */
  readonly days?: number;
  /** `p256` (the default), `p384`, `ed25519`, `rsa2048`, `rsa3072` or `rsa4096`. */
  readonly keyType?: string;
  /** Names that the authority may sign, and no others of their kind: `dns:.internal`, `ip:10.0.0.0/8`. */
  readonly permit?: readonly string[];
  /** Encrypts the key of the authority. */
  readonly passphrase?: string;
  /** Path of a configuration to write as well; with `nodes`, one for each node beside it, `nats-NODE.conf`. */
  readonly config?: string;
  /** `verify` (the default), `basic`, `verify-and-map`, `high-security`, `cluster` (with `nodes`) or `multi-certificate`. */
  readonly template?: string;
  /** Name of the cluster in the configuration; by default `secure-cluster`. */
  readonly clusterName?: string;
  /** Replaces an existing authority and configuration; the old files go to the archive. */
  readonly force?: boolean;
}

/** A new authority with its first certificates. */
export interface CreatedAuthority extends Issued {
  /** Paths of the configurations that were written. */
  readonly configurations: readonly string[];
}

/** The certificates that `issue` issues. */
export interface IssueOptions {
  /** Folder of the authority. */
  readonly dir: string;
  /** `server`, `route`, `client`, `gateway` or `leafnode`. */
  readonly profile: string;
  /** Names of the certificates and of their files. */
  readonly names: readonly string[];
  /** Alternative names, as `dns:n1.example.com`, `ip:10.0.0.1`, `email:X` or `uri:X`. */
  readonly sans?: readonly string[];
  /** Days until the certificates expire; by default 365. */
  readonly days?: number;
  /** By default `p256`; not with `request`. */
  readonly keyType?: string;
  /** A PKCS#10 request in PEM or DER to sign, for a key that is elsewhere; with a single name only. */
  readonly request?: string | Uint8Array;
  /** Folder for the files; by default `dir`. */
  readonly outDir?: string;
  /** Opens the key of the authority. */
  readonly passphrase?: string;
  /** Replaces existing certificates; the old pairs go to the archive. */
  readonly force?: boolean;
}

/** The certificates that `rotate` replaces, and the configurations whose pins follow. */
export interface RotateOptions {
  /** Folder of the authority. */
  readonly dir: string;
  /** Names of the certificates; by default all. */
  readonly names?: readonly string[];
  /** Folder with the files, where `issue` has written them with `outDir`; by default `dir`. */
  readonly outDir?: string;
  /** Only what is due: true for the last third of its life, a duration such as `30d` for what expires within it. */
  readonly due?: boolean | string;
  /** Keeps the keys, and thereby the pins. */
  readonly keepKey?: boolean;
  /** Paths of configurations whose pins follow the new keys. */
  readonly configs?: readonly string[];
  /** Milliseconds that servers have to load new pins before the certificates change; by default 1000. */
  readonly settleMs?: number;
  /** Removes pins from the configurations that no certificate has any more. */
  readonly prunePins?: boolean;
  /** Opens the key of the authority. */
  readonly passphrase?: string;
}

/** Replaced certificates, and the pins that changed in configurations. */
export interface Rotated extends Issued {
  readonly pins: {
    readonly added: readonly { readonly file: string; readonly pins: readonly string[] }[];
    readonly removed: readonly { readonly file: string; readonly pins: readonly string[] }[];
  };
}

/**
 * Creates an authority with a server, a route and client certificates in a folder, as `natspki init` does, all or nothing.
 * Throws a NatspkiError: `authority-exists`, `configuration-exists`, `usage` and `impossible-san` for invalid options.
 */
export async function createAuthority(options: AuthorityOptions): Promise<CreatedAuthority> {
  const { dir, clients = [], config, permit, force = false } = options;
  const hosts = options.hosts ?? defaultHosts(hostname());
  const nodes = Object.entries(options.nodes ?? {}).map(([name, of]) => ({ name, hosts: of }));
  const template = readChoice(
    'template',
    options.template ?? (nodes.length > 0 ? 'cluster' : 'verify'),
    Object.keys(templates) as (keyof typeof templates)[],
    'leave it out for mutual TLS',
  );
  const permitted = permit?.map((text) => parseConstraint(text));
  const servers = serverPairs(template, hosts);
  const plan = {
    template,
    directory: dir,
    servers,
    users: mappedUsers(clients, permitted),
    clusterName: options.clusterName ?? 'secure-cluster',
    nodes,
  };
  const files = config === undefined ? [] : serverConfigurations({ ...plan, file: config });
  if (!force) refuseExistingConfigurations(files);
  const { certificates, notices } = await initialize({
    directory: new PkiDirectory(dir),
    hosts,
    clients,
    nodes,
    servers,
    authorityName: options.name ?? 'natspki CA',
    authorityDays: options.authorityDays ?? 3650,
    days: options.days ?? 365,
    keyType: readKeyType(options.keyType),
    force,
    files: files.map(({ path, text }) => ({ path, data: text, mode: 0o644 })),
    ...given({
      permitted,
      passphrase: options.passphrase,
    }),
  });
  return { certificates: certificates.map(factsOf), notices, configurations: files.map(({ path }) => path) };
}

/**
 * Issues a certificate for each name, as `natspki issue` does, all or none. Throws a NatspkiError: `no-authority`,
 * `certificate-exists`, `no-san`, `name-not-permitted`, `wrong-passphrase`, or `usage` for invalid options.
 */
export async function issue(options: IssueOptions): Promise<Issued> {
  const { dir, profile, names, sans, request, force, days, passphrase } = options;
  const { certificates, notices } = await issueCertificates({
    directory: new PkiDirectory(dir, options.outDir),
    profile: parseProfile(profile),
    names,
    ...given({
      sans: sans?.map((text) => parseSan(text)),
      days,
      keyType: request === undefined ? readKeyType(options.keyType) : undefined,
      request: request === undefined ? undefined : { bytes: Buffer.from(request), file: 'request' },
      force,
      passphrase,
    }),
  });
  return { certificates: certificates.map(factsOf), notices };
}

/**
 * Replaces certificates by new ones with the same names and a new key, as `natspki rotate` does. The pins of the new keys
 * are in the configurations before the files change. Throws a NatspkiError: `no-authority`, `no-certificate` and others.
 */
export async function rotate(options: RotateOptions): Promise<Rotated> {
  const { dir, names, due = false, keepKey = false, configs = [], passphrase } = options;
  const directory = new PkiDirectory(dir, options.outDir);
  const rollout = await Rollout.prepare({
    configurations: configs,
    ...given({ settleMs: options.settleMs }),
  });
  const { certificates, notices } = await rotateLeaves({
    directory,
    due: due !== false,
    keepKey,
    beforeReplace: rollout.announce.bind(rollout),
    ...given({ names, passphrase, dueMs: typeof due === 'string' ? parseDuration(due) : undefined }),
  });
  if (options.prunePins) {
    await directory.exclusive(async () => rollout.prune(await stalePins(directory)));
  }
  const { added, removed } = rollout;
  return { certificates: certificates.map(factsOf), notices, pins: { added, removed } };
}

function readKeyType(text = 'p256'): KeyType {
  return readChoice('key type', text, keyTypes, 'leave it out for p256');
}

function factsOf(row: ListedCertificate): CertificateFacts {
  const { name, profile, sans, keyType, issuer, serial, notBefore, notAfter, pin, certificateFile } = row;
  const facts = { name, profile, sans, keyType, issuer, serial, notBefore, notAfter, pin, certificateFile };
  return { ...facts, ...given({ keyFile: row.keyFile }) };
}
