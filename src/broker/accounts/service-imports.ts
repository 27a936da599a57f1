// Forwards requests from one account to a service in another, and answers back to the requester (accounts.go,
// addServiceImport; client.go, processServiceImport). A request is published in the exporting account with a generated
// reply subject; messages to that subject go to the requester's reply subject.
import { goJson } from '../../protocol/go-format.ts';
import { withHeader } from '../../protocol/headers.ts';
import type { Publication } from '../../protocol/operations.ts';
import { readdress } from '../../protocol/publication.ts';
import type { SubjectMapping } from '../../subjects/mapping.ts';
import { jetStreamKind } from '../auth/reserved-subjects.ts';
import type { ResponseType } from '../options/account-options.ts';
import type { LatencyOptions } from '../options/latency-options.ts';
import type { Account } from './account.ts';
import { AwaitedReplies } from './awaited-replies.ts';
import { clientInfo, type ServerName } from './client-info.ts';
import { type DeliveryPolicy, publish } from './delivery.ts';
import { type MessageTrace, traceDestinationHeader, withoutTrace } from './message-trace.ts';
import { type OpenRequest, OpenRequests } from './open-requests.ts';
import { serverToken } from './random-name.ts';
import { measuredReplySuffix, type RemoteLatency } from './remote-requests.ts';
import { withRequestInfo } from './request-info.ts';
import { type LatencyMeter, Measurement, type Sample } from './service-latency.ts';
import type { Publisher } from './subscription.ts';

/** A service that an account imports; subjects are in Latin-1. */
export interface ServiceImport {
  readonly importer: Account;
  readonly exporter: Account;
  readonly from: string;
  readonly to: string;
  /** Undefined if subjects stay the same or `to` is the only one. */
  readonly mapping: SubjectMapping | undefined;
  /** Tell the service which client sent the request. */
  readonly share: boolean;
  /** Whether a trace of a request goes on in the exporting account. */
  readonly allowsTrace: boolean;
  /** Whether the system account exports the service, which then learns the server of the requester. */
  readonly isOfSystem: boolean;
  /** Identifies the export: a request passes through each at most once. */
  readonly export: string;
  readonly responseType: ResponseType;
  readonly thresholdMs: number;
  /** Undefined if the service is not measured. */
  readonly latency: LatencyOptions | undefined;
}

/** One import that the current message passes through; there are several if accounts re-export what they import. */
interface ImportStep {
  readonly export: string;
  readonly isResponse: boolean;
  /** The account that the request started in. */
  readonly account: string;
  /** Whether the import of that account has `share`. */
  readonly isShared: boolean;
  /** Whether any import along the chain has `share` or is from the system account (client.go, processServiceImport). */
  readonly namesServer: boolean;
}

const acknowledgement = Buffer.from('$JS.ACK.');

export class ServiceImports {
  readonly #policy: DeliveryPolicy;
  readonly #server: () => ServerName;
  readonly #meter: LatencyMeter;
  /** By the requester's account. */
  readonly #awaited = new Map<Account, AwaitedReplies>();
  /** By the account of the service. */
  readonly #openRequests = new Map<Account, OpenRequests>();
  /** The steps of the current message: publishing is synchronous, so there is only one message at a time. */
  readonly #steps: ImportStep[] = [];

  /** @param server returns this server as requests describe it */
  constructor(policy: DeliveryPolicy, server: () => ServerName, meter: LatencyMeter) {
    this.#policy = policy;
    this.#server = server;
    this.#meter = meter;
  }

  /** Whether the current message came from another account as a request or an answer. */
  get isForwarding(): boolean {
    return this.#steps.length > 0;
  }

  /** Publishes a request to the service; false if no subscriber accepted it. */
  request(service: ServiceImport, publication: Publication, publisher: Publisher): boolean {
    const { exporter, mapping, from } = service;
    if (publisher.isRoute || this.#hasPassed(service.export, false)) return false;
    const { buffer, subjectStart, subjectEnd, replyStart, replyEnd } = publication;
    const subject = buffer.toString('latin1', subjectStart, subjectEnd);
    const kept = service.to === from ? subject : service.to;
    const target = mapping?.map(subject.split('.')) ?? kept;
    if (isDisguisedRequest(subject, target, publisher)) return false;
    const to = Buffer.from(target, 'latin1');
    const reply = buffer.subarray(replyStart, replyEnd);
    const sample = this.#sample(service, publication, publisher);
    if (reply.length === 0 && sample !== undefined) this.#meter.fail(sample, 'noReply');
    const back =
      reply.length === 0 || isAcknowledgement(reply) ? undefined : this.#open(service, reply, sample);
    const replyTo = back === undefined ? reply : Buffer.from(back, 'latin1');
    const request = this.#readdressed(service, publication, publisher, to, replyTo);
    publisher.trace?.serviceImport(exporter.name, subject, target);
    const delivered =
      publisher.trace === undefined
        ? this.#forward(request, exporter, publisher, this.#nextStep(service))
        : this.#forwardTraced(service, request, publisher, publisher.trace);
    if (back !== undefined && (!delivered || publisher.trace?.isOnly)) {
      const requests = this.#requestsTo(exporter);
      if (!delivered) requests.find(back)?.measurement?.failed('noDelivery');
      requests.end(back);
    }
    return delivered;
  }

  /** Handles the measurement that the server of a service reports for a request. */
  applyRemoteLatency({ account: name, reply, result }: RemoteLatency): void {
    for (const [account, requests] of this.#openRequests) {
      if (account.name === name) requests.find(reply)?.measurement?.applyRemote(result);
    }
  }

  /** Drops all open requests. */
  close(): void {
    for (const requests of this.#openRequests.values()) requests.close();
    for (const awaited of this.#awaited.values()) awaited.close();
  }

  /** Publishes an answer in the requester's account; drops it if the request is no longer open. */
  #respond(account: Account, publication: Publication, publisher: Publisher): void {
    const { buffer, subjectStart, subjectEnd, replyStart, replyEnd, payloadStart, payloadEnd } = publication;
    const requests = this.#requestsTo(account);
    const subject = buffer.toString('latin1', subjectStart, subjectEnd);
    const request = requests.find(subject);
    if (request === undefined || this.#hasPassed(request.export, true)) return;
    const reply = buffer.subarray(replyStart, replyEnd);
    const isDirect = reply.length === 0 || isAcknowledgement(reply);
    const back = isDirect ? reply : this.#openReverse(account, reply, request);
    const answer = readdress(publication, request.replyTo, back);
    const isMeasured = request.measurement === undefined || request.measurement.answered(publisher);
    const anonymous = { isShared: false, namesServer: false };
    const step = { export: request.export, isResponse: true, account: account.name, ...anonymous };
    publisher.trace?.serviceImport(
      request.account.name,
      subject,
      Buffer.from(request.replyTo).toString('latin1'),
    );
    const delivered =
      publisher.trace === undefined
        ? this.#forward(answer, request.account, publisher, step)
        : this.#forwardUntraced(answer, request.account, publisher, step);
    // An empty message ends a stream of answers.
    const isLast = request.responseType === 'single' || payloadStart === payloadEnd;
    if (!isMeasured) return;
    if (!delivered || isLast) requests.end(subject);
    else requests.extend(subject);
  }

  /**
   * Opens a request in the other direction, for an answer with a reply subject of its own; returns its reply subject.
   */
  #openReverse(account: Account, reply: Buffer, request: OpenRequest): Buffer {
    return Buffer.from(
      this.#requestsTo(request.account).open(this.#newRequest(account, reply, request)),
      'latin1',
    );
  }

  #sample(service: ServiceImport, publication: Publication, publisher: Publisher): Sample | undefined {
    const { latency, exporter, share } = service;
    return latency && this.#meter.sample({ exporter, latency, share }, publication, publisher);
  }

  /** Opens a request and returns its reply subject. @param sample undefined if it is not measured */
  #open(service: ServiceImport, reply: Buffer, sample: Sample | undefined): string {
    const { importer, exporter } = service;
    const requests = this.#requestsTo(exporter);
    const request = this.#newRequest(importer, reply, service);
    if (sample === undefined) return requests.open(request);
    const measurement = new Measurement(this.#meter, sample);
    const back = requests.open(
      { ...request, measurement },
      measuredReplySuffix(serverToken(this.#server().name)),
    );
    measurement.startTimeout(service.thresholdMs, () => requests.end(back));
    return back;
  }

  #awaitedIn(account: Account): AwaitedReplies {
    let awaited = this.#awaited.get(account);
    if (awaited === undefined) {
      awaited = new AwaitedReplies(account);
      this.#awaited.set(account, awaited);
    }
    return awaited;
  }

  #forward(publication: Publication, account: Account, publisher: Publisher, step: ImportStep): boolean {
    this.#steps.push(step);
    try {
      return publish(publication, account, publisher, this.#policy);
    } finally {
      this.#steps.pop();
    }
  }

  /**
   * Forwards a traced request. Events of other servers are published in the exporting account: they come back as answers
   * to a reply subject of their own (msgtrace.go, setupResponseServiceImport).
   */
  #forwardTraced(
    service: ServiceImport,
    request: Publication,
    publisher: Publisher,
    trace: MessageTrace,
  ): boolean {
    const { exporter, importer, allowsTrace, export: exported, thresholdMs } = service;
    const step = this.#nextStep(service);
    if (!allowsTrace) return this.#forwardUntraced(request, exporter, publisher, step);
    const { destination } = trace;
    const requests = this.#requestsTo(exporter);
    const replyTo = Buffer.from(destination, 'latin1');
    const events = { account: importer, replyTo, export: exported, thresholdMs };
    trace.destination = requests.open({ ...events, responseType: 'stream' });
    const message = withHeader(request, traceDestinationHeader, trace.destination);
    try {
      return this.#forward(message, exporter, publisher, step);
    } finally {
      if (!trace.isRouted) requests.end(trace.destination);
      trace.destination = destination;
    }
  }

  /** Forwards a message whose trace ends here: one that is only to be traced is not forwarded. */
  #forwardUntraced(message: Publication, account: Account, publisher: Publisher, step: ImportStep): boolean {
    const { trace } = publisher;
    if (trace?.isOnly) return false;
    publisher.trace = undefined;
    try {
      return this.#forward(withoutTrace(message), account, publisher, step);
    } finally {
      publisher.trace = trace;
    }
  }

  #hasPassed(exported: string, isResponse: boolean): boolean {
    return this.#steps.some((step) => step.export === exported && step.isResponse === isResponse);
  }

  #newRequest(
    account: Account,
    reply: Buffer,
    { export: exported, responseType, thresholdMs }: RequestTerms,
  ): OpenRequest {
    const awaited = this.#awaitedIn(account);
    return { account, replyTo: Buffer.from(reply), export: exported, responseType, thresholdMs, awaited };
  }

  /** All reply subjects of an account share a prefix, so that one subscription receives every answer. */
  #requestsTo(account: Account): OpenRequests {
    let requests = this.#openRequests.get(account);
    if (requests === undefined) {
      requests = new OpenRequests(() => performance.now());
      this.#openRequests.set(account, requests);
      account.subscribeInternal(`${requests.prefix}>`, (publication, publisher) => {
        this.#respond(account, publication, publisher);
        return true;
      });
    }
    return requests;
  }

  /** Returns the next step; the first import of a request decides its account and whether its client is shared. */
  #nextStep({ importer, share, isOfSystem, export: exported }: ServiceImport): ImportStep {
    const reveals = share || isOfSystem;
    const earlier = this.#steps.at(-1);
    const first = { export: exported, isResponse: false, account: importer.name };
    if (earlier === undefined || earlier.isResponse)
      return { ...first, isShared: share, namesServer: reveals };
    const { account, isShared, namesServer } = earlier;
    return { ...first, account, isShared, namesServer: namesServer || reveals };
  }

  /** Copies a request to the subject of the service; names the client in its headers if there is one. */
  #readdressed(
    service: ServiceImport,
    publication: Publication,
    { requester }: Publisher,
    subject: Buffer,
    reply: Buffer,
  ): Publication {
    if (requester === undefined) return readdress(publication, subject, reply);
    const { account, isShared, namesServer } = this.#nextStep(service);
    const importer = service.importer.name;
    const forwarder = account === importer ? undefined : importer;
    const server = namesServer ? this.#server() : undefined;
    const info = clientInfo(requester, { account, service: forwarder, isShared, server });
    return withRequestInfo(publication, subject, reply, goJson(info));
  }
}

/**
 * Whether an answer would reach JetStream under another name. The requester chooses the subject of an answer, so it would
 * be a request with the permissions of the responder (client.go, isJSAliasRequestOnBehalf).
 */
function isDisguisedRequest(subject: string, target: string, { isResponding }: Publisher): boolean {
  if (jetStreamKind(target) === undefined || jetStreamKind(subject) !== undefined) return false;
  return isResponding === true || subject.startsWith('_R_.');
}

/** The terms that a request and its answers share. */
type RequestTerms = Pick<ServiceImport, 'export' | 'responseType' | 'thresholdMs'>;

function isAcknowledgement(reply: Buffer): boolean {
  return reply.subarray(0, acknowledgement.length).equals(acknowledgement);
}
