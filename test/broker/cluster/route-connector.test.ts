// What gossip can make a server dial.
import { expect, it } from 'vitest';
import { type ConnectorOwner, RouteConnector } from '../../../src/broker/cluster/route-connector.ts';
import { gossip } from '../../../src/broker/cluster/route-info.ts';
import { LineLogger } from '../../../src/log.ts';

it('dials at most 256 gossiped servers at a time', () => {
  const lines: string[] = [];
  const connector = new RouteConnector({
    options: { connectRetries: 0, connectBackoff: false },
    logger: new LineLogger((line) => lines.push(line), { debug: true }),
    random: () => 0,
    isServed: () => false,
    isOwnAddress: () => false,
    dialled: () => expect.fail('has no server to connect to'),
  } as unknown as ConnectorOwner);
  // The wait before the first attempt keeps each dial in progress.
  const dial = (index: number) =>
    connector.connect(
      {
        url: new URL(`nats-route://127.0.0.1:${10_000 + index}/`),
        type: 'implicit',
        gossip: gossip.byDefault,
      },
      60_000,
    );
  for (let index = 0; index < 256; index++) dial(index);
  expect(lines).toEqual([]);
  dial(256);
  expect(lines.join('')).toMatch(/Ignoring gossiped route 127\.0\.0\.1:10256: 256 others are being dialled/);
  connector.close();
});
