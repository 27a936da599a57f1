// How a message is delivered in a cluster: to clients of this server, and along which routes for which queue groups.
import { describe, expect, it } from 'vitest';
import { Account } from '../../../src/broker/accounts/account.ts';
import { publish, publishRouted } from '../../../src/broker/accounts/delivery.ts';
import { RemoteInterest, type RouteTarget } from '../../../src/broker/accounts/remote-interest.ts';
import { type Receiver, Subscription } from '../../../src/broker/accounts/subscription.ts';
import type { Connection } from '../../../src/broker/transport/connection.ts';
import { ConnectionStatistics } from '../../../src/broker/transport/statistics.ts';
import { MessageWriter, routedSize } from '../../../src/protocol/message-writer.ts';
import type { Publication } from '../../../src/protocol/operations.ts';
import { compose } from '../../../src/protocol/publication.ts';

const bytes = (text: string) => Buffer.from(text);

const writer = new MessageWriter();

/** The other end of a route; `sent` collects what it receives. */
class Route implements RouteTarget {
  readonly statistics = new ConnectionStatistics(0);
  readonly headers: boolean;
  readonly traceDelivery = undefined;
  readonly party = { kind: 1, id: 1, name: '', account: undefined } as const;
  readonly traces = true;
  readonly isDedicated = false;
  readonly sent: string[] = [];
  takes = true;
  readonly withholds = () => false;
  readonly connection = {
    stallsPublishers: false,
    writeRouted: (
      publication: Publication,
      account: Buffer,
      queues: readonly Buffer[],
      headers: boolean,
    ): boolean => {
      const target = Buffer.alloc(routedSize(publication, account, queues));
      const end = writer.writeRouted(target, 0, publication, account, queues, headers);
      if (this.takes) this.sent.push(target.toString('latin1', 0, end));
      return this.takes;
    },
  } as unknown as Connection;

  constructor(headers = true) {
    this.headers = headers;
  }

  listen(account: Account, subject: string, queue?: string, weight = 1, isLeaf = false): RemoteInterest {
    const interest = new RemoteInterest(this, account, bytes(subject), queue, weight, isLeaf);
    interest.insert();
    return interest;
  }
}

/** A client of this server. */
class Client {
  readonly sent: string[] = [];
  readonly #receiver: Receiver;

  constructor() {
    const connection = {
      stallsPublishers: false,
      writeMessage: (publication: Publication, sid: string, headers: boolean): boolean => {
        const target = Buffer.alloc(1000);
        const end = writer.writeMessage(target, 0, publication, sid, headers);
        this.sent.push(target.toString('latin1', 0, end));
        return true;
      },
    } as unknown as Connection;
    this.#receiver = {
      connection,
      statistics: new ConnectionStatistics(0),
      echo: true,
      headers: true,
      party: { kind: 0, id: 1, name: '', account: '$G' },
      permissions: undefined,
      traceDelivery: undefined,
      removeSubscription: () => {},
    };
  }

  listen(account: Account, subject: string, queue?: string): Subscription {
    const subscription = new Subscription(this.#receiver, subject, queue, '1');
    account.subscribe(subscription);
    return subscription;
  }
}

const publisher = { connection: undefined, statistics: { readAt: 0 } };

function publishHere(
  account: Account,
  subject: string,
  random = 0,
  content: { reply?: string; headers?: string } = {},
) {
  const { reply, headers } = content;
  const publication = compose(bytes(subject), {
    payload: bytes('hi'),
    ...(reply === undefined ? {} : { reply: bytes(reply) }),
    ...(headers === undefined ? {} : { headers: bytes(headers) }),
  });
  return publish(publication, account, publisher, { random: () => random, noFastProducerStall: false });
}

function receiveRouted(account: Account, subject: string, queues: readonly string[]): void {
  const publication = { ...compose(bytes(subject), { payload: bytes('hi') }), account: account.name, queues };
  publishRouted(publication, account, publisher, { random: () => 0, noFastProducerStall: false });
}

describe('a message of a client in a cluster', () => {
  it('is sent once along each route, however many subscriptions match at its end', () => {
    const account = new Account('A');
    const [one, other] = [new Route(), new Route()];
    one.listen(account, 'a.b');
    one.listen(account, 'a.*');
    other.listen(account, '>');
    expect(publishHere(account, 'a.b')).toBe(true);
    expect(one.sent).toEqual(['RMSG A a.b 2\r\nhi\r\n']);
    expect(other.sent).toEqual(one.sent);
    expect(one.statistics).toMatchObject({ outMsgs: 1, outBytes: 2 });
  });

  it('is not sent along a route without matching interest in its account', () => {
    const account = new Account('A');
    const route = new Route();
    const interest = route.listen(account, 'a');
    interest.remove();
    route.listen(new Account('B'), 'a');
    expect(publishHere(account, 'a')).toBe(false);
    expect(route.sent).toEqual([]);
  });

  it('counts as not delivered if the route does not accept it', () => {
    const account = new Account('A');
    const route = new Route();
    route.listen(account, 'a');
    route.takes = false;
    expect(publishHere(account, 'a')).toBe(false);
  });

  it('carries its reply subject, and its headers if the other end supports them', () => {
    const account = new Account('A');
    const [one, old] = [new Route(), new Route(false)];
    for (const route of [one, old]) {
      route.listen(account, 'a');
      route.listen(account, 'a', 'q');
    }
    publishHere(account, 'a', 0, { reply: 'r', headers: 'NATS/1.0\r\n\r\n' });
    publishHere(account, 'a', 0.9, { headers: 'NATS/1.0\r\n\r\n' });
    expect(one.sent).toEqual([
      'HMSG A a + r q 12 14\r\nNATS/1.0\r\n\r\nhi\r\n',
      'HMSG A a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n',
    ]);
    expect(old.sent).toEqual(['RMSG A a r 2\r\nhi\r\n', 'RMSG A a | q 2\r\nhi\r\n']);
  });

  it('goes to one member of a queue group, on this server or another, each with the same probability', () => {
    const account = new Account('A');
    const client = new Client();
    const [three, one] = [new Route(), new Route()];
    client.listen(account, 'a', 'q');
    three.listen(account, 'a', 'q', 3);
    one.listen(account, '*', 'q');
    for (let member = 0; member < 5; member++) publishHere(account, 'a', (member + 0.5) / 5);
    expect(client.sent).toHaveLength(1);
    expect(three.sent).toEqual(Array(3).fill('RMSG A a | q 2\r\nhi\r\n'));
    expect(one.sent).toHaveLength(1);
  });

  it('goes to a queue group member on a leaf node only if there is no other member', () => {
    const account = new Account('A');
    const client = new Client();
    const [leaf, direct] = [new Route(), new Route()];
    leaf.listen(account, 'a', 'q', 9, true);
    for (const random of [0, 0.5, 0.99]) publishHere(account, 'a', random);
    expect(leaf.sent).toHaveLength(3);
    const member = client.listen(account, 'a', 'q');
    for (const random of [0, 0.5, 0.99]) publishHere(account, 'a', random);
    expect(client.sent).toHaveLength(3);
    direct.listen(account, 'a', 'q');
    member.closed = true;
    for (const random of [0, 0.5, 0.99]) publishHere(account, 'a', random);
    expect(direct.sent).toHaveLength(3);
    expect(leaf.sent).toHaveLength(3);
  });

  it('names every queue group that one server is chosen for in a single routed message', () => {
    const account = new Account('A');
    const route = new Route();
    for (const queue of ['q', 'w']) route.listen(account, 'a', queue);
    publishHere(account, 'a');
    expect(route.sent).toEqual(['RMSG A a | q w 2\r\nhi\r\n']);
  });

  it('goes to a queue group member on another server if none on this server accepts it', () => {
    const account = new Account('A');
    const route = new Route();
    new Client().listen(account, 'a', 'q').closed = true;
    route.listen(account, 'a', 'q');
    expect(publishHere(account, 'a', 0)).toBe(true);
    expect(route.sent).toHaveLength(1);
  });
});

describe('a message that came over a route', () => {
  it('goes to clients of this server and along no route', () => {
    const account = new Account('A');
    const [client, route] = [new Client(), new Route()];
    client.listen(account, 'a');
    client.listen(account, 'a', 'other');
    route.listen(account, 'a');
    receiveRouted(account, 'a', []);
    expect(client.sent).toEqual(['MSG a 1 2\r\nhi\r\n']);
    expect(route.sent).toEqual([]);
  });

  it('goes to one local member of each queue group that it names, even if other servers have more members', () => {
    const account = new Account('A');
    const [client, route] = [new Client(), new Route()];
    for (const queue of ['q', 'q', 'w']) client.listen(account, 'a', queue);
    route.listen(account, 'a', 'q', 50);
    receiveRouted(account, 'a', ['q']);
    expect(client.sent).toHaveLength(1);
    expect(route.sent).toEqual([]);
  });

  it('is forwarded to another server if a queue group that it names has no local member left', () => {
    const account = new Account('A');
    const [one, other] = [new Route(), new Route()];
    one.listen(account, 'a', 'q');
    other.listen(account, 'a', 'w');
    receiveRouted(account, 'a', ['q', 'gone']);
    expect(one.sent).toEqual(['RMSG A a | q 2\r\nhi\r\n']);
    expect(other.sent).toEqual([]);
  });
});
