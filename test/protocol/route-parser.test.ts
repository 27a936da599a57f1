// The parser of the route protocol, with streams as a whole and split at every byte.
import { describe, expect, it } from 'vitest';
import type { RoutedPublication, RouteOperationHandler } from '../../src/protocol/operations.ts';
import { RouteParser } from '../../src/protocol/route-parser.ts';
import type { Violation } from '../../src/protocol/violations.ts';
import { below, randomSplits, seeded } from '../support/seeded.ts';
import { LentBuffers } from './recorder.ts';

class Recorder implements RouteOperationHandler {
  readonly calls: string[] = [];

  connect(json: Buffer): void {
    this.calls.push(`CONNECT ${json}`);
  }
  info(json: Buffer): void {
    this.calls.push(`INFO ${json}`);
  }
  ping(): void {
    this.calls.push('PING');
  }
  pong(): void {
    this.calls.push('PONG');
  }
  peerError(text: Buffer): void {
    this.calls.push(`-ERR ${text}`);
  }
  interest(
    account: Buffer,
    subject: Buffer,
    queue: Buffer | undefined,
    weight: number,
    leaf: Buffer | undefined,
  ): void {
    this.calls.push(`${leaf === undefined ? 'RS+' : `LS+ ${leaf}`} ${account} ${subject} ${queue} ${weight}`);
  }
  noInterest(account: Buffer, subject: Buffer, queue: Buffer | undefined, leaf: Buffer | undefined): void {
    this.calls.push(`${leaf === undefined ? 'RS-' : `LS- ${leaf}`} ${account} ${subject} ${queue}`);
  }
  publish(publication: RoutedPublication): void {
    const { buffer, subjectStart, end, replyStart, replyEnd, headerSize, account, queues } = publication;
    const wire = JSON.stringify(buffer.toString('latin1', subjectStart, end));
    const reply = buffer.toString('latin1', replyStart, replyEnd);
    this.calls.push(`${account} [${queues}] reply=${reply} headers=${headerSize} ${wire}`);
  }
  violation({ closes }: Violation, detail: string): void {
    this.calls.push(`${closes}: ${detail}`);
  }
}

const limits = { maxControlLine: 200, maxPayload: 100 };

function parse(chunks: readonly Buffer[]): string[] {
  const recorder = new Recorder();
  const parser = new RouteParser(recorder, limits, new LentBuffers());
  for (const chunk of chunks) {
    const read = Buffer.from(chunk);
    parser.parse(read);
    read.fill(0x7e);
  }
  return recorder.calls;
}

function bytesOf(text: string): Buffer[] {
  return [...Buffer.from(text, 'latin1')].map((byte) => Buffer.from([byte]));
}

describe.each([
  ['interest', 'RS+ $G a.*\r\nRS- $G a.*\r\n', ['RS+ $G a.* undefined 1', 'RS- $G a.* undefined']],
  ['interest of a queue group', 'RS+ A x q 12\r\nRS- A x q\r\n', ['RS+ A x q 12', 'RS- A x q']],
  [
    'interest of leaf nodes',
    'LS+ hub A x\r\nLS+ _ A x q 3\r\nLS- _ A x q\r\n',
    ['LS+ hub A x undefined 1', 'LS+ _ A x q 3', 'LS- _ A x q'],
  ],
  [
    'a message of leaf nodes',
    'LMSG hub $G a r 0 2\r\nhi\r\nLMSG hub A a + r q 12 14\r\nNATS/1.0\r\n\r\nhi\r\n',
    [
      '$G [] reply=r headers=0 "a r 2\\r\\nhi\\r\\n"',
      'A [q] reply=r headers=12 "a r 12 14\\r\\nNATS/1.0\\r\\n\\r\\nhi\\r\\n"',
    ],
  ],
  ['an invalid weight', 'RS+ A x q zero\r\n', ['RS+ A x q 1']],
  ['a message', 'RMSG $G a.b 2\r\nhi\r\n', ['$G [] reply= headers=0 "a.b 2\\r\\nhi\\r\\n"']],
  ['a message with a reply', 'RMSG $G a r 2\r\nhi\r\n', ['$G [] reply=r headers=0 "a r 2\\r\\nhi\\r\\n"']],
  [
    'a message for queue groups',
    'RMSG $G a | q1 q2 2\r\nhi\r\n',
    ['$G [q1,q2] reply= headers=0 "a 2\\r\\nhi\\r\\n"'],
  ],
  [
    'a message with a reply for a queue group',
    'RMSG $G a + r q1 2\r\nhi\r\n',
    ['$G [q1] reply=r headers=0 "a r 2\\r\\nhi\\r\\n"'],
  ],
  [
    'a message with the reply +',
    'RMSG $G a + 2\r\nhi\r\n',
    ['$G [] reply=+ headers=0 "a + 2\\r\\nhi\\r\\n"'],
  ],
  [
    'messages with headers',
    'HMSG A a 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHMSG A a + r q 12 12\r\nNATS/1.0\r\n\r\n\r\n',
    [
      'A [] reply= headers=12 "a 12 14\\r\\nNATS/1.0\\r\\n\\r\\nhi\\r\\n"',
      'A [q] reply=r headers=12 "a r 12 12\\r\\nNATS/1.0\\r\\n\\r\\n\\r\\n"',
    ],
  ],
  [
    'messages of several accounts',
    'RMSG A a 0\r\n\r\nRMSG BB a 0\r\n\r\nRMSG A b 0\r\n\r\n',
    [
      'A [] reply= headers=0 "a 0\\r\\n\\r\\n"',
      'BB [] reply= headers=0 "a 0\\r\\n\\r\\n"',
      'A [] reply= headers=0 "b 0\\r\\n\\r\\n"',
    ],
  ],
  [
    'operations without a subject',
    "INFO {}\r\nCONNECT {} \r\nPING\r\nPONG\r\n+OK\r\nA+ A\r\nA- A\r\n-ERR 'no'\r\n",
    ['INFO {}', 'CONNECT {} ', 'PING', 'PONG', "-ERR 'no'"],
  ],
])('%s', (what, text, calls) => {
  it(`parses ${what} in one chunk`, () => {
    expect(parse([Buffer.from(text, 'latin1')])).toEqual(calls);
  });

  it(`parses ${what} byte by byte`, () => {
    expect(parse(bytesOf(text))).toEqual(calls);
  });
});

describe.each([
  ['an operation of a client', 'PUB a 0\r\n', /^Protocol Violation: near "U/],
  ['a message without an account', 'RMSG a 0\r\n', /^Protocol Violation: RMSG "a 0/],
  ['queue groups without their mark', 'RMSG $G a r q 0\r\n', /^Protocol Violation: RMSG/],
  ['an invalid size', 'RMSG $G a x\r\n', /^Protocol Violation: RMSG/],
  ['headers longer than the message', 'HMSG $G a 5 4\r\n', /^Protocol Violation: HMSG/],
  ['a message above max_payload', 'RMSG $G a 101\r\n', /^Maximum Message Payload Exceeded: 101 vs 100$/],
  ['a message longer than its size', 'RMSG $G a 1\r\nhi\r\n', /^Protocol Violation: near/],
  ['interest without a subject', 'RS+ $G\r\n', /^Protocol Violation: RS\+/],
  ['interest of a queue group without a weight', 'RS+ $G a q\r\n', /^Protocol Violation: RS\+/],
  [
    'a line above the limit',
    `INFO ${'x'.repeat(300)}`,
    /^Maximum Control Line Exceeded: INFO line longer than 200 bytes$/,
  ],
])('%s', (what, text, refusal) => {
  it(`stops at ${what}`, () => {
    for (const chunks of [[Buffer.from(text)], bytesOf(text)]) {
      const calls = parse([...chunks, Buffer.from('PING\r\n')]);
      expect(calls).toEqual([expect.stringMatching(refusal)]);
    }
  });
});

describe('before CONNECT', () => {
  it('stops at any first operation but CONNECT while connectFirst is set', () => {
    for (const text of ['RS+ $G a\r\n', 'PING\r\n', '\0']) {
      const recorder = new Recorder();
      const parser = new RouteParser(recorder, limits, new LentBuffers());
      parser.connectFirst = true;
      parser.parse(Buffer.from(text));
      expect(recorder.calls).toEqual(['Authentication Failure: CONNECT expected']);
    }
  });
});

describe('repeated lines', () => {
  it('parses repeated lines in one chunk as byte by byte, where no line is compared with the previous one', () => {
    const random = seeded(5);
    const pick = (choices: readonly string[]) => choices[below(random, choices.length)] as string;
    const message = () => {
      const body = 'x'.repeat(below(random, 3));
      const line = `${pick(['$G', 'A'])}${pick([' ', '  '])}${pick(['a.b', 'a.c'])} ${pick(['', 'r ', '+ r q ', '| q '])}`;
      const headers = 'NATS/1.0\r\n\r\n';
      if (random() < 0.6) return `RMSG ${line}${body.length}\r\n${body}\r\n`;
      const sizes = `${headers.length} ${headers.length + body.length}`;
      return `${pick(['HMSG ', 'hmsg ', 'LMSG c '])}${line}${sizes}\r\n${headers}${body}\r\n`;
    };
    for (let round = 0; round < 300; round++) {
      const kinds = Array.from({ length: 3 }, message);
      const stream = Array.from({ length: 40 }, () =>
        pick([...kinds, ...kinds, ...kinds, 'PING\r\n', 'RS+ $G a\r\n']),
      );
      const bytes = Buffer.from(stream.join(''));
      const alone = parse(bytesOf(bytes.toString()));
      expect(alone).toHaveLength(40);
      expect(parse([bytes])).toEqual(alone);
      expect(parse(randomSplits(bytes, random))).toEqual(alone);
    }
  });

  it('keeps isNoted of a publication for a repeated line, and clears it for another line', () => {
    const notes: boolean[] = [];
    const publish = (publication: RoutedPublication) => {
      notes.push(publication.isNoted);
      publication.isNoted = true;
    };
    const parser = new RouteParser(Object.assign(new Recorder(), { publish }), limits, new LentBuffers());
    const [one, other] = ['RMSG $G a r 1\r\nx\r\n', 'RMSG A a r 1\r\nx\r\n'];
    parser.parse(Buffer.from([one, one, 'PING\r\n', one, other, one, one].join('')));
    expect(notes).toEqual([false, true, true, false, false, true]);
  });

  it('applies limits that were lowered during the delivery of the previous message to a repeated line', () => {
    for (const lowered of [{ maxPayload: 3 }, { maxControlLine: 5 }]) {
      const recorder = new Recorder();
      const parser = new RouteParser(recorder, limits, new LentBuffers());
      const { publish } = recorder;
      recorder.publish = (publication) => {
        publish.call(recorder, publication);
        Object.assign(parser, lowered);
      };
      parser.parse(Buffer.from('RMSG $G a 4\r\nxxxx\r\n'.repeat(2)));
      expect(recorder.calls).toEqual([expect.stringContaining('xxxx'), expect.stringMatching(/Exceeded/)]);
    }
  });
});

describe('a random stream', () => {
  const words = [
    'RMSG ',
    'HMSG ',
    'LMSG ',
    'RS+ ',
    'RS- ',
    'LS+ ',
    'LS- ',
    'INFO ',
    'PING',
    'PONG',
    'A+ ',
    '-ERR ',
    '$G ',
    'a.b ',
    '+ ',
    '| ',
    'q ',
    '0',
    '2',
    '12 ',
    '99999999999',
    '-1 ',
    '{}',
    ' ',
    '\t',
    '\r\n',
    '\r\n',
    '\r\n',
    'hi\r\n',
    'NATS/1.0\r\n\r\n',
    '\n',
    '\0',
    '\xff',
  ];

  it('parses to the same operations however it is split, without an exception', () => {
    for (let seed = 1; seed <= 2000; seed++) {
      const random = seeded(seed);
      const pick = () => words[Math.floor(random() * words.length)] as string;
      const text = Buffer.from(Array.from({ length: 30 }, pick).join(''), 'latin1');
      const chunks = randomSplits(text, random);
      const withoutDetail = (calls: string[]) => calls.map((call) => call.replace(/: near .*/s, ''));
      expect(withoutDetail(parse(chunks)), `seed ${seed}`).toEqual(withoutDetail(parse([text])));
    }
  });
});
