// Makes an authority and its first certificates, all or nothing.
import { NatspkiError, UsageError } from '../../errors.ts';
import type { FileWrite } from '../../files/files.ts';
import { nameWith, type SubjectAttributes } from '../../x509/distinguished-name.ts';
import { checkPassphrase, generateKey, type KeyType } from '../../x509/key.ts';
import { formatSan, isHost, type San, sanOfHost } from '../../x509/name.ts';
import { faultOfNames, formatConstraint, type NameConstraint } from '../../x509/name-constraints.ts';
import { noAddresses, type StatusAddresses } from '../../x509/status-addresses.ts';
import { Authority, checkCommonName, checkDays } from '../store/authority.ts';
import { checkNames, type PkiDirectory } from '../store/directory.ts';
import { ledgerEntry } from '../store/ledger.ts';
import { rowOf } from '../store/listing.ts';
import { mappedSan, mappedUser, type ProfileName, profiles } from '../store/profile.ts';
import { checkSubject } from '../store/subject.ts';
import { intermediateName, signIntermediate } from './intermediate.ts';
import {
  type IssuedCertificates,
  type LeafPlan,
  leafNotices,
  makeKeys,
  pairOf,
  planLeaf,
  signLeaves,
  withSubject,
} from './leaf.ts';

export interface InitOptions {
  readonly directory: PkiDirectory;
  /** DNS names and IP addresses of the server and the route certificate; unused when `nodes` is given. */
  readonly hosts: readonly string[];
  readonly clients: readonly string[];
  /** Each node gets the pairs `NAME-server` and `NAME-route`, in place of `server` and `route`. */
  readonly nodes?: readonly { name: string; hosts: readonly string[] }[];
  /** Server pairs in place of the one named `server` (the multi-certificate template: one for each domain). */
  readonly servers?: readonly { name: string; hosts: readonly string[] }[];
  readonly authorityName: string;
  /** Stands before the common name in the subject of the authority and of each certificate. */
  readonly subject?: SubjectAttributes;
  readonly authorityDays: number;
  readonly days: number;
  readonly keyType: KeyType;
  /** Has an intermediate sign the leaves, so that the key of the root can be stored offline. */
  readonly intermediate?: { readonly days: number };
  /** The names that the authority may sign, at least one; undefined for all. */
  readonly permitted?: readonly NameConstraint[];
  /** Where peers ask whether certificates are revoked; default nowhere. */
  readonly addresses?: StatusAddresses;
  /** Encrypts the keys of the authority. */
  readonly passphrase?: string;
  /** Replaces an existing authority; the replaced files go to the archive. */
  readonly force?: boolean;
  /**
   * Further files, such as nats.conf, written in the same step as the certificates or not at all. The files that they
   * replace go to the archive.
   */
  readonly files?: readonly FileWrite[];
  readonly now?: () => Date;
  /** Called after each step; a certificate counts as two, its key and its signature. */
  readonly progress?: (done: number, total: number) => void;
}

/** Returns the default hosts of a server: localhost, 127.0.0.1, ::1, and the host name where it is a DNS name. */
export function defaultHosts(hostname: string): string[] {
  const always = ['localhost', '127.0.0.1', '::1'];
  return isHost(hostname) && !always.includes(hostname) ? [...always, hostname] : always;
}

/** Returns the users that the certificates of clients name under verify_and_map, where the authority may sign their names. */
export function mappedUsers(
  clients: readonly string[],
  permitted: readonly NameConstraint[] | undefined,
  subject: SubjectAttributes = {},
): string[] {
  return clients.map((name) => {
    const isOutside =
      permitted !== undefined &&
      faultOfNames({ permitted, excluded: [], hasOthers: false }, { sans: mappedSan(name) }) !== undefined;
    return mappedUser(name, isOutside, nameWith(subject, name));
  });
}

/** Throws `authority-exists` when the folder has an authority; lets a command fail before it asks the user anything. */
export async function refuseExistingAuthority(directory: PkiDirectory): Promise<void> {
  await directory.recover();
  refuseMember(directory);
  await refuseAuthority(directory);
}

/**
 * Makes the authority and the server, route, client and node certificates in one step. The result lists `ca` first, then
 * `intermediate` if requested.
 */
export async function initialize(options: InitOptions): Promise<IssuedCertificates> {
  const { directory, keyType, passphrase, force = false, files = [], progress = () => undefined } = options;
  const { addresses = noAddresses, subject = {} } = options;
  const now = (options.now ?? (() => new Date()))();
  checkDays(options.days, 'a certificate');
  checkDays(options.authorityDays, 'the authority');
  if (options.intermediate !== undefined) checkDays(options.intermediate.days, 'the intermediate');
  checkCommonName(options.authorityName, "the authority's name");
  checkSubject(subject);
  if (passphrase !== undefined) checkPassphrase(passphrase);
  const plans = await Promise.all(planLeaves(options).map((plan) => withSubject(plan, subject)));
  if (options.permitted !== undefined) refuseNamesOutside(plans, options.permitted);
  const authorityPair = directory.authorityPair;
  const refuse = async () => {
    refuseMember(directory);
    if (force) return;
    await refuseAuthority(directory);
    await directory.refuseExistingPairs(plans.map((plan) => plan.files));
  };
  await directory.recover();
  await refuse();
  let done = 0;
  const step = () => progress(++done, 2 * (plans.length + 1));
  const [key, keyed] = await Promise.all([generateKey(keyType), makeKeys(plans, keyType, step)]);
  step();
  const depth = options.intermediate === undefined ? 0 : 1;
  const root = await Authority.create(
    {
      commonName: options.authorityName,
      subject,
      key,
      days: options.authorityDays,
      now,
      addresses,
      nameConstraints:
        options.permitted && (await import('../../x509/sign.ts')).encodePermitted(options.permitted),
    },
    depth,
  );
  step();
  const { certificate } = root.current;
  const below =
    options.intermediate &&
    (await signIntermediate(directory, root, {
      commonName: intermediateName(options.authorityName),
      days: options.intermediate.days,
      key: await generateKey(keyType),
      now,
      passphrase,
    }));
  const authority = below?.authority ?? root;
  const { pairs, entries, listed } = await signLeaves(authority, keyed, now, step);
  const authorityWrite = await pairOf(authorityPair, [certificate], key, passphrase);
  const facts = { name: authorityPair.name, profile: 'authority', issuer: certificate.pin, now } as const;
  const above = [ledgerEntry(certificate, facts), ...(below === undefined ? [] : [below.entry])];
  return directory.exclusive(async () => {
    await refuse();
    const before = force ? (await directory.contents()).certificates : [];
    directory.changeAddresses(addresses);
    const replaced = await directory.write(
      {
        entries: [...above, ...entries],
        pairs: [authorityWrite, ...(below === undefined ? [] : [below.pair]), ...pairs],
        // An intermediate of the replaced authority does not belong to the new one.
        retired: below === undefined ? [directory.intermediatePair] : [],
        configurations: files,
      },
      now,
    );
    const left = before.filter((name) => !plans.some((plan) => plan.files.name === name));
    return {
      certificates: [
        rowOf(certificate, authorityPair, 'authority', now),
        ...(below === undefined ? [] : [below.row]),
        ...listed,
      ],
      notices: [
        ...directory.takeRecoveryNotices(),
        ...leafNotices(authority, plans, now),
        ...leftNotice(left),
        ...replaced.map((path) => `the configuration that was replaced is now ${path}`),
      ],
    };
  });
}

function planLeaves(options: InitOptions): LeafPlan[] {
  const { directory, hosts, clients, nodes = [], days } = options;
  const alone = nodes.length === 0;
  const servers = alone ? (options.servers ?? [{ name: 'server', hosts }]) : [];
  const dialed: [string, ProfileName, readonly string[]][] = [
    ...servers.map((server): [string, ProfileName, readonly string[]] => [
      server.name,
      'server',
      server.hosts,
    ]),
    ...(alone ? [['route', 'route', hosts] satisfies [string, ProfileName, readonly string[]]] : []),
    ...nodes.flatMap(({ name, hosts }): [string, ProfileName, readonly string[]][] => [
      [`${name}-server`, 'server', hosts],
      [`${name}-route`, 'route', hosts],
    ]),
  ];
  const plans = [
    ...dialed.map(([name, profile, names]) =>
      planLeaf(directory.pair(name), profile, days, sansOf(name, names)),
    ),
    ...clients.map((name) => planLeaf(directory.pair(name), 'client', days)),
  ];
  checkNames(plans.map((plan) => plan.files.name));
  return plans;
}

/** Throws `name-not-permitted` before anything is made. A client's name may be outside: its certificate omits it then. */
function refuseNamesOutside(plans: readonly LeafPlan[], permitted: readonly NameConstraint[]): void {
  for (const { files, profile, sans } of plans) {
    if (!profiles[profile].dialed) continue;
    const outside = sans.find((san) =>
      faultOfNames({ permitted, excluded: [], hasOthers: false }, { sans: [san] }),
    );
    if (outside === undefined) continue;
    const list = permitted.map(formatConstraint).join(' or ');
    throw new NatspkiError(
      'name-not-permitted',
      `${formatSan(outside)} of the certificate "${files.name}" is outside of what --permit allows, expected ${list}`,
      { hint: `name hosts inside with --host, or allow it with --permit ${formatSan(outside)}` },
    );
  }
}

function sansOf(name: string, hosts: readonly string[]): San[] {
  if (hosts.length === 0)
    throw new UsageError(`no host for the certificate "${name}"`, 'name one with --host');
  return hosts.map(sanOfHost);
}

/** Throws `member-folder`, also for --force: what another authority signed is of no use beside the roots of a new one. */
export function refuseMember(directory: PkiDirectory): void {
  directory.refuseMember('choose another folder with --dir');
}

async function refuseAuthority(directory: PkiDirectory): Promise<void> {
  if (!directory.hasAuthority()) return;
  throw new NatspkiError('authority-exists', `an authority already exists in "${directory.path}"`, {
    hint: 'issue from it with `natspki issue`, or pass --force to replace it and everything it signed',
  });
}

function leftNotice(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  return [`no longer trusted, since the authority that signed them was replaced: ${names.join(', ')}`];
}
