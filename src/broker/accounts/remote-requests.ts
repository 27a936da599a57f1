// Requests from other servers of the cluster, which measure a service on this one. Times the answer of the service
// and reports it to the requesting server in the system account (client.go, trackRemoteReply; events.go,
// remoteLatencyUpdate).
import { goJson, goTime, nanoseconds } from '../../protocol/go-format.ts';
import type { Publication } from '../../protocol/operations.ts';
import { covers, isLiteral } from '../../subjects/subject.ts';
import type { Account } from './account.ts';
import type { LatencyMeter, RemoteMeasurement } from './service-latency.ts';
import type { Publisher } from './subscription.ts';

/** A service with the time limit for its answers. */
export interface TimedService {
  readonly subject: string;
  readonly thresholdMs: number;
}

/** Sends a message to the server with this token. */
export type SendResult = (token: string, message: Buffer) => void;

/** Above this number of open requests, new ones are not timed. */
const maxOpen = 65_536;

const DOT = 0x2e;
const T = 0x54;

/** The reply subject of a measured request, with the token of the measuring server. */
const measuredReply = /^_R_\..+\.([^.]+)\.T$/s;

/** Returns the suffix of the reply subject of a measured request. */
export function measuredReplySuffix(serverToken: string): string {
  return `.${serverToken}.T`;
}

/** Returns the subject for reports to the server with this token. */
export function resultSubject(serverToken: string): string {
  return `$SYS.LATENCY.M2.${serverToken}`;
}

/** The measured requests to services of one account. */
export class RemoteRequests {
  readonly #account: Account;
  readonly #services: readonly { readonly tokens: readonly string[]; readonly thresholdMs: number }[];
  readonly #meter: LatencyMeter;
  readonly #sendResult: SendResult;
  /** Functions that stop timing, by reply subject. */
  readonly #open = new Map<string, () => void>();

  constructor(
    account: Account,
    services: readonly TimedService[],
    meter: LatencyMeter,
    sendResult: SendResult,
  ) {
    this.#account = account;
    this.#services = services.map(({ subject, thresholdMs }) => ({ tokens: tokensOf(subject), thresholdMs }));
    this.#meter = meter;
    this.#sendResult = sendResult;
  }

  /** Call with each routed message that was delivered to a client on this server. */
  delivered({ buffer, subjectStart, subjectEnd, replyStart, replyEnd }: Publication): void {
    // Few reply subjects end with `.T`: check the last two bytes before anything costly.
    if (replyEnd - replyStart < 2 || buffer[replyEnd - 1] !== T || buffer[replyEnd - 2] !== DOT) return;
    if (this.#open.size >= maxOpen) return;
    const reply = buffer.toString('latin1', replyStart, replyEnd);
    if (this.#open.has(reply)) return;
    const token = measuredReply.exec(reply)?.[1];
    if (token === undefined || !isLiteral(buffer, replyStart, replyEnd)) return;
    const subject = tokensOf(buffer.toString('utf8', subjectStart, subjectEnd));
    const service = this.#services.find(({ tokens }) => covers(tokens, subject));
    if (service !== undefined) this.#time(reply, token, service.thresholdMs);
  }

  /** Stops timing all requests. */
  close(): void {
    for (const end of [...this.#open.values()]) end();
  }

  #time(reply: string, token: string, milliseconds: number): void {
    const start = this.#meter.now().getTime();
    const began = performance.now();
    const stop = this.#account.intercept(reply, (_, responder) => {
      end();
      this.#answered(reply, token, responder, start, performance.now() - began);
      // The answer is still delivered to its subscribers.
      return false;
    });
    const end = () => {
      clearTimeout(timer);
      this.#open.delete(reply);
      stop();
    };
    const timer = setTimeout(end, milliseconds).unref();
    this.#open.set(reply, end);
  }

  #answered(reply: string, token: string, responder: Publisher, start: number, tookMs: number): void {
    const described = this.#meter.describe(responder, true);
    if (described === undefined) return;
    const rttMs = responder.requester?.rttMs ?? 0;
    const service = Math.max(0, nanoseconds(tookMs - rttMs));
    const result = {
      type: '',
      id: '',
      timestamp: '0001-01-01T00:00:00Z',
      status: 200,
      responder: described,
      start: goTime(start),
      service,
      system: 0,
      total: service + nanoseconds(rttMs),
    };
    const message = { account: this.#account.name, req_id: reply, m2: result };
    this.#sendResult(token, Buffer.from(goJson(message)));
  }
}

/** Another server's report on a request that this server measures. */
export interface RemoteLatency {
  readonly account: string;
  readonly reply: string;
  readonly result: RemoteMeasurement;
}

/** Parses another server's report; undefined if it is invalid. */
export function parseRemoteLatency(json: Buffer): RemoteLatency | undefined {
  try {
    const { account, req_id: reply, m2 } = JSON.parse(json.toString());
    const { service, responder } = m2;
    if (typeof account !== 'string' || typeof reply !== 'string' || !Number.isFinite(service))
      return undefined;
    if (responder !== undefined && (typeof responder !== 'object' || responder === null)) return undefined;
    return { account, reply, result: { service, responder } };
  } catch {
    return undefined;
  }
}

function tokensOf(subject: string): string[] {
  return subject.split('.');
}
