// What a session knows about the WebSocket that its client came by.
import type { ConnectOptions } from '../auth/connect-options.ts';
import type { Framing } from '../transport/framing.ts';

/** The client of an open WebSocket. */
export interface WebsocketClient {
  readonly framing: Framing;
  /** The address that a proxy reports for the client, for the log; undefined for none. */
  readonly forwardedFor: string | undefined;
  /** What stands for members of CONNECT that are empty. */
  readonly credentials: Readonly<Pick<ConnectOptions, 'user' | 'pass' | 'auth_token'>>;
}

/**
 * The label of the log lines of a connection (client.go, initClient).
 * @param peer its address and port
 * @param websocket undefined for a connection of the client port
 */
export function connectionLabel(peer: string, id: number, websocket: WebsocketClient | undefined): string {
  if (websocket === undefined) return `${peer} - cid:${id}`;
  const { forwardedFor } = websocket;
  const address = forwardedFor?.includes(':') ? `[${forwardedFor}]` : forwardedFor;
  return `${address === undefined ? '' : `${address}/`}${peer} - wid:${id}`;
}
