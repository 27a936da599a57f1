// The INFO that the broker sends to clients, first and later: fields and their order are nats-server's (server.go,
// Info).
import { randomBytes } from 'node:crypto';

/** The fields that are the same for all clients. */
export interface ServerFacts {
  id: string;
  name: string;
  version: string;
  host: string;
  port: number;
  headers: boolean;
  authRequired: boolean;
  tlsRequired: boolean;
  tlsVerify: boolean;
  tlsAvailable: boolean;
  maxPayload: number;
  /** The name of the cluster; undefined for a standalone server. */
  cluster: string | undefined;
  /** `host:port` where clients reach this server. */
  clientUrls: readonly string[];
  /** The same for WebSocket clients; empty if there is no such listener. */
  websocketUrls: readonly string[];
  /** `host:port` where clients reach the servers of the cluster, this one included; empty without other servers. */
  connectUrls: readonly string[];
  /** The same for WebSocket clients. */
  websocketConnectUrls: readonly string[];
}

/** The fields for one client. */
export interface ClientFacts {
  id: number;
  ip: string;
  /** The challenge for the client to sign, in the first INFO. */
  nonce?: string;
  /** In bytes, if lower than the server's. */
  maxPayload?: number;
  /** The account of the client, after the answer to the first PING that follows CONNECT. */
  account?: string;
  /** Whether `account` is the system account. */
  isSystem?: boolean;
  lameDuck?: boolean;
}

/**
 * The nats-server version that clients are told. They choose their requests by it: `nats account info` requests the
 * user info from 2.10.0 on, and they trace messages from 2.11.0 on. What later versions add belongs to JetStream.
 */
const equivalentVersion = '2.11.0';

/** Builds the JSON; omits fields without a value. */
export function infoJson(server: ServerFacts, client: ClientFacts): string {
  return JSON.stringify({
    server_id: server.id,
    server_name: server.name,
    version: equivalentVersion,
    proto: 1,
    go: `node${process.versions.node}`,
    host: server.host,
    port: server.port,
    headers: server.headers,
    auth_required: server.authRequired || undefined,
    tls_required: server.tlsRequired || undefined,
    tls_verify: server.tlsVerify || undefined,
    tls_available: server.tlsAvailable || undefined,
    max_payload: client.maxPayload ?? server.maxPayload,
    client_id: client.id,
    client_ip: client.ip === '' ? undefined : client.ip,
    nonce: client.nonce || undefined,
    cluster: server.cluster,
    connect_urls: server.connectUrls.length === 0 ? undefined : server.connectUrls,
    ldm: client.lameDuck || undefined,
    connect_info: client.account === undefined ? undefined : true,
    remote_account: client.account,
    acc_is_sys: client.isSystem || undefined,
  });
}

const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Generates a server id in the form of nats-server's public keys; no key pair exists for it. */
export function newServerId(random: (size: number) => Uint8Array = randomBytes): string {
  return `N${Array.from(random(55), (byte) => base32[byte & 31]).join('')}`;
}
