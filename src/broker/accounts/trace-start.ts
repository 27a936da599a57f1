// Decides whether a message is traced (nats-server's msgtrace.go, initMsgTrace): its header Nats-Trace-Dest names where the
// events go, or its account does for messages that the header traceparent of the W3C marks as sampled.
import type { Publication } from '../../protocol/operations.ts';
import { isLiteral } from '../../subjects/subject.ts';
import type { Account } from './account.ts';
import {
  isTraceDisabled,
  MessageTrace,
  type TraceEvent,
  type TraceParty,
  traceDestinationHeader,
  withoutTrace,
} from './message-trace.ts';
import type { Publisher } from './subscription.ts';
import { isParentSampled } from './trace-headers.ts';

/** The connection that a message came from. */
export interface TraceOrigin {
  readonly party: TraceParty;
  /** The account of the message; undefined if this server does not have it. */
  readonly account: Account | undefined;
  /** Whether the connection may publish the events to this subject. @param subject in Latin-1 */
  mayTraceTo(subject: string): boolean;
  /** Reports that it may not. */
  denyTrace(subject: string): void;
  /** Reports why a message is not traced. */
  cannotTrace(reason: string): void;
}

/** Publishes the events of a trace. */
export interface TraceSender {
  readonly now: () => Date;
  /** Returns a number in [0, 1). */
  readonly random: () => number;
  /** @param accepted the encodings that the message accepts for the event; undefined for none */
  send(account: Account, destination: string, event: TraceEvent, accepted: string | undefined): void;
}

/** A message to publish, and how it is traced. */
interface TraceStart<Message extends Publication> {
  readonly publication: Message;
  readonly trace: MessageTrace | undefined;
  /** Publishes the event, once the message was delivered. */
  readonly end: () => void;
}

/** Whether the headers may ask for tracing: quick, and right when it returns false. */
export function mayAskForTrace({ buffer, payloadStart, headerSize }: Publication): boolean {
  const end = payloadStart + headerSize - 12;
  for (let at = payloadStart + 10; at < end; at++) {
    // `N` or `t` at the start of a line, then `-Trace-D` or `raceparent`, in any case.
    if (buffer[at - 1] !== 0x0a) continue;
    const first = (buffer[at] as number) | 0x20;
    if (first === 0x6e && buffer[at + 4] === 0x2d && buffer[at + 10] === 0x2d) return true;
    if (first === 0x74 && ((buffer[at + 5] as number) | 0x20) === 0x70) return true;
  }
  return false;
}

/**
 * Publishes a message with headers, and then the event of its trace if it is traced.
 * @param publish not called for a message that may not be delivered
 */
export function publishTraced<Message extends Publication>(
  publication: Message,
  publisher: Publisher,
  origin: TraceOrigin,
  sender: TraceSender,
  publish: (publication: Message) => void,
): void {
  const start = startTrace(publication, origin, sender);
  if (start === undefined) return;
  publisher.trace = start.trace;
  try {
    publish(start.publication);
  } finally {
    publisher.trace = undefined;
  }
  start.end();
}

/** Decides about one message; undefined if it must not be delivered. */
function startTrace<Message extends Publication>(
  publication: Message,
  origin: TraceOrigin,
  sender: TraceSender,
): TraceStart<Message> | undefined {
  const untouched = { publication, trace: undefined, end: noEvent };
  const headers = readHeaders(publication);
  const wanted = headers && wantedTrace(headers);
  if (headers === undefined || wanted === undefined) return untouched;
  const { isExternal } = wanted;
  const isOnly = !isExternal && /^(1|true|on)$/i.test(headers['Nats-Trace-Only']?.[0] ?? '');
  const given = isOnly ? undefined : untouched;
  const isClient = origin.party.kind === 0;
  const former = headers['Nats-Trace-Origin-Account']?.[0];
  if (!isExternal && former !== undefined) {
    origin.cannotTrace(
      `Message tracing disabled because of header "Nats-Trace-Origin-Account" with value="${former}"`,
    );
    return given && { ...given, publication: { ...publication, ...withoutTrace(publication) } };
  }
  const { account } = origin;
  if (account === undefined) {
    origin.cannotTrace('Account was not found, will not be able to trace events');
    return given;
  }
  if (isExternal && account.tracing === undefined) return untouched;
  const { destination, sampling } = account.tracing ?? { destination: '', sampling: 100 };
  if (isExternal && isClient && !isChosen(sampling, sender.random)) {
    return { ...untouched, publication: { ...publication, ...withoutTrace(publication) } };
  }
  const to = isExternal ? Buffer.from(destination).toString('latin1') : (wanted.destination ?? '');
  const bytes = Buffer.from(to, 'latin1');
  if (!isLiteral(bytes, 0, bytes.length)) {
    origin.cannotTrace(`Destination "${to}" is not valid, will not be able to trace events`);
    return given;
  }
  if (!origin.mayTraceTo(to)) {
    origin.denyTrace(to);
    return undefined;
  }
  const { buffer, subjectStart, subjectEnd, payloadStart, payloadEnd } = publication;
  const subject = buffer.toString('latin1', subjectStart, subjectEnd);
  const size = payloadEnd - payloadStart;
  const message = { origin: origin.party, account: account.name, subject, size, headers };
  const trace = new MessageTrace(message, to, isOnly, sender.now);
  const end = () => sender.send(account, to, trace.event, headers['Accept-Encoding']?.[0]);
  return { publication, trace, end };
}

function noEvent(): void {}

/** As nats-server compares them: one percent more than asked for. */
function isChosen(sampling: number, random: () => number): boolean {
  return sampling >= 100 || Math.floor(random() * 100) <= sampling;
}

interface WantedTrace {
  /** In Latin-1; undefined for that of the account. */
  readonly destination: string | undefined;
  /** Whether only the header of the W3C asks for it. */
  readonly isExternal: boolean;
}

function wantedTrace(headers: Readonly<Record<string, readonly string[]>>): WantedTrace | undefined {
  const destination = headers[traceDestinationHeader]?.[0];
  if (destination !== undefined) {
    if (headers[traceDestinationHeader]?.some(isTraceDisabled)) return undefined;
    return { destination: Buffer.from(destination).toString('latin1'), isExternal: false };
  }
  const isSampled = Object.entries(headers).some(
    ([name, values]) => name.toLowerCase() === 'traceparent' && values.some(isParentSampled),
  );
  return isSampled ? { destination: undefined, isExternal: true } : undefined;
}

/** Reads headers by name as written; leaves out those without a value (genHeaderMapIfTraceHeadersPresent). */
function readHeaders({
  buffer,
  payloadStart,
  headerSize,
}: Publication): Record<string, string[]> | undefined {
  const block = buffer.toString('utf8', payloadStart, payloadStart + headerSize);
  const version = 'NATS/1.0\r\n';
  if (!block.startsWith(version)) return undefined;
  const headers: Record<string, string[]> = Object.create(null);
  for (let at = version.length; at < block.length; ) {
    const colon = block.indexOf(':', at);
    const end = colon < 0 ? -1 : block.indexOf('\r\n', colon + 1);
    if (end < 0) break;
    const name = block.slice(at, colon);
    const value = block.slice(colon + 1, end).replace(/^[ \t]+|[ \t]+$/g, '');
    if (name !== '' && value !== '') {
      headers[name] ??= [];
      headers[name].push(value);
    }
    at = end + 2;
  }
  return headers;
}
