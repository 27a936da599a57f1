// Those who guess passwords over TLS: when they are told that they are not let in, and what they can do until then.
import { afterEach, expect, it, vi } from 'vitest';
import { Handshaker } from '../../src/tls/handshake.ts';
import { testFolder } from '../support/folder.ts';
import { clientTls, makeCertificates, Running, verifyingTls } from './running.ts';

const certificates = makeCertificates(testFolder('guessing'));
const configuration = `${verifyingTls(certificates)} authorization { user: a, password: right }`;
const refusal = "-ERR 'Authorization Violation'\r\n";

afterEach(() => {
  vi.restoreAllMocks();
});

async function start() {
  const running = await Running.start(configuration, clientTls(certificates));
  const tells: (() => void)[] = [];
  vi.spyOn(Handshaker.prototype, 'delayRefusal').mockImplementation((_, tell) => tells.push(tell));
  return { running, tells };
}

it('says no when it is time for it, and reads nothing until then', async () => {
  const { running, tells } = await start();
  const honest = await running.connect({ user: 'a', pass: 'right' });
  honest.send('SUB s 1\r\n');
  const guesser = await running.open();
  guesser.send('CONNECT {"user":"a","pass":"wrong","verbose":true}\r\nPUB s 1\r\nx\r\nPING\r\n');
  await vi.waitUntil(() => tells.length === 1, { timeout: 10_000 });
  guesser.send('CONNECT {"user":"a","pass":"right"}\r\nPUB s 1\r\nx\r\n');
  await running.connect({ user: 'a', pass: 'right' });
  await honest.receives('');
  tells[0]?.();
  await guesser.closes(refusal);
  await honest.receives('');
  expect(tells).toHaveLength(1);
});

it('closes one who waits to be told no, when it ends', async () => {
  const { running, tells } = await start();
  const guesser = await running.open();
  guesser.send('CONNECT {"user":"a","pass":"wrong"}\r\n');
  await vi.waitUntil(() => tells.length === 1, { timeout: 10_000 });
  await running.broker.close();
  tells[0]?.();
  await guesser.closes('');
});
