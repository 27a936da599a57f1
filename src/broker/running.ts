// A running broker, as the program that runs it sees it.
import type { ConnectedClient } from './clients/connected-client.ts';

/** A running broker. */
export interface Broker {
  /** The host as configured. */
  readonly address: string;
  /** The port of the client listener; the actual one if the configuration asks for any free port. */
  readonly port: number;
  /** The URL for a client on this machine. */
  readonly clientUrl: string;
  /** The URL of monitoring; undefined without it. */
  readonly monitorUrl: string | undefined;
  /** The URL for a WebSocket client on this machine; undefined without their listener. */
  readonly websocketUrl: string | undefined;
  /** The URL for other servers of the cluster; undefined without a cluster. */
  readonly routeUrl: string | undefined;
  /** Number of connected clients. */
  readonly clients: number;
  /** Number of routes to other servers of the cluster. */
  readonly routes: number;
  /** Resolves when the broker has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Reads the configuration again and applies what a running broker can change; an invalid one changes nothing. */
  reload(): Promise<void>;
  /** Disconnects the clients one by one and then ends the broker; resolves when it has ended. */
  lameDuck(): Promise<void>;
  /** Ends all connections after writing their pending bytes. */
  close(): Promise<void>;
  /** Ends all connections at once and drops their pending bytes, as when the process is killed. */
  kill(): Promise<void>;
  /** Closes the connections of the selected clients, which may reconnect; returns how many. */
  disconnect(isSelected: (client: ConnectedClient) => boolean): number;
}
