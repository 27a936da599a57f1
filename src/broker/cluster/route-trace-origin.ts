// A route as the origin of traced messages (nats-server's msgtrace.go, initMsgTrace).
import { type LabelledLogger, quote } from '../../log.ts';
import type { Account } from '../accounts/account.ts';
import type { TraceParty } from '../accounts/message-trace.ts';
import type { TraceOrigin } from '../accounts/trace-start.ts';
import type { RoutePermissions } from './route-permissions.ts';

export class RouteTraceOrigin implements TraceOrigin {
  readonly party: TraceParty;
  readonly account: Account | undefined;
  readonly #log: LabelledLogger;
  readonly #permissions: RoutePermissions | undefined;

  /** @param permissions undefined if everything may pass over routes */
  constructor(
    { party, log }: { readonly party: TraceParty; readonly log: LabelledLogger },
    account: Account | undefined,
    permissions: RoutePermissions | undefined,
  ) {
    this.party = party;
    this.account = account;
    this.#log = log;
    this.#permissions = permissions;
  }

  mayTraceTo(subject: string): boolean {
    return this.#permissions?.mayImport(Buffer.from(subject, 'latin1')) ?? true;
  }

  denyTrace(subject: string): void {
    this.#log.error(`Publish Violation - Subject ${quote(Buffer.from(subject, 'latin1').toString())}`);
  }

  cannotTrace(reason: string): void {
    this.#log.error(reason);
  }
}
