// Asks OCSP responders about certificates, as nats-server's ocsp_peer does (server/ocsp_peer.go): one question at a time for
// each certificate, answers from the cache while they are valid, and again in the background while a peer is connected.

import type { Logger } from '../log.ts';
import { DerError } from '../x509/der.ts';
import { encodeOcspRequest, type OcspAnswer, OcspError, readOcspAnswer } from '../x509/ocsp-answer.ts';
import type { AnswerCache } from './answer-cache.ts';
import type { Link } from './links.ts';
import type { FetchAnswer } from './ocsp-fetch.ts';
import { endOf, isCurrent, type OcspPolicy } from './ocsp-policy.ts';

/** What is known about one certificate. */
export type OcspVerdict =
  | { readonly isGood: true; readonly answer: OcspAnswer | undefined; readonly maxAgeMs?: number | undefined }
  | { readonly isGood: false; readonly isRevoked: boolean; readonly reason: string };

/** The result of one question. */
type Asked =
  | { readonly kind: 'answer'; readonly answer: OcspAnswer; readonly maxAgeMs: number | undefined }
  | { readonly kind: 'unreachable' | 'unusable'; readonly reason: string };

export interface OcspCheckerOptions {
  readonly cache: AnswerCache;
  readonly fetch: FetchAnswer;
  readonly log: Pick<Logger, 'warn' | 'debug'>;
  readonly now: () => Date;
  /** Returns a number in [0, 1), to spread renewals. */
  readonly random?: () => number;
  /** Called when a renewed answer revokes the certificate of a connected peer. */
  readonly onRevoked: () => void;
}

/** Limits on the time between two questions about the certificate of a connected peer, in milliseconds. */
const minRenewalMs = 1000;
const maxRenewalMs = 3_600_000;
/** The time after which a question without an answer is repeated, in milliseconds. */
const retryMs = 60_000;

/** Totals since the start. */
export interface OcspStatistics {
  asked: number;
  answered: number;
  unreachable: number;
  unusable: number;
}

export class OcspChecker {
  readonly statistics: OcspStatistics = { asked: 0, answered: 0, unreachable: 0, unusable: 0 };
  readonly #options: OcspCheckerOptions;
  /** Questions in progress, by the fingerprint of the certificate. */
  readonly #questions = new Map<string, Promise<Asked>>();
  readonly #held = new Map<string, HeldLink>();

  constructor(options: OcspCheckerOptions) {
    this.#options = options;
  }

  /** The number of questions in progress. */
  get open(): number {
    return this.#questions.size;
  }

  /** The number of certificates of connected peers whose answers are renewed. */
  get held(): number {
    return this.#held.size;
  }

  /** Returns whether a certificate may be used, from the cache or from its responder (certOCSPGood). */
  async check(link: Link, policy: OcspPolicy): Promise<OcspVerdict> {
    const { cache, now } = this.#options;
    const kept = this.#kept(link);
    const wasRevoked = kept?.status === 'revoked';
    if (kept !== undefined && isCurrent(kept, policy, now())) return this.#judge(link, kept, policy);
    if (kept !== undefined) cache.drop(link.fingerprint);
    const asked = await this.#ask(link, policy);
    if (asked.kind === 'answer') return this.#judge(link, asked.answer, policy, asked.maxAgeMs);
    const reason = `no usable OCSP answer: ${asked.reason}`;
    const isAllowed = asked.kind === 'unreachable' && policy.allowWhenUnreachable && !wasRevoked;
    return isAllowed || policy.warnOnly ? this.#pass(link, reason) : reject(reason, false);
  }

  /**
   * Renews the answer about a certificate until the returned function is called.
   * @param answer the one that let the peer in; undefined when it was let in without
   * @param policyNow returns the policy in force; undefined when ocsp_peer was turned off
   */
  hold(
    link: Link,
    verdict: OcspVerdict & { isGood: true },
    policyNow: () => OcspPolicy | undefined,
  ): () => void {
    const { fingerprint } = link;
    let held = this.#held.get(fingerprint);
    if (held === undefined) {
      held = { link, policyNow, users: 0, isRevoked: false, timer: undefined };
      this.#held.set(fingerprint, held);
      this.#schedule(held, verdict.answer, verdict.maxAgeMs);
    }
    held.users++;
    const own = held;
    return () => {
      if (--own.users > 0) return;
      clearTimeout(own.timer);
      this.#held.delete(fingerprint);
    };
  }

  /** Returns whether a renewed answer has revoked the certificate of a connected peer. */
  isRevoked({ fingerprint }: Link): boolean {
    return this.#held.get(fingerprint)?.isRevoked ?? false;
  }

  /** Stops renewing. */
  close(): void {
    for (const { timer } of this.#held.values()) clearTimeout(timer);
  }

  /** Returns the answer in the cache, if the issuer or its delegate has signed it. */
  #kept(link: Link): OcspAnswer | undefined {
    const { cache, now } = this.#options;
    const kept = cache.get(link.fingerprint);
    if (kept === undefined) return undefined;
    try {
      // Also of an answer from a saved file, which others could have written.
      return readOcspAnswer(kept.der, link, now());
    } catch (error) {
      if (!(error instanceof DerError || error instanceof OcspError)) throw error;
      cache.drop(link.fingerprint, true);
      return undefined;
    }
  }

  #judge(link: Link, answer: OcspAnswer, policy: OcspPolicy, maxAgeMs?: number): OcspVerdict {
    const { status } = answer;
    if (status === 'good' || (status === 'unknown' && policy.unknownIsGood)) {
      return { isGood: true, answer, maxAgeMs };
    }
    const reason = `the OCSP responder answers ${status}`;
    return policy.warnOnly ? this.#pass(link, reason, answer) : reject(reason, status === 'revoked');
  }

  /** Lets a peer in although its certificate is not known to be good. */
  #pass({ subject, serial }: Link, reason: string, answer?: OcspAnswer): OcspVerdict {
    this.#options.log.warn(`ocsp_peer: accepting ${subject} (serial ${serial}) in spite of this: ${reason}`);
    return { isGood: true, answer };
  }

  /** Asks the responder, or joins the question in progress. */
  #ask(link: Link, policy: OcspPolicy): Promise<Asked> {
    const { fingerprint } = link;
    const running = this.#questions.get(fingerprint);
    if (running !== undefined) return running;
    const question = this.#fetch(link, policy).finally(() => this.#questions.delete(fingerprint));
    this.#questions.set(fingerprint, question);
    return question;
  }

  async #fetch(link: Link, policy: OcspPolicy): Promise<Asked> {
    const { fetch, cache, now, log } = this.#options;
    this.statistics.asked++;
    const fetched = await fetch(link.ocspUrls, encodeOcspRequest(link), policy.timeoutMs);
    const asked = fetched.kind === 'answer' ? this.#read(link, policy, fetched.bytes) : fetched;
    if (typeof asked !== 'object' || 'kind' in asked) {
      this.statistics[asked.kind]++;
      log.debug(`ocsp_peer: ${link.subject} (serial ${link.serial}): ${asked.reason}`);
      return asked;
    }
    const { bytes: der, maxAgeMs } = fetched as { bytes: Buffer; maxAgeMs: number | undefined };
    cache.put(link.fingerprint, { der, answer: asked, subject: link.subject, at: now() });
    this.statistics.answered++;
    this.#learn(link, asked, policy);
    return { kind: 'answer', answer: asked, maxAgeMs };
  }

  /** Applies a new answer to connected peers; only a revocation ends their connections. */
  #learn({ fingerprint }: Link, { status }: OcspAnswer, { warnOnly }: OcspPolicy): void {
    const held = this.#held.get(fingerprint);
    if (held === undefined) return;
    const wasRevoked = held.isRevoked;
    held.isRevoked = status === 'revoked' && !warnOnly;
    if (held.isRevoked && !wasRevoked) this.#options.onRevoked();
  }

  #read(link: Link, policy: OcspPolicy, bytes: Buffer): OcspAnswer | { kind: 'unusable'; reason: string } {
    const now = this.#options.now();
    try {
      const answer = readOcspAnswer(bytes, link, now);
      if (isCurrent(answer, policy, now)) return answer;
      const end = new Date(endOf(answer, policy)).toISOString();
      return { kind: 'unusable', reason: `it is valid from ${answer.thisUpdate.toISOString()} to ${end}` };
    } catch (error) {
      if (error instanceof DerError || error instanceof OcspError) {
        return { kind: 'unusable', reason: error.message };
      }
      throw error;
    }
  }

  /** Sets the timer for the next question about the certificate of a connected peer. */
  #schedule(held: HeldLink, answer: OcspAnswer | undefined, maxAgeMs = maxRenewalMs): void {
    const policy = held.policyNow();
    const { now, random = Math.random } = this.#options;
    const leftMs =
      answer === undefined || policy === undefined ? 2 * retryMs : endOf(answer, policy) - now().getTime();
    const delayMs = Math.max(minRenewalMs, Math.min(leftMs / 2, maxAgeMs, maxRenewalMs));
    // Spread, since many peers connect at once after a restart.
    held.timer = setTimeout(() => void this.#renew(held), delayMs * (0.9 + 0.1 * random())).unref();
  }

  async #renew(held: HeldLink): Promise<void> {
    const policy = held.policyNow();
    const asked: Asked =
      policy === undefined
        ? { kind: 'unreachable', reason: 'ocsp_peer is off' }
        : await this.#ask(held.link, policy);
    if (this.#held.get(held.link.fingerprint) !== held) return;
    if (asked.kind === 'answer') this.#schedule(held, asked.answer, asked.maxAgeMs);
    else this.#schedule(held, undefined);
  }
}

/** A certificate of at least one connected peer. */
interface HeldLink {
  readonly link: Link;
  readonly policyNow: () => OcspPolicy | undefined;
  users: number;
  isRevoked: boolean;
  timer: NodeJS.Timeout | undefined;
}

function reject(reason: string, isRevoked: boolean): OcspVerdict {
  return { isGood: false, isRevoked, reason };
}
