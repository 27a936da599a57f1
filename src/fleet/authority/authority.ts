// The authority of a fleet: decides about requests of hosts that keep their private keys, signs, and records what it did.
// NATS and EST share it. Several of them, and every other command, may work on one folder: each change takes the lock of
// the folder and begins with what the folder says then.
import { NatspkiError } from '../../errors.ts';
import { given } from '../../given.ts';
import type { Logger } from '../../log.ts';
import { signLeaves } from '../../pki/issue/leaf.ts';
import { issuedDays } from '../../pki/rotate/plan.ts';
import type { PinChange } from '../../pki/rotate/rotate.ts';
import { renewalTime } from '../../pki/rotate/schedule.ts';
import type { Authority } from '../../pki/store/authority.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import type { MemberRecord } from '../../pki/store/ledger.ts';
import type { ProfileName } from '../../pki/store/profile.ts';
import { Certificate, toPem } from '../../x509/certificate.ts';
import { parseSan } from '../../x509/name.ts';
import type { Pin } from '../../x509/pin.ts';
import type { CertificateRequest } from '../../x509/request.ts';
import type { Decision, EnrolRequest, Granted, Refused, RenewRequest, Transport } from '../decision.ts';
import { AuditLog, type AuditRecord, audited, describeRecord } from './audit-log.ts';
import { type Asking, acceptRequest, checkAsking, checkKey, checkToken, refusal } from './checks.ts';
import { type Invitation, Invitations } from './invitations.ts';
import { type LeafEntry, LedgerIndex } from './ledger-index.ts';
import { Tally } from './tally.ts';
import { readTrustState, type TrustState, versionOfAuthority } from './trust-state.ts';

export interface FleetOptions {
  readonly directory: PkiDirectory;
  /** Opens the key of the authority. */
  readonly passphrase?: string;
  /** How long after its end a certificate may still be renewed, in milliseconds; default 0. */
  readonly graceMs?: number;
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Makes servers accept new pins; called before the answers of renewals that change a key are given. */
  readonly announce?: (changes: readonly PinChange[]) => Promise<void>;
  readonly now?: () => Date;
}

/** A request that waits for the lock. */
interface Waiting {
  readonly decide: (signing: Signing) => Promise<Outcome>;
  readonly resolve: (decision: Decision) => void;
  readonly reject: (error: unknown) => void;
  readonly record: AuditRecord;
  readonly over: Transport;
}

/** The state of the folder while it is locked. */
interface Signing {
  readonly authority: Authority;
  readonly invitations: ReadonlyMap<string, Invitation>;
  readonly now: Date;
}

interface Outcome {
  readonly decision: Decision;
  readonly entry?: LeafEntry;
  readonly change?: PinChange;
}

/** What the authority gives to a name; the request decides on nothing of it. */
interface Grant {
  readonly name: string;
  readonly profile: ProfileName;
  readonly sans: readonly string[];
  readonly days: number;
  readonly subjectDer?: Buffer;
  readonly member: Pick<MemberRecord, 'over' | 'replaces' | 'invitation'>;
}

/** How many requests are decided under one lock and written together. */
const batchSize = 64;

export class FleetAuthority {
  readonly tally = new Tally();
  readonly audit: AuditLog;
  readonly index: LedgerIndex;
  readonly directory: PkiDirectory;
  readonly #options: FleetOptions;
  readonly #now: () => Date;
  readonly #invitations: Invitations;
  #authority: Authority;
  #version: string;
  readonly #queue: Waiting[] = [];
  #working: Promise<void> | undefined;

  private constructor(options: FleetOptions, authority: Authority, version: string) {
    this.#options = options;
    this.directory = options.directory;
    this.#now = options.now ?? (() => new Date());
    this.#authority = authority;
    this.#version = version;
    this.audit = new AuditLog(options.directory, this.#now);
    this.index = new LedgerIndex(options.directory.ledger);
    this.#invitations = new Invitations(options.directory);
  }

  /** Opens the authority of a folder; throws a NatspkiError when it cannot sign. */
  static async open(options: FleetOptions): Promise<FleetAuthority> {
    const { directory, passphrase } = options;
    await directory.recover();
    const version = versionOfAuthority(directory);
    const fleet = new FleetAuthority(options, await directory.readAuthority(passphrase), version);
    fleet.index.refresh();
    fleet.tally.remember(await fleet.audit.last(50, ({ decision }) => decision === 'refused'));
    return fleet;
  }

  /** The pin of the root that signs, directly or through an intermediate: what requests are addressed to. */
  get pin(): Pin {
    return this.#authority.roots[0].pin;
  }

  /** The roots that are trusted now, the current one first. */
  get roots(): Authority['roots'] {
    return this.#authority.roots;
  }

  /** The authority that signs now. */
  get signing(): Authority {
    return this.#authority;
  }

  /** Records that a transport refused a request by itself. */
  async refuse(refused: Refused, over: Transport, peer: string): Promise<void> {
    await this.#refused(this.#record('renew', over, peer), over, refused);
  }

  /** Gives the first certificate for an invitation. */
  async enroll({ id, secret, request, peer }: EnrolRequest): Promise<Decision> {
    const over = 'token';
    const record = this.#record('enroll', over, peer, /^[0-9a-f]{16}$/.test(id) ? { invitation: id } : {});
    const invited = checkToken((await this.#invitations.read()).get(id), secret);
    // A stranger does not get to take the lock of the folder.
    if ('granted' in invited) return this.#refused(record, over, invited);
    return this.#decide(record, over, async (signing) => {
      const invitation = checkToken(signing.invitations.get(id), secret);
      if ('granted' in invitation) return { decision: invitation };
      const accepted = acceptRequest(request);
      if ('granted' in accepted) return { decision: { ...accepted, name: invitation.name } };
      return this.#invited(invitation, accepted, signing);
    });
  }

  /** Renews a certificate for the names, the profile and the life that the ledger has for it. */
  async renew({ chain, request, transport, peer }: RenewRequest): Promise<Decision> {
    // Everything that needs no lock first.
    const accepted = acceptRequest(request);
    const record = this.#record('renew', transport, peer);
    // A stranger does not get to take the lock of the folder; over NATS its chain was verified already.
    const key = 'granted' in accepted ? undefined : accepted.pin;
    if (transport === 'est' && 'granted' in this.#checkAsking(chain, key)) {
      await this.refresh();
      const asking = this.#checkAsking(chain, key);
      if ('granted' in asking) return this.#refused(record, transport, asking);
    }
    return this.#decide(record, transport, async (signing) => {
      const asking = this.#checkAsking(chain, key, signing.now);
      if ('granted' in asking) return { decision: asking };
      if ('granted' in accepted) return { decision: { ...accepted, name: asking.name } };
      return this.#renewal(asking, accepted, transport, signing);
    });
  }

  /** What members should trust now, and who still depends on a retired root. */
  async trustState(): Promise<TrustState> {
    return this.directory.exclusive(async () => {
      await this.#refresh();
      const { directory, index } = this;
      return readTrustState({ directory, index, roots: this.roots, now: this.#now() });
    });
  }

  /** Reads what other processes changed in the folder. */
  async refresh(): Promise<void> {
    await this.directory.recover();
    await this.#refresh();
  }

  async invitations(): Promise<ReadonlyMap<string, Invitation>> {
    return this.#invitations.read();
  }

  /** Resolves when no request waits any more. */
  async idle(): Promise<void> {
    await this.#working;
  }

  #checkAsking(chain: readonly Buffer[], key: Pin | undefined, now = this.#now()): Asking | Refused {
    const { roots, intermediates, current } = this.#authority;
    const { graceMs = 0 } = this.#options;
    const policy = { roots, intermediates, issuer: current.certificate.pin, index: this.index, graceMs };
    return checkAsking({ ...policy, chain, now, ...given({ key }) });
  }

  async #refused(record: AuditRecord, over: Transport, decision: Refused): Promise<Refused> {
    this.tally.count(decision, over);
    await this.#remember([audited(record, decision)]);
    return decision;
  }

  #record(
    action: AuditRecord['action'],
    over: Transport,
    peer: string,
    more: Partial<AuditRecord> = {},
  ): AuditRecord {
    return { time: this.#now().toISOString(), action, over, peer, ...more };
  }

  /** Writes records to the audit log, and what is written there to the log of the process. */
  async #remember(records: readonly AuditRecord[]): Promise<void> {
    const written = await this.audit.write(records);
    this.tally.remember(written);
    const { logger } = this.#options;
    for (const record of written) {
      if (record.decision === 'refused' || record.action === 'left-out') logger.warn(describeRecord(record));
      else logger.info(describeRecord(record));
    }
  }

  #decide(record: AuditRecord, over: Transport, decide: Waiting['decide']): Promise<Decision> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ record, over, decide, resolve, reject });
      this.#working ??= this.#work().finally(() => {
        this.#working = undefined;
      });
    });
  }

  /** Decides about requests in batches: one lock, one write to the disk and one change of pins for all that wait. */
  async #work(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, batchSize);
      try {
        const outcomes = await this.directory.exclusive(async () => {
          for (const notice of this.directory.takeRecoveryNotices()) this.#options.logger.warn(notice);
          await this.#refresh();
          return this.#decideTogether(batch);
        });
        const changes = outcomes.flatMap(({ change }) => change ?? []);
        if (changes.length > 0) await this.#options.announce?.(changes);
        const records = batch.map((each, i) => audited(each.record, (outcomes[i] as Outcome).decision));
        await this.#remember(records);
        for (const [i, { resolve, over }] of batch.entries()) {
          const { decision } = outcomes[i] as Outcome;
          this.tally.count(decision, over);
          resolve(decision);
        }
      } catch (error) {
        // What was not written must not be remembered.
        this.index.forget();
        for (const { reject } of batch) reject(error);
      }
    }
  }

  async #decideTogether(batch: readonly Waiting[]): Promise<Outcome[]> {
    const signing = {
      authority: this.#authority,
      invitations: await this.#invitations.read(),
      now: this.#now(),
    };
    const outcomes: Outcome[] = [];
    const entries: LeafEntry[] = [];
    for (const { decide } of batch) {
      const outcome = await decide(signing);
      outcomes.push(outcome);
      if (outcome.entry === undefined) continue;
      entries.push(outcome.entry);
      // The next request of the batch has to see it.
      this.index.expect(outcome.entry);
    }
    if (entries.length > 0) await this.index.record(entries);
    return outcomes;
  }

  async #refresh(): Promise<void> {
    const { directory, passphrase, logger } = this.#options;
    const version = versionOfAuthority(directory);
    if (version !== this.#version) {
      this.#authority = await directory.readAuthority(passphrase);
      this.#version = version;
      logger.info(`Reloaded: "${this.#authority.current.certificate.commonName}" signs`);
    }
    this.index.refresh();
  }

  async #invited(invitation: Invitation, request: CertificateRequest, signing: Signing): Promise<Outcome> {
    const { id, name, profile, sans, days, again = false } = invitation;
    const refuse = (code: Refused['code'], reason: string) => ({ decision: refusal(code, reason, name) });
    if (invitation.withdrawn !== undefined)
      return refuse('invitation-withdrawn', 'the invitation was withdrawn');
    const uses = this.index.usesOf(id);
    const newest = this.index.newest.get(name);
    const repeats = uses.at(-1)?.pin === request.pin && uses.at(-1)?.serial === newest?.serial;
    if (repeats && newest !== undefined) return this.#again(newest, signing);
    if (signing.now >= new Date(invitation.expires))
      return refuse('invitation-expired', 'the invitation has expired');
    if (uses.length >= invitation.uses) return refuse('invitation-used', 'the invitation was already used');
    const own = uses.some(({ serial }) => serial === newest?.serial);
    if (newest !== undefined && !again && !own && this.#isLive(newest, signing.now)) {
      return refuse('name-taken', `"${name}" has a certificate by now`);
    }
    const foreign = checkKey(request.pin, name, this.index);
    if (foreign !== undefined) return { decision: foreign };
    const member = { over: 'token', invitation: id };
    const outcome = await this.#sign({ name, profile, sans, days, member }, request, signing);
    return { ...outcome, ...given({ change: changeOf(newest, request) }) };
  }

  async #renewal(
    { leaf, name, newest }: { leaf: Certificate; name: string; newest: LeafEntry },
    request: CertificateRequest,
    transport: Transport,
    signing: Signing,
  ): Promise<Outcome> {
    const refuse = (code: Refused['code'], reason: string) => ({ decision: refusal(code, reason, name) });
    const successor = this.index.issued(leaf.serial)?.successor;
    // A request that is repeated after the authority was replaced leads to a second certificate for the key of the first.
    const isSecond = successor === undefined && newest.pin === leaf.pin;
    if (newest.serial !== leaf.serial && !isSecond) {
      if (successor !== undefined && successor.pin !== request.pin) {
        const reason = `renewed twice from serial ${leaf.serial} of "${name}": its key was copied`;
        return refuse('renewed-twice', reason);
      }
      if (successor?.serial !== newest.serial) {
        const reason = `certificate ${leaf.serial} of "${name}" is not its newest, which is ${newest.serial}`;
        return refuse('superseded', reason);
      }
      if (newest.issuer === signing.authority.current.certificate.pin) {
        const change = { name, from: leaf.pin, to: request.pin };
        return { ...(await this.#again(newest, signing)), ...(leaf.pin === request.pin ? {} : { change }) };
      }
    }
    const foreign = checkKey(request.pin, name, this.index, leaf.pin);
    if (foreign !== undefined) return { decision: foreign };
    const { profile, sans } = newest;
    const member = { over: transport, replaces: leaf.serial };
    const { subjectDer } = leaf;
    const grant = { name, profile, sans, days: daysOf(newest), subjectDer, member };
    const outcome = await this.#sign(grant, request, signing);
    return { ...outcome, ...given({ change: changeOf(leaf, request, name) }) };
  }

  async #sign(grant: Grant, request: CertificateRequest, { authority, now }: Signing): Promise<Outcome> {
    const { name, profile, days, subjectDer, member } = grant;
    const files = this.directory.pair(name);
    const plan = { files, profile, days, sans: grant.sans.map(parseSan), key: request.publicKey };
    let signed: Awaited<ReturnType<typeof signLeaves>>;
    try {
      signed = await signLeaves(authority, [{ ...plan, ...given({ subjectDer }) }], now, () => {});
    } catch (error) {
      if (!(error instanceof NatspkiError)) throw error;
      return { decision: { ...refusal('authority-unusable', error.message, name), answer: unusableAnswer } };
    }
    const chain = signed.pairs[0]?.certificate as string;
    const [leaf] = signed.certificates as [Certificate];
    const entry = {
      ...(signed.entries[0] as LeafEntry),
      outside: true as const,
      member: { ...member, days, certificate: leaf.der.toString('base64') },
    };
    return { decision: granted(name, leaf, chain, false), entry };
  }

  /** Answers as before. */
  async #again(entry: LeafEntry, { authority, now }: Signing): Promise<Outcome> {
    const leaf = new Certificate(Buffer.from(entry.member?.certificate ?? '', 'base64'));
    const behind = authority.chain.filter(({ notAfter }) => now < notAfter);
    return { decision: granted(entry.name, leaf, toPem([leaf, ...behind]), true) };
  }

  #isLive({ serial, notAfter }: LeafEntry, now: Date): boolean {
    return now < new Date(notAfter) && !this.index.isRevoked(serial);
  }
}

const unusableAnswer = 'the authority cannot sign now';

function granted(name: string, leaf: Certificate, chain: string, repeated: boolean): Granted {
  const { serial, notAfter } = leaf;
  return { granted: true, name, serial, chain, notAfter, renewAt: renewalTime(leaf), repeated };
}

/** Returns the life that a name was given, in days; that of its certificate where it was not recorded. */
export function daysOf({ member, notBefore, notAfter }: LeafEntry): number {
  return member?.days ?? issuedDays({ notBefore: new Date(notBefore), notAfter: new Date(notAfter) });
}

function changeOf(
  before: { readonly pin: string; readonly name?: string } | undefined,
  request: CertificateRequest,
  name = before?.name ?? '',
): PinChange | undefined {
  if (before === undefined || before.pin === request.pin) return undefined;
  return { name, from: before.pin as Pin, to: request.pin };
}
