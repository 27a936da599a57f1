// What a user may publish and subscribe to, as a value that many sessions share (nats-server's client.go, setPermissions
// and canSubscribe). Knows no connection and keeps no state but its caches.
import { covers, isSubscribable, matches, overlap, tokens } from './subject.ts';
import { SubjectSet } from './subject-set.ts';

/** One entry of an allow or a deny list, as configured. */
export interface SubjectRule {
  readonly subject: string;
  /** The queue group that the rule is about, wildcards included; undefined for a rule about the subject as such. */
  readonly queue: string | undefined;
}

export interface SubjectRules {
  /** Undefined allows everything, empty nothing. */
  readonly allow: readonly SubjectRule[] | undefined;
  readonly deny: readonly SubjectRule[];
}

/** How far a user may answer requests at reply subjects that it may not publish to otherwise. */
export interface ResponseLimits {
  /** Answers to one request; Infinity for any number. */
  readonly max: number;
  /** Milliseconds from the request on; Infinity for ever. */
  readonly expiresMs: number;
}

/** What the configuration says of a user. */
export interface PermissionRules {
  readonly publish: SubjectRules;
  readonly subscribe: SubjectRules;
  readonly responses: ResponseLimits | undefined;
}

/** Reads a subject, or a subject and a queue group with white space between; undefined where it is neither. */
export function parseSubjectRule(text: string): SubjectRule | undefined {
  const parts = text.split(/[\t\n\f\r ]+/);
  // A queue group may have space around it, a lone subject may not (opts.go, checkPermSubjectArray).
  const [subject, queue, more] = parts.length === 1 ? parts : parts.filter((part) => part !== '');
  if (subject === undefined || more !== undefined) return undefined;
  if (parts.length > 1 && queue === undefined) return undefined;
  const valid = [subject, queue ?? subject].every((part) => isSubscribable(Buffer.from(part)));
  return valid ? { subject, queue } : undefined;
}

/** A rule as it meets subjects. */
interface Pattern {
  readonly bytes: Buffer;
  /** Of Latin-1, a character a byte, as the queue group. */
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

  /** Whether a message may go to the subject `buffer[start, end)`, apart from answers to requests. */
  mayPublish(buffer: Buffer, start: number, end: number): boolean {
    if (this.#publishAllow?.has(buffer, start, end) === false) return false;
    return this.#publishDeny?.has(buffer, start, end) !== true;
  }

  /**
   * Whether a subscription may be made. One that is wider than a deny may: see `filters`. Unlike nats-server 2.15, a
   * `>` is not let through by a `*`.
   * @param queue its queue group in Latin-1
   */
  maySubscribe(subject: Buffer, queue: string | undefined): boolean {
    return this.#allows(tokens(subject), queue) && !this.withholds(subject, 0, subject.length, queue);
  }

  /** Whether a subscription that may be made must have its messages looked at with `withholds`. */
  filters(subject: Buffer): boolean {
    const wanted = tokens(subject);
    return this.#denied.some((denied) => overlap(denied.tokens, wanted));
  }

  /** Whether a message with the subject `buffer[start, end)` is kept from a subscription with this queue group. */
  withholds(buffer: Buffer, start: number, end: number, queue: string | undefined): boolean {
    if (this.#subscribeDeny === undefined) return false;
    if (this.#subscribeDeny.has(buffer, start, end)) return true;
    if (queue === undefined) return false;
    return this.#deniedGroups.some(
      (group) => matches(group.bytes, buffer, start, end) && isGroup(queue, group),
    );
  }

  /** Rules about a queue group stand in for those about the subject where there are any that match. */
  #allows(subject: readonly string[], queue: string | undefined): boolean {
    if (this.#subscribeAllow === undefined) return true;
    const matching = this.#subscribeAllow.filter((allowed) => covers(allowed.tokens, subject));
    const groups = matching.filter((allowed) => allowed.queue !== undefined);
    if (queue !== undefined && groups.length > 0) return groups.some((group) => isGroup(queue, group));
    return matching.length > groups.length;
  }
}

/** Whether a rule names the queue group, by its very name or with wildcards. */
function isGroup(queue: string, { queue: named = '' }: Pattern): boolean {
  return queue === named || covers(named.split('.'), queue.split('.'));
}

/** The subjects that rules are about as such. */
function setOf(patterns: readonly Pattern[]): SubjectSet {
  return new SubjectSet(patterns.flatMap(({ bytes, queue }) => (queue === undefined ? bytes : [])));
}

function patternOf({ subject, queue }: SubjectRule): Pattern {
  const bytes = Buffer.from(subject);
  return { bytes, tokens: tokens(bytes), queue: queue && Buffer.from(queue).toString('latin1') };
}
