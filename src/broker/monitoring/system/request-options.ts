// The options of a request in the system account: which servers it addresses and what it requests. They are decoded as
// by nats-server's JSON decoder (events.go, zReq). This module answers nothing.
import { isGoInteger, type JsonMember, readMembers } from '../../../protocol/json-members.ts';
import type { Publication } from '../../../protocol/operations.ts';
import type { ServerFacts } from '../../clients/info.ts';
import { Query } from '../endpoints/query.ts';

/** Why a request is invalid (events.go, ApiError). */
export interface Failure {
  readonly code: number;
  readonly description: string;
}

type OptionType = 'string' | 'boolean' | 'integer' | 'unsigned' | 'strings';

const words: Readonly<Record<OptionType, string>> = {
  string: 'a string',
  boolean: 'true or false',
  integer: 'an integer',
  unsigned: 'a non-negative integer',
  strings: 'an array of strings',
};

/** The options that every request may have (events.go, EventFilterOptions). */
const filterOptions = {
  server_name: 'string',
  cluster: 'string',
  host: 'string',
  exact_match: 'boolean',
  tags: 'strings',
  domain: 'string',
} as const satisfies Record<string, OptionType>;

const listing = { subscriptions: 'boolean', subscriptions_detail: 'boolean' } as const;
const page = { offset: 'integer', limit: 'integer' } as const;

/** The additional options of each kind of request (monitor.go, ConnzOptions and similar types). */
const additionalOptions: Readonly<Record<string, Readonly<Record<string, OptionType>>>> = {
  CONNZ: {
    ...page,
    ...listing,
    sort: 'string',
    auth: 'boolean',
    cid: 'unsigned',
    mqtt_client: 'string',
    state: 'integer',
    user: 'string',
    acc: 'string',
    filter_subject: 'string',
  },
  SUBSZ: { ...page, subscriptions: 'boolean', account: 'string', test: 'string' },
  ROUTEZ: listing,
  GATEWAYZ: { ...listing, name: 'string', accounts: 'boolean', account_name: 'string' },
  LEAFZ: { subscriptions: 'boolean', account: 'string' },
  JSZ: {
    ...page,
    account: 'string',
    accounts: 'boolean',
    streams: 'boolean',
    consumer: 'boolean',
    direct_consumer: 'boolean',
    config: 'boolean',
    leader_only: 'boolean',
    raft: 'boolean',
    stream_leader_only: 'boolean',
  },
  CONNS: { acc: 'string' },
  IPQUEUESZ: { all: 'boolean', filter: 'string' },
  PROFILEZ: { name: 'string', debug: 'integer', duration: 'integer' },
  ACCOUNTZ: { account: 'string' },
  HEALTHZ: {
    'js-enabled': 'boolean',
    'js-enabled-only': 'boolean',
    'js-server-only': 'boolean',
    'js-meta-only': 'boolean',
    'leaf-remotes-connected': 'boolean',
    account: 'string',
    stream: 'string',
    consumer: 'string',
    details: 'boolean',
  },
  STATZ: { accounts: 'strings', include_unused: 'boolean' },
  KICK: { cid: 'unsigned' },
  LDM: { cid: 'unsigned' },
};

/** Connection states by number (monitor.go, ConnState). */
const states = ['open', 'closed', 'any'];

export class RequestOptions {
  readonly #kind: string;
  readonly #values: ReadonlyMap<string, unknown>;

  private constructor(kind: string, given: ReadonlyMap<string, unknown>) {
    this.#kind = kind;
    this.#values = given;
  }

  /**
   * Parses the payload of a request, which may be empty.
   * @param kind the last token of its subject; options that this kind does not have are ignored
   */
  static read(kind: string, payload: Buffer): RequestOptions | Failure {
    const given = new Map<string, unknown>();
    let members: JsonMember[];
    try {
      members = payload.length === 0 ? [] : readMembers(payload);
    } catch {
      return { code: 400, description: 'the request is not a JSON object' };
    }
    const types: Readonly<Record<string, OptionType>> = { ...filterOptions, ...additionalOptions[kind] };
    for (const { name, text } of members) {
      const known = name.toLowerCase();
      const type = Object.hasOwn(types, known) ? types[known] : undefined;
      if (type === undefined || text === 'null') continue;
      const value: unknown = JSON.parse(text);
      if (!isOfType(value, text, type)) {
        return { code: 400, description: `"${known}" must be ${words[type]}` };
      }
      given.set(known, value);
    }
    return new RequestOptions(kind, given);
  }

  /** Whether this server matches the filters of the request (events.go, filterRequest). */
  isFor({ name, host, cluster = '' }: ServerFacts): boolean {
    const fits = (wanted: unknown, own: string) => {
      if (wanted === undefined || wanted === '') return true;
      return this.#values.get('exact_match') === true ? own === wanted : own.includes(String(wanted));
    };
    return (
      fits(this.#values.get('server_name'), name) &&
      fits(this.#values.get('host'), host) &&
      fits(this.#values.get('cluster'), cluster) &&
      // This server has neither tags nor a domain.
      this.#strings('tags').length === 0 &&
      (this.#values.get('domain') ?? '') === ''
    );
  }

  /** The names of the requested accounts; undefined for all. */
  get accounts(): readonly string[] | undefined {
    const accounts = this.#strings('accounts');
    return accounts.length === 0 ? undefined : accounts;
  }

  /** The account that the payload names in addition to the subject. */
  get account(): string | undefined {
    return this.#values.get('acc') as string | undefined;
  }

  get onlyLeader(): boolean {
    return this.#values.get('leader_only') === true;
  }

  get includesUnused(): boolean {
    return this.#values.get('include_unused') === true;
  }

  /** The id of the requested connection; 0 for none. */
  get cid(): number {
    return Number(this.#values.get('cid') ?? 0);
  }

  /** The same options as parameters of monitoring over HTTP. */
  get query(): Query {
    const parameters = new URLSearchParams();
    for (const [name, value] of this.#values) parameters.set(name, String(value));
    const { subscriptions, subscriptions_detail: detail, state, account } = Object.fromEntries(this.#values);
    if (subscriptions === true) parameters.set('subs', '1');
    if (detail === true) parameters.set('subs', 'detail');
    if (state !== undefined) parameters.set('state', states[Number(state)] ?? String(state));
    if (account !== undefined && this.#kind !== 'HEALTHZ') parameters.set('acc', String(account));
    if (this.includesUnused) parameters.set('unused', '1');
    return new Query(parameters);
  }

  #strings(name: string): readonly string[] {
    return (this.#values.get(name) ?? []) as readonly string[];
  }
}

function isOfType(value: unknown, text: string, type: OptionType): boolean {
  if (type === 'strings') return Array.isArray(value) && value.every((each) => typeof each === 'string');
  if (type === 'integer') return isGoInteger(text);
  if (type === 'unsigned') return isGoInteger(text) && Number(value) >= 0;
  return typeof value === type;
}

/**
 * Copies the reply subject, since the publication is gone when the response is ready. Undefined without a reply
 * subject.
 */
export function replyOf({ buffer, replyStart, replyEnd }: Publication): Buffer | undefined {
  return replyEnd > replyStart ? Buffer.from(buffer.subarray(replyStart, replyEnd)) : undefined;
}

/** Returns the payload of a request, without its headers. */
export function payloadOf({ buffer, payloadStart, payloadEnd, headerSize }: Publication): Buffer {
  return buffer.subarray(payloadStart + headerSize, payloadEnd);
}
