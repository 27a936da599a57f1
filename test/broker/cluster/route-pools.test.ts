// RoutePools: which slot a route takes, and which routes this server dials. Compared on the wire by test/cluster.
import { describe, expect, it } from 'vitest';
import type { RouteSession } from '../../../src/broker/cluster/route.ts';
import { gossip, type RouteInfo } from '../../../src/broker/cluster/route-info.ts';
import { poolIndex, RoutePools } from '../../../src/broker/cluster/route-pools.ts';

const url = new URL('nats-route://peer:6222/');

/** Pools of three routes and one for `$SYS`, with what they have decided. */
function pools() {
  const closed: RouteSession[] = [];
  const dialled: (string | undefined)[] = [];
  const refused: unknown[] = [];
  const made = new RoutePools(
    { size: 3, accounts: ['$SYS'] },
    {
      keep: () => {},
      closeDuplicate: (route) => closed.push(route),
      refuseSlot: (_route, slot) => refused.push(slot),
      dialAgain: ({ account }) => dialled.push(account),
    },
  );
  const dial = (account?: string) =>
    route(true, { url, type: 'explicit', gossip: gossip.byDefault, account });
  const route = (isDialled: boolean, destination?: object) =>
    ({ isDialled, destination, remoteId: 'NPEER', slot: undefined }) as unknown as RouteSession;
  const info = (more: object = {}) => {
    const place = { server_id: 'NPEER', route_pool_size: 3, route_pool_idx: 0, route_account: '', ...more };
    return { ...place, all: {} } as unknown as RouteInfo;
  };
  return { pools: made, dial, accept: () => route(false), info, closed, dialled, refused };
}

describe('the routes to a server with a pool', () => {
  it('are dialled one after the other, and once for each pinned account', () => {
    const { pools: made, dial, info, dialled } = pools();
    const routes = [dial(), dial(), dial(), dial('$SYS')];
    for (const route of routes) {
      made.infoReceived(route, info());
      made.confirmed(route);
    }
    expect(routes.map(({ slot }) => slot)).toEqual([0, 1, 2, '$SYS']);
    expect(dialled).toEqual([undefined, '$SYS', undefined]);
    expect(made.all).toEqual(routes);
    expect(made.oneEach()).toEqual([routes[0]]);
    expect(made.routesFor('$SYS')).toEqual([routes[3]]);
    expect(made.routesFor('A')).toEqual([routes[poolIndex('A', 3)]]);
  });

  it('have the slot that a peer names which has dialled', () => {
    const { pools: made, accept, info } = pools();
    const [second, system] = [accept(), accept()];
    made.infoReceived(second, info({ route_pool_idx: 1 }));
    made.infoReceived(system, info({ route_account: '$SYS' }));
    expect([second.slot, system.slot]).toEqual([1, '$SYS']);
  });

  it('give way to those that the peer has committed to, and no longer once the peer has answered', () => {
    const { pools: made, dial, accept, info, closed } = pools();
    const [mine, theirs, late] = [dial(), accept(), accept()];
    made.infoReceived(mine, info());
    made.infoReceived(theirs, info());
    expect(closed).toEqual([mine]);
    made.confirmed(theirs);
    made.infoReceived(late, info());
    expect(closed).toEqual([mine, late]);
  });

  it('are closed when the pool is full', () => {
    const { pools: made, dial, info, closed } = pools();
    const routes = [dial(), dial(), dial(), dial()];
    for (const route of routes) made.infoReceived(route, info());
    expect(closed).toEqual([routes[3]]);
  });

  it.each([
    [{ route_pool_idx: 3 }],
    [{ route_pool_idx: -1 }],
    [{ route_pool_idx: 0.5 }],
    [{ route_account: 'A' }],
  ])('are refused with an unknown slot: %j', (place) => {
    const { pools: made, accept, info, refused } = pools();
    made.infoReceived(accept(), info(place));
    expect(refused).toEqual(Object.values(place));
    expect(made.all).toEqual([]);
  });

  it('are dialled again after a loss, by slot', () => {
    const { pools: made, dial, info } = pools();
    const [only, system] = [dial(), dial('$SYS')];
    made.infoReceived(only, info({ route_pool_size: 1 }));
    made.infoReceived(system, info());
    const [toPool, toSystem] = [only, system].map(({ destination }) => destination) as [never, never];
    expect(made.serves('NPEER', toPool)).toBe(false);
    expect(made.serves('NPEER', toSystem)).toBe(true);
    expect(made.ended(system)).toBe(false);
    expect(made.serves('NPEER', toSystem)).toBe(false);
    expect(made.ended(only)).toBe(true);
    expect(made.has('NPEER')).toBe(false);
  });
});

it('computes the index of an account as nats-server does, by FNV-1a', () => {
  const hashes = ['$G', 'A', 'B', '$SYS'].map((name) => poolIndex(name, 2 ** 32).toString(16));
  expect(hashes).toEqual(['7abc619c', 'c40bf6cc', 'c70bfb85', '2d66af8']);
});
