// The OCSP answers that are kept from one handshake to the next (nats-server, server/ocsp_responsecache.go). It holds what
// responders have signed, and verifies nothing itself.
import type { OcspAnswer, OcspStatus } from '../x509/ocsp-answer.ts';

/** The block `ocsp_cache`. */
export interface AnswerCacheOptions {
  /** With `none`, every handshake asks. */
  readonly type: 'none' | 'local';
  /** The folder of the saved answers. */
  readonly folder: string;
  /** Whether a revocation stays after its answer has expired. */
  readonly preserveRevoked: boolean;
  readonly saveIntervalMs: number;
}

/** nats-server keeps answers also without the block, although its help says otherwise (initOCSPResponseCache). */
export const defaultAnswerCache: AnswerCacheOptions = {
  type: 'local',
  folder: '_rc_',
  preserveRevoked: false,
  saveIntervalMs: 300_000,
};

/** One answer as it arrived, with what it says. */
export interface KeptAnswer {
  readonly der: Buffer;
  readonly answer: OcspAnswer;
  /** The subject of the certificate, for the operator who reads the saved file. */
  readonly subject: string;
  readonly at: Date;
}

export interface AnswerCacheStatistics {
  hits: number;
  misses: number;
}

/** The most answers that are kept; the oldest goes first. */
const maxAnswers = 65_536;

export class AnswerCache {
  options: AnswerCacheOptions;
  readonly statistics: AnswerCacheStatistics = { hits: 0, misses: 0 };
  /** Whether answers have changed since they were saved. */
  isDirty = false;
  /** By the fingerprint of the certificate. */
  readonly #answers = new Map<string, KeptAnswer>();

  constructor(options: AnswerCacheOptions = defaultAnswerCache) {
    this.options = options;
  }

  get entries(): ReadonlyMap<string, KeptAnswer> {
    return this.#answers;
  }

  /** Counts the answers with a status. */
  count(status: OcspStatus): number {
    let count = 0;
    for (const { answer } of this.#answers.values()) if (answer.status === status) count++;
    return count;
  }

  get(fingerprint: string): KeptAnswer | undefined {
    if (this.options.type === 'none') return undefined;
    const kept = this.#answers.get(fingerprint);
    if (kept === undefined) this.statistics.misses++;
    else this.statistics.hits++;
    return kept;
  }

  put(fingerprint: string, kept: KeptAnswer): void {
    if (this.options.type === 'none') return;
    this.#answers.delete(fingerprint);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size >= maxAnswers && oldest !== undefined) this.#answers.delete(oldest);
    this.#answers.set(fingerprint, kept);
    this.isDirty = true;
  }

  /** Adds answers of an earlier process. */
  restore(answers: ReadonlyMap<string, KeptAnswer>): void {
    for (const [fingerprint, kept] of answers)
      if (!this.#answers.has(fingerprint)) this.put(fingerprint, kept);
    this.isDirty = false;
  }

  /** Removes an answer that `get` has returned and that is of no use; the lookup counts as a miss. */
  drop(fingerprint: string, isInvalid = false): void {
    const kept = this.#answers.get(fingerprint);
    if (kept === undefined) return;
    this.statistics.hits--;
    this.statistics.misses++;
    if (kept.answer.status === 'revoked' && this.options.preserveRevoked && !isInvalid) return;
    this.#answers.delete(fingerprint);
    this.isDirty = true;
  }
}
