// The signed messages of the fleet: requests as the authority verifies them, trust statements as a member does, each also as an
// attacker would make them.
import { createPublicKey, randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { NatspkiError } from '../../../src/errors.ts';
import { type Signer, signMessage } from '../../../src/fleet/messages/jws.ts';
import {
  makeRenewalRequest,
  type RequestPolicy,
  RequestRefused,
  verifyRenewalRequest,
} from '../../../src/fleet/messages/renewal-request.ts';
import { clockToleranceMs, ReplayGuard } from '../../../src/fleet/messages/replay-guard.ts';
import { maximumMessage } from '../../../src/fleet/messages/signed-message.ts';
import {
  signTrustStatement,
  type TrustStatement,
  verifyTrustStatement,
} from '../../../src/fleet/messages/trust-statement.ts';
import { Authority } from '../../../src/pki/store/authority.ts';
import type { Certificate } from '../../../src/x509/certificate.ts';
import { generateKey, type KeyType } from '../../../src/x509/key.ts';

const now = new Date('2030-01-01T00:00:00Z');
const dayMs = 86_400_000;
const request = Buffer.from('the request');
/** Larger RSA keys take seconds to make, and sign in the same way. */
const keyTypes = ['p256', 'p384', 'ed25519', 'rsa2048'] as const;

const root = async (commonName = 'Test', keyType: KeyType = 'p256', depth = 0) =>
  Authority.create({ commonName, key: await generateKey(keyType), days: 3650, now }, depth);

/** A leaf with its key. */
async function member(authority: Authority, keyType: KeyType = 'p256'): Promise<Signer> {
  const key = await generateKey(keyType);
  const publicKey = createPublicKey(key);
  const leaf = { commonName: 'web-1', profile: 'client', sans: [], publicKey, days: 30 } as const;
  return { key, chain: [await authority.issue(leaf, now), ...authority.chain] };
}

const signerOf = ({ current: { certificate, key }, chain }: Authority): Signer => ({
  key,
  chain: [certificate, ...chain.filter(({ der }) => !der.equals(certificate.der))],
});

let authority: Authority;
let holder: Signer;

beforeAll(async () => {
  authority = await root();
  holder = await member(authority);
});

describe('a request to renew', () => {
  const policy = (options: Partial<RequestPolicy> = {}): RequestPolicy => ({
    roots: authority.roots,
    audiences: new Set([authority.roots[0].pin]),
    replays: new ReplayGuard(),
    now,
    ...options,
  });
  const make = (options: Partial<Parameters<typeof makeRenewalRequest>[0]> = {}, id?: string) =>
    makeRenewalRequest({ signer: holder, request, audience: authority.roots[0].pin, now, ...options }, id);
  const codeOf = async (text: string, options: Partial<RequestPolicy> = {}): Promise<string> => {
    const thrown = await verifyRenewalRequest(text, policy(options)).catch((error: unknown) => error);
    return thrown instanceof RequestRefused ? thrown.code : 'accepted';
  };
  const withField = (text: string, field: string, value: string): string =>
    JSON.stringify({ ...JSON.parse(text), [field]: value });

  it.each(keyTypes)('is accepted when a key of type %s signed it', async (keyType) => {
    const signer = await member(authority, keyType);
    const verified = await verifyRenewalRequest(await make({ signer }), policy());
    expect(verified.request).toEqual(request);
    expect(verified.chain[0].der).toEqual(signer.chain[0]?.der);
  });

  it('contains no private key', async () => {
    const text = await make();
    const parts = [JSON.parse(text).payload, JSON.parse(text).protected];
    const all = [text, ...parts.map((part) => Buffer.from(part, 'base64url').toString())].join(' ');
    const scalar = Buffer.from(holder.key.export({ format: 'jwk' }).d as string, 'base64url');
    for (const encoding of ['base64', 'base64url', 'hex'] as const) {
      expect(all).not.toContain(scalar.toString(encoding).slice(0, 20));
    }
  });

  it('is refused the second time, while another member may use the same id', async () => {
    const replays = new ReplayGuard();
    const text = await make({}, 'once');
    expect(await codeOf(text, { replays })).toBe('accepted');
    expect(await codeOf(text, { replays })).toBe('replayed');
    const other = await make({ signer: await member(authority) }, 'once');
    expect(await codeOf(other, { replays })).toBe('accepted');
  });

  it('is refused when the clock of the member is a day ahead or behind, and says by how much', async () => {
    const at = (ms: number) => make({ now: new Date(now.getTime() + ms) });
    await expect(verifyRenewalRequest(await at(dayMs), policy())).rejects.toThrow('86400 seconds ahead');
    await expect(verifyRenewalRequest(await at(-dayMs), policy())).rejects.toThrow('86400 seconds behind');
    expect(await codeOf(await at(-clockToleranceMs))).toBe('accepted');
  });

  it('is refused when it is for another authority', async () => {
    expect(await codeOf(await make({ audience: 'ab'.repeat(32) }))).toBe('other-authority');
  });

  it('is refused when the key of another member signed it', async () => {
    const { key } = await member(authority);
    expect(await codeOf(await make({ signer: { key, chain: holder.chain } }))).toBe('bad-signature');
  });

  it('is refused when it was changed on its way, or names another algorithm', async () => {
    const text = await make();
    const { payload } = JSON.parse(await make({ request: Buffer.from('another') }));
    expect(await codeOf(withField(text, 'payload', payload))).toBe('bad-signature');
    const header = JSON.parse(Buffer.from(JSON.parse(text).protected, 'base64url').toString());
    for (const alg of ['none', 'HS256', 'ES384', 'RS256', '']) {
      const swapped = Buffer.from(JSON.stringify({ ...header, alg })).toString('base64url');
      expect(await codeOf(withField(text, 'protected', swapped)), alg).toBe('bad-signature');
    }
  });

  it('is refused when its chain ends in another root of the same name, or passes through a leaf', async () => {
    expect(await codeOf(await make({ signer: await member(await root()) }))).toBe('untrusted');
    // The holder of a leaf signs a certificate with it, as if the leaf were an authority.
    const [certificate] = holder.chain as [Certificate];
    const { Signer: Issuer } = await import('../../../src/x509/sign.ts');
    const key = await generateKey('p256');
    const forger = await Issuer.of(certificate, holder.key, randomBytes as (size: number) => Buffer);
    const forged = await forger.leaf({
      commonName: 'admin',
      publicKey: createPublicKey(key),
      sans: [],
      purposes: ['clientAuth'],
      notBefore: now,
      notAfter: new Date(now.getTime() + dayMs),
    });
    expect(await codeOf(await make({ signer: { key, chain: [forged, certificate] } }))).toBe('untrusted');
  });

  it('is refused when it is no request, and a stranger does not learn why', async () => {
    const facts = { roots: authority.roots, counter: 1, crlNumber: 0, time: now };
    const statement = await signTrustStatement(facts, signerOf(authority));
    const huge = await make({ request: Buffer.alloc(maximumMessage) });
    const bad = ['', 'null', '[]', '{}', '{"payload":1}', '{"payload":"","protected":"e30","signature":""}'];
    for (const text of [...bad, statement, huge, 'x'.repeat(1_000_000)]) {
      expect(await codeOf(text)).toBe('malformed');
    }
    const stranger = await make({ signer: await member(await root('Other')) });
    const answers = ['', stranger].map((text) =>
      verifyRenewalRequest(text, policy()).catch(({ message }: Error) => message),
    );
    expect(new Set(await Promise.all(answers)).size).toBe(1);
  });

  it('is refused when its payload is not that of a request', async () => {
    const aud = authority.roots[0].pin;
    const fine = { request: '', aud, iat: now.getTime() / 1000, jti: 'one' };
    const type = 'natspki-renewal+jws';
    expect(await codeOf(await signMessage(fine, holder, type))).toBe('accepted');
    for (const wrong of [{ request: 1 }, { iat: 1.5 }, { iat: '1' }, { jti: '' }, { jti: 'x'.repeat(101) }]) {
      expect(await codeOf(await signMessage({ ...fine, ...wrong }, holder, type))).toBe('bad-signature');
    }
  });
});

describe('the memory of requests', () => {
  const later = (ms: number) => new Date(now.getTime() + ms);

  it('forgets a request only when its time would be refused', () => {
    const guard = new ReplayGuard();
    expect(guard.accept('a', 'web-1', now)).toBe(true);
    expect(guard.accept('a', 'web-1', later(2 * clockToleranceMs))).toBe(false);
    expect(guard.accept('b', 'web-1', later(2 * clockToleranceMs + 1001))).toBe(true);
    expect(guard.size).toBe(1);
  });

  it('refuses more requests than it can remember, until it has forgotten some', () => {
    const guard = new ReplayGuard(2);
    expect(['a', 'b', 'c'].map((id) => guard.accept(id, 'web-1', now))).toEqual([true, true, false]);
    expect(guard.accept('c', 'web-1', later(3 * clockToleranceMs))).toBe(true);
  });

  it('keeps room for the other members when one sends too many', () => {
    const guard = new ReplayGuard(10, 2);
    expect(['a', 'b', 'c'].map((id) => guard.accept(id, 'web-1', now))).toEqual([true, true, false]);
    expect(guard.accept('d', 'web-2', now)).toBe(true);
    expect(guard.accept('c', 'web-1', later(3 * clockToleranceMs))).toBe(true);
    expect(guard.size).toBe(1);
  });
});

describe('a trust statement', () => {
  const statement = (of: Authority, options: Partial<TrustStatement> = {}): TrustStatement => ({
    roots: of.roots,
    counter: 2,
    crlNumber: 0,
    time: now,
    ...options,
  });
  const codeOf = async (text: string, trusted: readonly Certificate[], last = 1): Promise<string> => {
    const thrown = await verifyTrustStatement(text, trusted, last).catch((error: unknown) => error);
    return thrown instanceof NatspkiError ? thrown.code : 'accepted';
  };
  const signed = (of: Authority, options: Partial<TrustStatement> = {}, signer = signerOf(of)) =>
    signTrustStatement(statement(of, options), signer);

  it.each(keyTypes)('is accepted from an authority with a key of type %s', async (keyType) => {
    const own = await root('Test', keyType);
    const read = await verifyTrustStatement(await signed(own, { renewAt: now }), own.roots, 1);
    expect(read).toMatchObject({ counter: 2, crlNumber: 0, time: now, renewAt: now });
    expect(read.roots.map(({ der }) => der)).toEqual(own.roots.map(({ der }) => der));
  });

  it('carries a member from the old root to the new one, and then off the old one', async () => {
    const key = await generateKey('p256');
    const next = await authority.successor({ commonName: 'Next', key, days: 3650, now });
    const { roots } = await verifyTrustStatement(await signed(next), authority.roots, 1);
    expect(roots.map(({ commonName }) => commonName)).toEqual(['Next', 'Test']);
    const alone = await signed(next, { roots: [next.roots[0]], counter: 3 });
    expect(await codeOf(alone, roots, 2)).toBe('accepted');
  });

  it('is accepted from an intermediate, while the key of the root is away', async () => {
    const top = await root('Top', 'p256', 1);
    const key = await generateKey('p256');
    const below = await top.intermediate({ commonName: 'Below', key, days: 365, now });
    expect(await codeOf(await signed(below), top.roots)).toBe('accepted');
  });

  it('is refused when an unknown root signed it, also one of the same name', async () => {
    const forger = await root('Test');
    expect(await codeOf(await signed(forger), authority.roots)).toBe('untrusted-statement');
    const borrowed = { key: forger.current.key, chain: signerOf(authority).chain };
    const roots = [forger.roots[0], authority.roots[0]] as const;
    expect(await codeOf(await signed(forger, { roots }, borrowed), authority.roots)).toBe(
      'untrusted-statement',
    );
  });

  it('is refused when a member signed it with its leaf', async () => {
    expect(await codeOf(await signed(authority, {}, holder), authority.roots)).toBe('untrusted-statement');
  });

  it('is refused when its roots do not stand for its signer', async () => {
    const { roots } = await root('Other');
    expect(await codeOf(await signed(authority, { roots }), authority.roots)).toBe('untrusted-statement');
  });

  it('is refused when it is older than the last one, or has its number and other roots', async () => {
    const text = await signed(authority);
    expect(await codeOf(text, authority.roots, 3)).toBe('outdated-statement');
    expect(await codeOf(text, authority.roots, 2)).toBe('accepted');
    const { roots } = await root('Other');
    expect(await codeOf(text, [...authority.roots, ...roots], 2)).toBe('outdated-statement');
  });

  it('is refused when it is damaged', async () => {
    const roots = authority.roots.map(({ der }) => der.toString('base64'));
    const fine = { roots, counter: 2, crl: 0, iat: 1 };
    const sign = (payload: object) => signMessage(payload, signerOf(authority), 'natspki-trust+jws');
    expect(await codeOf(await sign(fine), authority.roots)).toBe('accepted');
    const many = Array(9).fill(roots[0]);
    for (const wrong of [{ roots: [] }, { roots: ['AA'] }, { roots: many }, { counter: -1 }, { iat: 1e14 }]) {
      expect(await codeOf(await sign({ ...fine, ...wrong }), authority.roots)).toBe('untrusted-statement');
    }
    expect(await codeOf('{}', authority.roots)).toBe('untrusted-statement');
  });
});
