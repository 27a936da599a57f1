// Password guessing over TLS: when the broker sends the delayed rejection, and what the client can do until then.
import { afterEach, expect, it, vi } from 'vitest';
import { Handshaker } from '../../src/tls/handshake.ts';
import { clientTls, makeCertificateSet, verifyingTls } from '../harness/certificate-set.ts';
import { testFolder } from '../support/folder.ts';
import { Running } from './running.ts';

const certificates = makeCertificateSet(testFolder('guessing'));
const configuration = `${verifyingTls(certificates)} authorization { user: a, password: right }`;
const refusal = "-ERR 'Authorization Violation'\r\n";

afterEach(() => {
  vi.restoreAllMocks();
});

async function start() {
  const running = await Running.start(configuration, clientTls(certificates));
  const rejections: (() => void)[] = [];
  vi.spyOn(Handshaker.prototype, 'delayRejection').mockImplementation((_, reject) => rejections.push(reject));
  return { running, rejections };
}

it('sends the rejection after its delay, and reads nothing more from the client until then', async () => {
  const { running, rejections } = await start();
  const honest = await running.connect({ user: 'a', pass: 'right' });
  honest.send('SUB s 1\r\n');
  const guesser = await running.open();
  guesser.send('CONNECT {"user":"a","pass":"wrong","verbose":true}\r\nPUB s 1\r\nx\r\nPING\r\n');
  await vi.waitUntil(() => rejections.length === 1, { timeout: 10_000 });
  guesser.send('CONNECT {"user":"a","pass":"right"}\r\nPUB s 1\r\nx\r\n');
  await running.connect({ user: 'a', pass: 'right' });
  await honest.receives('');
  rejections[0]?.();
  await guesser.closes(refusal);
  await honest.receives('');
  expect(rejections).toHaveLength(1);
});

it('closes the connection of a client whose rejection is still delayed when the broker shuts down', async () => {
  const { running, rejections } = await start();
  const guesser = await running.open();
  guesser.send('CONNECT {"user":"a","pass":"wrong"}\r\n');
  await vi.waitUntil(() => rejections.length === 1, { timeout: 10_000 });
  await running.broker.close();
  rejections[0]?.();
  await guesser.closes('');
});
