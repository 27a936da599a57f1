// Requests that another server measures: which are followed, what is told of them and how long, and what is read of it.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Account } from '../../../src/broker/accounts/account.ts';
import { publish } from '../../../src/broker/accounts/delivery.ts';
import { RemoteRequests, readRemoteMessage } from '../../../src/broker/accounts/remote-requests.ts';
import { LatencyMeter } from '../../../src/broker/accounts/service-latency.ts';
import type { Publisher } from '../../../src/broker/accounts/subscription.ts';
import { compose } from '../../../src/protocol/publication.ts';

const policy = { random: () => 0, dropForFarBehind: false };
const responder: Publisher = {
  requester: {
    ...{
      account: 'A',
      rttMs: 0.5,
      start: 0,
      host: '127.0.0.1',
      id: 7,
      user: 'a',
      name: '',
      lang: '',
      version: '',
    },
  },
  connection: undefined,
  statistics: { readAt: 0 },
};
const reply = '_R_.abcdef.ghijkl.12345678.T';

describe('requests that another server measures', () => {
  let account: Account;
  let requests: RemoteRequests;
  let told: [token: string, message: Record<string, unknown>][];

  const asked = (subject: string, to: string) =>
    requests.delivered(compose(Buffer.from(subject), { payload: Buffer.alloc(0), reply: Buffer.from(to) }));
  const answers = (to: string, publisher: Publisher = responder) =>
    publish(compose(Buffer.from(to), { payload: Buffer.alloc(0) }), account, publisher, policy);

  beforeEach(() => {
    vi.useFakeTimers();
    account = new Account('A');
    told = [];
    const meter = new LatencyMeter(
      policy,
      () => ({ name: 'n1', cluster: 'c' }),
      () => new Date(0),
    );
    const services = [{ subject: 'ask.*', thresholdMs: 1000 }];
    requests = new RemoteRequests(account, services, meter, (token, message) => {
      told.push([token, JSON.parse(message.toString())]);
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('are told of once, when they are answered, and the answer goes on', () => {
    asked('ask.x', reply);
    let heard = 0;
    account.handle('_R_.>', () => {
      heard++;
      return true;
    });
    expect([answers(reply), answers(reply)]).toEqual([true, true]);
    expect(heard).toBe(2);
    expect(told).toMatchObject([
      [
        '12345678',
        { account: 'A', req_id: reply, m2: { status: 200, responder: { user: 'a', server: 'n1' } } },
      ],
    ]);
    expect(account.subscriptions.size).toBe(1);
  });

  it.each([
    ['ask.x', 'in.1234567890'],
    ['ask.x', '_R_.abcdef.ghijkl'],
    ['ask.x', '_R_.abcdef.ghijkl.12345678.X'],
    ['ask.x', '_R_.T'],
    ['ask.x', '_R_.*.ghijkl.12345678.T'],
    ['ask.x', 'in.abcdef.ghijkl.12345678.T'],
    ['other.x', reply],
  ])('are none of those to %s with the reply %s', (subject, to) => {
    asked(subject, to);
    expect([account.subscriptions.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('are followed no longer than an answer may take, nor after a reload', () => {
    asked('ask.x', reply);
    asked('ask.y', `_R_.abcdef.other.12345678.T`);
    asked('ask.x', reply);
    expect([account.subscriptions.size, vi.getTimerCount()]).toEqual([2, 2]);
    vi.advanceTimersByTime(1000);
    expect([account.subscriptions.size, vi.getTimerCount()]).toEqual([0, 0]);
    asked('ask.x', reply);
    requests.close();
    expect([account.subscriptions.size, vi.getTimerCount()]).toEqual([0, 0]);
    answers(reply);
    expect(told).toEqual([]);
  });

  it('are not told of where no client has answered', () => {
    asked('ask.x', reply);
    answers(reply, { connection: undefined, statistics: { readAt: 0 }, isRoute: true });
    expect(told).toEqual([]);
  });
});

describe('what another server tells of a request', () => {
  it.each([
    [
      '{"account":"A","req_id":"r","m2":{"service":5,"responder":{"acc":"A"}}}',
      { service: 5, responder: { acc: 'A' } },
    ],
    ['{"account":"A","req_id":"r","m2":{"service":0}}', { service: 0, responder: undefined }],
  ])('is read: %s', (json, result) => {
    expect(readRemoteMessage(Buffer.from(json))).toEqual({ account: 'A', reply: 'r', result });
  });

  it.each([
    ...[
      '',
      'x',
      '7',
      'null',
      '[]',
      '{}',
      '{"account":"A","req_id":"r"}',
      '{"account":"A","req_id":"r","m2":7}',
    ],
    ...['{"account":7,"req_id":"r","m2":{"service":5}}', '{"account":"A","req_id":7,"m2":{"service":5}}'],
    ...[
      '{"account":"A","req_id":"r","m2":{"service":"5"}}',
      '{"account":"A","req_id":"r","m2":{"service":5,"responder":7}}',
    ],
    '{"account":"A","req_id":"r","m2":{"service":5,"responder":null}}',
  ])('is not read: %s', (json) => {
    expect(readRemoteMessage(Buffer.from(json))).toBeUndefined();
  });
});
