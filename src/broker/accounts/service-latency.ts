// Measures the latency of services: chooses the requests to measure, and publishes the result of each in the account
// of the service (accounts.go, ServiceLatency). If the answer comes from another server, that server reports how long
// the service took.
import { goJson, goTime, nanoseconds } from '../../protocol/go-format.ts';
import type { Publication } from '../../protocol/operations.ts';
import type { LatencyOptions } from '../options/latency-options.ts';
import type { Account } from './account.ts';
import { clientInfo, type ServerName } from './client-info.ts';
import type { DeliveryPolicy } from './delivery.ts';
import { InternalPublisher } from './internal-publisher.ts';
import { uniqueId } from './random-name.ts';
import type { Publisher } from './subscription.ts';
import { type Headers, tracingHeaders } from './trace-headers.ts';

/** A measured service, and how it is measured. */
export interface MeasuredService {
  readonly exporter: Account;
  readonly latency: LatencyOptions;
  /** Whether results identify the requester. */
  readonly share: boolean;
}

/** A measured request. */
export interface Sample extends MeasuredService {
  readonly client: Publisher;
  /** The headers that asked for the measurement; undefined if the request was sampled at random. */
  readonly headers: Headers | undefined;
}

/** The measurement of the service's server, in nanoseconds. */
export interface RemoteMeasurement {
  readonly service: number;
  readonly responder: Readonly<Record<string, unknown>> | undefined;
}

/** Why a request was not answered. */
export type Failure = keyof typeof failures;

const failures = {
  noReply: { status: 400, description: 'Bad Request' },
  interestLost: { status: 408, description: 'Request Timeout' },
  noDelivery: { status: 503, description: 'Service Unavailable' },
  timeout: { status: 504, description: 'Service Timeout' },
} as const;

/** Spans in nanoseconds. */
interface Spans {
  service: number;
  system: number;
  total: number;
}

const noSpans: Spans = { service: 0, system: 0, total: 0 };

/** The measured part of a result; `start` in milliseconds since 1970. */
type Result = { responder?: object | undefined; start: number; spans: Spans };

export class LatencyMeter {
  readonly now: () => Date;
  readonly #random: () => number;
  readonly #server: () => ServerName;
  readonly #publisher: InternalPublisher;

  /** @param server returns this server as results describe it */
  constructor(policy: DeliveryPolicy, server: () => ServerName, now: () => Date) {
    this.now = now;
    this.#random = policy.random;
    this.#server = server;
    this.#publisher = new InternalPublisher(policy, now);
  }

  /** Samples requests at random and by their headers; undefined if the request is not measured. */
  sample(measured: MeasuredService, publication: Publication, client: Publisher): Sample | undefined {
    const { sampling } = measured.latency;
    // `<=` as in nats-server, which samples one percent more than configured.
    const isChosen = sampling >= 100 || (sampling > 0 && Math.floor(this.#random() * 100) <= sampling);
    const headers = isChosen ? undefined : tracingHeaders(headersOf(publication));
    return isChosen || headers !== undefined ? { ...measured, client, headers } : undefined;
  }

  /** Publishes that a request was not answered. @param start in milliseconds since 1970; by default now */
  fail(sample: Sample, failure: Failure, start = this.now().getTime()): void {
    this.publish(sample, { start, spans: noSpans }, failures[failure]);
  }

  /** Publishes a result after the message that is being published now. */
  publish(
    sample: Sample,
    { responder, start, spans }: Result,
    status: { status: number; description?: string } = { status: 200 },
  ): void {
    const { exporter, latency, client, share, headers } = sample;
    const subject = Buffer.from(latency.subject);
    if (!exporter.hasInterest(subject)) return;
    const requester = client.requester;
    const result = {
      type: 'io.nats.server.metric.v1.service_latency',
      id: uniqueId(),
      timestamp: goTime(this.now()),
      status: status.status,
      description: status.description,
      requestor: requester && this.describe(client, share),
      responder,
      header: headers,
      start: goTime(start - (requester?.rttMs ?? 0)),
      service: Math.max(0, spans.service),
      system: Math.max(0, spans.system),
      total: spans.total,
    };
    const payload = Buffer.from(goJson(result));
    queueMicrotask(() => this.#publisher.publish(exporter, subject, { payload }));
  }

  /** Describes a client; undefined for a publisher that is not one. */
  describe({ requester }: Publisher, isShared: boolean): object | undefined {
    if (requester === undefined) return undefined;
    const server = isShared ? this.#server() : undefined;
    return clientInfo(requester, { account: requester.account, isShared, server });
  }
}

/** The measurement of one open request. */
export class Measurement {
  readonly #meter: LatencyMeter;
  readonly #sample: Sample;
  readonly #start: number;
  readonly #began = performance.now();
  #isAnswered = false;
  /** The measurement of this server, until that of the other server arrives. */
  #local: Result | undefined;
  #remote: RemoteMeasurement | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(meter: LatencyMeter, sample: Sample) {
    this.#meter = meter;
    this.#sample = sample;
    this.#start = meter.now().getTime();
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Limits the wait for an answer. @param onTimeout called when the limit is exceeded */
  startTimeout(milliseconds: number, onTimeout: () => void): void {
    const end = () => {
      this.failed('timeout');
      onTimeout();
    };
    this.#timer = setTimeout(end, milliseconds).unref();
  }

  /** Cancels the time limit. */
  close(): void {
    clearTimeout(this.#timer);
  }

  /** Handles an answer; false if that does not complete the measurement. */
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
    this.#local = {
      responder: described,
      start: this.#start,
      spans: {
        service: nanoseconds(serviceMs - responseMs),
        system: nanoseconds(systemMs),
        total: nanoseconds(requestMs + serviceMs + systemMs),
      },
    };
    if (described === undefined) return this.#merge();
    this.#meter.publish(this.#sample, this.#local);
    return true;
  }

  /** Handles the measurement of the service's server, which may arrive before or after the answer. */
  applyRemote(result: RemoteMeasurement): void {
    this.#remote = result;
    this.#merge();
  }

  /** Publishes a failure, unless there was an answer. */
  failed(failure: Failure): void {
    this.close();
    if (!this.#isAnswered) this.#meter.fail(this.#sample, failure, this.#start);
    this.#isAnswered = true;
  }

  /** Combines the service time of the other server with the total of this one; the rest is time between the servers. */
  #merge(): boolean {
    const [local, remote] = [this.#local, this.#remote];
    if (local === undefined || remote === undefined) return false;
    const { service, responder } = remote;
    const rtt = Number(responder?.rtt) || 0;
    const spans = { ...local.spans, service, system: local.spans.service - (service + rtt) };
    this.#meter.publish(this.#sample, { ...local, responder, spans });
    return true;
  }
}

function headersOf({ buffer, payloadStart, headerSize }: Publication): string {
  return buffer.toString('utf8', payloadStart, payloadStart + headerSize);
}
