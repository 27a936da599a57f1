// The pin of a public key as nats-server's pinned_certs wants it, from anything that holds a public key.
import type { KeyObject } from 'node:crypto';

/** 64 lower-case hex digits: the SHA-256 of a DER SubjectPublicKeyInfo (nats-server, server/opts.go, pinned_certs). */
export type Pin = string & { readonly Pin: unique symbol };

/** Computes the pin of a public key, or of the public half of a private one. */
export function spkiPin(_key: KeyObject): Pin {
  throw new Error('not yet');
}

/**
 * Computes the pin of the first certificate, request, public key or private key in a file (PEM or DER).
 * @param source the name of the file, for errors
 */
export function pinOf(_bytes: Buffer, _source: string): Pin {
  throw new Error('not yet');
}

/** Computes the SHA-256 of the first certificate in a file as 64 lower-case hex digits. */
export function certificateFingerprint(_bytes: Buffer, _source: string): string {
  throw new Error('not yet');
}
