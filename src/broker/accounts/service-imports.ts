// Forwards requests from one account to a service in another, and answers back to the requester (accounts.go,
// addServiceImport; client.go, processServiceImport). A request is published in the exporting account with a generated
// reply subject; messages to that subject go to the requester's reply subject.
import { goJson } from '../../go-json.ts';
import type { Publication } from '../../protocol/operations.ts';
import { readdress } from '../../protocol/publication.ts';
import type { SubjectMapping } from '../../subjects/mapping.ts';
import type { ResponseType } from '../options/account-options.ts';
import type { LatencyOptions } from '../options/latency-options.ts';
import type { Account } from './account.ts';
import { AwaitedReplies } from './awaited-replies.ts';
import { clientInfo, type TellingServer } from './client-info.ts';
import { type DeliveryPolicy, publish } from './delivery.ts';
import { OpenResponses, type ResponseWay } from './open-requests.ts';
import { serverToken } from './random-name.ts';
import { type RemoteMessage, replyEnding } from './remote-requests.ts';
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
interface Stage {
  readonly export: string;
  readonly isResponse: boolean;
  /** The account that the request started in. */
  readonly account: string;
  /** Whether the import of that account has `share`. */
  readonly isShared: boolean;
  /** Whether any import on the way has `share` or is from the system account (client.go, processServiceImport). */
  readonly namesServer: boolean;
}

const acknowledgement = Buffer.from('$JS.ACK.');

export class ServiceImports {
  readonly #policy: DeliveryPolicy;
  readonly #server: () => TellingServer;
  readonly #meter: LatencyMeter;
  /** By the requester's account. */
  readonly #awaited = new Map<Account, AwaitedReplies>();
  /** By the account of the service. */
  readonly #responses = new Map<Account, OpenResponses>();
  /** The stages of the current message: publishing is synchronous, so there is only one message at a time. */
  readonly #stages: Stage[] = [];

  /** @param server returns this server as requests describe it */
  constructor(policy: DeliveryPolicy, server: () => TellingServer, meter: LatencyMeter) {
    this.#policy = policy;
    this.#server = server;
    this.#meter = meter;
  }

  /** Whether the current message came from another account as a request or an answer. */
  get isPassing(): boolean {
    return this.#stages.length > 0;
  }

  /** Publishes a request to the service; false if no subscriber accepted it. */
  request(service: ServiceImport, publication: Publication, publisher: Publisher): boolean {
    const { exporter, mapping, from } = service;
    if (publisher.isRoute || this.#passed(service.export, false)) return false;
    const { buffer, subjectStart, subjectEnd, replyStart, replyEnd } = publication;
    const subject = buffer.toString('latin1', subjectStart, subjectEnd);
    const kept = service.to === from ? subject : service.to;
    const to = Buffer.from(mapping?.map(subject.split('.')) ?? kept, 'latin1');
    const reply = buffer.subarray(replyStart, replyEnd);
    const sample = this.#sample(service, publication, publisher);
    if (reply.length === 0 && sample !== undefined) this.#meter.fail(sample, 'noReply');
    const back =
      reply.length === 0 || isAcknowledgement(reply) ? undefined : this.#open(service, reply, sample);
    const replyTo = back === undefined ? reply : Buffer.from(back, 'latin1');
    const delivered = this.#pass(
      this.#readdressed(service, publication, publisher, to, replyTo),
      exporter,
      publisher,
      this.#stageOf(service),
    );
    if (!delivered && back !== undefined) {
      const responses = this.#responsesOf(exporter);
      responses.find(back)?.measurement?.failed('untaken');
      responses.end(back);
    }
    return delivered;
  }

  /** Handles the measurement that the server of a service reports for a request. */
  measuredThere({ account: name, reply, result }: RemoteMessage): void {
    for (const [account, responses] of this.#responses) {
      if (account.name === name) responses.find(reply)?.measurement?.measuredThere(result);
    }
  }

  /** Drops all open requests. */
  close(): void {
    for (const responses of this.#responses.values()) responses.close();
    for (const awaited of this.#awaited.values()) awaited.close();
  }

  /** Publishes an answer in the requester's account; drops it if the request is no longer open. */
  #respond(account: Account, publication: Publication, publisher: Publisher): void {
    const { buffer, subjectStart, subjectEnd, replyStart, replyEnd, payloadStart, payloadEnd } = publication;
    const responses = this.#responsesOf(account);
    const subject = buffer.toString('latin1', subjectStart, subjectEnd);
    const way = responses.find(subject);
    if (way === undefined || this.#passed(way.export, true)) return;
    const reply = buffer.subarray(replyStart, replyEnd);
    const isDirect = reply.length === 0 || isAcknowledgement(reply);
    const back = isDirect ? reply : this.#openedTo(account, reply, way);
    const answer = readdress(publication, way.to, back);
    const isMeasured = way.measurement === undefined || way.measurement.answered(publisher);
    const anonymous = { isShared: false, namesServer: false };
    const stage = { export: way.export, isResponse: true, account: account.name, ...anonymous };
    const delivered = this.#pass(answer, way.target, publisher, stage);
    // An empty message ends a stream of answers.
    const isLast = way.responseType === 'single' || payloadStart === payloadEnd;
    if (!isMeasured) return;
    if (!delivered || isLast) responses.end(subject);
    else responses.extend(subject);
  }

  /**
   * Opens a request in the other direction, for an answer with a reply subject of its own; returns its reply subject.
   */
  #openedTo(account: Account, reply: Buffer, way: ResponseWay): Buffer {
    return Buffer.from(this.#responsesOf(way.target).open(this.#wayTo(account, reply, way)), 'latin1');
  }

  #sample(service: ServiceImport, publication: Publication, publisher: Publisher): Sample | undefined {
    const { latency, exporter, share } = service;
    return latency && this.#meter.sample({ exporter, latency, share }, publication, publisher);
  }

  /** Opens a request and returns its reply subject. @param sample undefined if it is not measured */
  #open(service: ServiceImport, reply: Buffer, sample: Sample | undefined): string {
    const { importer, exporter } = service;
    const responses = this.#responsesOf(exporter);
    const way = this.#wayTo(importer, reply, service);
    if (sample === undefined) return responses.open(way);
    const measurement = new Measurement(this.#meter, sample);
    const back = responses.open({ ...way, measurement }, replyEnding(serverToken(this.#server().name)));
    measurement.limitTime(service.thresholdMs, () => responses.end(back));
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

  #pass(publication: Publication, account: Account, publisher: Publisher, stage: Stage): boolean {
    this.#stages.push(stage);
    try {
      return publish(publication, account, publisher, this.#policy);
    } finally {
      this.#stages.pop();
    }
  }

  #passed(exported: string, isResponse: boolean): boolean {
    return this.#stages.some((stage) => stage.export === exported && stage.isResponse === isResponse);
  }

  #wayTo(
    target: Account,
    reply: Buffer,
    { export: exported, responseType, thresholdMs }: Terms,
  ): ResponseWay {
    const awaited = this.#awaitedIn(target);
    return { target, to: Buffer.from(reply), export: exported, responseType, thresholdMs, awaited };
  }

  /** All reply subjects of an account share a prefix, so that one subscription receives every answer. */
  #responsesOf(account: Account): OpenResponses {
    let responses = this.#responses.get(account);
    if (responses === undefined) {
      responses = new OpenResponses(() => performance.now());
      this.#responses.set(account, responses);
      account.handle(`${responses.prefix}>`, (publication, publisher) => {
        this.#respond(account, publication, publisher);
        return true;
      });
    }
    return responses;
  }

  /** Returns the next stage; the first import of a request decides its account and whether its client is shared. */
  #stageOf({ importer, share, isOfSystem, export: exported }: ServiceImport): Stage {
    const reveals = share || isOfSystem;
    const earlier = this.#stages.at(-1);
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
    const { account, isShared, namesServer } = this.#stageOf(service);
    const importer = service.importer.name;
    const forwarder = account === importer ? undefined : importer;
    const server = namesServer ? this.#server() : undefined;
    const info = clientInfo(requester, { account, service: forwarder, isShared, server });
    return withRequestInfo(publication, subject, reply, goJson(info));
  }
}

/** The terms that a request and its answers share. */
type Terms = Pick<ServiceImport, 'export' | 'responseType' | 'thresholdMs'>;

function isAcknowledgement(reply: Buffer): boolean {
  return reply.subarray(0, acknowledgement.length).equals(acknowledgement);
}
