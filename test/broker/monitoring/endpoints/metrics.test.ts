// /metrics: the validity of its format, its values, and the bound on its size whatever clients send.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { metricTable, type Observation } from '../../../../src/broker/monitoring/endpoints/metric-table.ts';
import type { Sample } from '../../../../src/net/metrics.ts';
import { clientTls, makeCertificateSet, verifyingTls } from '../../../harness/certificate-set.ts';
import { makeAuthority, makeLeaf } from '../../../harness/openssl.ts';
import { builtModule } from '../../../support/built.ts';
import { testFolder } from '../../../support/folder.ts';
import { ask } from '../../../support/monitoring.ts';
import { type Family, parseMetrics } from '../../../support/prometheus.ts';
import { renameOver } from '../../../support/replace.ts';
import { Running } from '../../running.ts';

const folder = testFolder('metrics');
const certificates = makeCertificateSet(folder);
const http = 'http: "127.0.0.1:-1"\n';

async function scrape({ broker }: Running): Promise<Map<string, Family>> {
  const { body } = await ask(`${broker.monitorUrl}/metrics`);
  return parseMetrics(body);
}

function seriesOf(families: Map<string, Family>, name: string, labels = ''): number | undefined {
  return families.get(name)?.series.get(labels.split(',').sort().join(','));
}

describe('/metrics', () => {
  it('reports certificates, handshakes, connections and messages in the Prometheus format', async () => {
    const running = await Running.start(http + verifyingTls(certificates), clientTls(certificates));
    const subscriber = await running.connect();
    subscriber.send('SUB a 1\r\nSUB b 2\r\n');
    await subscriber.receives('');
    const publisher = await running.connect();
    publisher.send('PUB a 5\r\nhello\r\nPUB c 2\r\nhi\r\n');
    await publisher.receives('');
    // Without a certificate the handshake fails.
    const rejected = await running.open({
      tls: { ca: readFileSync(certificates.ca.cert), host: 'localhost' },
    });
    await rejected.closed();
    await expect.poll(() => running.broker.clients).toBe(2);

    const reply = await ask(`${running.broker.monitorUrl}/metrics`);
    expect(reply.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    const families = parseMetrics(reply.body);
    const { serialNumber, validTo } = new X509Certificate(readFileSync(certificates.server.cert));
    const [[labels = '', notAfter] = []] =
      families.get('natspki_tls_certificate_not_after_timestamp_seconds')?.series ?? [];
    expect(labels).toContain(`serial="${serialNumber.toLowerCase()}"`);
    expect(labels).toContain(`file="${certificates.server.cert}"`);
    expect(notAfter).toBe(Date.parse(validTo) / 1000);
    const values = Object.fromEntries(
      [...families.values()].flatMap(({ name, series }) =>
        [...series].map(([label, value]) => [label === '' ? name : `${name}{${label}}`, value]),
      ),
    );
    expect(values).toMatchObject({
      natspki_client_connections: 2,
      natspki_client_connections_accepted_total: 3,
      'natspki_client_connections_closed_total{reason="TLS Handshake Failure"}': 1,
      natspki_received_messages_total: 2,
      natspki_received_bytes_total: 7,
      natspki_sent_messages_total: 1,
      natspki_sent_bytes_total: 5,
      natspki_slow_consumers_total: 0,
      natspki_subscriptions: 2,
      natspki_routes: 0,
      natspki_ready: 1,
      'natspki_tls_swaps_total{block="tls"}': 0,
      'natspki_tls_refused_swaps_total{block="tls"}': 0,
      'natspki_tls_files_current{block="tls"}': 1,
      'natspki_tls_handshakes_total{block="tls",listener="client",result="ok"}': 2,
      'natspki_tls_handshakes_total{block="tls",listener="client",result="no-client-certificate"}': 1,
      'natspki_tls_handshakes_total{block="tls",listener="client",result="throttled"}': 0,
      'natspki_monitoring_requests_total{path="/metrics"}': 1,
      process_cpu_seconds_total: expect.any(Number),
      process_resident_memory_bytes: expect.any(Number),
    });
    expect([...(families.get('natspki_client_tls_connections')?.series ?? [])]).toEqual([
      [expect.stringMatching(/^cipher_suite="TLS_\w+",version="1\.3"$/), 2],
    ]);
    expect(values.process_start_time_seconds).toBeLessThan(Date.now() / 1000);
    expect([...families.values()].filter(({ help }) => !/^[A-Z].*\.$/.test(help))).toEqual([]);
  });

  it('contains series of the certificates in use only, however often they are reloaded', async () => {
    const server = { cert: `${folder}/live.pem`, key: `${folder}/live.key` };
    const install = (pair: { cert: string; key: string }) =>
      renameOver({
        [server.cert]: readFileSync(pair.cert, 'utf8'),
        [server.key]: readFileSync(pair.key, 'utf8'),
      });
    install(certificates.server);
    const running = await Running.start(http + verifyingTls({ ...certificates, server }));
    const before = await scrape(running);
    install(makeLeaf(folder, 'other', certificates.ca, { usage: 'serverAuth' }));
    const swaps = async () => seriesOf(await scrape(running), 'natspki_tls_swaps_total', 'block="tls"');
    await expect.poll(swaps).toBe(1);
    const after = await scrape(running);
    const series = (families: typeof before) => [
      ...(families.get('natspki_tls_certificate_not_after_timestamp_seconds')?.series.keys() ?? []),
    ];
    expect(series(after)).toHaveLength(2);
    expect(series(after)).not.toEqual(series(before));
    renameOver({ [server.key]: readFileSync(certificates.client.key, 'utf8') });
    const refused = async () =>
      seriesOf(await scrape(running), 'natspki_tls_refused_swaps_total', 'block="tls"');
    await expect.poll(refused).toBe(1);
    expect(seriesOf(await scrape(running), 'natspki_tls_files_current', 'block="tls"')).toBe(0);
  });

  it('contains one series for an authority that ca_file contains twice', async () => {
    const others = Array.from({ length: 3 }, (_, i) =>
      readFileSync(makeAuthority(folder, `ca-${i}`).cert, 'utf8'),
    );
    const bundle = `${folder}/bundle.pem`;
    const own = readFileSync(certificates.ca.cert, 'utf8');
    renameOver({ [bundle]: [own, own, ...others].join('') });
    const ca = { ...certificates.ca, cert: bundle };
    const families = await scrape(await Running.start(http + verifyingTls({ ...certificates, ca })));
    expect(families.get('natspki_tls_certificate_not_after_timestamp_seconds')?.series.size).toBe(5);
  });

  it('reports the certificates of routes', async () => {
    const { cert, key } = certificates.server;
    const cluster = `cluster { name: c, listen: "127.0.0.1:-1", tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${certificates.ca.cert}" } }`;
    const families = await scrape(await Running.start(`${http}${verifyingTls(certificates)}${cluster}`));
    expect([...(families.get('natspki_tls_swaps_total')?.series.keys() ?? [])]).toEqual([
      'block="tls"',
      'block="cluster.tls"',
    ]);
    const handshakes = 'block="cluster.tls",listener="route",result="ok"';
    expect(seriesOf(families, 'natspki_tls_handshakes_total', handshakes)).toBe(0);
  });

  it('contains at most 64 authorities per block, those that expire first', () => {
    const authorities = Array.from({ length: 100 }, (_, i) => ({
      certFile: 'ca.pem',
      subject: `CN=${i}`,
      serial: `${i}`,
      pin: '',
      notAfter: new Date(1000 * (100 - i)),
    }));
    const row = metricTable.find(({ name }) => name.endsWith('not_after_timestamp_seconds'));
    const broker = { tls: { material: { certificates: [], intermediates: [], authorities } } };
    const samples = row?.read({ broker } as unknown as Observation) as Sample[];
    expect(samples.map(([, value]) => value)).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
  });

  it('takes no label value from a client or a request', async () => {
    const running = await Running.start(http);
    await running.connect({ name: 'evil"} 1\n', user: 'x\n# TYPE y gauge' });
    await ask(`${running.broker.monitorUrl}/nothing"here`);
    const { body } = await ask(`${running.broker.monitorUrl}/metrics?x=1`);
    parseMetrics(body);
    expect(body).not.toMatch(/evil|# TYPE y|nothing/);
  });

  it('escapes names of files and servers in label values', async () => {
    const server = { cert: `${folder}/a"b\\c.pem`, key: `${folder}/a"b\\c.key` };
    renameOver({
      [server.cert]: readFileSync(certificates.server.cert, 'utf8'),
      [server.key]: readFileSync(certificates.server.key, 'utf8'),
    });
    const escaped = (path: string) => JSON.stringify(path);
    const running = await Running.start(
      `${http}server_name: "a\\"b"\ntls { cert_file: ${escaped(server.cert)}, key_file: ${escaped(server.key)} }`,
    );
    const families = await scrape(running);
    expect([...(families.get('natspki_build_info')?.series.keys() ?? [])][0]).toContain(
      'server_name="a\\"b"',
    );
  });

  it('loads prom-client only with monitoring', () => {
    const loads = (text: string) =>
      execFileSync(process.execPath, ['--input-type=module', '--eval', script(text)], { encoding: 'utf8' });
    expect(loads('')).toBe('false');
    expect(loads('http: "127.0.0.1:-1"')).toBe('true');
  });
});

/** A script that starts and closes a broker and prints whether that loaded prom-client. */
function script(text: string): string {
  return `
    import { createRequire } from 'node:module';
    import { startBroker } from '${builtModule('src/broker/broker.js')}';
    import { readBrokerOptions } from '${builtModule('src/broker/options/options.js')}';
    import { parseConf } from '${builtModule('src/conf/parser.js')}';
    const root = parseConf(${JSON.stringify(`listen: "127.0.0.1:-1"\n${text}`)}, { file: 'nats.conf' });
    const silent = () => {};
    const logger = { info: silent, warn: silent, error: silent, debug: silent, trace: silent };
    const broker = await startBroker(readBrokerOptions(root, []), { logger });
    await broker.close();
    const loaded = Object.keys(createRequire('/').cache).some((path) => path.includes('prom-client'));
    process.stdout.write(String(loaded));
  `;
}
