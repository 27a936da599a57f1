// What a member and its authority say to each other, whatever carries it: EST over HTTPS, or NATS.
import type { KeyObject } from 'node:crypto';
import { NatspkiError } from '../../errors.ts';
import type { PairFiles } from '../../pki/store/directory.ts';
import type { Certificate } from '../../x509/certificate.ts';

/** A pair of the folder, once its key is known to belong to its certificate. */
export interface CurrentPair {
  readonly files: PairFiles;
  readonly chain: readonly [Certificate, ...Certificate[]];
  readonly key: KeyObject;
}

/** A request to renew. */
export interface RenewalAsk {
  /** What asks. */
  readonly current: CurrentPair;
  /** PKCS#10, DER. */
  readonly request: Buffer;
  /** The roots that the member trusts, the current one first. */
  readonly roots: readonly [Certificate, ...Certificate[]];
  readonly now: Date;
}

/** What came back; nothing in it is verified. */
export interface RenewalReply {
  /** The new certificate and those behind it, in any order. */
  readonly certificates: readonly Certificate[];
  /** The trust statement, where the transport carries one. */
  readonly statement?: string;
}

/** A way to the authority. Each call throws `unreachable` when it does not answer, and AuthorityRefused. */
export interface AuthorityLink {
  /** For messages: the URLs without user and password. */
  readonly name: string;
  /**
   * Asks for a certificate. Over a transport that is not trusted, any client may answer first: replies are given to `accept`
   * until one passes.
   * @param accept throws a NatspkiError for a reply that the member cannot use
   */
  renew<T>(ask: RenewalAsk, accept: (reply: RenewalReply) => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Asks for a trust statement; undefined where the authority offers none over this transport. */
  statement<T>(
    roots: readonly Certificate[],
    accept: (statement: string) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T | undefined>;
}

const hints: Readonly<Record<string, string>> = {
  clock: 'set the clock of this host',
  replayed: 'run the command again',
  'authority-unusable': 'the log of `natspki serve` says why',
};

/** The authority answered, and gave no certificate. */
export class AuthorityRefused extends NatspkiError {
  override readonly name = 'AuthorityRefused';

  /**
   * @param link the name of the link, for the message
   * @param reason what the authority says; over NATS, any client can have sent it
   * @param refusal its code, where the transport carries one
   */
  constructor(link: string, reason: string, refusal?: string) {
    super('refused-by-authority', `the authority at ${link} refused: ${reason}`, {
      hint: hints[refusal ?? ''] ?? 'a new token lets this host in again; there: natspki invite --again NAME',
    });
  }
}

/** Returns the error for an authority that does not answer. */
export function unreachable(link: string, reason: string, cause?: unknown): NatspkiError {
  return new NatspkiError('unreachable', `cannot reach the authority at ${link}: ${reason}`, {
    hint: 'check that `natspki serve` runs there, or name another address with --from URL',
    cause,
  });
}

/** The longest reason of a refusal that is shown, in characters. */
const longestReason = 300;

/** Shortens what an authority says to one line. */
export function reasonIn(text: string): string {
  const line = text.trim().split('\n')[0] ?? '';
  return line === '' ? 'no reason given' : line.slice(0, longestReason);
}
