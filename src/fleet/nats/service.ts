// The NATS service of an authority (NATS ADR-32): carries signed requests to it and its answers back. The transport is not
// trusted, and the authority needs no port of its own. The package loads slowly, so import this file dynamically.
import { type Service, type ServiceMsg, Svcm } from '@nats-io/services';
import type { Logger } from '../../log.ts';
import type { FleetAuthority } from '../authority/authority.ts';
import { Statements } from '../authority/statements.ts';
import type { Decision, RefusalCode, Refused } from '../decision.ts';
import { RequestRefused, verifyRenewalRequest } from '../messages/renewal-request.ts';
import { ReplayGuard } from '../messages/replay-guard.ts';
import { maximumMessage } from '../messages/signed-message.ts';
import type { NatsConnection } from './connection.ts';
import { serviceName, subjects } from './subjects.ts';

export interface NatsServiceOptions {
  readonly authority: FleetAuthority;
  readonly connection: NatsConnection;
  readonly logger: Pick<Logger, 'error'>;
  /** The version of natspki. */
  readonly version: string;
  /** The revocation list (DER), where there is one. */
  readonly revocationList?: () => Promise<Buffer | undefined>;
  readonly now?: () => Date;
}

/** What a granted request is answered with. */
export interface RenewalAnswer {
  /** PEM, the new certificate first. */
  readonly chain: string;
  /** The trust statement, a JWS. */
  readonly trust: string;
}

/** Requests that are worked on at the same time; the authority decides about them in batches. */
const maximumPending = 1024;

/** The codes of refusals that are not the authority's. */
const refusalCodes: Readonly<Record<string, RefusalCode>> = {
  malformed: 'bad-message',
  'bad-signature': 'bad-message',
  untrusted: 'unknown-certificate',
  'other-authority': 'other-authority',
  clock: 'clock',
  replayed: 'replayed',
};

/** The status of an answer, as HTTP has them; 403 for other refusals. */
const statuses: Partial<Record<RefusalCode, number>> = {
  'bad-message': 400,
  'damaged-request': 400,
  'bad-request-signature': 400,
  'authority-unusable': 503,
};

export class NatsService {
  readonly #options: NatsServiceOptions;
  readonly #replays = new ReplayGuard();
  readonly #now: () => Date;
  readonly #peer: string;
  readonly #statements: Statements;
  #pending = 0;
  #service: Service | undefined;

  private constructor(options: NatsServiceOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => new Date());
    this.#statements = new Statements(options.authority, this.#now);
    this.#peer = `NATS ${options.connection.getServer()}`;
  }

  /** Starts to answer. Services of the same folder share the requests. */
  static async start(options: NatsServiceOptions): Promise<NatsService> {
    const service = new NatsService(options);
    const { connection, version, authority } = options;
    const added = await new Svcm(connection).add({
      name: serviceName,
      version,
      description: 'Renews certificates of this NATS system',
      metadata: { authority: authority.pin },
      queue: serviceName,
    });
    service.#service = added;
    const endpoint = (name: keyof typeof subjects, answer: (message: ServiceMsg) => Promise<void>) =>
      added.addEndpoint(name, {
        subject: subjects[name],
        handler: (error, message) => {
          if (error === null) void service.#handle(message, answer);
        },
      });
    endpoint('trust', (message) => service.#trust(message));
    endpoint('renew', (message) => service.#renew(message));
    endpoint('revoked', (message) => service.#revoked(message));
    // The subscriptions are in place once the server has answered.
    await connection.flush();
    return service;
  }

  /** Stops to answer; requests that are being worked on are answered. */
  async stop(): Promise<void> {
    await this.#service?.stop();
  }

  async #handle(message: ServiceMsg, answer: (message: ServiceMsg) => Promise<void>): Promise<void> {
    if (this.#pending >= maximumPending) {
      message.respondError(429, 'the authority has too many requests, try again later');
      return;
    }
    this.#pending++;
    try {
      await answer(message);
    } catch (error) {
      // Another process holds the folder, or the disk is full: the member may try again.
      const { message: text } = error as Error;
      this.#options.logger.error(`request over NATS on ${message.subject}: ${text}`);
      message.respondError(503, 'the authority cannot answer now');
    } finally {
      this.#pending--;
    }
  }

  async #trust(message: ServiceMsg): Promise<void> {
    message.respond(await this.#statements.sign());
  }

  async #revoked(message: ServiceMsg): Promise<void> {
    const list = await this.#options.revocationList?.();
    if (list === undefined) message.respondError(404, 'there is no revocation list');
    else message.respond(list);
  }

  async #renew(message: ServiceMsg): Promise<void> {
    const decision = await this.#decide(message.data);
    if (decision.granted) {
      const trust = await this.#statements.sign(decision.renewAt);
      message.respond(JSON.stringify({ chain: decision.chain, trust } satisfies RenewalAnswer));
      return;
    }
    const { code, answer } = decision;
    message.respondError(statuses[code] ?? 403, answer, JSON.stringify({ code, message: answer }));
  }

  async #decide(data: Uint8Array): Promise<Decision> {
    const { authority } = this.#options;
    const peer = this.#peer;
    // Decoding a megabyte takes longer than refusing it.
    const text = data.length > maximumMessage ? '' : Buffer.from(data).toString();
    try {
      const { chain, request } = await verifyRenewalRequest(text, {
        roots: authority.roots,
        intermediates: authority.signing.intermediates,
        audiences: new Set(authority.roots.map(({ pin }) => pin)),
        replays: this.#replays,
        now: this.#now(),
      });
      return authority.renew({ chain: chain.map(({ der }) => der), request, transport: 'nats', peer });
    } catch (error) {
      if (!(error instanceof RequestRefused)) throw error;
      const { code, message: answer, detail: reason } = error;
      const refused: Refused = { granted: false, code: refusalCodes[code] ?? 'bad-message', reason, answer };
      await authority.refuse(refused, 'nats', peer);
      return refused;
    }
  }
}
