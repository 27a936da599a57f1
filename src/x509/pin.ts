// Computes the pin of a public key for nats-server's pinned_certs, from any material that contains the key.
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { type Material, readMaterial, readMaterialOf, wrapDerErrors, wrongMaterial } from './decode.ts';
import { readChildren, readDer } from './der.ts';
import { openPrivateKey, openPublicKey } from './key.ts';

/** 64 lower-case hex digits: the SHA-256 of a DER SubjectPublicKeyInfo (nats-server, server/opts.go, pinned_certs). */
export type Pin = string & { readonly Pin: unique symbol };

/** Computes the pin of a public key, or of the public half of a private one. */
export function spkiPin(key: KeyObject): Pin {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return pinOfSpki(publicKey.export({ type: 'spki', format: 'der' }));
}

/** Computes the pin of a DER SubjectPublicKeyInfo. */
export function pinOfSpki(spki: Uint8Array): Pin {
  return sha256Hex(spki) as Pin;
}

/**
 * Computes the pin of the first certificate, request, public key or private key in a file (PEM or DER).
 * @param source the name of the file, for errors
 */
export function pinOf(bytes: Buffer, source: string): Pin {
  const found = readMaterial(bytes, source);
  const first = found.find(({ kind }) => kind !== 'revocation-list');
  if (first === undefined) throw wrongMaterial(source, found, 'a certificate, request or key');
  return pinOfMaterial(first, source);
}

/** Computes the pin of a certificate, request, public key or private key. */
function pinOfMaterial(material: Material, source: string): Pin {
  if (material.kind === 'private-key') return spkiPin(openPrivateKey(material, source));
  if (material.kind === 'public-key') return spkiPin(openPublicKey(material, source));
  return wrapDerErrors(material.kind, source, () => pinOfSpki(spkiOf(material)));
}

/** Computes the SHA-256 of the first certificate in a file as 64 lower-case hex digits. */
export function certificateFingerprint(bytes: Buffer, source: string): string {
  return sha256Hex((readMaterialOf('certificate', bytes, source)[0] as Material).der);
}

/** Computes a SHA-256 as 64 lower-case hex digits. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Returns the SubjectPublicKeyInfo of a certificate (RFC 5280 section 4.1) or a request (RFC 2986 section 4.1). */
function spkiOf(material: Material): Buffer {
  const fields = readChildren(readChildren(readDer(material.der))[0]);
  // A certificate of version 1 has no version field.
  const position = material.kind === 'request' ? 2 : fields[0]?.tag === 0xa0 ? 6 : 5;
  const spki = fields[position];
  readChildren(spki);
  return (spki as NonNullable<typeof spki>).raw;
}
