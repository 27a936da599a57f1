// Reads what an account exports and imports, entry by entry. Whether the accounts fit together is looked at elsewhere.
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { MapValue, Position } from '../../conf/value.ts';
import { longestTimerMs, parseGoDuration } from '../../duration.ts';
import { type LatencyOptions, readLatency } from './latency-options.ts';

/** What brings the answers to a request: one message, or many until they cease or an empty one ends them. */
export type ResponseType = 'single' | 'stream' | 'chunked';

export type Kind = 'stream' | 'service';

export interface ExportOptions {
  readonly kind: Kind;
  readonly subject: string;
  /** The accounts that may import it; undefined for all. */
  readonly accounts: readonly string[] | undefined;
  /** Counted from 1, the token of the subject that names the account that may import it; 0 for none. */
  readonly tokenPosition: number;
  readonly responseType: ResponseType;
  /** How long answers may take, from the request or the answer before. */
  readonly thresholdMs: number;
  /** Undefined where the service is not measured. */
  readonly latency: LatencyOptions | undefined;
}

export interface ImportOptions {
  readonly kind: Kind;
  /** The account that exports it, and the subject there. */
  readonly account: string;
  readonly subject: string;
  /** The subject here, with `$1` for a wildcard there. */
  readonly to: string;
  /** Tell the service who asks. */
  readonly share: boolean;
}

/** Where an entry stands, for what is found out about it later. */
export interface Placed<T> {
  readonly options: T;
  readonly position: Position;
}

/** nats-server's const.go. */
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

  /** Reads `exports` of an account, each subject once. */
  exports(account: MapReader, where: string): Placed<ExportOptions>[] {
    return merge(
      this.#entries(account, 'exports', where, (reader, position) => this.#export(reader, position)),
    );
  }

  /** Reads `imports` of an account. */
  imports(account: MapReader, where: string): Placed<ImportOptions>[] {
    return this.#entries(account, 'imports', where, (reader, position) => this.#import(reader, position));
  }

  #entries<T>(
    account: MapReader,
    name: 'exports' | 'imports',
    where: string,
    read: (reader: MapReader, position: Position) => T | undefined,
  ): Placed<T>[] {
    return (account.array(name)?.items ?? []).flatMap((item) => {
      if (item.kind !== 'map') {
        this.#error(item.position, `an entry of ${where}.${name} must be a block with "stream" or "service"`);
        return [];
      }
      const reader = new MapReader(item, this.#problems, `${where}.${name}`);
      const options = read(reader, item.position);
      reader.finish();
      return options === undefined ? [] : [{ options, position: item.position }];
    });
  }

  #export(reader: MapReader, position: Position): ExportOptions | undefined {
    const kind = this.#kindOf(reader, position);
    const subject = kind && reader.string(kind);
    const responseType = this.#responseType(reader);
    const thresholdMs = this.#threshold(reader);
    const tokenPosition = reader.integer('account_token_position') ?? 0;
    const accounts = this.#accounts(reader);
    reader.boolean('allow_trace');
    if (kind === 'stream') {
      const ofServices = ['response', 'response_type', ...thresholdNames, 'latency', 'allow_trace'];
      for (const name of ofServices.filter((each) => reader.has(each))) {
        this.#error(reader.position(name), `"${name}" is for services, and this is a stream`);
      }
    }
    const latency = readLatency(reader, this.#problems, subject);
    if (latency !== undefined && responseType !== 'single') {
      reader.error(reader.position('latency'), '"latency" is for services that answer with one message');
    }
    if (kind === undefined || subject === undefined) return undefined;
    if (tokenPosition !== 0 && subject.split('.')[tokenPosition - 1] !== '*') {
      const message = `"account_token_position" must be the place of a "*" in "${subject}"`;
      this.#error(reader.position('account_token_position'), message);
    }
    return {
      ...{ kind, subject, tokenPosition, responseType, thresholdMs, latency },
      // An empty list is as if there were none.
      accounts: accounts.length === 0 ? undefined : accounts,
    };
  }

  #import(reader: MapReader, position: Position): ImportOptions | undefined {
    const kind = this.#kindOf(reader, position);
    const source = kind && reader.map(kind);
    const from = source && this.#source(source, kind);
    const prefix = reader.string('prefix');
    const to = reader.string('to');
    const share = reader.boolean('share') ?? false;
    reader.boolean('allow_trace');
    if (kind === 'service' && reader.has('allow_trace')) {
      this.#error(reader.position('allow_trace'), '"allow_trace" is for streams, and this is a service');
    }
    if (kind === 'service' && prefix) {
      const hint = 'say with "to" how the service is called here';
      this.#error(reader.position('prefix'), '"prefix" is for streams, and this is a service', hint);
    }
    if (kind === 'stream' && prefix && to) {
      this.#error(reader.position('to'), 'the import of a stream has either "prefix" or "to"');
    }
    if (prefix && /(^|\.)[*>](\.|$)/.test(prefix)) {
      this.#error(reader.position('prefix'), '"prefix" cannot have wildcards');
    }
    if (kind === undefined || from === undefined) return undefined;
    const prefixed = prefix ? `${prefix}${prefix.endsWith('.') ? '' : '.'}${from.subject}` : undefined;
    return { kind, ...from, to: prefixed ?? (to || from.subject), share };
  }

  #source(map: MapValue, kind: Kind): { account: string; subject: string } | undefined {
    const reader = new MapReader(map, this.#problems, kind);
    const [account, subject] = [reader.string('account'), reader.string('subject')];
    reader.finish();
    if (account && subject) return { account, subject };
    this.#error(map.position, `"${kind}" needs "account" and "subject"`);
    return undefined;
  }

  #kindOf(reader: MapReader, position: Position): Kind | undefined {
    const [stream, service] = [reader.has('stream'), reader.has('service')];
    if (stream !== service) return stream ? 'stream' : 'service';
    this.#error(position, `an entry needs ${stream ? 'only one of "stream" and' : '"stream" or'} "service"`);
    return undefined;
  }

  #accounts(reader: MapReader): string[] {
    return (reader.array('accounts')?.items ?? []).flatMap((item) => {
      if (item.kind === 'string') return item.value;
      this.#error(item.position, 'an entry of "accounts" must be a name');
      return [];
    });
  }

  #responseType(reader: MapReader): ResponseType {
    const text = reader.string('response', 'response_type');
    const type = text === undefined ? 'single' : responseTypes[text.toLowerCase()];
    if (type === undefined) {
      const hint = 'there are single, stream and chunked';
      this.#error(reader.position('response', 'response_type'), `"${text}" is no type of response`, hint);
    }
    return type ?? 'single';
  }

  #threshold(reader: MapReader): number {
    const text = reader.string(...thresholdNames);
    const thresholdMs = text === undefined ? 0 : parseGoDuration(text);
    if (thresholdMs === undefined) {
      this.#error(reader.position(...thresholdNames), `"${text}" is not a duration`, 'for example "2s"');
    }
    return Math.min(thresholdMs || defaultThresholdMs, longestTimerMs);
  }

  #error(position: Position, message: string, hint?: string): void {
    this.#problems.push({ severity: 'error', position, message, ...(hint === undefined ? {} : { hint }) });
  }
}

/** What is exported twice keeps what the first time said and the second does not (nats-server's accounts.go, setExportAuth). */
function merge(exports: readonly Placed<ExportOptions>[]): Placed<ExportOptions>[] {
  const merged = new Map<string, Placed<ExportOptions>>();
  for (const placed of exports) {
    const { options } = placed;
    const name = `${options.kind} ${options.subject}`;
    const earlier = merged.get(name)?.options;
    merged.set(name, earlier === undefined ? placed : { ...placed, options: addTo(earlier, options) });
  }
  return [...merged.values()];
}

function addTo(earlier: ExportOptions, later: ExportOptions): ExportOptions {
  const accounts = [...(earlier.accounts ?? []), ...(later.accounts ?? [])];
  return {
    ...later,
    accounts: accounts.length === 0 ? undefined : accounts,
    tokenPosition: later.tokenPosition || earlier.tokenPosition,
    responseType: later.responseType === 'single' ? earlier.responseType : later.responseType,
    thresholdMs: later.thresholdMs === defaultThresholdMs ? earlier.thresholdMs : later.thresholdMs,
    latency: later.latency ?? earlier.latency,
  };
}

const thresholdNames = ['response_threshold', 'threshold', 'response_max_time', 'response_time'] as const;
