// Keeps an OCSP answer about the certificate of a listener, for the clients that ask for one in their handshake
// (nats-server, server/ocsp.go). A revoked certificate of the server can end it.
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { NatspkiError } from '../errors.ts';
import { exists, makeDirectory, readRegularFile, writeFileAtomic } from '../files/files.ts';
import type { Logger } from '../log.ts';
import type { Certificate } from '../x509/certificate.ts';
import { DerError } from '../x509/der.ts';
import { formatName } from '../x509/distinguished-name.ts';
import { encodeOcspRequest, type OcspAnswer, OcspError, readOcspAnswer } from '../x509/ocsp-answer.ts';
import type { FetchAnswer } from './ocsp-fetch.ts';
import type { StaplingOptions } from './stapling-options.ts';

/** How long a responder may take, in milliseconds; nothing waits for it but the start. */
const timeoutMs = 30_000;
/** When the next answer is fetched, in milliseconds: without an end, after the end, and at the least. */
const withoutEndMs = 86_400_000;
const afterEndMs = 120_000;
const minimumMs = 1000;

export interface StaplerOptions {
  /** The block as log lines name it. */
  readonly where: string;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly now: () => Date;
  /** Loads the HTTP client. */
  readonly fetch: () => Promise<FetchAnswer>;
  /** Called when the certificate is not good and the mode says that the server must end. */
  readonly onRevoked: () => void;
}

/** The state of a staple, for monitoring. */
export interface StapleStatus {
  readonly status: OcspAnswer['status'] | 'none';
  readonly thisUpdate: Date | undefined;
  readonly nextUpdate: Date | undefined;
}

/** An answer and the certificate that it is about. */
interface Staple {
  readonly leaf: Certificate;
  readonly der: Buffer;
  readonly answer: OcspAnswer;
}

export class Stapler {
  readonly #options: StaplerOptions;
  #stapling: StaplingOptions | undefined;
  #begun:
    | { readonly leaves: readonly (Certificate | undefined)[]; readonly stapling: StaplingOptions }
    | undefined;
  #staple: Staple | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Counts changes of certificate or options, so that an older one in progress has no effect. */
  #turn = 0;

  constructor(options: StaplerOptions) {
    this.#options = options;
  }

  /** Whether answers are kept for the current certificate. */
  get isActive(): boolean {
    return this.#stapling !== undefined;
  }

  get status(): StapleStatus | undefined {
    if (!this.isActive) return undefined;
    const { status = 'none', thisUpdate, nextUpdate } = this.#staple?.answer ?? {};
    return { status, thisUpdate, nextUpdate };
  }

  /** Returns the answer about a certificate, while it is valid. */
  of(leaf: Certificate | undefined): Buffer | undefined {
    const staple = this.#staple;
    if (staple === undefined || leaf === undefined || !staple.leaf.der.equals(leaf.der)) return undefined;
    return isCurrent(staple.answer, this.#options.now()) ? staple.der : undefined;
  }

  /** Returns whether these are other leaves or options than those of the last start. */
  hasChanged(chains: readonly (readonly Certificate[])[], stapling: StaplingOptions): boolean {
    const leaves = chains.map(([leaf]) => leaf?.fingerprint);
    const before = this.#begun?.leaves.map((leaf) => leaf?.fingerprint);
    return !isDeepStrictEqual([leaves, stapling], [before, this.#begun?.stapling]);
  }

  /**
   * Begins with a certificate. Throws a NatspkiError when an answer is needed and there is none, or when it says that the
   * certificate is not good and the server must not run with it.
   * @param chains the chains that the listener serves
   * @param authorities where an issuer may be that a chain lacks
   */
  async start(
    chains: readonly (readonly Certificate[])[],
    authorities: readonly Certificate[],
    stapling: StaplingOptions,
  ): Promise<void> {
    const turn = ++this.#turn;
    clearTimeout(this.#timer);
    this.#begun = { leaves: chains.map(([leaf]) => leaf), stapling };
    const { where, log } = this.#options;
    const [chain] = chains;
    const leaf = chain?.[0];
    const isNeeded = chains.some(([each]) => needsStaple(each, stapling));
    this.#stapling = isNeeded ? stapling : undefined;
    if (leaf?.mustStaple && stapling.mode === 'never') {
      log.warn(
        `${where}: the certificate demands OCSP stapling, which "ocsp" turns off: clients may reject it`,
      );
    }
    if (leaf === undefined || chain === undefined || !isNeeded) return;
    if (chains.length > 1) {
      this.#stapling = undefined;
      log.warn(`${where}: no OCSP answers are stapled, because the block has several certificates`);
      return;
    }
    const issuer = [chain[1], ...authorities].find((each) => each !== undefined && leaf.isSignedBy(each));
    if (issuer === undefined) throw this.#error(leaf, 'its issuer is neither in cert_file nor in ca_file');
    const own = { leaf, issuer };
    const staple = (await this.#read(own, stapling)) ?? (await this.#ask(own, stapling));
    if (turn !== this.#turn) return;
    if (!('der' in staple)) throw this.#error(leaf, staple.reason);
    this.#use(own, staple, stapling);
    if (staple.answer.status !== 'good' && endsServer(leaf, stapling)) {
      throw this.#error(leaf, `the responder answers ${staple.answer.status}`);
    }
  }

  /** Begins with another certificate of a running server: an error is logged, and an older answer is not used for it. */
  async change(...[chains, authorities, stapling]: Parameters<Stapler['start']>): Promise<void> {
    try {
      await this.start(chains, authorities, stapling);
    } catch (error) {
      if (!(error instanceof NatspkiError)) throw error;
      this.#options.log.error(`${error.message}; trying again in ${afterEndMs / 1000}s`);
      const again = () => void this.change(chains, authorities, stapling);
      this.#timer = setTimeout(again, afterEndMs).unref();
    }
  }

  /** Stops renewing. */
  close(): void {
    this.#turn++;
    clearTimeout(this.#timer);
  }

  #use(own: Own, staple: Staple, stapling: StaplingOptions): void {
    this.#staple = staple;
    const { nextUpdate, status } = staple.answer;
    const until = nextUpdate === undefined ? 'without an end' : `valid until ${nextUpdate.toISOString()}`;
    const text = `${this.#options.where}: the OCSP answer about ${formatName(own.leaf.subject)} is ${status}, ${until}`;
    if (status === 'good') this.#options.log.info(text);
    else this.#options.log.error(text);
    const leftMs =
      nextUpdate === undefined ? 2 * withoutEndMs : nextUpdate.getTime() - this.#options.now().getTime();
    const delayMs = leftMs < 0 ? afterEndMs : Math.max(minimumMs, leftMs / 2);
    this.#timer = setTimeout(() => void this.#renew(own, stapling), delayMs).unref();
  }

  async #renew(own: Own, stapling: StaplingOptions): Promise<void> {
    const turn = this.#turn;
    const staple = await this.#ask(own, stapling);
    if (turn !== this.#turn) return;
    if (!('der' in staple)) {
      this.#options.log.error(
        `${this.#error(own.leaf, staple.reason).message}; trying again in ${afterEndMs / 1000}s`,
      );
      this.#timer = setTimeout(() => void this.#renew(own, stapling), afterEndMs).unref();
      return;
    }
    this.#use(own, staple, stapling);
    if (staple.answer.status !== 'good' && endsServer(own.leaf, stapling)) this.#options.onRevoked();
  }

  async #ask({ leaf, issuer }: Own, stapling: StaplingOptions): Promise<Staple | { reason: string }> {
    const { serial, addresses } = leaf;
    const texts = stapling.urls.length > 0 ? stapling.urls : addresses.ocsp;
    const urls = texts.filter((text) => URL.canParse(text)).map((text) => new URL(text));
    const fetch = await this.#options.fetch();
    const fetched = await fetch(urls, encodeOcspRequest({ serial, issuer }), timeoutMs);
    if (fetched.kind !== 'answer') return { reason: fetched.reason };
    const staple = this.#parse({ leaf, issuer }, fetched.bytes);
    if ('der' in staple) await this.#save(staple, stapling);
    return staple;
  }

  #parse({ leaf, issuer }: Own, der: Buffer): Staple | { reason: string } {
    const now = this.#options.now();
    try {
      const answer = readOcspAnswer(der, { serial: leaf.serial, issuer }, now);
      return isCurrent(answer, now)
        ? { leaf, der, answer }
        : { reason: 'the answer is not valid at this time' };
    } catch (error) {
      if (error instanceof DerError || error instanceof OcspError) return { reason: error.message };
      throw error;
    }
  }

  /** Reads the saved answer, so that a server starts while no responder answers. */
  async #read(own: Own, stapling: StaplingOptions): Promise<Staple | undefined> {
    const file = fileOf(own.leaf, stapling);
    if (file === undefined || !exists(file)) return undefined;
    const bytes = await readRegularFile(file, { maximum: 65_536 }).catch(() => undefined);
    const staple = bytes && this.#parse(own, bytes);
    return staple && 'der' in staple ? staple : undefined;
  }

  async #save({ leaf, der }: Staple, stapling: StaplingOptions): Promise<void> {
    const file = fileOf(leaf, stapling);
    if (file === undefined) return;
    try {
      await makeDirectory(join(file, '..'), 0o750);
      await writeFileAtomic(file, der, { mode: 0o600 });
    } catch (error) {
      this.#options.log.warn(
        `${this.#options.where}: cannot save the OCSP answer: ${(error as Error).message}`,
      );
    }
  }

  #error(leaf: Certificate, reason: string): NatspkiError {
    const name = formatName(leaf.subject);
    const text = `no OCSP answer for ${this.#options.where} that the certificate ${name} could be served with: ${reason}`;
    return new NatspkiError('no-staple', text, {
      hint: 'check the responder with openssl ocsp, or set ocsp { mode: never }',
    });
  }
}

interface Own {
  readonly leaf: Certificate;
  readonly issuer: Certificate;
}

function needsStaple(leaf: Certificate | undefined, { mode }: StaplingOptions): boolean {
  if (leaf === undefined || mode === 'never') return false;
  return mode === 'always' || leaf.mustStaple;
}

function endsServer({ mustStaple }: Certificate, { mode }: StaplingOptions): boolean {
  return mode === 'always' || (mode === 'must' && mustStaple);
}

/** nats-server's name: the SHA-256 of the certificate below `ocsp` (getLocalStatus). */
function fileOf({ fingerprint }: Certificate, { folder }: StaplingOptions): string | undefined {
  return folder === undefined ? undefined : join(folder, 'ocsp', fingerprint);
}

/** Without tolerance for other clocks, unlike ocsp_peer (validOCSPResponse). */
function isCurrent({ thisUpdate, nextUpdate }: OcspAnswer, now: Date): boolean {
  return thisUpdate <= now && (nextUpdate === undefined || nextUpdate >= now);
}
