// Latency results of measured services, for requests with and without a reply. The same tests run on both servers;
// a second part compares the keys and types of the results.
import { describe, expect, it } from 'vitest';
import type { Wire } from '../harness/wire.ts';
import { typesOf } from '../support/monitoring.ts';
import { besideNatsServer, conformance, type Suite } from './suite.ts';

const configuration = `
server_name: one
accounts {
  A {
    users: [ { user: a, password: p } ]
    exports: [
      { service: "q.*", latency: "results.q" }
      { service: "half", latency: { sampling: 50%, subject: results.half } }
      { service: "asked", latency: { sampling: headers, subject: results.asked } }
      { service: "slow", threshold: "300ms", latency: { sampling: 100, subject: results.slow } }
      { service: "plain" }
      { service: "twice", latency: results.first }
      { service: "twice", latency: results.twice }
      { service: "twice" }
      { stream: "results.q" }
    ]
  }
  B {
    users: [ { user: b, password: p } ]
    imports: [
      { service: { account: A, subject: "q.*" } }
      { service: { account: A, subject: "q.told" }, to: told, share: true }
      { service: { account: A, subject: half } }
      { service: { account: A, subject: asked } }
      { service: { account: A, subject: slow } }
      { service: { account: A, subject: plain } }
      { service: { account: A, subject: twice } }
      { stream: { account: A, subject: "results.q" }, to: seen }
    ]
    exports: [ { service: "q.*", latency: { subject: results.b } } ]
  }
  C {
    users: [ { user: c, password: p } ]
    imports: [ { service: { account: B, subject: "q.*" }, to: "through.*" } ]
  }
}
`;

// biome-ignore lint/suspicious/noExplicitAny: JSON
type Json = any;

/** Waits for the next message and parses its payload as JSON. */
async function nextResult(wire: Wire): Promise<{ subject: string; result: Json }> {
  const [, subject, ...rest] = (await wire.line()).split(' ');
  const payload = await wire.bytes(Number(rest.at(-1)) + 2);
  return { subject: String(subject), result: JSON.parse(payload.slice(0, -2)) };
}

/** Reads one request to a service and returns its reply subject. */
async function nextRequest(wire: Wire): Promise<string> {
  const [keyword, , , reply, ...sizes] = (await wire.line()).split(' ');
  if (keyword !== 'MSG' && keyword !== 'HMSG') throw new Error(`not a request: ${keyword}`);
  await wire.bytes(Number(sizes.at(-1)) + 2);
  return String(reply);
}

const b = { user: 'b', pass: 'p', name: 'asker', lang: 'test', version: '1.2.3', headers: true };
const a = { user: 'a', pass: 'p', name: 'answerer', lang: 'other', version: '4.5.6', headers: true };
const nanoseconds = expect.any(Number);
const when = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
const event = {
  type: 'io.nats.server.metric.v1.service_latency',
  id: expect.stringMatching(/^[0-9A-Za-z]{22}$/),
  timestamp: when,
};

conformance('the latency of a service', configuration, (suite) => {
  /** Connects a client that provides services, one that sends requests, and one that reads the results. */
  async function parties(...services: string[]) {
    const [service, client, reader] = await Promise.all([
      suite.connect(a),
      suite.connect(b),
      suite.connect({ user: 'a', pass: 'p' }),
    ]);
    service.send(services.map((subject, index) => `SUB ${subject} ${index + 1}\r\n`).join(''));
    reader.send('SUB results.> 1\r\n');
    await Promise.all([service.receives(''), reader.receives('')]);
    return { service, client, reader };
  }

  async function answered(
    service: Wire,
    client: Wire,
    subject: string,
    operation = `PUB ${subject} in 0\r\n`,
  ) {
    client.send(`SUB in 1\r\nUNSUB 1 1\r\n${operation}\r\n`);
    const reply = await nextRequest(service);
    service.send(`PUB ${reply} 2\r\nok\r\n`);
    await client.reads('MSG in 1 2\r\nok\r\n');
    return reply;
  }

  it('is published in the account of the service after the reply', async () => {
    const { service, client, reader } = await parties('q.x');
    const reply = await answered(service, client, 'q.x');
    expect(reply).toMatch(/^_R_\.\w{6}\.\w{6}\.\w{8}\.T$/);
    const { subject, result } = await nextResult(reader);
    expect(subject).toBe('results.q');
    expect(result).toEqual({
      ...event,
      status: 200,
      requestor: { acc: 'B', rtt: nanoseconds },
      responder: {
        start: when,
        host: '127.0.0.1',
        id: service.info.client_id,
        acc: 'A',
        user: 'a',
        name: 'answerer',
        lang: 'other',
        ver: '4.5.6',
        rtt: nanoseconds,
        server: 'one',
        kind: 'Client',
        client_type: 'nats',
      },
      start: when,
      service: nanoseconds,
      system: nanoseconds,
      total: nanoseconds,
    });
    const { service: took, total, requestor } = result;
    expect(took).toBeGreaterThanOrEqual(0);
    expect(total).toBeGreaterThanOrEqual(took + requestor.rtt);
    expect(Object.keys(result)).toEqual([
      'type',
      'id',
      'timestamp',
      'status',
      'requestor',
      'responder',
      'start',
      'service',
      'system',
      'total',
    ]);
  });

  it('describes the client when the import shares it', async () => {
    const { service, client, reader } = await parties('q.told');
    await answered(service, client, 'told');
    const { result } = await nextResult(reader);
    expect(result.requestor).toEqual({
      start: when,
      host: '127.0.0.1',
      id: client.info.client_id,
      acc: 'B',
      user: 'b',
      name: 'asker',
      lang: 'test',
      ver: '1.2.3',
      rtt: nanoseconds,
      server: 'one',
      kind: 'Client',
      client_type: 'nats',
    });
  });

  it('is published once, for the first reply', async () => {
    const { service, client, reader } = await parties('q.x');
    client.send('SUB in 1\r\nPUB q.x in 0\r\n\r\n');
    const reply = await nextRequest(service);
    service.send(`PUB ${reply} 1\r\n1\r\nPUB ${reply} 1\r\n2\r\n`);
    await client.reads('MSG in 1 1\r\n1\r\n');
    await nextResult(reader);
    await service.receives('');
    await reader.receives('');
    await client.receives('');
  });

  it('has status 400 for a request without a reply subject, which the service receives', async () => {
    const { service, client, reader } = await parties('q.x');
    client.send('PUB q.x 0\r\n\r\n');
    await service.line();
    expect((await nextResult(reader)).result).toEqual({
      ...event,
      status: 400,
      description: 'Bad Request',
      requestor: { acc: 'B', rtt: nanoseconds },
      start: when,
      service: 0,
      system: 0,
      total: 0,
    });
  });

  it('has status 503 when no client provides the service', async () => {
    const { client, reader } = await parties();
    client.send('SUB in 1\r\nPUB q.nobody in 0\r\n\r\n');
    await client.receives('');
    expect((await nextResult(reader)).result).toEqual({
      ...event,
      status: 503,
      description: 'Service Unavailable',
      requestor: { acc: 'B', rtt: nanoseconds },
      start: when,
      service: 0,
      system: 0,
      total: 0,
    });
  });

  it('has status 504 when the service does not reply in time', async () => {
    const { service, client, reader } = await parties('slow');
    client.send('SUB in 1\r\nPUB slow in 0\r\n\r\n');
    const reply = await nextRequest(service);
    const { subject, result } = await nextResult(reader);
    expect(subject).toBe('results.slow');
    expect(result).toMatchObject({ status: 504, description: 'Service Timeout', requestor: { acc: 'B' } });
    service.send(`PUB ${reply} 2\r\nok\r\n`);
    await service.receives('');
    await client.receives('');
    await reader.receives('');
  });

  it.each([
    ['its subscription ends', 'in', 'UNSUB 1\r\n'],
    ['a subscription with a wildcard ends', 'in.*', 'UNSUB 1\r\n'],
  ])('has status 408 when the client no longer waits because %s', async (_, inbox, end) => {
    const { service, client, reader } = await parties('q.x');
    client.send(`SUB ${inbox} 1\r\nSUB ${inbox} 2\r\nPUB q.x ${inbox.replace('*', 'x')} 0\r\n\r\n`);
    const reply = await nextRequest(service);
    // The client still waits as long as one of two subscriptions is left.
    client.send('UNSUB 2\r\n');
    await client.receives('');
    await reader.receives('');
    client.send(end);
    expect((await nextResult(reader)).result).toEqual({
      ...event,
      status: 408,
      description: 'Request Timeout',
      requestor: { acc: 'B', rtt: nanoseconds },
      start: when,
      service: 0,
      system: 0,
      total: 0,
    });
    service.send(`PUB ${reply} 2\r\nok\r\n`);
    await service.receives('');
    await reader.receives('');
  });

  it('has status 408 when the client has disconnected', async () => {
    const { service, client, reader } = await parties('q.x');
    client.send('SUB in 1\r\nPUB q.x in 0\r\n\r\n');
    await nextRequest(service);
    client.end();
    expect((await nextResult(reader)).result).toMatchObject({ status: 408, requestor: { acc: 'B' } });
  });

  it('is not measured for a service without latency in its export', async () => {
    const { service, client, reader } = await parties('plain');
    expect(await answered(service, client, 'plain')).toMatch(/^_R_\.\w{6}\.\w{6}$/);
    await reader.receives('');
  });

  it('is measured for about the configured share of requests', async () => {
    const { service, client, reader } = await parties('half');
    client.send('SUB in 1\r\n');
    client.send('PUB half in 0\r\n\r\n'.repeat(200));
    let measured = 0;
    for (let i = 0; i < 200; i++) if ((await nextRequest(service)).endsWith('.T')) measured++;
    // Six standard deviations on either side of 51%.
    expect(Math.abs(measured - 102)).toBeLessThan(43);
    client.end();
    for (let i = 0; i < measured; i++) {
      expect(await nextResult(reader)).toMatchObject({ subject: 'results.half', result: { status: 408 } });
    }
  });

  it.each([
    ['', undefined],
    ['A: b\r\n', undefined],
    ['Uber-Trace-Id: 479fefe9525eddb:5adb976bfc1f95c1:479fefe9525eddb:1\r\nuberctx-a: b\r\nX: y\r\n', 'all'],
    ['uber-trace-id: 1:2:3:11\r\n', { 'Uber-Trace-Id': ['1:2:3:11'] }],
    ['Uber-Trace-Id: 1:2:3:10\r\nX-B3-TraceId: 5\r\n', undefined],
    ['Uber-Trace-Id: 1:2:3:111\r\n', undefined],
    ['Uber-Trace-Id: 1:2:3\r\n', undefined],
    ['Uber-Trace-Id: 1:2:3:g1\r\n', { 'Uber-Trace-Id': ['1:2:3:g1'] }],
    ['Uber-Trace-Id: 1:2:3:1g\r\n', undefined],
    [
      'X-B3-Sampled: 1\r\nX-B3-SpanId: 7\r\nX-B3-ParentSpanId: 8\r\nx-b3-traceid: 9\r\nX-B3-Flags: 1\r\n',
      { 'X-B3-Parentspanid': ['8'], 'X-B3-Sampled': ['1'], 'X-B3-Spanid': ['7'], 'X-B3-Traceid': ['9'] },
    ],
    ['X-B3-Sampled: 0\r\nX-B3-TraceId: 9\r\n', undefined],
    ['X-B3-Sampled: d\r\n', undefined],
    ['X-B3-Sampled: d\r\nX-B3-TraceId: 9\r\n', { 'X-B3-Sampled': ['d'], 'X-B3-Traceid': ['9'] }],
    ['X-B3-TraceId: 9\r\nX-B3-TraceId: 10\r\n', { 'X-B3-Traceid': ['9', '10'] }],
    ['B3: 1-2-1-3\r\n', { B3: ['1-2-1-3'] }],
    ['b3:1-2\r\n', { B3: ['1-2'] }],
    ['B3: 1-2-0\r\n', undefined],
    ['B3: 0\r\n', undefined],
    ['B3:\r\n', { B3: [''] }],
    ['Traceparent: 00-4-0-01\r\nTracestate: s\r\n', { Traceparent: ['00-4-0-01'], Tracestate: ['s'] }],
    ['traceparent:   00-4-0-7f \r\n', { Traceparent: ['00-4-0-7f'] }],
    ['traceparent: 00-4-0-81\r\n', undefined],
    ['traceparent: 00-4-0-00\r\n', undefined],
    ['traceparent: 00-4-0-1\r\n', undefined],
    ['traceparent: 00-4-0-+1\r\n', { Traceparent: ['00-4-0-+1'] }],
    ['traceparent: 00-4-0-0x\r\n', undefined],
    ['traceparent: 00-4-0-01-5\r\n', undefined],
    ['Traceparent: 00-4-0-01\r\nno colon\r\n', undefined],
    ['Traceparent: 00-4-0-01\r\nwith blank: x\r\n', { Traceparent: ['00-4-0-01'] }],
    ['Traceparent : 00-4-0-01\r\n', undefined],
    ['Traceparent: 00-4-0-01\r\n: x\r\n', undefined],
    ['Traceparent: 00-4-0-01\r\nA: \u0001\r\n', undefined],
    ['Traceparent: 00-4-0-01\r\nA(: x\r\n', undefined],
    [' Traceparent: 00-4-0-01\r\n', undefined],
    ['B3: 1\r\n \r\n', { B3: ['1 '] }],
    [
      'Traceparent: 00-4-0-01\r\nTracestate: a\r\n b\r\n',
      { Traceparent: ['00-4-0-01'], Tracestate: ['a b'] },
    ],
    ['Tracestate: <&>ü\r\nTraceparent: 00-4-0-01\r\n', { Traceparent: ['00-4-0-01'], Tracestate: ['<&>ü'] }],
  ] as const)('is measured when the headers of the request ask for it: %j', async (lines, expected) => {
    const { service, client, reader } = await parties('asked');
    const block = Buffer.from(`NATS/1.0\r\n${lines}\r\n`);
    await answered(service, client, 'asked', `HPUB asked in ${block.length} ${block.length}\r\n${block}`);
    if (expected === undefined) {
      await service.receives('');
      await reader.receives('');
      return;
    }
    const { subject, result } = await nextResult(reader);
    expect(subject).toBe('results.asked');
    const { header } = result;
    if (expected === 'all') expect(Object.keys(header)).toEqual(['Uber-Trace-Id', 'Uberctx-A']);
    else expect(header).toEqual(JSON.parse(Buffer.from(JSON.stringify(expected)).toString('latin1')));
  });

  it('is measured in each account that a request crosses', async () => {
    const { service, reader } = await parties('q.x');
    const [client, other] = [await suite.connect({ ...b, user: 'c' }), await suite.connect(b)];
    other.send('SUB results.b 1\r\n');
    await other.receives('');
    await answered(service, client, 'through.x');
    for (const [wire, where] of [
      [reader, 'results.q'],
      [other, 'results.b'],
    ] as const) {
      const { subject, result } = await nextResult(wire);
      expect(subject).toBe(where);
      expect(result).toMatchObject({
        status: 200,
        requestor: { acc: 'C' },
        responder: { acc: 'A', user: 'a' },
      });
      expect(Object.keys(result.requestor)).toEqual(['acc', 'rtt']);
    }
  });

  it('is measured as the last export with a latency declares when several exports share a subject', async () => {
    const { service, client, reader } = await parties('twice');
    await answered(service, client, 'twice');
    expect(await nextResult(reader)).toMatchObject({ subject: 'results.twice', result: { status: 200 } });
    await reader.receives('');
  });

  it('is delivered to an account that imports its stream', async () => {
    const { service, client } = await parties('q.x');
    const other = await suite.connect(b);
    other.send('SUB seen 1\r\n');
    await other.receives('');
    await answered(service, client, 'q.x');
    expect(await nextResult(other)).toMatchObject({ subject: 'seen', result: { status: 200 } });
  });
});

besideNatsServer('the latency of a service', configuration, (sides) => {
  /** The keys of a result with the types of their values, in order. */
  const resultOf = async (side: Suite, subject: string, answers: boolean) => {
    const [service, client, reader] = [await side.connect(a), await side.connect(b), await side.connect(a)];
    if (answers) service.send('SUB q.* 1\r\n');
    reader.send('SUB results.> 1\r\n');
    await service.receives('');
    await reader.receives('');
    client.send(`SUB in 1\r\nPUB ${subject} 0\r\n\r\n`);
    if (answers && subject.includes(' ')) service.send(`PUB ${await nextRequest(service)} 0\r\n\r\n`);
    const { result } = await nextResult(reader);
    for (const wire of [service, client, reader]) wire.end();
    return [...typesOf(result)];
  };

  describe.each([
    ['q.x in', true],
    ['told in', true],
    ['q.x', true],
    ['q.x in', false],
    ['told in', false],
  ])('a request to %s with a reply: %s', (subject, answers) => {
    it('has a result with the same keys, types and order', async () => {
      const [ours, theirs] = await Promise.all(sides.map((side) => resultOf(side, subject, answers)));
      expect(ours).toEqual(theirs);
    });
  });
});
