// RouteTable: which of several routes to one server is kept, simulated on both servers, which must agree.
import { describe, expect, it } from 'vitest';
import type { RouteSession } from '../../../src/broker/cluster/route.ts';
import type { RouteInfo } from '../../../src/broker/cluster/route-info.ts';
import { RouteTable } from '../../../src/broker/cluster/route-table.ts';
import { seeded } from '../../support/seeded.ts';

/** `INFO!` is the INFO to a peer whose route is being closed. */
type Message = 'CONNECT' | 'INFO' | 'INFO!' | 'PING' | 'PONG';

/** One end of a connection between two servers. */
interface End {
  readonly isDialled: boolean;
  remoteId: string;
  remote: RouteInfo | undefined;
  /** Sends a message to the other end. */
  send: (what: Message) => void;
  isOpen: boolean;
  hasSentInfo: boolean;
  close: () => void;
}

/** A broker without gossip, whose messages arrive when the test delivers them. */
class Server {
  readonly table: RouteTable;
  readonly id: string;

  constructor(id: string) {
    this.id = id;
    const end = (route: RouteSession) => route as unknown as End;
    this.table = new RouteTable(id, {
      sendInfo: (route) => this.sendInfo(end(route)),
      keep: (route) => {
        this.sendInfo(end(route));
        end(route).send('PING');
      },
      closeDuplicate: (route) => {
        if (!end(route).isDialled) this.sendInfo(end(route), 'INFO!');
        end(route).close();
      },
    });
  }

  sendInfo(end: End, info: 'INFO' | 'INFO!' = 'INFO'): void {
    if (end.hasSentInfo || !end.isOpen) return;
    end.hasSentInfo = true;
    end.send(info);
  }

  receive(end: End, what: Message | 'close', from: Server | NatsServer): void {
    const route = end as unknown as RouteSession;
    if (what === 'close') {
      end.isOpen = false;
      this.table.ended(route);
    } else if (end.isOpen) {
      end.remoteId = from.id;
      if (what === 'CONNECT') this.table.accepted(route);
      else if (what === 'PING') end.send('PONG');
      else if (what === 'PONG') this.table.confirmed(route);
      else {
        const info_deferred = what === 'INFO' && from instanceof Server;
        end.remote = { server_id: from.id, info_deferred } as RouteInfo;
        this.table.infoReceived(route, end.remote);
      }
    }
  }
}

/**
 * Commits to the first route that delivers an INFO, dialled or accepted; sends its own INFO on accepting a connection.
 */
class NatsServer {
  readonly id: string;
  #kept: End | undefined;

  constructor(id: string) {
    this.id = id;
  }

  get kept(): End | undefined {
    return this.#kept;
  }

  sendInfo(end: End): void {
    end.send('INFO');
  }

  receive(end: End, what: Message | 'close'): void {
    if (what === 'close') {
      end.isOpen = false;
      if (this.#kept === end) this.#kept = undefined;
    } else if (end.isOpen && what === 'PING') {
      end.send('PONG');
    } else if (end.isOpen && what.startsWith('INFO')) {
      if (this.#kept !== undefined) {
        end.close();
        return;
      }
      this.#kept = end;
      if (end.isDialled) end.send('INFO');
    }
  }
}

/** Messages in transit: each connection keeps its order, and `random` selects which one delivers next. */
class Network {
  readonly #queues: (() => void)[][] = [];

  dial(from: Server | NatsServer, to: Server | NatsServer): void {
    const [near, far] = [this.#end(true), this.#end(false)];
    this.#join(near, far, from, to);
    this.#join(far, near, to, from);
    near.send('CONNECT');
    if (to instanceof NatsServer) to.sendInfo(far);
  }

  run(random: () => number): void {
    for (;;) {
      const waiting = this.#queues.filter((queue) => queue.length > 0);
      if (waiting.length === 0) return;
      waiting[Math.floor(random() * waiting.length)]?.shift()?.();
    }
  }

  #end(isDialled: boolean): End {
    return {
      isDialled,
      remoteId: '',
      remote: undefined,
      send: () => {},
      isOpen: true,
      hasSentInfo: false,
      close: () => {},
    };
  }

  #join(end: End, other: End, owner: Server | NatsServer, peer: Server | NatsServer): void {
    const queue: (() => void)[] = [];
    this.#queues.push(queue);
    end.send = (what) => queue.push(() => peer.receive(other, what, owner));
    end.close = () => {
      if (!end.isOpen) return;
      owner.receive(end, 'close', peer);
      queue.push(() => peer.receive(other, 'close', owner));
    };
  }
}

describe('two brokers that dial each other at the same time', () => {
  it('keep the same single route, whatever the order in which messages arrive', () => {
    for (let seed = 1; seed <= 1000; seed++) {
      const [a, b] = seed % 2 === 0 ? [new Server('A'), new Server('B')] : [new Server('B'), new Server('A')];
      const network = new Network();
      network.dial(a, b);
      network.dial(b, a);
      if (seed % 3 === 0) network.dial(a, b);
      network.run(seeded(seed));
      expect([a.table.size, b.table.size], `seed ${seed}`).toEqual([1, 1]);
      const [one, other] = [a.table.all[0], b.table.all[0]];
      expect(one?.isDialled, `seed ${seed}`).toBe(!other?.isDialled);
    }
  });
});

describe('a broker and a nats-server that dial each other at the same time', () => {
  it('keep the same single route, whatever the order in which messages arrive', () => {
    for (let seed = 1; seed <= 1000; seed++) {
      const [broker, server] = [new Server('M'), new NatsServer(seed % 2 === 0 ? 'A' : 'Z')];
      const network = new Network();
      network.dial(broker, server);
      network.dial(server, broker);
      if (seed % 3 === 0) network.dial(server, broker);
      network.run(seeded(seed));
      const [kept] = broker.table.all;
      expect(kept, `seed ${seed}`).toBeDefined();
      expect(server.kept?.isDialled, `seed ${seed}`).toBe(!kept?.isDialled);
    }
  });
});

describe('a server that dials twice', () => {
  function accept(table: RouteTable, id: string): RouteSession {
    const end = { isDialled: false, remoteId: id, remote: undefined } as unknown as RouteSession;
    table.accepted(end);
    return end;
  }

  it('has its second route queued until the outcome of the first is known', () => {
    const events: string[] = [];
    const names = new Map<RouteSession, string>();
    const say = (what: string) => (route: RouteSession) => events.push(`${what} ${names.get(route) ?? '?'}`);
    const table = new RouteTable('A', {
      sendInfo: say('sendInfo'),
      keep: say('keep'),
      closeDuplicate: say('closeDuplicate'),
    });
    const first = accept(table, 'B');
    const second = accept(table, 'B');
    names.set(first, 'first').set(second, 'second');
    expect(events).toEqual(['sendInfo ?']);
    table.ended(first);
    expect(events.at(-1)).toBe('sendInfo second');
    const third = accept(table, 'B');
    names.set(third, 'third');
    const remote = { server_id: 'B', info_deferred: false } as RouteInfo;
    table.infoReceived(third, remote);
    expect(events).toHaveLength(2);
    table.infoReceived(second, remote);
    expect(events.slice(2)).toEqual(['keep second', 'closeDuplicate third']);
  });
});
