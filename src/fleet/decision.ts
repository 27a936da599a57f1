// The requests for certificates that an authority gets, and what it decides. NATS and EST carry the same.

/** How a request reached the authority. `token` is a first enrolment over EST. */
export type Transport = 'token' | 'est' | 'nats';

export interface EnrolRequest {
  readonly id: string;
  readonly secret: Buffer;
  /** A PKCS#10 request, PEM or DER. */
  readonly request: Buffer;
  /** Where it came from, for the log. */
  readonly peer: string;
}

export interface RenewRequest {
  /**
   * DER: the certificate that asks, then those behind it. The transport has to have proved that the requester has the key
   * of the first; nothing else about them need be checked.
   */
  readonly chain: readonly Buffer[];
  readonly request: Buffer;
  readonly transport: Exclude<Transport, 'token'>;
  readonly peer: string;
}

/** Why an authority refuses a request; stable, for logs, metrics and answers. */
export const refusalCodes = [
  /** No invitation has this id and secret. */
  'not-invited',
  'invitation-expired',
  'invitation-used',
  'invitation-withdrawn',
  /** A certificate of the name was issued after the invitation. */
  'name-taken',
  /** The certificate was not signed by an authority of this folder, or the ledger does not have it. */
  'unknown-certificate',
  'expired',
  'not-yet-valid',
  'revoked',
  /** A newer certificate of the name exists that this one was not renewed into. */
  'superseded',
  /** The certificate was renewed before, and asks again with another key: its key was copied. */
  'renewed-twice',
  /** The request cannot be read. */
  'damaged-request',
  /** The request is not signed by the key in it. */
  'bad-request-signature',
  'weak-key',
  /** The key belongs to another name, or to the authority. */
  'foreign-key',
  /** The key was revoked. */
  'revoked-key',
  /** The message that carries the request is not signed by the certificate in it. */
  'bad-message',
  'other-authority',
  /** The clocks of member and authority differ too much. */
  'clock',
  /** The message was sent before. */
  'replayed',
  /** The authority itself has expired, or its clock is wrong. */
  'authority-unusable',
] as const;
export type RefusalCode = (typeof refusalCodes)[number];

export interface Granted {
  readonly granted: true;
  readonly name: string;
  /** Lower-case hex. */
  readonly serial: string;
  /** The new certificate, then its intermediates, as PEM. */
  readonly chain: string;
  readonly notAfter: Date;
  /** When the member should renew it. */
  readonly renewAt: Date;
  /** Whether it was issued before, for the same key: the member repeats a request whose answer it has not seen. */
  readonly repeated: boolean;
}

export interface Refused {
  readonly granted: false;
  readonly code: RefusalCode;
  /** For the log and the page of the operator. */
  readonly reason: string;
  /** For the requester: the reason, or a text without it where the requester has proved nothing. */
  readonly answer: string;
  /** The name of the certificate, once the requester has proved that it has the key or the token. */
  readonly name?: string;
}

export type Decision = Granted | Refused;
