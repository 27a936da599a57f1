// Provides the revocation lists of some files: loads them, watches the files, and replaces all lists at once. When a file
// becomes invalid, the last valid lists stay in use.
import { EventEmitter } from 'node:events';
import { NatspkiError } from '../errors.ts';
import { readRegularFile } from '../files/files.ts';
import type { FileWatch, FileWatcher } from '../files/watcher.ts';
import type { Logger } from '../log.ts';
import type { Certificate } from '../x509/certificate.ts';
import { readMaterialOf, wrapDerErrorsLater } from '../x509/decode.ts';
import { formatName } from '../x509/distinguished-name.ts';
import { decodePemQuickly } from '../x509/pem.ts';
import { sha256Hex } from '../x509/pin.ts';
import { RevocationIndex } from '../x509/revocation-index.ts';

export interface ListSourceOptions {
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Without one, only `reload` reads the files. */
  readonly watcher?: FileWatcher;
  readonly now?: () => Date;
}

/** The properties of a list in use, for logs and monitoring. */
export interface ListFacts {
  readonly file: string;
  readonly issuer: string;
  /** Decimal; undefined when the list has none. */
  readonly number: string | undefined;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date | undefined;
  /** How many certificates are on it. */
  readonly size: number;
}

/** The state of a source, counted since it was opened. */
export interface ListSourceStatus {
  readonly files: readonly string[];
  readonly lists: readonly ListFacts[];
  /** False while a file is invalid and earlier lists are in use. */
  readonly current: boolean;
  readonly reloads: number;
  /** How often changed files were rejected. */
  readonly refused: number;
  readonly lastReload: Date | undefined;
  readonly lastRefusal: { readonly at: Date; readonly reason: string } | undefined;
}

interface ListSourceEvents {
  /** Other lists are in use. */
  change: [];
}

/** A shorter failure, in milliseconds, is not logged: a file that is rewritten in place is incomplete for a moment. */
const graceMs = 250;
const firstRetryMs = 25;
const lastRetryMs = 5000;

/** Files above this size, in bytes, are decoded the quick way. */
const largeBytes = 256 * 1024;

/** How often an expired list is reported, in milliseconds. */
const remindMs = 3_600_000;

/**
 * The lists of some files. A list that has expired stays in use: it refuses what it lists, and nothing else. Refusing all
 * would let an authority that is late with a list end every connection.
 */
export class RevocationListSource extends EventEmitter<ListSourceEvents> {
  readonly #files: readonly string[];
  readonly #options: ListSourceOptions;
  readonly #now: () => Date;
  #lists: readonly LoadedList[] = [];
  #unsigned = new WeakSet<Certificate>();
  #digest = '';
  #watch: FileWatch | undefined;
  #running: Promise<void> = Promise.resolve();
  #isQueued = false;
  #failure: { readonly since: number; retryMs: number; reason: string | undefined } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reminder: NodeJS.Timeout | undefined;
  #isClosed = false;
  #reloads = 0;
  #refused = 0;
  #lastReload: Date | undefined;
  #lastRefusal: ListSourceStatus['lastRefusal'];

  private constructor(files: readonly string[], options: ListSourceOptions) {
    super();
    this.#files = files;
    this.#options = options;
    this.#now = options.now ?? (() => new Date());
  }

  /** Loads the files, PEM or DER, and watches them; throws a NatspkiError when one is missing or invalid. */
  static async open(files: readonly string[], options: ListSourceOptions): Promise<RevocationListSource> {
    const source = new RevocationListSource(files, options);
    const { lists, digest } = await load(files);
    source.#use(lists, digest);
    source.#watch = await options.watcher?.watch(files, () => void source.#enqueue());
    // The files may have changed between the load and the watch.
    await source.#enqueue();
    return source;
  }

  get status(): ListSourceStatus {
    return {
      files: this.#files,
      lists: this.#lists.map(factsOf),
      current: this.#failure === undefined,
      reloads: this.#reloads,
      refused: this.#refused,
      lastReload: this.#lastReload,
      lastRefusal: this.#lastRefusal,
    };
  }

  /** Returns whether a list that the issuer has signed contains the serial number. @param serial lower-case hex */
  revokes(issuer: Certificate, serial: string): boolean {
    const named = this.#lists.filter(({ index }) => index.issuerDer.equals(issuer.subjectDer));
    const own = named.filter((list) => list.isFrom(issuer));
    if (named.length > 0 && own.length === 0) this.#reportUnsigned(issuer);
    return own.some(({ index }) => index.has(serial));
  }

  /** Reports once that a list with the name of an issuer does not count, because the issuer did not sign it. */
  #reportUnsigned(issuer: Certificate): void {
    if (this.#unsigned.has(issuer)) return;
    this.#unsigned.add(issuer);
    const name = formatName(issuer.subject);
    this.#options.log.error(
      `crl: no list of ${name} has the signature of the trusted key: none is used for it`,
    );
  }

  /** Reads the files now; an invalid one is logged and counted, and changes nothing. */
  reload(): Promise<void> {
    return this.#enqueue();
  }

  /** Stops watching. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#reminder);
    this.#watch?.close();
  }

  /** Queues a load behind the one in progress; a load that is already queued will see the current files anyway. */
  #enqueue(): Promise<void> {
    if (!this.#isQueued) {
      this.#isQueued = true;
      this.#running = this.#running.then(() => {
        this.#isQueued = false;
        return this.#load();
      });
    }
    return this.#running;
  }

  async #load(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      const { lists, digest } = await load(this.#files, this.#digest);
      if (this.#isClosed) return;
      if (this.#failure?.reason !== undefined) this.#options.log.info('crl: the files are valid again');
      this.#failure = undefined;
      if (digest === this.#digest) return;
      this.#reloads++;
      this.#lastReload = this.#now();
      this.#warnOfOlder(lists);
      this.#use(lists, digest);
      this.emit('change');
    } catch (error) {
      if (!this.#isClosed) this.#fail(error);
    }
  }

  #use(lists: readonly LoadedList[], digest: string): void {
    this.#lists = lists;
    this.#unsigned = new WeakSet();
    this.#digest = digest;
    const verb = this.#reloads === 0 ? 'Revocation list' : 'Reloaded: revocation list';
    for (const facts of lists.map(factsOf)) this.#options.log.info(`${verb} ${describe(facts)}`);
    this.#remind();
  }

  /** A list with a lower number was replaced by accident, or by an attacker who wants a revocation forgotten. */
  #warnOfOlder(lists: readonly LoadedList[]): void {
    for (const { index, file } of lists) {
      const before = this.#lists.find((old) => old.index.issuerDer.equals(index.issuerDer));
      if (before?.index.number === undefined || index.number === undefined) continue;
      if (index.number >= before.index.number) continue;
      const numbers = `number ${index.number}, before it ${before.index.number}`;
      this.#options.log.warn(`crl: the list in "${file}" is older than the one before it (${numbers})`);
    }
  }

  /** Reports every list that has expired, and sets a timer for the next report. */
  #remind(): void {
    clearTimeout(this.#reminder);
    const now = this.#now();
    let nextMs = remindMs;
    for (const facts of this.#lists.map(factsOf)) {
      const leftMs = (facts.nextUpdate?.getTime() ?? Number.POSITIVE_INFINITY) - now.getTime();
      if (leftMs >= 0) nextMs = Math.min(nextMs, leftMs + 1);
      if (facts.thisUpdate > now) {
        this.#options.log.warn(`crl: ${describe(facts)} is not valid yet: compare the clocks`);
      }
      if (leftMs >= 0) continue;
      const text = `crl: the list of ${facts.issuer} in "${facts.file}" expired at ${facts.nextUpdate?.toISOString()}`;
      this.#options.log.error(`${text}: later revocations are unknown here; write a new list (natspki crl)`);
    }
    this.#reminder = setTimeout(() => this.#remind(), nextMs).unref();
  }

  #fail(error: unknown): void {
    this.#failure ??= { since: performance.now(), retryMs: firstRetryMs, reason: undefined };
    const failure = this.#failure;
    const reason = error instanceof NatspkiError ? error.message : String(error);
    if (reason !== failure.reason && performance.now() - failure.since >= graceMs) {
      failure.reason = reason;
      this.#refused++;
      this.#lastRefusal = { at: this.#now(), reason };
      this.#options.log.error(`crl: ${reason}; the lists read before stay in use`);
    }
    this.#timer = setTimeout(() => void this.#enqueue(), failure.retryMs).unref();
    failure.retryMs = Math.min(failure.retryMs * 2, lastRetryMs);
  }
}

/** A list, and which issuers have signed it. */
class LoadedList {
  readonly file: string;
  readonly index: RevocationIndex;
  /** Whether the key of an issuer verifies the list, by its pin. The issuers are those of trusted peers, so there are few. */
  readonly #verdicts = new Map<string, boolean>();

  constructor(file: string, index: RevocationIndex) {
    this.file = file;
    this.index = index;
  }

  isFrom(issuer: Certificate): boolean {
    const known = this.#verdicts.get(issuer.pin);
    if (known !== undefined) return known;
    const isFrom = this.index.isSignedBy(issuer);
    this.#verdicts.set(issuer.pin, isFrom);
    return isFrom;
  }
}

/** Reads all files, all or nothing; stops before the content when the digest is the known one. */
async function load(
  files: readonly string[],
  known?: string,
): Promise<{ lists: LoadedList[]; digest: string }> {
  const contents: Buffer[] = [];
  for (const file of files) contents.push(await readRegularFile(file));
  const digest = sha256Hex(Buffer.from(contents.map(sha256Hex).join(' ')));
  if (digest === known) return { lists: [], digest };
  const lists: LoadedList[] = [];
  for (const [number, bytes] of contents.entries()) {
    const file = files[number] as string;
    for (const der of listsIn(bytes, file)) lists.push(new LoadedList(file, await readIndex(der, file)));
  }
  return { lists, digest };
}

/** Decodes the lists of a file; throws a NatspkiError when there is none. */
function listsIn(bytes: Buffer, file: string): Buffer[] {
  const large = bytes.length > largeBytes ? decodePemQuickly(bytes, 'X509 CRL') : [];
  return large.length > 0 ? large : readMaterialOf('revocation-list', bytes, file).map(({ der }) => der);
}

async function readIndex(der: Buffer, file: string): Promise<RevocationIndex> {
  const index = await wrapDerErrorsLater('revocation-list', file, () => RevocationIndex.read(der));
  if (index.unknownCritical.length === 0) return index;
  const oids = index.unknownCritical.join(', ');
  throw new NatspkiError(
    'unusable-revocation-list',
    `the list of ${formatName(index.issuer)} in "${file}" has the critical extension ${oids}: it may be partial or of several issuers, and cannot be relied on`,
    { hint: 'use the complete list of the issuer' },
  );
}

function factsOf({ file, index }: LoadedList): ListFacts {
  const { issuer, number, thisUpdate, nextUpdate, size } = index;
  return { file, issuer: formatName(issuer), number: number?.toString(), thisUpdate, nextUpdate, size };
}

function describe({ file, issuer, number, nextUpdate, size }: ListFacts): string {
  const until = nextUpdate === undefined ? 'without an end' : `valid until ${nextUpdate.toISOString()}`;
  const name = number === undefined ? '' : ` (number ${number})`;
  return `of ${issuer} from "${file}"${name}: ${size} certificates, ${until}`;
}
