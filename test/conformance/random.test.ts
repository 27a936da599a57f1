// Sends random streams, valid and invalid, to the bundled broker and the real nats-server and compares the answers.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundledBroker, natsServer, type ServerUnderTest } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { describePeer } from '../support/peers.ts';
import { below, seeded } from '../support/seeded.ts';

// Low, so that the streams reach the limits.
const configuration = 'max_payload: 64\nmax_control_line: 96\nmax_subscriptions: 6';

// RANDOM_SEED and RANDOM_STREAMS choose other streams, or repeat one.
const firstSeed = Number(process.env.RANDOM_SEED ?? 0);
const streams = Number(process.env.RANDOM_STREAMS ?? 300);

describePeer('nats-server', 'random streams, compared with nats-server', (bin) => {
  let servers: ServerUnderTest[] = [];
  beforeAll(async () => {
    servers = await Promise.all([bundledBroker(configuration), natsServer(bin)(configuration)]);
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });

  it('are answered by the broker as by nats-server', async () => {
    for (let seed = firstSeed; seed < firstSeed + streams; seed += 1) {
      const steps = randomSteps(seed);
      const [broker, real] = await Promise.all(servers.map((server) => play(server, steps)));
      expect({ seed, told: broker }).toEqual({ seed, told: real });
    }
  });
});

interface Step {
  sent: string;
  answer: string[];
}

// Sends the steps on one connection until the server closes it.
async function play(server: ServerUnderTest, steps: string[]): Promise<Step[]> {
  const wire = await Wire.open(server.port);
  const told: Step[] = [];
  try {
    for (const sent of steps) {
      const answer = await wire.drain(sent).catch(() => wire.closed().then((rest) => `${rest}<closed>`));
      told.push({ sent, answer: comparable(answer) });
      if (answer.endsWith('<closed>')) break;
    }
  } finally {
    wire.end();
  }
  return told;
}

// Splits an answer into its messages and removes what nats-server does not determine.
function comparable(answer: string): string[] {
  return (
    answer
      // Sent at the end of the line, and again when nats-server happens to read the message in two pieces.
      .replaceAll("-ERR 'Invalid Publish Subject'\r\n", '')
      // Any of several subscriptions to a reply subject may receive the 503.
      .replace(/^(HMSG \S+) \S+( \d+ \d+\r\nNATS\/1\.0 503)/gm, '$1 *$2')
      .split(/(?=HMSG |(?<!H)MSG |-ERR |\+OK|<closed>)/)
      // The subscriptions that match a message may receive it in any order.
      .sort()
  );
}

function randomSteps(seed: number): string[] {
  const random = seeded(seed);
  const chance = (probability: number) => random() < probability;
  const pick = <T>(choices: readonly T[]) => choices[below(random, choices.length)] as T;
  const many = <T>(length: number, make: () => T) => Array.from({ length }, make);

  const blank = () => (chance(0.1) ? pick(['\t', '  ', ' \t ']) : ' ');
  const end = () => (chance(0.05) ? pick(['\n', ' \r\n', '\t\n']) : '\r\n');
  const verb = (name: string) =>
    chance(0.1) ? name.replace(/./g, (c) => (chance(0.5) ? c.toLowerCase() : c)) : name;
  const line = (name: string, ...words: string[]) =>
    [verb(name), ...words.filter((word) => word !== '').map((word) => blank() + word), end()].join('');

  const subject = (tokens: string[]) =>
    `r${seed}.${many(1 + below(random, 3), () => pick(tokens)).join('.')}`;
  const literal = () => subject(['a', 'b', 'c']);
  const pattern = () =>
    subject(['a', 'b', 'c', 'a', 'b', '*', '*', '>', chance(0.2) ? pick(['', 'a*', '>x', 'é']) : 'c']);
  const target = () => (chance(0.15) ? pattern() : literal());
  const sid = () => pick(['1', '2', '3', '4', '5', '6', '7', 'x', '01']);
  const wrong = (right: number) =>
    pick(['', '-1', 'x', '65', '9999999999', `${right + 1}`, `0x${right}`, '1.0']);
  const size = (right: number) => (chance(0.01) ? wrong(right) : chance(0.1) ? `00${right}` : `${right}`);

  const options = (): string => {
    const names = ['verbose', 'pedantic', 'echo', 'headers', 'no_responders'].filter(() => chance(0.5));
    const values = names.map((name) => [name, chance(0.02) ? 1 : chance(0.6)]);
    if (chance(0.02)) values.push(['protocol', pick([0, -1, 2, '1'])]);
    return chance(0.03) ? pick(['{', '[]', '', 'null', '{}}']) : JSON.stringify(Object.fromEntries(values));
  };
  const publish = (name: string, headers: string): string => {
    const body = headers + 'x'.repeat(below(random, 20));
    const sizes = headers === '' ? [size(body.length)] : [size(headers.length), size(body.length)];
    return `${line(name, target(), chance(0.3) ? literal() : '', ...sizes)}${body}\r\n`;
  };
  const subscribe = (): string => {
    const id = sid();
    // A group with one member: which of several members receives a message is random.
    return line('SUB', pattern(), chance(0.1) ? `group-${id}` : '', id);
  };
  const fault = () =>
    pick([
      'FOO\r\n',
      '\r\n',
      'SUB\r\n',
      'PUB a\r\n',
      'SUB a b c d\r\n',
      "-ERR 'x'\r\n",
      `SUB ${'y'.repeat(95)} 1\r\n`,
    ]);

  const operations = [
    subscribe,
    subscribe,
    () => line('UNSUB', sid(), chance(0.6) ? size(below(random, 4)) : ''),
    () => publish('PUB', ''),
    () => publish('HPUB', 'NATS/1.0\r\nA: b\r\n\r\n'),
    () => (chance(0.1) ? line('CONNECT', options()) : line('PONG')),
    () => (chance(0.02) ? fault() : pick(['+OK\r\n', 'INFO {}\r\n'])),
  ];
  const greeting = { headers: true, no_responders: chance(0.5), verbose: chance(0.3), pedantic: chance(0.3) };
  return [
    `CONNECT ${JSON.stringify(greeting)}\r\n`,
    ...many(30, () => many(chance(0.3) ? 3 : 1, () => pick(operations)()).join('')),
  ];
}
