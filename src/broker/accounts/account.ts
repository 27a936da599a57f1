// Accounts: each has its own subscriptions, and no message leaves it but by what one exports and another imports.
import type { RoutedPublication } from '../../protocol/operations.ts';
import { type Match, Sublist } from '../../subjects/sublist.ts';
import { type AccountLimits, unlimited } from '../options/account-limits.ts';
import { type Interest, LocalInterest } from './local-interest.ts';
import type { RemoteInterest } from './remote-interest.ts';
import { type Handler, Subscription } from './subscription.ts';

/** Told of what the other servers of a cluster must know: see LocalInterest. */
export type OnInterest = (account: Account, interest: Interest) => void;

/** Is told of the subscriptions of an account, whose subjects another account may have something for as well. */
export interface SubscriptionFollower {
  add(subscription: Subscription): void;
  remove(subscription: Subscription): void;
}

export class Account {
  readonly name: string;
  /** A reload puts others in their place. */
  limits: AccountLimits = unlimited;
  /** How many are connected here. */
  clients = 0;
  /** How many are connected to the other servers of the cluster, as far as they have told. */
  remoteClients = 0;
  /** Undefined where the account imports no streams. */
  follower: SubscriptionFollower | undefined;
  /** Told of the subject of each subscription that has ended; undefined where nobody waits for that. */
  onUnsubscribed: ((subject: string) => void) | undefined;
  /** Told of requests by way of other servers that a client here has got; undefined where none are measured. */
  onRoutedRequest: ((publication: RoutedPublication) => void) | undefined;
  /** To look things up in; they come and go by `subscribe` and `unsubscribe`. */
  readonly subscriptions = new Sublist<Subscription>();
  /** What other servers of the cluster listen to. */
  readonly remote = new Sublist<RemoteInterest>();
  /** What the other servers are told; undefined for a server without routes. */
  readonly interest: LocalInterest | undefined;
  /** The name as it stands in the messages of routes, with a space behind it. */
  readonly nameBytes: Buffer;

  /** @param onInterest tells the routes; undefined for a server without */
  constructor(name: string, onInterest?: OnInterest) {
    this.name = name;
    this.nameBytes = Buffer.from(`${name} `);
    this.interest = onInterest && new LocalInterest((interest) => onInterest(this, interest));
  }

  /** Enters a subscription; false where its subject is not valid. */
  subscribe(subscription: Subscription): boolean {
    if (!this.enter(subscription)) return false;
    this.follower?.add(subscription);
    return true;
  }

  /** Takes a subscription out, which gets nothing more. */
  unsubscribe(subscription: Subscription): void {
    this.leave(subscription);
    this.follower?.remove(subscription);
    this.onUnsubscribed?.(subscription.subject);
  }

  /** Enters a subscription for what is published in this account only. */
  enter(subscription: Subscription): boolean {
    if (!this.subscriptions.insert(subscription.subject, subscription.queue, subscription)) return false;
    this.interest?.add(subscription);
    return true;
  }

  /** Takes out what was entered so. */
  leave(subscription: Subscription): void {
    subscription.closed = true;
    if (this.subscriptions.remove(subscription.subject, subscription.queue, subscription)) {
      this.interest?.remove(subscription);
    }
  }

  /**
   * Has the broker itself take what is published on this server: other servers are not told, and do it for theirs.
   * @returns what ends it
   */
  intercept(subject: string, handler: Handler): () => void {
    const subscription = new Subscription(handler, subject, undefined, '');
    this.subscriptions.insert(subscription.subject, undefined, subscription);
    return () => {
      subscription.closed = true;
      this.subscriptions.remove(subscription.subject, undefined, subscription);
    };
  }

  /** Whether it has as many clients, on all servers, as it may. */
  get isFull(): boolean {
    return this.clients + this.remoteClients >= this.limits.maxConnections;
  }

  /** Whether anybody listens to a literal subject, here or elsewhere in the cluster. */
  hasInterest(subject: Buffer): boolean {
    const isHeard = ({ plain, queues }: Match<unknown>) => plain.length + queues.length > 0;
    if (isHeard(this.subscriptions.match(subject, 0, subject.length))) return true;
    return this.remote.size > 0 && isHeard(this.remote.match(subject, 0, subject.length));
  }

  /** Has the broker itself listen; take it back with `unsubscribe`. @param subject a valid one */
  handle(subject: string, handler: Handler): Subscription {
    const subscription = new Subscription(handler, subject, undefined, '');
    this.subscribe(subscription);
    return subscription;
  }
}

/** The accounts of a broker by name, and one after the other. */
export class Accounts {
  readonly #byName = new Map<string, Account>();
  /** What other servers speak of and this one does not have: a reload may bring it. */
  readonly #foreign = new Map<string, Account>();
  readonly #onInterest: OnInterest | undefined;
  #onAccount: (account: Account) => void = () => {};

  /** @param onInterest tells the routes; undefined for a server without */
  constructor(onInterest?: OnInterest) {
    this.#onInterest = onInterest;
  }

  /** The account of this name; made on first use, and kept over reloads. */
  get(name: string): Account {
    let account = this.#byName.get(name);
    if (account === undefined) {
      account = this.named(name);
      this.#foreign.delete(name);
      this.#byName.set(name, account);
      this.#onAccount(account);
    }
    return account;
  }

  /** The account of this name that another server speaks of; it is not one of this server's by that. */
  named(name: string): Account {
    let account = this.#byName.get(name) ?? this.#foreign.get(name);
    if (account === undefined) {
      account = new Account(name, this.#onInterest);
      this.#foreign.set(name, account);
    }
    return account;
  }

  /** Calls for every account, those that are still to come too. */
  onEach(callback: (account: Account) => void): void {
    this.#onAccount = callback;
    for (const account of this) callback(account);
  }

  [Symbol.iterator](): Iterator<Account> {
    return this.#byName.values();
  }
}
