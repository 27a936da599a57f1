// Makes certificates in this process, for tests that need many of them quickly. It uses the code under test; a test
// that must not depend on that code uses openssl.ts.
import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import type { Certificate } from '../../src/x509/certificate.ts';
import { encodePrivateKey, generateKey, type KeyType } from '../../src/x509/key.ts';
import { parseSan } from '../../src/x509/name.ts';
import { type Purpose, Signer } from '../../src/x509/sign.ts';

const day = 86_400_000;

/** A certificate followed by its intermediates, and its key; both PEM. */
export interface MadePair {
  readonly cert: string;
  readonly key: string;
  readonly certificate: Certificate;
}

export interface MadeLeafOptions {
  purposes?: Purpose[];
  /** In the form that `natspki issue --san` takes: `dns:localhost`. */
  sans?: string[];
  /** Days from now; negative for the past. */
  from?: number;
  until?: number;
  keyType?: KeyType;
}

/** An authority that signs any leaf or intermediate a test asks for. */
export class TestAuthority {
  readonly certificate: Certificate;
  /** The certificates between the leaves and the root, in PEM; empty for a root. */
  readonly intermediates: string;
  readonly #signer: Signer;

  private constructor(certificate: Certificate, signer: Signer, intermediates: string) {
    this.certificate = certificate;
    this.intermediates = intermediates;
    this.#signer = signer;
  }

  static async #of(certificate: Certificate, key: KeyObject, intermediates: string): Promise<TestAuthority> {
    return new TestAuthority(certificate, await Signer.of(certificate, key, randomBytes), intermediates);
  }

  static async make(commonName = 'Test CA', options: { until?: number } = {}): Promise<TestAuthority> {
    const key = await generateKey('p256');
    const contents = {
      commonName,
      pathLength: 2,
      publicKey: createPublicKey(key),
      ...validity(-9, options.until ?? 9),
    };
    return TestAuthority.#of(await Signer.selfSigned(contents, key, randomBytes), key, '');
  }

  get pem(): string {
    return this.certificate.toPem();
  }

  /** Makes an intermediate authority signed by this one. */
  async intermediate(commonName: string): Promise<TestAuthority> {
    const key = await generateKey('p256');
    const contents = { commonName, pathLength: 0, publicKey: createPublicKey(key), ...validity(-1, 1) };
    const certificate = await this.#signer.authority(contents);
    return TestAuthority.#of(certificate, key, certificate.toPem() + this.intermediates);
  }

  async leaf(commonName: string, options: MadeLeafOptions = {}): Promise<MadePair> {
    const { purposes = ['clientAuth'], sans = [], from = -1, until = 1, keyType = 'p256' } = options;
    const key = await generateKey(keyType);
    const certificate = await this.#signer.leaf({
      commonName,
      purposes,
      sans: sans.map(parseSan),
      publicKey: createPublicKey(key),
      ...validity(from, until),
    });
    return { cert: certificate.toPem() + this.intermediates, key: await encodePrivateKey(key), certificate };
  }

  /** Makes a revocation list, in DER. @param until days from now; negative for a list that has expired */
  async revocationList(revoked: readonly Certificate[], number = 1n, until = 1): Promise<Buffer> {
    return this.#signer.revocationList({
      number,
      thisUpdate: new Date(Date.now() - 9 * day),
      nextUpdate: new Date(Date.now() + until * day),
      revoked: revoked.map(({ serial }) => ({ serial, revokedAt: new Date(), reason: 'keyCompromise' })),
    });
  }

  /** Makes a server certificate for localhost and 127.0.0.1. */
  async server(commonName = 'localhost', options: MadeLeafOptions = {}): Promise<MadePair> {
    return this.leaf(commonName, {
      purposes: ['serverAuth'],
      sans: ['dns:localhost', 'ip:127.0.0.1'],
      ...options,
    });
  }
}

/** Makes a self-signed client certificate. */
export async function selfSigned(commonName: string): Promise<MadePair> {
  const key = await generateKey('p256');
  const contents = {
    commonName,
    purposes: ['clientAuth'] as Purpose[],
    sans: [],
    publicKey: createPublicKey(key),
    ...validity(-1, 1),
  };
  const authority = await Signer.selfSigned({ ...contents, pathLength: 0 }, key, randomBytes);
  const certificate = await (await Signer.of(authority, key, randomBytes)).leaf(contents);
  return { cert: certificate.toPem(), key: await encodePrivateKey(key), certificate };
}

function validity(from: number, until: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() + from * day), notAfter: new Date(Date.now() + until * day) };
}
