// The plain HTTP server of an authority: its handlers by path, and its limits on strangers.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PublicServer } from '../../../src/fleet/http/public-server.ts';
import { text } from '../../../src/net/answer.ts';
import { ask } from '../../support/monitoring.ts';

const errors: string[] = [];
let server: PublicServer;
const at = (path: string) => `http://127.0.0.1:${server.port}${path}`;

beforeAll(async () => {
  const handlers = new Map([
    ['/plain', { answer: () => text(200, 'plain') }],
    [
      '/ocsp',
      {
        maximumBody: 10,
        answersBelow: true,
        answer: ({
          method,
          below,
          type,
          body,
        }: {
          method: string;
          below: string;
          type?: string;
          body: Buffer;
        }) => text(200, `${method} ${below} ${type} ${body}`),
      },
    ],
    ['/broken', { answer: () => Promise.reject(new Error('a defect')) }],
  ]) as ConstructorParameters<typeof Map<string, never>>[0];
  server = await PublicServer.open({
    handlers: new Map(handlers),
    where: { host: '127.0.0.1', port: 0 },
    names: () => ['pki.example.com'],
    logger: { error: (line) => errors.push(line) },
  });
});
afterAll(() => server?.close(0));

async function post(path: string, body: string) {
  const answer = await fetch(at(path), { method: 'POST', body, headers: { 'content-type': 'a/b' } });
  return { status: answer.status, body: await answer.text() };
}

it('answers by path, ignores the query, and answers below a path only where its handler does', async () => {
  expect((await ask(at('/plain?x=1'))).body).toBe('plain');
  expect((await ask(at('/plain/below'))).status).toBe(404);
  expect((await ask(at('/ocsp/MEow%2Fx/y'))).body).toBe('GET MEow%2Fx/y undefined ');
  expect((await ask(at('/none'))).status).toBe(404);
});

it('takes a body only where the handler does, and up to its limit', async () => {
  expect(await post('/ocsp', '0123456789')).toEqual({ status: 200, body: 'POST  a/b 0123456789' });
  expect((await post('/ocsp', '0123456789a')).status).toBe(413);
  expect((await post('/plain', '')).status).toBe(405);
  expect((await fetch(at('/plain'), { method: 'PUT' })).status).toBe(405);
});

it('answers other clients while a body arrives slowly', async () => {
  const slow = request(at('/ocsp'), { method: 'POST', headers: { 'Content-Length': 5 } });
  slow.on('error', () => {}).write('0');
  await new Promise((resolve) => slow.once('socket', (socket) => socket.once('connect', resolve)));
  expect((await ask(at('/plain'))).body).toBe('plain');
  slow.end('1234');
  const [answer] = (await once(slow, 'response')) as [IncomingMessage];
  expect(answer.statusCode).toBe(200);
  answer.resume();
});

it('is read by a web site through a browser on this machine only under a name of its own', async () => {
  const status = async (host: string) => (await ask(at('/plain'), { headers: { host } })).status;
  expect(await status('evil.example')).toBe(421);
  expect(await status('pki.example.com')).toBe(200);
  expect(await status('localhost:80')).toBe(200);
});

it('logs a defect and answers others', async () => {
  expect((await ask(at('/broken'))).body).toBe('internal error\n');
  expect(errors.join()).toContain('HTTP: Error: a defect');
  expect((await ask(at('/plain'))).status).toBe(200);
});
