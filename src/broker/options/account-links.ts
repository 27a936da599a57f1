// Links the imports of the configured accounts to the exports of others. Rejects an import that is not exported to the
// account, and one that would form a cycle (nats-server's accounts.go).
import type { ConfProblem } from '../../conf/error.ts';
import { MappingError, SubjectMapping, withPlaceholders, withWildcards } from '../../subjects/mapping.ts';
import { covers, isSubscribable, overlap } from '../../subjects/subject.ts';
import type { ExportOptions, ImportOptions, Positioned, ResponseType } from './account-options.ts';
import type { LatencyOptions } from './latency-options.ts';
import { addError } from './problems.ts';

/** An imported stream: messages published under `from` in `exporter` are delivered under `to` in `account`. */
export interface StreamLink {
  readonly account: string;
  readonly exporter: string;
  readonly from: string;
  /** With wildcards in place of the placeholders of `mapped`. */
  readonly to: string;
  /** How `from` becomes `to`; undefined if subjects stay the same or `to` is the only one. */
  readonly mapped: string | undefined;
  /** Whether a trace of a message goes on in `account`. */
  readonly allowsTrace: boolean;
}

/** An imported service: requests published under `from` in `account` are published under `to` in `exporter`. */
export interface ServiceLink {
  readonly account: string;
  readonly exporter: string;
  readonly from: string;
  readonly to: string;
  /** How `from` becomes `to`; undefined if subjects stay the same or `to` is the only one. */
  readonly mapped: string | undefined;
  readonly share: boolean;
  /** Whether a trace of a request goes on in `exporter`. */
  readonly allowsTrace: boolean;
  /** Identifies the export, to detect a request that goes in circles. */
  readonly export: string;
  readonly responseType: ResponseType;
  readonly thresholdMs: number;
  /** Undefined if the service is not measured. */
  readonly latency: LatencyOptions | undefined;
}

export interface AccountLinks {
  readonly streams: readonly StreamLink[];
  readonly services: readonly ServiceLink[];
}

export const noLinks: AccountLinks = { streams: [], services: [] };

/** What one account declares. */
export interface AccountDeclaration {
  readonly name: string;
  readonly exports: readonly Positioned<ExportOptions>[];
  readonly imports: readonly Positioned<ImportOptions>[];
}

/** A longer chain of accounts counts as a cycle. */
const maxDepth = 1024;

/** Links accounts; adds a problem, with its position, for each entry that cannot be linked. */
export function linkAccounts(accounts: readonly AccountDeclaration[], problems: ConfProblem[]): AccountLinks {
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
  readonly #accounts: ReadonlyMap<string, AccountDeclaration>;
  readonly #problems: ConfProblem[];

  constructor(accounts: readonly AccountDeclaration[], problems: ConfProblem[]) {
    this.#accounts = new Map(accounts.map((account) => [account.name, account]));
    this.#problems = problems;
  }

  checkExports({ exports }: AccountDeclaration): void {
    for (const { options, position } of exports) {
      for (const name of options.accounts ?? []) {
        if (this.#accounts.has(name)) continue;
        addError(
          this.#problems,
          position,
          `${nameOf(options)} is exported to account "${name}", which does not exist`,
        );
      }
    }
  }

  link(importer: string, { options, position }: Positioned<ImportOptions>): void {
    const { kind, account, to } = options;
    const name = `${nameOf(options)} of account "${account}"`;
    const exporter = this.#accounts.get(account);
    if (exporter === undefined) {
      addError(
        this.#problems,
        position,
        `account "${account}" to import from does not exist`,
        'add it to "accounts"',
      );
      return;
    }
    const found = findExport(exporter, options, importer);
    if (found === undefined) {
      const hint = `export it in account "${account}", to "${importer}" or to all accounts`;
      addError(this.#problems, position, `${name} is not exported to account "${importer}"`, hint);
      return;
    }
    try {
      if (kind === 'stream') this.#stream(importer, options);
      else this.#service(importer, options, found);
    } catch (error) {
      if (!(error instanceof MappingError)) throw error;
      addError(this.#problems, position, `${name} cannot be imported as "${to}": ${error.message}`);
    }
  }

  #stream(importer: string, { account: exporter, subject: from, to, allowsTrace }: ImportOptions): void {
    const { streams } = this.links;
    if (
      this.#formsStreamCycle(exporter, to, [importer]) ||
      this.#formsStreamCycle(exporter, from, [importer])
    ) {
      throw new MappingError('it would form an import cycle');
    }
    const isMapped = hasWildcard(from) && to !== from;
    const mapped = isMapped ? withPlaceholders(to) : undefined;
    if (mapped !== undefined) new SubjectMapping(from, mapped);
    else if (!isSubject(to)) throw new MappingError('it is not a valid subject');
    if (
      streams.some((link) => link.account === importer && link.exporter === exporter && link.from === from)
    ) {
      throw new MappingError('it is already imported');
    }
    streams.push({
      account: importer,
      exporter,
      from,
      to: isMapped ? withWildcards(to) : to,
      mapped,
      allowsTrace,
    });
  }

  #service(importer: string, options: ImportOptions, found: ExportOptions): void {
    const { account: exporter, subject: to, to: from, share } = options;
    const { services } = this.links;
    if (!isSubject(from)) throw new MappingError('it is not a valid subject');
    const wild = hasWildcard(to);
    if (this.#formsRequestCycle(exporter, wild ? withWildcards(from) : from, [importer])) {
      throw new MappingError('it would form an import cycle');
    }
    const reversed =
      wild && to !== from ? new SubjectMapping(withWildcards(to), withPlaceholders(from)) : undefined;
    const local = reversed?.target ?? from;
    if (
      services.some((link) => link.account === importer && link.exporter === exporter && link.from === local)
    ) {
      throw new MappingError('the account already has a service of that name');
    }
    services.push({
      account: importer,
      exporter,
      from: local,
      to,
      mapped: reversed?.reverse().destination,
      share,
      allowsTrace: found.allowsTrace,
      export: `${exporter} ${found.subject}`,
      responseType: found.responseType,
      thresholdMs: found.thresholdMs,
      latency: found.latency,
    });
  }

  /** Whether a message that an account publishes under this subject may reach an account in `through` again. */
  #formsStreamCycle(account: string, subject: string, through: readonly string[]): boolean {
    if (through.length >= maxDepth) return true;
    const exported = this.#accounts
      .get(account)
      ?.exports.some(({ options }) => options.kind === 'stream' && patternCovers(options.subject, subject));
    if (exported !== true) return false;
    return this.links.streams
      .filter((link) => link.account === account && overlap(tokensOf(subject), tokensOf(link.to)))
      .some(({ exporter, to }) => {
        const narrower = patternCovers(subject, to) ? to : subject;
        return (
          through.includes(exporter) || this.#formsStreamCycle(exporter, narrower, [...through, account])
        );
      });
  }

  /** Whether a request to an account under this subject may reach an account in `through` again. */
  #formsRequestCycle(account: string, subject: string, through: readonly string[]): boolean {
    if (through.length >= maxDepth) return true;
    return this.links.services
      .filter((link) => link.account === account && overlap(tokensOf(subject), tokensOf(link.to)))
      .some(({ exporter, from }) => {
        const narrower = patternCovers(subject, from) ? from : subject;
        return (
          through.includes(exporter) || this.#formsRequestCycle(exporter, narrower, [...through, account])
        );
      });
  }
}

/** Finds the export that lets an account import a subject; an exact match takes precedence over a wildcard. */
function findExport(
  { exports }: AccountDeclaration,
  { kind, subject }: ImportOptions,
  importer: string,
): ExportOptions | undefined {
  if (!isSubject(subject)) return undefined;
  const ofKind = exports.map(({ options }) => options).filter((each) => each.kind === kind);
  const exact = ofKind.find((each) => each.subject === subject);
  const found = exact ?? ofKind.find((each) => patternCovers(each.subject, subject));
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

function patternCovers(pattern: string, subject: string): boolean {
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
