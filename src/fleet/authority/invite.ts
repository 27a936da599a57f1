// Makes, lists and withdraws invitations. The serving authority reads them from the folder, so it need not run.
import { NatspkiError, UsageError } from '../../errors.ts';
import { checkDays } from '../../pki/store/authority.ts';
import { checkName, type PkiDirectory } from '../../pki/store/directory.ts';
import { type ProfileName, sansFor } from '../../pki/store/profile.ts';
import { formatSan, type San } from '../../x509/name.ts';
import { encodeToken, hashSecret, maximumAuthorities, newSecret } from '../token.ts';
import { AuditLog } from './audit-log.ts';
import { daysOf } from './authority.ts';
import { type Invitation, Invitations } from './invitations.ts';
import { type LeafEntry, LedgerIndex } from './ledger-index.ts';

interface FolderOptions {
  readonly directory: PkiDirectory;
  readonly now?: () => Date;
}

export interface InviteOptions extends FolderOptions {
  readonly name: string;
  /** Required unless `again`. */
  readonly profile?: ProfileName;
  readonly sans?: readonly San[];
  /** The life of the certificate; default 365. */
  readonly days?: number;
  /** How long the token is valid, in milliseconds; default an hour. */
  readonly ttlMs?: number;
  readonly uses?: number;
  /** Where the authority answers: `https://HOST:PORT` for the first certificate, to renew also `tls://HOST:PORT`. */
  readonly urls: readonly string[];
  /** Gives a member that cannot renew its certificate any more a new one like it. */
  readonly again?: boolean;
}

/** An invitation without the hash of its secret, and how often it was used. */
export type ListedInvitation = Omit<Invitation, 'hash'> & {
  readonly used: number;
  readonly state: 'open' | 'used' | 'expired' | 'withdrawn';
};

const hourMs = 60 * 60 * 1000;

/**
 * Makes an invitation; returns its token, which is kept nowhere. Throws `certificate-exists` when the name has a live
 * certificate, unless `again`; with `again`, throws `no-certificate` when it never had one.
 */
export async function invite(
  options: InviteOptions,
): Promise<{ token: string; id: string; secret: string; invitation: ListedInvitation }> {
  const { directory, name, urls, ttlMs = hourMs, uses = 1, now: clock = () => new Date() } = options;
  checkName(name);
  checkUrls(urls);
  if (ttlMs <= 0) throw new UsageError('an invitation that expires at once is of no use', '--ttl 1h');
  await directory.recover();
  directory.refuseMember();
  return directory.exclusive(async () => {
    const now = clock();
    const roots = await directory.readBundle();
    const index = new LedgerIndex(directory.ledger);
    index.refresh();
    const known = await new Invitations(directory).read();
    const terms = options.again ? termsOf(index.newest.get(name), name) : newTerms(options, index, now);
    refuseSecondInvitation(name, known, index, now);
    const { id, secret } = newSecret();
    const invitation: Invitation = {
      id,
      hash: hashSecret(secret),
      name,
      ...terms,
      uses,
      created: now.toISOString(),
      expires: new Date(now.getTime() + ttlMs).toISOString(),
      ...(options.again ? { again: true as const } : {}),
    };
    const file = new Invitations(directory).replacedBy([...known.values(), invitation], now);
    await directory.write({ others: [file] }, now);
    await new AuditLog(directory).write([
      { time: now.toISOString(), action: 'invite', invitation: id, name },
    ]);
    const authorities = roots.slice(0, maximumAuthorities).map(({ pin }) => pin);
    const token = encodeToken({ id, secret, authorities, name, urls });
    return { token, id, secret: secret.toString('base64url'), invitation: listed(invitation, index, now) };
  });
}

/** Lists the invitations, the oldest first. */
export async function listInvitations({
  directory,
  now = () => new Date(),
}: FolderOptions): Promise<ListedInvitation[]> {
  await directory.recover();
  await directory.readBundle();
  const index = new LedgerIndex(directory.ledger);
  index.refresh();
  const invitations = await new Invitations(directory).read();
  return [...invitations.values()].map((invitation) => listed(invitation, index, now()));
}

/** Makes a token useless from now on; throws `no-invitation` for an unknown id. */
export async function withdraw({
  directory,
  id,
  now: clock = () => new Date(),
}: FolderOptions & { readonly id: string }): Promise<ListedInvitation> {
  await directory.recover();
  await directory.readBundle();
  return directory.exclusive(async () => {
    const now = clock();
    const index = new LedgerIndex(directory.ledger);
    index.refresh();
    const invitations = new Invitations(directory);
    const known = new Map(await invitations.read());
    const found = known.get(id);
    if (found === undefined) {
      throw new NatspkiError('no-invitation', `there is no invitation "${id}"`, {
        hint: 'natspki invite --list',
      });
    }
    const withdrawn = { ...found, withdrawn: found.withdrawn ?? now.toISOString() };
    known.set(id, withdrawn);
    await directory.write({ others: [invitations.replacedBy(known.values(), now)] }, now);
    await new AuditLog(directory).write([
      { time: now.toISOString(), action: 'withdraw', invitation: id, name: found.name },
    ]);
    return listed(withdrawn, index, now);
  });
}

/** Throws a UsageError unless a member can reach the authority at the URLs, and enrol at one of them. */
export function checkUrls(urls: readonly string[]): void {
  const hint = '--url https://HOST:PORT';
  for (const url of urls) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    const isPlain = parsed?.username === '' && /^\/?$/.test(parsed.pathname) && parsed.search === '';
    if (!(parsed && isPlain && /^(https|nats|tls):$/.test(parsed.protocol) && parsed.host !== '')) {
      throw new UsageError(`"${url}" is not where an authority answers, expected https://HOST:PORT`, hint);
    }
  }
  if (urls.some((url) => /^https:/i.test(url))) return;
  throw new UsageError(
    'an invitation needs the https URL of the authority',
    `${hint}, or start natspki serve first`,
  );
}

type Terms = Pick<Invitation, 'profile' | 'sans' | 'days'>;

function newTerms(options: InviteOptions, index: LedgerIndex, now: Date): Terms {
  const { name, profile, sans = [], days = 365 } = options;
  if (profile === undefined) throw new UsageError('an invitation needs a profile', 'natspki invite --help');
  checkDays(days, 'the certificate');
  const newest = index.newest.get(name);
  if (newest !== undefined && now < new Date(newest.notAfter) && !index.isRevoked(newest.serial)) {
    throw new NatspkiError('certificate-exists', `"${name}" already has a certificate`, {
      hint: `if its host cannot renew it any more: natspki invite --again ${name}`,
    });
  }
  return { profile, days, sans: sansFor(profile, name, sans, 'invite').map(formatSan) };
}

/** Returns what the ledger has for a name. */
function termsOf(newest: LeafEntry | undefined, name: string): Terms {
  if (newest === undefined) {
    throw new NatspkiError('no-certificate', `no certificate "${name}" was issued here`, {
      hint: `natspki invite PROFILE ${name}`,
    });
  }
  return { profile: newest.profile, sans: newest.sans, days: daysOf(newest) };
}

function refuseSecondInvitation(
  name: string,
  known: ReadonlyMap<string, Invitation>,
  index: LedgerIndex,
  now: Date,
): void {
  const open = [...known.values()].find(
    (each) => each.name === name && listed(each, index, now).state === 'open',
  );
  if (open === undefined) return;
  throw new NatspkiError('invitation-exists', `an invitation for "${name}" is open, ${open.id}`, {
    hint: `natspki invite --withdraw ${open.id}`,
  });
}

function listed(invitation: Invitation, index: LedgerIndex, now: Date): ListedInvitation {
  const { hash: _, ...rest } = invitation;
  const used = index.usesOf(invitation.id).length;
  const isExpired = now >= new Date(invitation.expires);
  const isUsed = used >= invitation.uses;
  const state =
    invitation.withdrawn !== undefined ? 'withdrawn' : isUsed ? 'used' : isExpired ? 'expired' : 'open';
  return { ...rest, used, state };
}
