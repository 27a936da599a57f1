// The OCSP responder of an authority (RFC 6960): turns a request, DER, into an answer, without any transport. Each issuer
// whose key is in the folder delegates to a certificate of its own, whose key exists only in this process.
import { createHash, createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { NatspkiError } from '../../errors.ts';
import { statsOf } from '../../files/files.ts';
import { given } from '../../given.ts';
import type { Logger } from '../../log.ts';
import { type Certificate, spkiBits } from '../../x509/certificate.ts';
import { DerError } from '../../x509/der.ts';
import { generateKey } from '../../x509/key.ts';
import { type CertificateId, type OcspRequest, readOcspRequest } from '../../x509/ocsp-request.ts';
import type { AnswerSigner, OcspError, StatusOf } from '../../x509/ocsp-response.ts';
import { clockSkewMs, dayMs } from '../store/authority.ts';
import type { PkiDirectory } from '../store/directory.ts';
import { ledgerEntry } from '../store/ledger.ts';
import { type KnownIssuer, readIssuers } from './issuers.ts';
import { StatusIndex } from './status-index.ts';

export interface ResponderOptions {
  readonly directory: PkiDirectory;
  /** Opens the keys of the issuers. */
  readonly passphrase?: string;
  /** How long an answer is valid, in milliseconds; default 10 minutes. Servers remember a good answer for that long. */
  readonly lifeMs?: number;
  /** How long the folder is trusted to be unchanged, in milliseconds; default 100. */
  readonly recheckMs?: number;
  readonly logger: Pick<Logger, 'error'>;
  readonly now?: () => Date;
}

export interface Answered {
  /** DER. */
  readonly body: Buffer;
  /** How long a cache may keep it; absent for an error, for an answer with a nonce, and for an unknown certificate. */
  readonly cache?: { readonly producedAt: Date; readonly renewAt: Date; readonly nextUpdate: Date };
}

/** A delegated signer of one issuer. */
interface Delegate {
  readonly signer: AnswerSigner;
  /** When it has to be renewed, and when its certificate expires. */
  readonly renewAt: Date;
  readonly notAfter: Date;
}

const usualLifeMs = 10 * 60_000;
const delegateDays = 30;
/** The most answers that are remembered. */
const maximumAnswers = 10_000;
/** The longest request that can be remembered, in bytes: one certificate, without a nonce. */
const maximumKey = 256;

/** The hashes that a request may use, by object identifier. */
const hashes: ReadonlyMap<string, string> = new Map([
  ['1.3.14.3.2.26', 'sha1'],
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
]);

export class Responder {
  readonly #options: ResponderOptions;
  readonly #now: () => Date;
  readonly #index: StatusIndex;
  readonly #answers = new Map<string, Answered>();
  readonly #delegates = new Map<string, Delegate>();
  readonly #delegating = new Map<string, Promise<Delegate>>();
  /** By hash, name hash and key hash. */
  #issuers = new Map<string, KnownIssuer>();
  #version = '';
  #refreshing: Promise<void> | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;

  private constructor(options: ResponderOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => new Date());
    this.#index = new StatusIndex(options.directory.ledger);
  }

  /** Opens the responder of a folder; throws a NatspkiError when its authority cannot sign. */
  static async open(options: ResponderOptions): Promise<Responder> {
    const responder = new Responder(options);
    await options.directory.recover();
    await responder.#refresh();
    await responder.#warmUp();
    return responder;
  }

  /** Makes the first delegate before a server waits for it; when that fails now, a request tries again. */
  async #warmUp(): Promise<void> {
    const { certificate, key } = await this.#options.directory
      .readAuthority(this.#options.passphrase)
      .then(({ current }) => current);
    await this.#delegateOf(certificate, key, this.#now()).catch((error) => {
      if (!(error instanceof NatspkiError)) throw error;
      this.#options.logger.error(`The OCSP responder has no certificate yet: ${error.message}`);
    });
  }

  /** Answers a request; what is not a request gets an answer that says so. */
  async answer(request: Buffer): Promise<Answered> {
    const { errorAnswer } = await import('../../x509/ocsp-response.ts');
    const failed = (error: OcspError) => ({ body: errorAnswer(error) });
    try {
      await this.#recheck();
      const key = request.length <= maximumKey ? request.toString('latin1') : undefined;
      const known = key === undefined ? undefined : this.#answers.get(key);
      if (known?.cache !== undefined && this.#now() < known.cache.renewAt) return known;
      const answer = await this.#sign(readOcspRequest(request));
      if (answer === undefined) return failed('unauthorized');
      if (key !== undefined && answer.cache !== undefined) this.#remember(key, answer);
      return answer;
    } catch (error) {
      if (error instanceof DerError) return failed('malformedRequest');
      if (!(error instanceof NatspkiError)) throw error;
      // Another process holds the folder, the disk is full, or the issuer has expired.
      this.#options.logger.error(`Cannot answer OCSP requests: ${error.message}`);
      return failed('tryLater');
    }
  }

  #remember(key: string, answer: Answered): void {
    if (this.#answers.size >= maximumAnswers) this.#answers.clear();
    this.#answers.set(key, answer);
  }

  /** Looks at the folder again, at most once in `recheckMs`. */
  async #recheck(): Promise<void> {
    const now = this.#now().getTime();
    const { recheckMs = 100 } = this.#options;
    if (Math.abs(now - this.#checkedAt) < recheckMs) return;
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
    this.#checkedAt = now;
  }

  async #refresh(): Promise<void> {
    const { directory, passphrase } = this.#options;
    const { authorityPair, intermediatePair } = directory;
    const files = [authorityPair, intermediatePair].flatMap((pair) => [pair.certificateFile, pair.keyFile]);
    const version = files.map(versionOf).join(', ');
    const hasRevoked = this.#index.refresh();
    const hasNewIssuers = version !== this.#version;
    if (hasNewIssuers) {
      this.#issuers = byHashes(await readIssuers(directory, passphrase));
      this.#version = version;
    }
    if (hasRevoked || hasNewIssuers) this.#answers.clear();
  }

  /** Returns undefined when no issuer of the folder can answer. */
  async #sign({ certificates, nonce }: OcspRequest): Promise<Answered | undefined> {
    const now = this.#now();
    // An answer has one signer: certificates of other issuers in the same request are unknown to it.
    const [issuer] = certificates.flatMap((id) => this.#issuerOf(id) ?? []);
    if (issuer?.key === undefined) return undefined;
    const { signer, notAfter } = await this.#delegateOf(issuer.certificate, issuer.key, now);
    const entries = certificates.map((id) => this.#statusOf(id, issuer.certificate, now));
    const producedAt = now;
    const end = now.getTime() + (this.#options.lifeMs ?? usualLifeMs);
    const nextUpdate = new Date(Math.min(end, notAfter.getTime()));
    const body = await signer.sign({ entries, producedAt, nextUpdate, nonce });
    const isKept = nonce === undefined && entries.every(({ status }) => status.kind !== 'unknown');
    const renewAt = new Date((now.getTime() + nextUpdate.getTime()) / 2);
    return isKept ? { body, cache: { producedAt, renewAt, nextUpdate } } : { body };
  }

  #issuerOf({ hash, issuerNameHash, issuerKeyHash }: CertificateId): KnownIssuer | undefined {
    const known = this.#issuers.get([hash, issuerNameHash, issuerKeyHash].join());
    return known?.key === undefined ? undefined : known;
  }

  #statusOf(id: CertificateId, issuer: Certificate, now: Date): StatusOf {
    const isOwn = this.#issuerOf(id)?.certificate.pin === issuer.pin;
    const revocation = isOwn ? this.#index.revocationOf(id.serial) : undefined;
    if (revocation !== undefined) {
      const { time, reason } = revocation;
      const status = { kind: 'revoked' as const, revokedAt: new Date(time), ...given({ reason }) };
      return { id, status, thisUpdate: new Date(Math.min(now.getTime(), Math.max(time, early(now)))) };
    }
    // For peers whose clocks are behind: what is good now was good when it was issued.
    if (isOwn && this.#index.isIssued(id.serial, issuer.pin))
      return { id, status: { kind: 'good' }, thisUpdate: new Date(early(now)) };
    return { id, status: { kind: 'unknown' }, thisUpdate: now };
  }

  /** Returns the signer of an issuer; a new one in the last third of the life of the old one. */
  async #delegateOf(issuer: Certificate, key: KeyObject, now: Date): Promise<Delegate> {
    const old = this.#delegates.get(issuer.pin);
    if (old !== undefined && now < old.renewAt) return old;
    const underWay = this.#delegating.get(issuer.pin);
    if (underWay !== undefined) return underWay;
    const made = this.#delegate(issuer, key, now).finally(() => this.#delegating.delete(issuer.pin));
    this.#delegating.set(issuer.pin, made);
    try {
      return await made;
    } catch (error) {
      if (!(error instanceof NatspkiError) || old === undefined || now >= old.notAfter) throw error;
      this.#options.logger.error(`The certificate of the OCSP responder is not renewed: ${error.message}`);
      return old;
    }
  }

  async #delegate(issuer: Certificate, key: KeyObject, now: Date): Promise<Delegate> {
    const { directory } = this.#options;
    if (now >= issuer.notAfter)
      throw new NatspkiError('authority-expired', `authority "${issuer.commonName}" has expired`);
    const [{ Signer }, { AnswerSigner }] = await Promise.all([
      import('../../x509/sign.ts'),
      import('../../x509/ocsp-response.ts'),
    ]);
    const own = await generateKey('p256');
    const signer = await Signer.of(issuer, key, randomBytes);
    const end = Math.min(now.getTime() + delegateDays * dayMs, issuer.notAfter.getTime());
    const certificate = await signer.responder({
      commonName: 'natspki OCSP responder',
      publicKey: createPublicKey(own),
      notBefore: new Date(now.getTime() - clockSkewMs),
      notAfter: new Date(end),
    });
    const entry = ledgerEntry(certificate, { name: 'ca', profile: 'responder', issuer: issuer.pin, now });
    await directory.exclusive(() => directory.ledger.record([entry]));
    const delegate = {
      signer: new AnswerSigner(certificate, own),
      renewAt: new Date(now.getTime() + ((end - now.getTime()) * 2) / 3),
      notAfter: certificate.notAfter,
    };
    this.#delegates.set(issuer.pin, delegate);
    return delegate;
  }
}

function early(now: Date): number {
  return now.getTime() - clockSkewMs;
}

/** Returns the issuers by each pair of hashes that a request may name them with. */
function byHashes(issuers: readonly KnownIssuer[]): Map<string, KnownIssuer> {
  const found = new Map<string, KnownIssuer>();
  for (const [oid, name] of hashes) {
    const hashOf = (bytes: Buffer) => createHash(name).update(bytes).digest('hex');
    // The first one of an issuer is the current one.
    for (const issuer of [...issuers].reverse()) {
      const { subjectDer, spki } = issuer.certificate;
      found.set([oid, hashOf(subjectDer), hashOf(spkiBits(spki))].join(), issuer);
    }
  }
  return found;
}

/** Identifies the content of a file that is only replaced, never changed in place. */
function versionOf(file: string): string {
  const stats = statsOf(file);
  return stats === undefined ? 'none' : `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeMs}`;
}
