// Requests from one account to a service in another, and the answers back (accounts.go, addServiceImport; client.go,
// processServiceImport): a request is published there under the subject of the service, with a reply subject that leads
// back, and what is published under that goes to the one who asked.
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
import { OpenResponses, type ResponseWay } from './open-responses.ts';
import { serverToken } from './random-name.ts';
import { type RemoteMessage, replyEnding } from './remote-requests.ts';
import { withRequestInfo } from './request-info.ts';
import { type LatencyMeter, Measurement, type Sample } from './service-latency.ts';
import type { Publisher } from './subscription.ts';

/** A service that an account imports; subjects a character a byte. */
export interface ServiceImport {
  readonly importer: Account;
  readonly exporter: Account;
  readonly from: string;
  readonly to: string;
  /** Undefined where subjects stay as they are, and where `to` is the only one. */
  readonly mapping: SubjectMapping | undefined;
  /** Tell the service who asks. */
  readonly share: boolean;
  /** Whether the service is the system account's, which learns at which server somebody asks. */
  readonly isOfSystem: boolean;
  /** Names the export: a request passes through each once. */
  readonly export: string;
  readonly responseType: ResponseType;
  readonly thresholdMs: number;
  /** Undefined where the service is not measured. */
  readonly latency: LatencyOptions | undefined;
}

/** What a message passes through on its way; several where accounts pass on what they import. */
interface Stage {
  readonly export: string;
  readonly isResponse: boolean;
  /** The account that the request began in, and whether that tells who asks. */
  readonly account: string;
  readonly isShared: boolean;
  /** Whether any account on the way tells who asks, or is the system's (client.go, processServiceImport). */
  readonly namesServer: boolean;
}

const acknowledgement = Buffer.from('$JS.ACK.');

export class ServiceImports {
  readonly #policy: DeliveryPolicy;
  readonly #server: () => TellingServer;
  readonly #meter: LatencyMeter;
  /** By the account that asked. */
  readonly #awaited = new Map<Account, AwaitedReplies>();
  /** By the account of the service. */
  readonly #responses = new Map<Account, OpenResponses>();
  /** Of the message at hand: publishing happens at once, so there is one at a time. */
  readonly #stages: Stage[] = [];

  /** @param server what requests tell of this one, where they do */
  constructor(policy: DeliveryPolicy, server: () => TellingServer, meter: LatencyMeter) {
    this.#policy = policy;
    this.#server = server;
    this.#meter = meter;
  }

  /** Whether the message at hand came from another account as a request or as an answer. */
  get isPassing(): boolean {
    return this.#stages.length > 0;
  }

  /** Publishes a request to the service; false where nobody took it. */
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
    const answer = back === undefined ? reply : Buffer.from(back, 'latin1');
    const delivered = this.#pass(
      this.#told(service, publication, publisher, to, answer),
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

  /** Takes what the server of a service has measured of a request. */
  measuredThere({ account: name, reply, result }: RemoteMessage): void {
    for (const [account, responses] of this.#responses) {
      if (account.name === name) responses.find(reply)?.measurement?.measuredThere(result);
    }
  }

  /** Ends all that waits for answers. */
  close(): void {
    for (const responses of this.#responses.values()) responses.close();
    for (const awaited of this.#awaited.values()) awaited.close();
  }

  /** Publishes an answer where the request came from; what nobody waits for any more is dropped. */
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
    const untold = { isShared: false, namesServer: false };
    const stage = { export: way.export, isResponse: true, account: account.name, ...untold };
    const delivered = this.#pass(answer, way.target, publisher, stage);
    // An empty message is the end of many.
    const isLast = way.responseType === 'single' || payloadStart === payloadEnd;
    if (!isMeasured) return;
    if (!delivered || isLast) responses.end(subject);
    else responses.extend(subject);
  }

  /** The reply subject that leads back from an answer that asks in turn. */
  #openedTo(account: Account, reply: Buffer, way: ResponseWay): Buffer {
    return Buffer.from(this.#responsesOf(way.target).open(this.#wayTo(account, reply, way)), 'latin1');
  }

  #sample(service: ServiceImport, publication: Publication, publisher: Publisher): Sample | undefined {
    const { latency, exporter, share } = service;
    return latency && this.#meter.sample({ exporter, latency, share }, publication, publisher);
  }

  /** The reply subject that leads back from the service. @param sample undefined where nothing is measured */
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

  /** The reply subjects of an account begin alike, and one subscription takes all answers. */
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

  /** Where the request began, and whether it tells of its client: that is settled where it begins. */
  #stageOf({ importer, share, isOfSystem, export: exported }: ServiceImport): Stage {
    const tells = share || isOfSystem;
    const earlier = this.#stages.at(-1);
    const begun = { export: exported, isResponse: false, account: importer.name };
    if (earlier === undefined || earlier.isResponse) return { ...begun, isShared: share, namesServer: tells };
    const { account, isShared, namesServer } = earlier;
    return { ...begun, account, isShared, namesServer: namesServer || tells };
  }

  #told(
    service: ServiceImport,
    publication: Publication,
    { requester }: Publisher,
    subject: Buffer,
    reply: Buffer,
  ): Publication {
    if (requester === undefined) return readdress(publication, subject, reply);
    const { account, isShared, namesServer } = this.#stageOf(service);
    const importer = service.importer.name;
    const passedBy = account === importer ? undefined : importer;
    const server = namesServer ? this.#server() : undefined;
    const info = clientInfo(requester, { account, service: passedBy, isShared, server });
    return withRequestInfo(publication, subject, reply, goJson(info));
  }
}

/** What an answer has in common with its request. */
type Terms = Pick<ServiceImport, 'export' | 'responseType' | 'thresholdMs'>;

function isAcknowledgement(reply: Buffer): boolean {
  return reply.subarray(0, acknowledgement.length).equals(acknowledgement);
}
