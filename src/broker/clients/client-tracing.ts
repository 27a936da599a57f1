// Traces the messages of one client, and decides where it may have the events sent (nats-server's msgtrace.go,
// allowedToPublishOnMsgTraceDest).

import { type LabelledLogger, quote } from '../../log.ts';
import type { Publication } from '../../protocol/operations.ts';
import { compose } from '../../protocol/publication.ts';
import { publishDenied, type Violation } from '../../protocol/violations.ts';
import type { Account } from '../accounts/account.ts';
import type { TraceParty } from '../accounts/message-trace.ts';
import type { Publisher } from '../accounts/subscription.ts';
import {
  mayAskForTrace,
  publishTraced,
  type TraceOrigin,
  type TraceSender,
} from '../accounts/trace-start.ts';
import { isReservedSubject } from '../auth/reserved-subjects.ts';
import type { SessionIdentity } from './session-identity.ts';

/** The session of the client. */
export interface TracingSession extends Publisher {
  readonly party: TraceParty;
  readonly log: LabelledLogger;
  violation(violation: Violation): void;
}

export class ClientTracing implements TraceOrigin {
  readonly #session: TracingSession;
  readonly #identity: SessionIdentity;

  readonly #sender: TraceSender;

  constructor(session: TracingSession, identity: SessionIdentity, sender: TraceSender) {
    this.#session = session;
    this.#identity = identity;
    this.#sender = sender;
  }

  /** Publishes a message with headers, traced if it asks for it. */
  publish(publication: Publication, publish: (publication: Publication) => void): void {
    if (!mayAskForTrace(publication)) publish(publication);
    else publishTraced(publication, this.#session, this, this.#sender, publish);
  }

  /** Traces a message that is rejected for its size in bytes. @param headers as far as they have arrived */
  tooLarge(subject: Buffer, size: number, headers: Buffer): void {
    const begun = compose(subject, { headers, payload: Buffer.alloc(0) });
    const whole = { ...begun, payloadEnd: begun.payloadStart + size };
    this.publish(whole, () => this.#session.trace?.rejected('maximum payload exceeded'));
  }

  get party(): TraceParty {
    return this.#session.party;
  }

  get account(): Account {
    return this.#identity.account;
  }

  mayTraceTo(subject: string): boolean {
    const bytes = Buffer.from(subject, 'latin1');
    if (isReservedSubject(bytes, 0, bytes.length)) return false;
    return this.#identity.permissions?.permissions.mayPublish(bytes, 0, bytes.length) ?? true;
  }

  denyTrace(subject: string): void {
    this.#session.violation(publishDenied(quote(Buffer.from(subject, 'latin1').toString())));
  }

  cannotTrace(reason: string): void {
    this.#session.log.error(reason);
  }
}
