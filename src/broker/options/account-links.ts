// Which exports and imports of the configured accounts fit together, and what comes of them: nothing is imported that is
// not exported to the account, and nothing comes back to where it came from (nats-server's accounts.go).
import type { ConfProblem } from '../../conf/error.ts';
import type { Position } from '../../conf/value.ts';
import { MappingError, SubjectMapping, withPlaceholders, withWildcards } from '../../subjects/mapping.ts';
import { covers, isSubscribable, overlap } from '../../subjects/subject.ts';
import type { ExportOptions, ImportOptions, Placed, ResponseType } from './account-options.ts';
import type { LatencyOptions } from './latency-options.ts';

/** A stream of another account: what is published there under `from` is delivered here under `to`. */
export interface StreamLink {
  readonly account: string;
  readonly exporter: string;
  readonly from: string;
  /** With wildcards where `mapped` has placeholders. */
  readonly to: string;
  /** Undefined where subjects stay as they are, and where `to` is the only one. */
  readonly mapped: string | undefined;
}

/** A service of another account: what is published here under `from` is published there under `to`. */
export interface ServiceLink {
  readonly account: string;
  readonly exporter: string;
  readonly from: string;
  readonly to: string;
  /** How `from` becomes `to`; undefined where subjects stay as they are, and where `to` is the only one. */
  readonly mapped: string | undefined;
  readonly share: boolean;
  /** The export, by which a request that goes in circles is known. */
  readonly export: string;
  readonly responseType: ResponseType;
  readonly thresholdMs: number;
  /** Undefined where the service is not measured. */
  readonly latency: LatencyOptions | undefined;
}

export interface AccountLinks {
  readonly streams: readonly StreamLink[];
  readonly services: readonly ServiceLink[];
}

export const noLinks: AccountLinks = { streams: [], services: [] };

/** What one account says. */
export interface AccountSaying {
  readonly name: string;
  readonly exports: readonly Placed<ExportOptions>[];
  readonly imports: readonly Placed<ImportOptions>[];
}

/** More accounts in a row than this are taken for a cycle. */
const maxDepth = 1024;

/** Links accounts; what does not fit becomes a problem with the place of its entry. */
export function linkAccounts(accounts: readonly AccountSaying[], problems: ConfProblem[]): AccountLinks {
  const linker = new Linker(accounts, problems);
  for (const account of accounts) linker.checkExports(account);
  if (problems.some(({ severity }) => severity === 'error')) return noLinks;
  for (const kind of ['stream', 'service'] as const) {
    for (const { name, imports } of accounts) {
      for (const entry of imports) {
        if (entry.options.kind === kind) linker.link(name, entry);
      }
    }
  }
  return linker.links;
}

class Linker {
  readonly links: { streams: StreamLink[]; services: ServiceLink[] } = { streams: [], services: [] };
  readonly #accounts: ReadonlyMap<string, AccountSaying>;
  readonly #problems: ConfProblem[];

  constructor(accounts: readonly AccountSaying[], problems: ConfProblem[]) {
    this.#accounts = new Map(accounts.map((account) => [account.name, account]));
    this.#problems = problems;
  }

  checkExports({ exports }: AccountSaying): void {
    for (const { options, position } of exports) {
      for (const name of options.accounts ?? []) {
        if (this.#accounts.has(name)) continue;
        this.#error(
          position,
          `${nameOf(options)} is exported to account "${name}", and there is no such account`,
        );
      }
    }
  }

  link(importer: string, { options, position }: Placed<ImportOptions>): void {
    const { kind, account, to } = options;
    const name = `${nameOf(options)} of account "${account}"`;
    const exporter = this.#accounts.get(account);
    if (exporter === undefined) {
      this.#error(position, `there is no account "${account}" to import from`, `name one of accounts`);
      return;
    }
    const found = authorizing(exporter, options, importer);
    if (found === undefined) {
      const hint = `export it there, to account "${importer}" if not to all`;
      this.#error(position, `${name} is not exported to account "${importer}"`, hint);
      return;
    }
    try {
      if (kind === 'stream') this.#stream(importer, options);
      else this.#service(importer, options, found);
    } catch (error) {
      if (!(error instanceof MappingError)) throw error;
      this.#error(position, `${name} cannot be imported as "${to}": ${error.message}`);
    }
  }

  #stream(importer: string, { account: exporter, subject: from, to }: ImportOptions): void {
    const { streams } = this.links;
    if (
      this.#streamComesBack(exporter, to, [importer]) ||
      this.#streamComesBack(exporter, from, [importer])
    ) {
      throw new MappingError('it comes back to where it came from');
    }
    const isMapped = hasWildcard(from) && to !== from;
    const mapped = isMapped ? withPlaceholders(to) : undefined;
    if (mapped !== undefined) new SubjectMapping(from, mapped);
    else if (!isSubject(to)) throw new MappingError('it is not a subject');
    if (
      streams.some((link) => link.account === importer && link.exporter === exporter && link.from === from)
    ) {
      throw new MappingError('it is imported already');
    }
    streams.push({ account: importer, exporter, from, to: isMapped ? withWildcards(to) : to, mapped });
  }

  #service(importer: string, options: ImportOptions, found: ExportOptions): void {
    const { account: exporter, subject: to, to: from, share } = options;
    const { services } = this.links;
    if (!isSubject(from)) throw new MappingError('it is not a subject');
    const wild = hasWildcard(to);
    if (this.#requestComesBack(exporter, wild ? withWildcards(from) : from, [importer])) {
      throw new MappingError('it comes back to where it came from');
    }
    const reversed =
      wild && to !== from ? new SubjectMapping(withWildcards(to), withPlaceholders(from)) : undefined;
    const local = reversed?.target ?? from;
    if (
      services.some((link) => link.account === importer && link.exporter === exporter && link.from === local)
    ) {
      throw new MappingError('the account has a service of that name already');
    }
    services.push({
      account: importer,
      exporter,
      from: local,
      to,
      mapped: reversed?.reverse().destination,
      share,
      export: `${exporter} ${found.subject}`,
      responseType: found.responseType,
      thresholdMs: found.thresholdMs,
      latency: found.latency,
    });
  }

  /** Whether what an account publishes under this subject may reach one of those that it came through. */
  #streamComesBack(account: string, subject: string, through: readonly string[]): boolean {
    if (through.length >= maxDepth) return true;
    const exported = this.#accounts
      .get(account)
      ?.exports.some(({ options }) => options.kind === 'stream' && takesIn(options.subject, subject));
    if (exported !== true) return false;
    return this.links.streams
      .filter((link) => link.account === account && overlap(tokensOf(subject), tokensOf(link.to)))
      .some(({ exporter, to }) => {
        const narrower = takesIn(subject, to) ? to : subject;
        return through.includes(exporter) || this.#streamComesBack(exporter, narrower, [...through, account]);
      });
  }

  /** Whether a request to an account under this subject may reach one of those that it came through. */
  #requestComesBack(account: string, subject: string, through: readonly string[]): boolean {
    if (through.length >= maxDepth) return true;
    return this.links.services
      .filter((link) => link.account === account && overlap(tokensOf(subject), tokensOf(link.to)))
      .some(({ exporter, from }) => {
        const narrower = takesIn(subject, from) ? from : subject;
        return (
          through.includes(exporter) || this.#requestComesBack(exporter, narrower, [...through, account])
        );
      });
  }

  #error(position: Position, message: string, hint?: string): void {
    this.#problems.push({ severity: 'error', position, message, ...(hint === undefined ? {} : { hint }) });
  }
}

/** The export that lets an account import a subject; one of that very subject counts before wider ones. */
function authorizing(
  { exports }: AccountSaying,
  { kind, subject }: ImportOptions,
  importer: string,
): ExportOptions | undefined {
  if (!isSubject(subject)) return undefined;
  const ofKind = exports.map(({ options }) => options).filter((each) => each.kind === kind);
  const exact = ofKind.find((each) => each.subject === subject);
  const found = exact ?? ofKind.find((each) => takesIn(each.subject, subject));
  if (found === undefined) return undefined;
  const { accounts, tokenPosition } = found;
  if (tokenPosition > 0) {
    return exact === undefined && subject.split('.')[tokenPosition - 1] === importer ? found : undefined;
  }
  return accounts === undefined || accounts.includes(importer) ? found : undefined;
}

function nameOf({ kind, subject }: { kind: string; subject: string }): string {
  return `${kind} "${subject}"`;
}

function takesIn(pattern: string, subject: string): boolean {
  return covers(tokensOf(pattern), tokensOf(subject));
}

function tokensOf(subject: string): string[] {
  return subject.split('.');
}

function hasWildcard(subject: string): boolean {
  return tokensOf(subject).some((token) => token === '*' || token === '>');
}

function isSubject(subject: string): boolean {
  return !/[\t\n\f\r ]/.test(subject) && isSubscribable(Buffer.from(subject));
}
