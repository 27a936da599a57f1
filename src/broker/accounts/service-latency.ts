// How long services take: chooses the requests that are measured, and publishes what comes of each in the account of the
// service (accounts.go, ServiceLatency). Where the answer comes from another server, that one says how long the service
// took there.
import { goJson } from '../../go-json.ts';
import { goTime } from '../../go-time.ts';
import type { Publication } from '../../protocol/operations.ts';
import type { LatencyOptions } from '../options/latency-options.ts';
import type { Account } from './account.ts';
import { clientInfo, nanoseconds, type TellingServer } from './client-info.ts';
import type { DeliveryPolicy } from './delivery.ts';
import { InternalPublisher } from './internal-publisher.ts';
import { uniqueId } from './random-name.ts';
import type { Publisher } from './subscription.ts';
import { type Headers, tracingHeaders } from './trace-headers.ts';

/** Which service is measured, and how. */
export interface Measured {
  readonly exporter: Account;
  readonly latency: LatencyOptions;
  /** Whether the results say who asked. */
  readonly share: boolean;
}

/** A request that is measured. */
export interface Sample extends Measured {
  readonly client: Publisher;
  /** Those that asked for it; undefined where it was chosen otherwise. */
  readonly headers: Headers | undefined;
}

/** What the server of the service has measured; spans in nanoseconds. */
export interface RemoteResult {
  readonly service: number;
  readonly responder: Readonly<Record<string, unknown>> | undefined;
}

/** Why a request was not answered. */
export type Failure = keyof typeof failures;

const failures = {
  noReply: { status: 400, description: 'Bad Request' },
  lost: { status: 408, description: 'Request Timeout' },
  untaken: { status: 503, description: 'Service Unavailable' },
  late: { status: 504, description: 'Service Timeout' },
} as const;

/** Spans in nanoseconds. */
interface Spans {
  service: number;
  system: number;
  total: number;
}

const noSpans: Spans = { service: 0, system: 0, total: 0 };

/** What the results of one request have in common. */
type Result = { responder?: object | undefined; start: number; spans: Spans };

export class LatencyMeter {
  readonly now: () => Date;
  readonly #random: () => number;
  readonly #server: () => TellingServer;
  readonly #publisher: InternalPublisher;

  /** @param server that clients are connected to */
  constructor(policy: DeliveryPolicy, server: () => TellingServer, now: () => Date) {
    this.now = now;
    this.#random = policy.random;
    this.#server = server;
    this.#publisher = new InternalPublisher(policy, now);
  }

  /** Chooses by chance and by headers; undefined where the request is not measured. */
  sample(measured: Measured, publication: Publication, client: Publisher): Sample | undefined {
    const { sampling } = measured.latency;
    // As often as nats-server, which is once more in a hundred than it was told.
    const isChosen = sampling >= 100 || (sampling > 0 && Math.floor(this.#random() * 100) <= sampling);
    const headers = isChosen ? undefined : tracingHeaders(headersOf(publication));
    return isChosen || headers !== undefined ? { ...measured, client, headers } : undefined;
  }

  /** Says that a request was not answered. @param start in milliseconds since 1970; by default now */
  fail(sample: Sample, failure: Failure, start = this.now().getTime()): void {
    this.publish(sample, { start, spans: noSpans }, failures[failure]);
  }

  /** Publishes a result, behind everything that is under way. */
  publish(
    sample: Sample,
    { responder, start, spans }: Result,
    status: { status: number; description?: string } = { status: 200 },
  ): void {
    const { exporter, latency, client, share, headers } = sample;
    const subject = Buffer.from(latency.subject);
    if (!exporter.hasInterest(subject)) return;
    const asked = client.requester;
    const result = {
      ...{ type: 'io.nats.server.metric.v1.service_latency', id: uniqueId(), timestamp: goTime(this.now()) },
      ...{ status: status.status, description: status.description },
      requestor: asked && this.describe(client, share),
      responder,
      header: headers,
      start: goTime(start - (asked?.rttMs ?? 0)),
      ...{ service: Math.max(0, spans.service), system: Math.max(0, spans.system), total: spans.total },
    };
    const payload = Buffer.from(goJson(result));
    queueMicrotask(() => this.#publisher.publish(exporter, subject, { payload }));
  }

  /** Says who a client is; undefined for somebody who is none. */
  describe({ requester }: Publisher, isShared: boolean): object | undefined {
    if (requester === undefined) return undefined;
    const server = isShared ? this.#server() : undefined;
    return clientInfo(requester, { account: requester.account, isShared, server });
  }
}

/** One request on its way. */
export class Measurement {
  readonly #meter: LatencyMeter;
  readonly #sample: Sample;
  readonly #start: number;
  readonly #began = performance.now();
  #isAnswered = false;
  /** What was measured here, while the other server has still to say its part. */
  #here: Result | undefined;
  #there: RemoteResult | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(meter: LatencyMeter, sample: Sample) {
    this.#meter = meter;
    this.#sample = sample;
    this.#start = meter.now().getTime();
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Waits until the time is over. @param onLate called then */
  limitTime(milliseconds: number, onLate: () => void): void {
    const end = () => {
      this.failed('late');
      onLate();
    };
    this.#timer = setTimeout(end, milliseconds).unref();
  }

  /** Ends the waiting. */
  close(): void {
    clearTimeout(this.#timer);
  }

  /** Takes an answer; false where there is no result by it. */
  answered(responder: Publisher): boolean {
    if (this.#isAnswered) return false;
    this.#isAnswered = true;
    this.close();
    const answeredAt = performance.now();
    const requestMs = this.#sample.client.requester?.rttMs ?? 0;
    const responseMs = responder.requester?.rttMs ?? 0;
    const serviceMs = answeredAt - this.#began;
    const described = this.#meter.describe(responder, true);
    const systemMs = responseMs > 0 ? performance.now() - answeredAt : 0;
    this.#here = {
      responder: described,
      start: this.#start,
      spans: {
        service: nanoseconds(serviceMs - responseMs),
        system: nanoseconds(systemMs),
        total: nanoseconds(requestMs + serviceMs + systemMs),
      },
    };
    if (described === undefined) return this.#merge();
    this.#meter.publish(this.#sample, this.#here);
    return true;
  }

  /** Takes what the server of the service has measured, which comes before the answer or after it. */
  measuredThere(result: RemoteResult): void {
    this.#there = result;
    this.#merge();
  }

  /** Says that there will be no answer, unless there was one. */
  failed(failure: Failure): void {
    this.close();
    if (!this.#isAnswered) this.#meter.fail(this.#sample, failure, this.#start);
    this.#isAnswered = true;
  }

  /** What the service took is known there, the whole here; the rest of it was the way between the servers. */
  #merge(): boolean {
    const [here, there] = [this.#here, this.#there];
    if (here === undefined || there === undefined) return false;
    const { service, responder } = there;
    const rtt = Number(responder?.rtt) || 0;
    const spans = { ...here.spans, service, system: here.spans.service - (service + rtt) };
    this.#meter.publish(this.#sample, { ...here, responder, spans });
    return true;
  }
}

function headersOf({ buffer, payloadStart, headerSize }: Publication): string {
  return buffer.toString('utf8', payloadStart, payloadStart + headerSize);
}
