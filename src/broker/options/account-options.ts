// Reads the exports and imports of an account, entry by entry. Does not check them against other accounts.
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { MapValue, Position } from '../../conf/value.ts';
import { longestTimerMs, parseGoDuration } from '../../duration.ts';
import { type HashedAccounts, hasAccountHash, resolveAccountHashes } from '../../subjects/account-hash.ts';
import { MappingError } from '../../subjects/mapping.ts';
import { type LatencyOptions, readLatency } from './latency-options.ts';
import { addError } from './problems.ts';

/** How a service answers a request: with one message, or with many until an empty one or the threshold ends them. */
export type ResponseType = 'single' | 'stream' | 'chunked';

export type ExportKind = 'stream' | 'service';

export interface ExportOptions {
  readonly kind: ExportKind;
  readonly subject: string;
  /** The accounts that may import it; undefined for all. */
  readonly accounts: readonly string[] | undefined;
  /** Position, from 1, of the subject token that names the account that may import it; 0 for none. */
  readonly tokenPosition: number;
  readonly responseType: ResponseType;
  /** The longest wait for an answer, in milliseconds from the request or the previous answer. */
  readonly thresholdMs: number;
  /** Undefined if the service is not measured. */
  readonly latency: LatencyOptions | undefined;
  /** Whether a trace of a request goes on in this account. */
  readonly allowsTrace: boolean;
}

export interface ImportOptions {
  readonly kind: ExportKind;
  /** The exporting account. */
  readonly account: string;
  /** The subject in the exporting account. */
  readonly subject: string;
  /** The subject in the importing account, with `$1` for the first wildcard of `subject`. */
  readonly to: string;
  /** Tell the service which client sent the request. */
  readonly share: boolean;
  /** Whether a trace of a message goes on in the importing account; for streams. */
  readonly allowsTrace: boolean;
}

/** An entry with its position, for problems that are found later. */
export interface Positioned<T> {
  readonly options: T;
  readonly position: Position;
}

/** nats-server's default (const.go). */
const defaultThresholdMs = 120_000;

const responseTypes: Readonly<Record<string, ResponseType>> = {
  single: 'single',
  singleton: 'single',
  stream: 'stream',
  chunk: 'chunked',
  chunked: 'chunked',
};

export class LinkReader {
  readonly #problems: ConfProblem[];

  constructor(problems: ConfProblem[]) {
    this.#problems = problems;
  }

  /** Reads `exports` of an account, each subject once. @param own the name of the account */
  exports(account: MapReader, where: string, own: string): Positioned<ExportOptions>[] {
    return mergeExports(
      this.#entries(account, 'exports', where, (reader, position) => this.#export(reader, position, own)),
    );
  }

  /** Reads `imports` of an account. @param own the name of the account */
  imports(account: MapReader, where: string, own: string): Positioned<ImportOptions>[] {
    return this.#entries(account, 'imports', where, (reader, position) =>
      this.#import(reader, position, own),
    );
  }

  #entries<T>(
    account: MapReader,
    name: 'exports' | 'imports',
    where: string,
    read: (reader: MapReader, position: Position) => T | undefined,
  ): Positioned<T>[] {
    return (account.array(name)?.items ?? []).flatMap((item) => {
      if (item.kind !== 'map') {
        addError(
          this.#problems,
          item.position,
          `an entry of ${where}.${name} must be a block with "stream" or "service"`,
        );
        return [];
      }
      const reader = new MapReader(item, this.#problems, `${where}.${name}`);
      const options = read(reader, item.position);
      reader.finish();
      return options === undefined ? [] : [{ options, position: item.position }];
    });
  }

  #export(reader: MapReader, position: Position, own: string): ExportOptions | undefined {
    const kind = this.#kindOf(reader, position);
    const written = kind && reader.string(kind);
    const subject = written && resolve(written, { own }, position, reader);
    const responseType = this.#responseType(reader);
    const thresholdMs = this.#threshold(reader);
    const tokenPosition = reader.integer('account_token_position') ?? 0;
    const accounts = this.#accounts(reader);
    const allowsTrace = reader.boolean('allow_trace') ?? false;
    if (kind === 'stream') {
      const ofServices = ['response', 'response_type', ...thresholdNames, 'latency', 'allow_trace'];
      for (const name of ofServices.filter((each) => reader.has(each))) {
        reader.error(reader.position(name), `"${name}" applies to services, but this export is a stream`);
      }
    }
    const latency = readLatency(reader, this.#problems, subject);
    if (latency !== undefined && responseType !== 'single') {
      reader.error(
        reader.position('latency'),
        '"latency" applies only to services that answer with one message',
      );
    }
    if (kind === undefined || written === undefined || subject === undefined) return undefined;
    if (hasAccountHash(written)) warnOfTerms(reader);
    if (tokenPosition !== 0 && subject.split('.')[tokenPosition - 1] !== '*') {
      const message = `"account_token_position" must be the position of a "*" in "${subject}"`;
      reader.error(reader.position('account_token_position'), message);
    }
    return {
      kind,
      subject,
      tokenPosition,
      responseType,
      thresholdMs,
      latency,
      allowsTrace,
      // An empty list counts as absent.
      accounts: accounts.length === 0 ? undefined : accounts,
    };
  }

  #import(reader: MapReader, position: Position, own: string): ImportOptions | undefined {
    const kind = this.#kindOf(reader, position);
    const source = kind && reader.map(kind);
    const from = source && this.#source(source, kind, own);
    const local = (name: 'prefix' | 'to') => {
      const written = reader.string(name);
      return written && resolve(written, { own, exporter: from?.account }, reader.position(name), reader);
    };
    const prefix = local('prefix');
    const to = local('to');
    const share = reader.boolean('share') ?? false;
    const allowsTrace = reader.boolean('allow_trace') ?? false;
    if (kind === 'service' && reader.has('allow_trace')) {
      reader.error(
        reader.position('allow_trace'),
        '"allow_trace" applies to streams, but this import is a service',
      );
    }
    if (kind === 'service' && prefix) {
      const hint = 'set the local subject of the service with "to"';
      reader.error(
        reader.position('prefix'),
        '"prefix" applies to streams, but this import is a service',
        hint,
      );
    }
    if (kind === 'stream' && prefix && to) {
      reader.error(reader.position('to'), 'the import of a stream takes either "prefix" or "to", not both');
    }
    if (prefix && /(^|\.)[*>](\.|$)/.test(prefix)) {
      reader.error(reader.position('prefix'), '"prefix" cannot have wildcards');
    }
    if (kind === undefined || from === undefined) return undefined;
    const prefixed = prefix ? `${prefix}${prefix.endsWith('.') ? '' : '.'}${from.subject}` : undefined;
    return { kind, ...from, to: prefixed ?? (to || from.subject), share, allowsTrace };
  }

  #source(map: MapValue, kind: ExportKind, own: string): { account: string; subject: string } | undefined {
    const reader = new MapReader(map, this.#problems, kind);
    const [account, written] = [reader.string('account'), reader.string('subject')];
    reader.finish();
    if (account && written) {
      const subject = resolve(written, { own, exporter: account }, map.position, reader);
      return subject === undefined ? undefined : { account, subject };
    }
    reader.error(map.position, `"${kind}" needs "account" and "subject"`);
    return undefined;
  }

  #kindOf(reader: MapReader, position: Position): ExportKind | undefined {
    const [stream, service] = [reader.has('stream'), reader.has('service')];
    if (stream !== service) return stream ? 'stream' : 'service';
    reader.error(position, `an entry needs ${stream ? 'only one of "stream" and' : '"stream" or'} "service"`);
    return undefined;
  }

  #accounts(reader: MapReader): string[] {
    return (reader.array('accounts')?.items ?? []).flatMap((item) => {
      if (item.kind === 'string') return item.value;
      reader.error(item.position, 'an entry of "accounts" must be a name');
      return [];
    });
  }

  #responseType(reader: MapReader): ResponseType {
    const text = reader.string('response', 'response_type');
    const type = text === undefined ? 'single' : responseTypes[text.toLowerCase()];
    if (type === undefined) {
      const hint = 'use single, stream or chunked';
      reader.error(reader.position('response', 'response_type'), `"${text}" is not a response type`, hint);
    }
    return type ?? 'single';
  }

  #threshold(reader: MapReader): number {
    const text = reader.string(...thresholdNames);
    const thresholdMs = text === undefined ? 0 : parseGoDuration(text);
    if (thresholdMs === undefined) {
      reader.error(reader.position(...thresholdNames), `"${text}" is not a duration`, 'for example "2s"');
    }
    return Math.min(thresholdMs || defaultThresholdMs, longestTimerMs);
  }
}

/** Resolves the hashes of account names in a subject; reports what is wrong with them and returns undefined. */
function resolve(
  subject: string,
  accounts: HashedAccounts,
  position: Position,
  reader: MapReader,
): string | undefined {
  try {
    return resolveAccountHashes(subject, accounts);
  } catch (error) {
    if (!(error instanceof MappingError)) throw error;
    reader.error(
      position,
      error.message,
      'use {{account-hash()}}, or {{account-hash-import()}} in an import',
    );
    return undefined;
  }
}

/** nats-server 2.15.3 looks up these options of an export under the subject as written, which it does not export. */
function warnOfTerms(reader: MapReader): void {
  for (const name of [...thresholdNames, 'latency', 'allow_trace'].filter((each) => reader.has(each))) {
    const message = `nats-server rejects "${name}" for a subject with {{account-hash()}}`;
    reader.warning(reader.position(name), message, undefined, 'nats-server-refuses');
  }
}

/**
 * Merges repeated exports of a subject: the later one keeps the settings of the earlier that it does not set itself
 * (nats-server's accounts.go, setExportAuth).
 */
function mergeExports(exports: readonly Positioned<ExportOptions>[]): Positioned<ExportOptions>[] {
  const merged = new Map<string, Positioned<ExportOptions>>();
  for (const positioned of exports) {
    const { options } = positioned;
    const name = `${options.kind} ${options.subject}`;
    const earlier = merged.get(name)?.options;
    merged.set(
      name,
      earlier === undefined ? positioned : { ...positioned, options: mergeExport(earlier, options) },
    );
  }
  return [...merged.values()];
}

function mergeExport(earlier: ExportOptions, later: ExportOptions): ExportOptions {
  const accounts = [...(earlier.accounts ?? []), ...(later.accounts ?? [])];
  return {
    ...later,
    accounts: accounts.length === 0 ? undefined : accounts,
    tokenPosition: later.tokenPosition || earlier.tokenPosition,
    responseType: later.responseType === 'single' ? earlier.responseType : later.responseType,
    thresholdMs: later.thresholdMs === defaultThresholdMs ? earlier.thresholdMs : later.thresholdMs,
    latency: later.latency ?? earlier.latency,
    allowsTrace: later.allowsTrace || earlier.allowsTrace,
  };
}

const thresholdNames = ['response_threshold', 'threshold', 'response_max_time', 'response_time'] as const;
