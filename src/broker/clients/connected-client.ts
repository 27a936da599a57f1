// A connected client as a program that embeds the broker sees it, to select connections that it wants to close.
import { peerOf } from '../../tls/peer.ts';
import type { Pin } from '../../x509/pin.ts';
import type { ClientSession } from './client.ts';

/** What a client has told about itself. */
export interface ConnectedClient {
  /** The name in its CONNECT; empty without one. */
  readonly name: string;
  /** The pin of its certificate; undefined without one. */
  readonly pin: Pin | undefined;
}

/** Describes the client of a session. */
export function connectedClient({ profile, tls }: ClientSession): ConnectedClient {
  return { name: profile.connect.name, pin: tls && peerOf(tls)?.pin };
}
