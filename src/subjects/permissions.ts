// The permissions of a user to publish and subscribe, as a value that many sessions share (nats-server's client.go,
// setPermissions and canSubscribe). It is independent of connections and keeps no state but its caches.
import { covers, isSubscribable, matches, overlap, tokens } from './subject.ts';
import { SubjectSet } from './subject-set.ts';

/** One entry of an allow or a deny list, as configured. */
export interface SubjectRule {
  readonly subject: string;
  /** The queue group of the rule, which may contain wildcards; undefined for a rule about the subject itself. */
  readonly queue: string | undefined;
}

export interface SubjectRules {
  /** Undefined allows every subject; an empty list allows none. */
  readonly allow: readonly SubjectRule[] | undefined;
  readonly deny: readonly SubjectRule[];
}

/** Limits for responses to requests, at reply subjects that the user may not publish to otherwise. */
export interface ResponseLimits {
  /** Maximum responses per request; Infinity for any number. */
  readonly max: number;
  /** Milliseconds after the request; Infinity for no limit. */
  readonly expiresMs: number;
}

/** The permissions in the configuration of a user. */
export interface PermissionRules {
  readonly publish: SubjectRules;
  readonly subscribe: SubjectRules;
  readonly responses: ResponseLimits | undefined;
}

/** Parses a subject, or a subject and a queue group separated by white space; undefined for anything else. */
export function parseSubjectRule(text: string): SubjectRule | undefined {
  const parts = text.split(/[\t\n\f\r ]+/);
  // White space may surround a subject with a queue group, but not a single subject (opts.go, checkPermSubjectArray).
  const [subject, queue, more] = parts.length === 1 ? parts : parts.filter((part) => part !== '');
  if (subject === undefined || more !== undefined) return undefined;
  if (parts.length > 1 && queue === undefined) return undefined;
  const valid = [subject, queue ?? subject].every((part) => isSubscribable(Buffer.from(part)));
  return valid ? { subject, queue } : undefined;
}

/** A rule in the form that is matched against subjects. */
interface Pattern {
  readonly bytes: Buffer;
  /** In Latin-1, one character per byte, like the queue group. */
  readonly tokens: readonly string[];
  readonly queue: string | undefined;
}

export class Permissions {
  readonly rules: PermissionRules;
  readonly #publishAllow: SubjectSet | undefined;
  readonly #publishDeny: SubjectSet | undefined;
  readonly #subscribeAllow: readonly Pattern[] | undefined;
  readonly #subscribeDeny: SubjectSet | undefined;
  readonly #denied: readonly Pattern[];
  readonly #deniedGroups: readonly Pattern[];

  constructor(rules: PermissionRules) {
    const { publish, subscribe } = rules;
    this.rules = rules;
    this.#publishAllow = publish.allow && setOf(publish.allow.map(patternOf));
    this.#publishDeny = publish.deny.length === 0 ? undefined : setOf(publish.deny.map(patternOf));
    this.#subscribeAllow = subscribe.allow?.map(patternOf);
    this.#denied = subscribe.deny.map(patternOf);
    this.#deniedGroups = this.#denied.filter(({ queue }) => queue !== undefined);
    this.#subscribeDeny = this.#denied.length === 0 ? undefined : setOf(this.#denied);
  }

  /** Returns whether the user may publish to the subject `buffer[start, end)`, apart from responses to requests. */
  mayPublish(buffer: Buffer, start: number, end: number): boolean {
    if (this.#publishAllow?.has(buffer, start, end) === false) return false;
    return this.#publishDeny?.has(buffer, start, end) !== true;
  }

  /**
   * Returns whether the user may make a subscription. A subscription wider than a deny rule is allowed: see `filters`.
   * Unlike in nats-server 2.15, a rule with `*` does not allow a `>`.
   * @param queue the queue group, in Latin-1
   */
  maySubscribe(subject: Buffer, queue: string | undefined): boolean {
    return this.#allows(tokens(subject), queue) && !this.withholds(subject, 0, subject.length, queue);
  }

  /** Returns whether the messages of an allowed subscription must be checked with `withholds`. */
  filters(subject: Buffer): boolean {
    const wanted = tokens(subject);
    return this.#denied.some((denied) => overlap(denied.tokens, wanted));
  }

  /** Returns whether a subscription with this queue group must not get a message with the subject `buffer[start, end)`. */
  withholds(buffer: Buffer, start: number, end: number, queue: string | undefined): boolean {
    if (this.#subscribeDeny === undefined) return false;
    if (this.#subscribeDeny.has(buffer, start, end)) return true;
    if (queue === undefined) return false;
    return this.#deniedGroups.some(
      (group) => matches(group.bytes, buffer, start, end) && isGroup(queue, group),
    );
  }

  /** Matching rules about a queue group take precedence over those about the subject itself. */
  #allows(subject: readonly string[], queue: string | undefined): boolean {
    if (this.#subscribeAllow === undefined) return true;
    const matching = this.#subscribeAllow.filter((allowed) => covers(allowed.tokens, subject));
    const groups = matching.filter((allowed) => allowed.queue !== undefined);
    if (queue !== undefined && groups.length > 0) return groups.some((group) => isGroup(queue, group));
    return matching.length > groups.length;
  }
}

/** Returns whether a rule applies to the queue group, by its exact name or by wildcards. */
function isGroup(queue: string, { queue: named = '' }: Pattern): boolean {
  return queue === named || covers(named.split('.'), queue.split('.'));
}

/** Returns the subjects of the rules without a queue group. */
function setOf(patterns: readonly Pattern[]): SubjectSet {
  return new SubjectSet(patterns.flatMap(({ bytes, queue }) => (queue === undefined ? bytes : [])));
}

function patternOf({ subject, queue }: SubjectRule): Pattern {
  const bytes = Buffer.from(subject);
  return { bytes, tokens: tokens(bytes), queue: queue && Buffer.from(queue).toString('latin1') };
}
