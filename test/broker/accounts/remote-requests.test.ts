// Requests that another server measures: which are timed and for how long, what is reported, and how reports are
// parsed.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Account } from '../../../src/broker/accounts/account.ts';
import { publish } from '../../../src/broker/accounts/delivery.ts';
import { parseRemoteLatency, RemoteRequests } from '../../../src/broker/accounts/remote-requests.ts';
import { LatencyMeter } from '../../../src/broker/accounts/service-latency.ts';
import type { Publisher } from '../../../src/broker/accounts/subscription.ts';
import { compose } from '../../../src/protocol/publication.ts';

const policy = { random: () => 0, noFastProducerStall: false };
const responder: Publisher = {
  requester: {
    type: 'nats',
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
  connection: undefined,
  statistics: { readAt: 0 },
};
const reply = '_R_.abcdef.ghijkl.12345678.T';

describe('requests that another server measures', () => {
  let account: Account;
  let requests: RemoteRequests;
  let reports: [token: string, message: Record<string, unknown>][];

  const request = (subject: string, to: string) =>
    requests.delivered(compose(Buffer.from(subject), { payload: Buffer.alloc(0), reply: Buffer.from(to) }));
  const answer = (to: string, publisher: Publisher = responder) =>
    publish(compose(Buffer.from(to), { payload: Buffer.alloc(0) }), account, publisher, policy);

  beforeEach(() => {
    vi.useFakeTimers();
    account = new Account('A');
    reports = [];
    const meter = new LatencyMeter(
      policy,
      () => ({ name: 'n1', cluster: 'c' }),
      () => new Date(0),
    );
    const services = [{ subject: 'ask.*', thresholdMs: 1000 }];
    requests = new RemoteRequests(account, services, meter, (token, message) => {
      reports.push([token, JSON.parse(message.toString())]);
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('are reported once, when they are answered, and the answer is still delivered', () => {
    request('ask.x', reply);
    let received = 0;
    account.subscribeInternal('_R_.>', () => {
      received++;
      return true;
    });
    expect([answer(reply), answer(reply)]).toEqual([true, true]);
    expect(received).toBe(2);
    expect(reports).toMatchObject([
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
  ])('do not include one to %s with the reply subject %s', (subject, to) => {
    request(subject, to);
    expect([account.subscriptions.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('are timed no longer than an answer may take, and not after close', () => {
    request('ask.x', reply);
    request('ask.y', `_R_.abcdef.other.12345678.T`);
    request('ask.x', reply);
    expect([account.subscriptions.size, vi.getTimerCount()]).toEqual([2, 2]);
    vi.advanceTimersByTime(1000);
    expect([account.subscriptions.size, vi.getTimerCount()]).toEqual([0, 0]);
    request('ask.x', reply);
    requests.close();
    expect([account.subscriptions.size, vi.getTimerCount()]).toEqual([0, 0]);
    answer(reply);
    expect(reports).toEqual([]);
  });

  it('are not reported if the answer comes from a route and not from a client', () => {
    request('ask.x', reply);
    answer(reply, { connection: undefined, statistics: { readAt: 0 }, isRoute: true });
    expect(reports).toEqual([]);
  });
});

describe("another server's report on a request", () => {
  it.each([
    [
      '{"account":"A","req_id":"r","m2":{"service":5,"responder":{"acc":"A"}}}',
      { service: 5, responder: { acc: 'A' } },
    ],
    ['{"account":"A","req_id":"r","m2":{"service":0}}', { service: 0, responder: undefined }],
  ])('is parsed if valid: %s', (json, result) => {
    expect(parseRemoteLatency(Buffer.from(json))).toEqual({ account: 'A', reply: 'r', result });
  });

  it.each([
    '',
    'x',
    '7',
    'null',
    '[]',
    '{}',
    '{"account":"A","req_id":"r"}',
    '{"account":"A","req_id":"r","m2":7}',
    '{"account":7,"req_id":"r","m2":{"service":5}}',
    '{"account":"A","req_id":7,"m2":{"service":5}}',
    '{"account":"A","req_id":"r","m2":{"service":"5"}}',
    '{"account":"A","req_id":"r","m2":{"service":5,"responder":7}}',
    '{"account":"A","req_id":"r","m2":{"service":5,"responder":null}}',
  ])('is ignored if invalid: %j', (json) => {
    expect(parseRemoteLatency(Buffer.from(json))).toBeUndefined();
  });
});
