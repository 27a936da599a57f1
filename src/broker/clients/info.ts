// The INFO a client is greeted with, and the ones that follow: fields and their order are nats-server's (server.go, Info).
import { randomBytes } from 'node:crypto';

/** What is the same for all clients. */
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
  /** The name of the cluster; undefined for a server that stands alone. */
  cluster: string | undefined;
  /** `host:port` for clients: those of this server, and with it in a cluster those of the others. */
  clientUrls: readonly string[];
  connectUrls: readonly string[];
}

/** What an INFO says to one client. */
export interface ClientFacts {
  id: number;
  ip: string;
  /** What the client may sign, in the first INFO. */
  nonce?: string;
  /** Where it is lower than that of the server. */
  maxPayload?: number;
  /** The account, in the answer to the first PING after CONNECT. */
  account?: string;
  /** Whether that is the system account. */
  isSystem?: boolean;
  lameDuck?: boolean;
}

/**
 * The nats-server that clients are told they talk to. They judge by this number what they may ask for (`nats account info`
 * asks who it is from 2.10.0 on); 2.11.0 would promise message tracing, which is not here.
 */
const equivalentVersion = '2.10.0';

/** Makes the JSON; fields that say nothing are left out. */
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

/** Makes a server id that looks like nats-server's public keys; here there is no key behind it. */
export function newServerId(random: (size: number) => Uint8Array = randomBytes): string {
  return `N${Array.from(random(55), (byte) => base32[byte & 31]).join('')}`;
}
