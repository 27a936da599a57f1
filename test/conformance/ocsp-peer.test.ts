// ocsp_peer on both servers: who gets in, for each way in which a responder can answer and for each option. The expected
// outcomes are the table of docs/revocation.md.
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority, makeLeaf, type Pair } from '../harness/openssl.ts';
import {
  bundledBroker,
  freePorts,
  natsServer,
  type ServerUnderTest,
  type StartServer,
} from '../harness/server.ts';
import { closed, openSocket, upgradeSocket } from '../harness/socket.ts';
import { Wire } from '../harness/wire.ts';
import { testFolder } from '../support/folder.ts';
import { ask, monitorUrlOf } from '../support/monitoring.ts';
import { OcspResponder } from '../support/ocsp-responder.ts';
import { describePeer } from '../support/peers.ts';

const document = readFileSync(fileURLToPath(new URL('../../docs/revocation.md', import.meta.url)), 'utf8');

/** The behaviour of the responder for each row of the table, in its order; undefined where no responder is named. */
const rows = [
  'good',
  'revoked',
  'unknown',
  'expired',
  'wrong-signer',
  'other-serial',
  'dead',
  'slow',
  'huge',
  undefined,
] as const;
const optionSets = ['', 'warn_only: true', 'unknown_is_good: true', 'allow_when_ca_unreachable: true'];

/** The table as outcomes by row and option set. */
const table = (/test: outcomes of ocsp_peer -->\n([\s\S]*?)\n\n/.exec(document)?.[1] ?? '')
  .split('\n')
  .slice(2)
  .map((line) => [...line.matchAll(/\| (yes|no) (?=\|)/g)].map(([, cell]) => cell));

const folder = testFolder('ocsp-peer');
const ca = makeAuthority(folder);
const server = makeLeaf(folder, 'server', ca);
const clients: Pair[] = [];
let responder: OcspResponder;

beforeAll(async () => {
  responder = await OcspResponder.start({ ca, stranger: makeAuthority(folder, 'stranger') });
  const [deadPort] = await freePorts(1);
  for (const row of rows) {
    const url = row === 'dead' ? `http://127.0.0.1:${deadPort}` : row && responder.url(row);
    clients.push(makeLeaf(folder, row ?? 'unnamed', ca, url === undefined ? {} : { ocsp: url }));
  }
}, 60_000);
afterAll(() => responder.stop());

const files = `cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${ca.cert}"`;

function configuration(options: string, more = ''): string {
  return `
    server_name: one
    https: "127.0.0.1:-1"
    ocsp_cache: false
    tls { ${files}, verify: true, timeout: 8, ocsp_peer { verify: true, ca_timeout: "1500ms", ${options} } }
    cluster { name: x, listen: "127.0.0.1:-1", tls { ${files}, timeout: 8, ocsp_peer: true } }
    ${more}`;
}

const tls = ({ cert, key }: Pair): ConnectionOptions => ({
  ca: readFileSync(ca.cert),
  cert: readFileSync(cert),
  key: readFileSync(key),
  servername: 'localhost',
});

/** Whether each kind of peer gets in. */
const ways = {
  async client(under: ServerUnderTest, pair: Pair): Promise<boolean> {
    const wire = await Wire.open(under.port);
    try {
      await wire.upgrade(tls(pair));
      return (await wire.drain()) === '';
    } catch {
      return false;
    } finally {
      wire.end();
    }
  },
  async route(under: ServerUnderTest, pair: Pair): Promise<boolean> {
    const [, port] = await under.logged(/Listening for route connections on \S*:(\d+)/);
    const socket = await upgradeSocket(await openSocket(Number(port)), tls(pair));
    socket.write('NOSUCH\r\n');
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    await closed(socket);
    return text.includes('-ERR');
  },
  async monitoring(under: ServerUnderTest, pair: Pair): Promise<boolean> {
    const url = `${monitorUrlOf(under.log())}/healthz`;
    return ask(url, tls(pair)).then(
      ({ status }) => status === 200,
      () => false,
    );
  },
};

type Way = keyof typeof ways;

/** Whether the holder of the certificate of a row gets in. */
async function cell(under: ServerUnderTest, way: Way, row: number): Promise<string> {
  return (await ways[way](under, clients[row] as Pair)) ? 'yes' : 'no';
}

/** All outcomes by row and option set. The slow row runs beside the others, which are few at a time: time counts. */
async function outcomes(servers: readonly ServerUnderTest[], way: Way): Promise<string[][]> {
  const slow = rows.indexOf('slow');
  const slowly = servers.map((under) => cell(under, way, slow));
  const columns: string[][] = [];
  for (const [index, under] of servers.entries()) {
    columns.push(
      await Promise.all(
        rows.map((_row, row) => (row === slow ? slowly[index] : cell(under, way, row)) ?? ''),
      ),
    );
  }
  return rows.map((_row, row) => columns.map((column) => column[row] as string));
}

function suite(start: StartServer): void {
  let servers: ServerUnderTest[] = [];
  beforeAll(async () => {
    servers = await Promise.all(optionSets.map((options) => start(configuration(options))));
  }, 60_000);
  afterAll(() => Promise.all(servers.map((under) => under.stop())));

  it.each(['client', 'monitoring'] as const)('lets in a %s as the table says', async (way) => {
    expect(await outcomes(servers, way)).toEqual(table);
  });

  it('lets in every route', async () => {
    expect(await outcomes(servers, 'route')).toEqual(table.map((row) => row.map(() => 'yes')));
  });
}

it('finds the table in the document', () => {
  expect(table.map((row) => row.length)).toEqual(rows.map(() => optionSets.length));
});

describe('the broker with ocsp_peer', () => suite(bundledBroker));
describePeer('nats-server', 'nats-server with ocsp_peer', (bin) => suite(natsServer(bin)));
