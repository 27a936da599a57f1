// A handler that records the calls of the parser.
import type { OperationHandler, ParserLimits, Publication } from '../../src/protocol/operations.ts';
import { Parser } from '../../src/protocol/parser.ts';
import type { MessageBuffers } from '../../src/protocol/split-message.ts';
import type { Violation } from '../../src/protocol/violations.ts';

export class Recorder implements OperationHandler {
  readonly calls: string[] = [];
  /** The result of beforeConnect. */
  admits = false;
  onConnect: () => void = () => {};

  connect(json: Buffer): void {
    this.calls.push(`CONNECT ${text(json)}`);
    this.onConnect();
  }
  publish(publication: Publication): void {
    const { buffer, subjectStart, subjectEnd, replyStart, replyEnd, headerSize } = publication;
    const part = (from: number, to: number) => text(buffer.subarray(from, to));
    const words = [
      part(subjectStart, subjectEnd),
      replyEnd > replyStart ? `reply=${part(replyStart, replyEnd)}` : '',
      headerSize > 0
        ? `headers=${part(publication.payloadStart, publication.payloadStart + headerSize)}`
        : '',
      `body=${part(publication.payloadStart + headerSize, publication.payloadEnd)}`,
      `wire=${part(subjectStart, publication.end)}`,
    ];
    this.calls.push(`PUB ${words.filter((word) => word !== '').join(' ')}`);
  }
  subscribe(subject: Buffer, queue: Buffer | undefined, sid: Buffer): void {
    this.calls.push(`SUB ${text(subject)} ${queue === undefined ? '' : `${text(queue)} `}${text(sid)}`);
  }
  tooLarge(): void {}

  unsubscribe(sid: Buffer, max: number | undefined): void {
    this.calls.push(`UNSUB ${text(sid)} ${max}`);
  }
  ping(): void {
    this.calls.push('PING');
  }
  pong(): void {
    this.calls.push('PONG');
  }
  info(json: Buffer): void {
    this.calls.push(`INFO ${text(json)}`);
  }
  peerError(error: Buffer): void {
    this.calls.push(`-ERR ${text(error)}`);
  }
  beforeConnect(): boolean {
    this.calls.push('before CONNECT');
    return this.admits;
  }
  violation(violation: Violation): void {
    this.calls.push(`violation ${violation.text ?? 'silent'}, ${violation.closes}`);
  }
}

export const limits: ParserLimits = { maxControlLine: 4096, maxPayload: 1024 * 1024 };

/** Overwrites returned buffers, and detects buffers that were not borrowed or are not returned. */
export class LentBuffers implements MessageBuffers {
  readonly #lent = new Set<Buffer>();

  take(size: number): Buffer {
    const buffer = Buffer.alloc(size + 5, 0x7e);
    this.#lent.add(buffer);
    return buffer;
  }
  give(buffer: Buffer): void {
    if (!this.#lent.delete(buffer)) throw new Error('returned a buffer that was not borrowed');
    buffer.fill(0x7e);
  }
  get count(): number {
    return this.#lent.size;
  }
}

/** Feeds the chunks to a new parser and returns the calls. Overwrites each chunk after it was parsed. */
export function parse(
  chunks: Buffer[],
  prepare: (parser: Parser, recorder: Recorder) => void = () => {},
  parserLimits: ParserLimits = limits,
): string[] {
  const recorder = new Recorder();
  const buffers = new LentBuffers();
  const parser = new Parser(recorder, parserLimits, buffers);
  prepare(parser, recorder);
  for (const chunk of chunks) {
    const read = Buffer.from(chunk);
    parser.parse(read);
    read.fill(0x7e);
  }
  parser.stop();
  if (buffers.count > 0) throw new Error('some buffers were not returned');
  return recorder.calls;
}

function text(buffer: Buffer): string {
  return JSON.stringify(buffer.toString('latin1'));
}
