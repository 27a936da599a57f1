// The parts of the benchmark that measure nothing: arguments, statistics, messages and the report.
import { describe, expect, it } from 'vitest';
import { isSelected, isWhole, parseArguments } from './arguments.ts';
import type { Table } from './cells/cell.ts';
import { type Chart, drawChart } from './chart.ts';
import { RecordCounter } from './load/records.ts';
import {
  batches,
  deliveryLength,
  findFaults,
  payload,
  publication,
  type Sequence,
  subscribeLine,
  subscriptions,
} from './messages.ts';
import { renderPage } from './page.ts';
import { drawPlots } from './plots.ts';
import { type Report, renderReport, short } from './report.ts';
import type { Figures } from './starts/figures.ts';
import { median, percentile } from './statistics.ts';

describe('the arguments of the benchmark', () => {
  it('default to every cell, both transports, and natspki compared with nats-server', () => {
    expect(parseArguments([])).toMatchObject({
      cells: [],
      rounds: 3,
      seconds: 0.75,
      transports: ['tls', 'plain'],
      sides: ['natspki', 'nats-server'],
    });
  });

  it('accept cells, numbers, one transport and the same server twice', () => {
    const words = ['idle', 'swap', '--rounds', '1', '--seconds=0.5', '--transport', 'plain'];
    expect(parseArguments([...words, '--sides', 'nats-server,nats-server'])).toMatchObject({
      cells: ['idle', 'swap'],
      rounds: 1,
      seconds: 0.5,
      transports: ['plain'],
      sides: ['nats-server', 'nats-server'],
    });
  });

  it.each([
    ['--rounds', '1.5'],
    ['--rounds', '0'],
    ['--seconds', 'long'],
    ['--transport', 'udp'],
    ['--sides', 'natspki'],
    ['--sides', 'natspki,redis'],
  ])('are rejected when %s is %s', (name, value) => {
    expect(() => parseArguments([name, value])).toThrow(`${name} is "${value}", expected`);
  });

  it('select cells by the prefix of their names', () => {
    expect(isSelected('one-to-one-16', ['swap', 'one-to-one'])).toBe(true);
    expect(isSelected('one-to-four', ['swap', 'one-to-one'])).toBe(false);
    expect(isSelected('one-to-four', [])).toBe(true);
  });
});

describe('the statistics of the benchmark', () => {
  it('compute the median of odd and even series', () => {
    expect(median([9, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 10])).toBe(3);
    expect(median([])).toBeNaN();
  });

  it('compute percentiles by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(percentile(hundred, 0.5)).toBe(50);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile([7], 0.99)).toBe(7);
  });
});

describe('the messages of the benchmark', () => {
  const subjects = ['bench.1', 'bench.2', 'bench.3'];
  const sequence: Sequence = { publishers: 2, messages: 4, subjects, size: 16, copies: 1 };

  function delivered(publisher: number, place: number): Buffer {
    const line = publication(`${subjects[place % 3]} 1`, payload(16, publisher, place)).toString();
    return Buffer.from(line.replace('PUB', 'MSG'));
  }

  const all = [0, 1, 2, 3].flatMap((place) => [delivered(0, place), delivered(1, place)]);

  it('get subscription ids of one length', () => {
    expect(subscriptions(['a']).map(subscribeLine)).toEqual(['SUB a 1\r\n']);
    expect(subscriptions(['a'], 'q').map(subscribeLine)).toEqual(['SUB a q 1\r\n']);
    const sids = subscriptions(Array.from({ length: 1000 }, () => 'a')).map(({ sid }) => sid.length);
    expect(new Set(sids)).toEqual(new Set([4]));
  });

  it('have a predictable length on delivery', () => {
    expect(deliveryLength('bench.1', '1', 16)).toBe(delivered(0, 0).length);
    expect(deliveryLength('a', '1', 2, 'b')).toBe('MSG a 1 b 2\r\nhi\r\n'.length);
  });

  it('fill batches as whole messages that cover every subject equally often', () => {
    const made = batches(
      Array.from({ length: 3000 }, (_, index) => `bench.${1000 + index}`),
      128,
    );
    const bytes = Buffer.concat(made.map((batch) => batch.bytes)).toString();
    expect(made.length).toBeGreaterThan(1);
    expect(made.reduce((sum, { messages }) => sum + messages, 0)).toBe(3000);
    expect(bytes.match(/PUB bench\.\d+ 128\r\n[^\r]{128}\r\n/g)?.join('')).toBe(bytes);
    expect(batches(['bench.1'], 16)[0]?.messages).toBeGreaterThan(1000);
  });

  it('pass when each arrives whole, in order and as often as expected', () => {
    expect(findFaults([Buffer.concat(all)], sequence)).toEqual([]);
    expect(findFaults([Buffer.concat(all), Buffer.concat(all)], { ...sequence, copies: 2 })).toEqual([]);
  });

  it('fail when one is lost, duplicated, out of order, changed or truncated', () => {
    const [first, , third, ...rest] = all as [Buffer, Buffer, Buffer, ...Buffer[]];
    const second = delivered(1, 0);
    const faults = (...messages: Buffer[]) => findFaults([Buffer.concat(messages)], sequence);
    expect(faults(first, third, ...rest)).toEqual(['message 0100000000 arrived 0 times']);
    expect(faults(first, second, second, third, ...rest)).toContain('message 0100000000 arrived 2 times');
    expect(faults(third, second, first, ...rest)).toEqual(['message 0000000000 arrived out of order']);
    const changed = Buffer.from(first);
    changed[changed.length - 3] = 0;
    expect(faults(changed, second, third, ...rest)[0]).toBe(
      'connection 0 received unexpected data at byte 0',
    );
    expect(faults(...all.slice(0, -1), delivered(1, 3).subarray(0, -1))[0]).toMatch(
      /unexpected data at byte/,
    );
  });

  it('are counted in TLS records by the record headers, wherever the stream is split', () => {
    const record = (content: number) => {
      const bytes = Buffer.alloc(5 + content + 17, 0xff);
      bytes.set([23, 3, 3, (content + 17) >> 8, (content + 17) & 255]);
      return bytes;
    };
    const stream = Buffer.concat([record(6), record(16384), record(512), record(1)]);
    for (const step of [1, 3, 1000, stream.length]) {
      const counter = new RecordCounter();
      let content = 0;
      for (let at = 0; at < stream.length; at += step) content += counter.add(stream.subarray(at, at + step));
      expect(content).toBe(6 + 16384 + 512 + 1);
    }
  });
});

describe('the report of the benchmark', () => {
  const table: Table = {
    title: 'Messages',
    quantities: [
      { key: 'rate', title: 'messages/s' },
      { key: 'busiest', title: 'busiest %', plain: true },
    ],
  };
  const report: Report = {
    at: '2026-01-02T03:04:05.000Z',
    machine: '2 x Processor',
    versions: { natspki: '1.0.0' },
    options: { rounds: 3, seconds: 1, permissions: true },
    cells: [
      {
        cell: 'publish',
        says: 'publish only',
        table,
        transport: 'tls',
        sides: [
          { label: 'natspki', runs: [3e6, 1.5e6, 2e6].map((rate) => ({ rate, busiest: 50 })) },
          { label: 'nats-server', runs: [{ rate: 1e6, busiest: 25 }] },
        ],
      },
      { cell: 'publish', says: 'publish only', table, transport: 'plain', sides: [] },
    ],
    commands: [
      {
        cell: 'cli-start',
        says: 'start',
        contestants: [
          { name: 'node -e 0', runs: [40, 42, 41] },
          { name: 'natspki --help | cat', runs: [82] },
        ],
      },
    ],
    missing: ['mkcert is not there'],
  };
  const lines = renderReport(report).split('\n');

  it('shows medians of both sides with their ratio, but no ratio for figures of the generator', () => {
    expect(lines).toContain('Each figure: natspki / nats-server (ratio).');
    expect(lines).toContain('| cell | TLS messages/s | TLS busiest % | plain messages/s | plain busiest % |');
    expect(lines).toContain('| publish | 2.00M / 1.00M (**2.00**) | 50.0 / 25.0 |  |  |');
  });

  it('compares commands with the first one', () => {
    expect(lines).toContain('| node -e 0 | 41.0 | 1.00 |');
    expect(lines).toContain('| natspki --help \\| cat | 82.0 | 2.00 |');
  });

  it('lists what could not be measured', () => {
    expect(lines).toContain('- mkcert is not there');
  });

  it('formats numbers with three significant digits', () => {
    expect([0.1234, 9.994, 9.996, 99.96, 1234, 9999, 12_345, 999_600, 2_345_000].map(short)).toEqual([
      '0.123',
      '9.99',
      '10.0',
      '100',
      '1234',
      '9999',
      '12.3k',
      '1.00M',
      '2.35M',
    ]);
    expect(short(Number.NaN)).toBe('-');
  });
});

describe('a chart of the benchmark', () => {
  const chart: Chart = {
    title: 'Rate & "size"',
    x: { title: 'bytes', logarithmic: true, label: short },
    y: { title: 'messages/s', label: short },
    lines: [
      {
        name: 'natspki',
        hue: 0,
        points: [
          [10, 400],
          [1000, 200],
          [Number.NaN, 5],
          [100, Number.NaN],
        ],
      },
      { name: 'nats-server', hue: 1, dashed: true, points: [[10, 0]] },
    ],
  };
  const svg = drawChart(chart);
  const texts = [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map((match) => match[1]);

  it('has a tick for each power of ten on a logarithmic axis and for round steps from 0 on a linear one', () => {
    expect(texts).toEqual([
      'Rate &amp; &quot;size&quot;',
      ...[0, 100, 200, 300, 400, 10, 100, 1000].map(short),
      ...['bytes', 'messages/s', 'natspki', 'nats-server'],
    ]);
  });

  it('draws finite points, the largest at the top, in colours for light and dark pages', () => {
    expect([...svg.matchAll(/<circle/g)]).toHaveLength(3);
    expect(svg).toContain('<path class="line hue0" d="M76 88L696 226"/>');
    expect(svg).toContain('@media (prefers-color-scheme: dark)');
    expect(svg).not.toMatch(/NaN|Infinity/);
  });
});

describe('the performance page', () => {
  const quantities = [{ key: 'rate', title: 'messages/s' }];
  const report: Report = {
    at: '2026-01-02T03:04:05.000Z',
    machine: '2 x Processor',
    versions: {},
    options: { rounds: 1, seconds: 1, permissions: true },
    cells: [16, 128].map((size) => ({
      cell: `publish-${size}`,
      says: 'publish only',
      table: { title: 'Messages', quantities },
      transport: 'tls',
      sides: [
        { label: 'natspki', runs: [{ rate: 140_000 / size, cpu: 0.6 }] },
        { label: 'nats-server', runs: [{ rate: 100_000 / size, cpu: 1 }] },
      ],
    })),
    commands: [],
    missing: [],
  };

  it('compares every goal with the measurement, and marks what was not measured', () => {
    const page = renderPage(report, [], 'performance');
    expect(page).toContain('| publish, 16 B: rate | at least 1.50 | 1.40 | no |');
    expect(page).toContain('| publish, 128 B: rate | at least 1.30 | 1.40 | yes |');
    expect(page).toContain('| publish, 16 B: CPU | at most 0.700 | 0.600 | yes |');
    expect(page).toContain('| slowest hot swap, in seconds | at most 0.100 | - | not measured |');
  });

  it('compares how servers start in tests', () => {
    const figures = (fastestReady: number): Figures => ({
      firstReady: 100,
      firstRoundTrip: 110,
      ready: 9,
      roundTrip: 19,
      fastestReady,
      fastestRoundTrip: 17,
      stop: 1,
      slowestStop: 2,
      megabytesOfTen: 3,
    });
    const contestants = [
      { name: 'natspki/testing', runs: [figures(2), figures(4)] },
      { name: 'nats-server, spawned', runs: [figures(10)] },
    ] as const;
    const page = renderPage({ ...report, starts: { count: 50, contestants } }, [], 'performance');
    expect(page).toContain(
      '| fastest start in a test, after the first, over a spawned nats-server | at most 0.333 | 0.300 | yes |',
    );
    expect(page).toContain(
      '\n| natspki/testing | 100 | 110 | 9.00 | 19.0 | 3.00 | 17.0 | 1.00 | 2.00 | 3.00 |\n',
    );
  });

  it('includes only charts with figures', () => {
    const plots = drawPlots(report);
    expect(plots.map(({ file }) => file)).toEqual(['rate.svg', 'cpu.svg']);
    expect(renderPage(report, plots, 'performance')).toContain(
      '![Messages a second under TLS, by their size](performance/rate.svg)',
    );
  });

  it('is written only by complete runs', () => {
    expect(isWhole(parseArguments([]))).toBe(true);
    for (const words of [['idle'], ['--transport', 'tls'], ['--no-permissions'], ['--profile']]) {
      expect(isWhole(parseArguments(words))).toBe(false);
    }
    expect(isWhole(parseArguments(['--sides', 'natspki,natspki']))).toBe(false);
  });
});
