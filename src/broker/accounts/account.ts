// Accounts with their subscriptions. A message crosses from one account to another only by an export and an import.
import type { RoutedPublication } from '../../protocol/operations.ts';
import { type Match, Sublist } from '../../subjects/sublist.ts';
import { type AccountLimits, unlimited } from '../options/account-limits.ts';
import { type Interest, LocalInterest } from './local-interest.ts';
import type { AccountTracing } from './message-trace.ts';
import type { RemoteInterest } from './remote-interest.ts';
import { type Handler, Subscription } from './subscription.ts';

/** Called with changed interest to announce to other servers: see LocalInterest. */
export type OnInterest = (account: Account, interest: Interest) => void;

/** Observes the subscriptions of an account, to deliver the streams of other accounts to them. */
export interface SubscriptionObserver {
  add(subscription: Subscription): void;
  remove(subscription: Subscription): void;
}

export class Account {
  readonly name: string;
  /** A reload replaces them. */
  limits: AccountLimits = unlimited;
  /** Where the events of sampled messages go; undefined for nowhere. A reload replaces it. */
  tracing: AccountTracing | undefined;
  /** The number of clients on this server. */
  clients = 0;
  /** The number of clients on the other servers of the cluster, as they last reported. */
  remoteClients = 0;
  /** Undefined if the account imports no streams. */
  observer: SubscriptionObserver | undefined;
  /** Called with the subject of each subscription that ends; undefined if not needed. */
  onUnsubscribed: ((subject: string) => void) | undefined;
  /** Called with each message that arrived over a route and was delivered here; undefined if no service is measured. */
  onRoutedRequest: ((publication: RoutedPublication) => void) | undefined;
  /** For lookups only: `subscribe` and `unsubscribe` change it. */
  readonly subscriptions = new Sublist<Subscription>();
  /** The interest of the other servers of the cluster. */
  readonly remote = new Sublist<RemoteInterest>();
  /** The interest to announce to other servers; undefined for a server without routes. */
  readonly interest: LocalInterest | undefined;
  /** The name as routed messages carry it, with a trailing space. */
  readonly nameBytes: Buffer;

  /** @param onInterest announces interest to routes; undefined for a server without routes */
  constructor(name: string, onInterest?: OnInterest) {
    this.name = name;
    this.nameBytes = Buffer.from(`${name} `);
    this.interest = onInterest && new LocalInterest((interest) => onInterest(this, interest));
  }

  /** Adds a subscription; false if its subject is invalid. */
  subscribe(subscription: Subscription): boolean {
    if (!this.insert(subscription)) return false;
    this.observer?.add(subscription);
    return true;
  }

  /** Removes a subscription; it receives nothing more. */
  unsubscribe(subscription: Subscription): void {
    this.remove(subscription);
    this.observer?.remove(subscription);
    this.onUnsubscribed?.(subscription.subject);
  }

  /** Adds a subscription without imported streams; false if its subject is invalid. */
  insert(subscription: Subscription): boolean {
    if (!this.subscriptions.insert(subscription.subject, subscription.queue, subscription)) return false;
    this.interest?.add(subscription);
    return true;
  }

  /** Removes a subscription added by `insert`. */
  remove(subscription: Subscription): void {
    subscription.closed = true;
    if (this.subscriptions.remove(subscription.subject, subscription.queue, subscription)) {
      this.interest?.remove(subscription);
    }
  }

  /**
   * Calls the handler with messages published on this server. Not announced to other servers: each intercepts on its
   * own.
   * @returns a function that ends the interception
   */
  intercept(subject: string, handler: Handler): () => void {
    const subscription = new Subscription(handler, subject, undefined, '');
    this.subscriptions.insert(subscription.subject, undefined, subscription);
    return () => {
      subscription.closed = true;
      this.subscriptions.remove(subscription.subject, undefined, subscription);
    };
  }

  /** Whether the account has reached its limit of clients on all servers. */
  get isFull(): boolean {
    return this.clients + this.remoteClients >= this.limits.maxConnections;
  }

  /** Whether a literal subject has a subscriber, on this server or elsewhere in the cluster. */
  hasInterest(subject: Buffer): boolean {
    const hasAny = ({ plain, queues }: Match<unknown>) => plain.length + queues.length > 0;
    if (hasAny(this.subscriptions.match(subject, 0, subject.length))) return true;
    return this.remote.size > 0 && hasAny(this.remote.match(subject, 0, subject.length));
  }

  /** Subscribes the broker itself; `unsubscribe` ends that. @param subject must be valid */
  subscribeInternal(subject: string, handler: Handler): Subscription {
    const subscription = new Subscription(handler, subject, undefined, '');
    this.subscribe(subscription);
    return subscription;
  }
}

/** The accounts of a broker, by name and iterable. */
export class Accounts {
  readonly #byName = new Map<string, Account>();
  /** Accounts that only other servers have named: a reload may add them to this server. */
  readonly #foreign = new Map<string, Account>();
  readonly #onInterest: OnInterest | undefined;
  #onAccount: (account: Account) => void = () => {};

  /** @param onInterest announces interest to routes; undefined for a server without routes */
  constructor(onInterest?: OnInterest) {
    this.#onInterest = onInterest;
  }

  /** Returns the account of this name; created on first use, and kept across reloads. */
  get(name: string): Account {
    let account = this.#byName.get(name);
    if (account === undefined) {
      account = this.forRoute(name);
      this.#foreign.delete(name);
      this.#byName.set(name, account);
      this.#onAccount(account);
    }
    return account;
  }

  /** Returns the account of this name if this server has it. */
  find(name: string): Account | undefined {
    return this.#byName.get(name);
  }

  /**
   * Returns the account of this name that another server has named; this does not make it an account of this server.
   */
  forRoute(name: string): Account {
    let account = this.#byName.get(name) ?? this.#foreign.get(name);
    if (account === undefined) {
      account = new Account(name, this.#onInterest);
      this.#foreign.set(name, account);
    }
    return account;
  }

  /** Calls back for every account, now and for each account created later. */
  onEach(callback: (account: Account) => void): void {
    this.#onAccount = callback;
    for (const account of this) callback(account);
  }

  [Symbol.iterator](): Iterator<Account> {
    return this.#byName.values();
  }
}
