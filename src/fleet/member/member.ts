// A member of a fleet: renews the pairs of its folder with keys that it makes itself. Killed at any moment, it goes on where
// it was: the key is on disk before the authority is asked, and stays until the servers are told about the new pair.
import type { KeyObject } from 'node:crypto';
import { NatspkiError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import { type ListedCertificate, profileByPurpose, rowOf } from '../../pki/store/listing.ts';
import { generateKey, renewedKeyType } from '../../x509/key.ts';
import { type Followers, type Told, tell } from './followers.ts';
import type { AuthorityLink, CurrentPair } from './link.ts';
import { openLinks, throughAny } from './links.ts';
import { type MemberFile, memberWrite, readMemberFile } from './member-file.ts';
import { forgetPending, installPair, readPair, restorePair, type Untold, untoldNames } from './pair.ts';
import { isPendingFor, readPendingKey, writePendingKey } from './pending-key.ts';
import { type AcceptedReply, acceptReply, acceptStatement, type Trust, takeRoots } from './trust.ts';

export interface MemberOptions extends Followers {
  readonly directory: PkiDirectory;
  /** URLs of the authority; default those that the folder has from its enrolment. */
  readonly from?: readonly string[];
  readonly keepKey?: boolean;
  readonly now?: () => Date;
  /** Opens the ways to the authority. */
  readonly links?: (from: readonly string[], directory: PkiDirectory) => readonly AuthorityLink[];
}

/** A certificate that could not be renewed. */
export interface RenewalFailure {
  readonly name: string;
  readonly error: NatspkiError;
}

/** What a round of renewals did. */
export interface Renewals extends Told {
  readonly certificates: readonly ListedCertificate[];
  /** Whether ca.pem has changed. */
  readonly rootsChanged: boolean;
  readonly notices: readonly string[];
  readonly failures: readonly RenewalFailure[];
}

/** A renewal that is under way. */
interface Started {
  readonly trust: Trust;
  readonly current: CurrentPair;
  readonly key: KeyObject;
}

/** A server refused the new pairs, and the previous ones are in their place again. */
class PutBack extends NatspkiError {
  override readonly name = 'PutBack';
  readonly names: readonly string[];

  /** @param trouble what went wrong as the servers were told about it */
  constructor(cause: NatspkiError, names: readonly string[], trouble: readonly string[] = []) {
    super(cause.code, [...cause.lines, `put the previous pair of ${names.join(', ')} back`, ...trouble], {
      cause,
      hint: 'the log of the server says what is wrong with the new one',
    });
    this.names = names;
  }
}

export class Member {
  readonly directory: PkiDirectory;
  readonly links: readonly AuthorityLink[];
  readonly #options: MemberOptions;
  readonly #now: () => Date;
  #rootsChanged = false;

  private constructor(options: MemberOptions, links: readonly AuthorityLink[]) {
    this.#options = options;
    this.directory = options.directory;
    this.links = links;
    this.#now = options.now ?? (() => new Date());
  }

  /**
   * Opens a member's folder. Throws `authority-exists` for the folder of an authority, `no-authority` without a ca.pem, and
   * `no-member` where no URL is known.
   */
  static async open(options: MemberOptions): Promise<Member> {
    const { directory, from, links = openLinks } = options;
    await directory.recover();
    refuseAuthority(directory);
    await directory.readBundle();
    const urls = from ?? (await readMemberFile(directory))?.from ?? [];
    if (urls.length === 0) {
      throw new NatspkiError('no-member', `"${directory.path}" does not say where its authority is`, {
        hint: 'name it with --from URL, or enrol this host with `natspki enroll TOKEN`',
      });
    }
    return new Member(options, links(urls, directory));
  }

  /**
   * Renews the named pairs, then tells the servers; also those of an earlier process that was killed before. Puts the old
   * pairs back when `verify` finds that the server refuses the new ones. Rejects only when the signal is aborted, or for a defect.
   */
  async renew(names: readonly string[], signal: AbortSignal): Promise<Renewals> {
    const certificates: ListedCertificate[] = [];
    const notices: string[] = [];
    const failures: RenewalFailure[] = [];
    for (const name of names) {
      try {
        const { row, doubt } = await this.#renewPair(name, signal);
        certificates.push(row);
        if (doubt !== undefined) notices.push(`ca.pem stays as it is: ${doubt}`);
      } catch (error) {
        if (!(error instanceof NatspkiError)) throw error;
        failures.push({ name, error });
      }
    }
    notices.push(...this.directory.takeRecoveryNotices());
    let told: Told = { reloaded: [], served: [] };
    const rootsChanged = this.#rootsChanged;
    try {
      told = await this.#tell(signal);
    } catch (error) {
      if (!(error instanceof NatspkiError)) throw error;
      failures.push({ name: names.join(', '), error });
      const restored = error instanceof PutBack ? error.names : [];
      const kept = certificates.filter(({ name }) => !restored.includes(name));
      return { certificates: kept, rootsChanged, notices, failures, ...told };
    }
    return { certificates, rootsChanged, notices, failures, ...told };
  }

  /** Takes new roots from the authority's trust statement. Throws `unreachable`, `untrusted-statement`, ... */
  async refreshTrust(signal: AbortSignal): Promise<void> {
    const trust = await this.#trust();
    const accept = (text: string) => acceptStatement(text, trust);
    const statement = await throughAny(
      this.links,
      (link) => link.statement(trust.roots, accept, signal),
      signal,
    );
    if (statement !== undefined) await this.#takeRoots(statement);
  }

  async #trust(): Promise<Trust> {
    const { directory } = this;
    const member = (await readMemberFile(directory)) ?? this.#newFile;
    return { roots: await directory.readBundle(), member };
  }

  get #newFile(): MemberFile {
    return { from: this.#options.from ?? [], counter: 0 };
  }

  async #renewPair(
    name: string,
    signal: AbortSignal,
  ): Promise<{ row: ListedCertificate } & Pick<AcceptedReply, 'doubt'>> {
    const started = await this.directory.exclusive(() => this.#start(name));
    const { trust, current, key } = started;
    const [leaf] = current.chain;
    const { makeRequest } = await import('../../x509/sign.ts');
    const { commonName, subjectDer, sans } = leaf;
    const request = await makeRequest({ commonName, subjectDer, sans }, key);
    const ask = { current, request, roots: trust.roots, now: this.#now() };
    const accepted = await throughAny(
      this.links,
      (link) => link.renew(ask, (reply) => acceptReply(reply, key, trust), signal),
      signal,
    );
    const { chain, statement, doubt } = accepted;
    // The roots first: a peer may present a certificate of the new authority as soon as this host does.
    if (statement !== undefined) await this.#takeRoots(statement);
    await this.directory.exclusive(() => this.#install(started, chain));
    const row = rowOf(chain[0], current.files, profileByPurpose(chain[0]), this.#now());
    return { row, ...(doubt === undefined ? {} : { doubt }) };
  }

  /** Reads the pair that asks, and makes the key to ask for, unless it was asked for before. */
  async #start(name: string): Promise<Started> {
    const { directory } = this;
    const trust = await this.#trust();
    const current = await readPair(directory, name);
    const [leaf] = current.chain;
    const pending = await readPendingKey(directory, 'pending', name);
    if (pending !== undefined && isPendingFor(pending, leaf)) return { trust, current, key: pending.key };
    const key = this.#options.keepKey ? current.key : await generateKey(renewedKeyType(leaf.keyType));
    await writePendingKey(directory, 'pending', name, { key, by: leaf.serial }, this.#now());
    return { trust, current, key };
  }

  async #takeRoots(statement: NonNullable<AcceptedReply['statement']>): Promise<void> {
    await this.directory.exclusive(async () => {
      // Another process may have taken a newer one meanwhile.
      const changed = await takeRoots(this.directory, await this.#trust(), statement, this.#now());
      this.#rootsChanged ||= changed;
    });
  }

  async #install({ current, key }: Started, chain: AcceptedReply['chain']): Promise<void> {
    const { directory } = this;
    const { name } = current.files;
    const present = await directory.readChain(name);
    // Another process may have installed the same answer, or put another pair here.
    if (present[0].serial !== current.chain[0].serial) return;
    const others = exists(directory.memberFile) ? [] : [memberWrite(directory, this.#newFile)];
    await installPair(directory, name, { chain, key }, this.#now(), { others });
  }

  async #tell(signal: AbortSignal): Promise<Told> {
    const { directory } = this;
    const untold = await untoldNames(directory);
    if (untold.length === 0 && !this.#rootsChanged) return { reloaded: [], served: [] };
    const names = untold.map(({ name }) => name);
    try {
      const told = await tell(this.#options, directory, names, signal);
      this.#rootsChanged = false;
      await directory.exclusive(() => forgetPending(directory, names, this.#now()));
      return told;
    } catch (error) {
      if (!(error instanceof NatspkiError && error.code === 'not-served')) throw error;
      throw await this.#putBack(untold, error, signal);
    }
  }

  /** Puts the old pairs back because a server refuses the new ones; returns the error with what was done. */
  async #putBack(
    untold: readonly Untold[],
    refused: NatspkiError,
    signal: AbortSignal,
  ): Promise<NatspkiError> {
    const { directory } = this;
    const restored: string[] = [];
    await directory.exclusive(async () => {
      for (const each of untold) {
        if (await restorePair(directory, each, this.#now())) restored.push(each.name);
      }
    });
    if (restored.length === 0) return refused;
    const { verify: _, ...followers } = this.#options;
    try {
      await tell(followers, directory, restored, signal);
    } catch (error) {
      if (!(error instanceof NatspkiError)) throw error;
      return new PutBack(refused, restored, error.lines);
    }
    return new PutBack(refused, restored);
  }
}

/** Throws `authority-exists` when a folder has the key or the intermediate of an authority. */
export function refuseAuthority(directory: PkiDirectory): void {
  const { authorityKeyFile, intermediateFile, intermediateKeyFile } = directory;
  if (![authorityKeyFile, intermediateFile, intermediateKeyFile].some(exists)) return;
  throw new NatspkiError('authority-exists', `"${directory.path}" is the folder of an authority`, {
    hint: 'renew there with `natspki rotate`, or name the folder of a member with --dir',
  });
}
