// A reload that removes a pin rejects every client with that pin, whatever stage its connection has reached.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect, it } from 'vitest';
import { readCertificates } from '../../src/x509/certificate.ts';
import { clientTls, makeCertificateSet, verifyingTls } from '../harness/certificate-set.ts';
import { makeLeaf, type Pair } from '../harness/openssl.ts';
import { testFolder } from '../support/folder.ts';
import { haltingSocket } from '../support/halting.ts';
import { Running } from './running.ts';

const folder = testFolder('pins-reload');
const certificates = makeCertificateSet(folder);
const alice = certificates.client;
const bob = makeLeaf(folder, 'bob', certificates.ca, { usage: 'clientAuth' });

const pinOf = ({ cert }: Pair) => readCertificates(readFileSync(cert), cert)[0].pin;
const pinning = (...pairs: Pair[]) =>
  verifyingTls(
    certificates,
    `timeout: 20, pinned_certs: [${pairs.map((pair) => `"${pinOf(pair)}"`).join()}]`,
  );

/** Starts a handshake and halts; the returned function completes it and returns what the broker sent. */
async function beginHandshake(port: number, pair: Pair) {
  const raw = connect(port, '127.0.0.1');
  await once(raw, 'data');
  const { stream, halted, goOn, end } = haltingSocket(raw);
  const secure = connectTls({ ...clientTls(certificates, pair), socket: stream });
  secure.write('CONNECT {"verbose":false}\r\nPING\r\n');
  let text = '';
  secure.on('data', (chunk) => {
    text += String(chunk);
    if (text.includes('PONG\r\n')) end();
  });
  secure.on('error', () => {});
  // A rejection may arrive as a reset.
  const closed = new Promise((resolve) => raw.once('close', resolve));
  await halted;
  return async () => {
    goOn();
    await closed;
    return text;
  };
}

it('rejects clients before, during and after their handshake once their pin is removed', async () => {
  const running = await Running.start(pinning(alice, bob));
  const tls = (pair: Pair) => ({ tls: clientTls(certificates, pair) });
  for (let round = 0; round < 10; round++) {
    const [gone, kept] = [await running.connect({}, tls(alice)), await running.connect({}, tls(bob))];
    const [late, early] = [await running.open({}), await running.open({})];
    const halfway = await Promise.all([alice, bob].map((pair) => beginHandshake(running.broker.port, pair)));
    // This connection is opened during the reload, at any point of it.
    const meanwhile = running.connect({}, tls(alice)).then(
      (wire) => wire,
      () => undefined,
    );
    await running.reload(pinning(bob));
    const halfwayAfter = await Promise.all(
      [alice, bob].map((pair) => beginHandshake(running.broker.port, pair)),
    );
    await gone.closed();
    await kept.receives('');
    await (await meanwhile)?.closed();
    await early.upgrade(clientTls(certificates, bob));
    await early.receives('');
    await late.upgrade(clientTls(certificates, alice));
    late.send('CONNECT {"verbose":false}\r\nPING\r\n');
    expect(await late.closed()).toBe('');
    const answers = await Promise.all([...halfway, ...halfwayAfter].map((complete) => complete()));
    expect(answers).toEqual(['', 'PONG\r\n', '', 'PONG\r\n']);
    await running.reload(pinning(alice, bob));
  }
}, 60_000);
