// Keeps the pairs of a member renewed for as long as it runs: in the last third of their life, or when the authority was
// replaced. A failure is tried again with growing pauses, and is an error in the log once a tenth of a life is left.
import { formatDay, formatDuration } from '../../duration.ts';
import { NatspkiError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { pauseAfter, type RoundsOptions, runRounds } from '../../pki/rotate/rounds.ts';
import type { RenewalPolicy } from '../../pki/rotate/schedule.ts';
import type { Member, RenewalFailure, Renewals } from './member.ts';
import { type DuePair, scheduleMember } from './schedule.ts';

export interface DaemonOptions extends Pick<RoundsOptions, 'time' | 'signal'> {
  readonly member: Member;
  readonly policy?: RenewalPolicy;
  /** The names to renew; default all of the folder. */
  readonly names?: readonly string[];
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Asked before each round and each pause: once aborted, every pair is renewed now. */
  readonly hurry?: { readonly signal: () => AbortSignal; readonly take: () => boolean };
  /** Returns a number from 0 to 1. */
  readonly random?: () => number;
}

/** How often the trust statement is asked for between renewals, in milliseconds. */
const trustEveryMs = 12 * 60 * 60 * 1000;
const shortestPauseMs = 5000;
const longestPauseMs = 60 * 60 * 1000;

/** The failures of a round. */
class RoundFailed extends Error {
  readonly failures: readonly RenewalFailure[];

  constructor(failures: readonly RenewalFailure[]) {
    super('a round failed');
    this.failures = failures;
  }
}

/** Runs until the signal is aborted; a certificate that cannot be renewed does not keep others from it. */
export async function runMember(options: DaemonOptions): Promise<void> {
  const { time, signal, hurry } = options;
  const daemon = new Daemon(options);
  await runRounds({
    round: () => daemon.round(),
    onFailure: (error, pauseMs) => daemon.report(error, pauseMs),
    pause: (failures) => daemon.pause(failures),
    time,
    signal,
    ...(hurry === undefined ? {} : { hurry: hurry.signal }),
  });
}

class Daemon {
  readonly #options: DaemonOptions;
  #due: readonly DuePair[] = [];
  #remarks: readonly string[] = [];
  #next: Date | undefined;
  /** When to ask for the trust statement. */
  #trustAt: Date | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
  }

  /** Renews what is due; returns when to look again. */
  async round(): Promise<Date | undefined> {
    const { member, signal, time, logger } = this.#options;
    const now = time.now();
    const isHurried = this.#options.hurry?.take() ?? false;
    try {
      const failures: RenewalFailure[] = [];
      if (this.#trustAt === undefined || now >= this.#trustAt || isHurried) {
        failures.push(...(await this.#refreshTrust(now)));
      }
      const { due, names } = await this.#schedule(now);
      this.#due = due;
      const wanted = isHurried ? names : due.map(({ name }) => name);
      const renewals = await member.renew(wanted, signal);
      this.#log(renewals);
      failures.push(...renewals.failures);
      const after = await this.#schedule(time.now());
      failures.push(...dueAgain(renewals, after.due));
      // What was renewed and is due all the same does not make the daemon hurry.
      const renewed = new Set(renewals.certificates.map(({ name }) => name));
      this.#due = after.due.filter(({ name }) => !renewed.has(name));
      if (failures.length > 0) throw new RoundFailed(failures);
      if (after.next !== undefined && after.next.getTime() !== this.#next?.getTime()) {
        logger.info(`the next renewal is at ${after.next.toISOString()}`);
      }
      this.#next = after.next;
      return after.next === undefined || (this.#trustAt as Date) < after.next ? this.#trustAt : after.next;
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  /** Logs why a round failed, at the level that the life left asks for, and when the next one begins. */
  report(thrown: unknown, pauseMs: number): void {
    const { logger } = this.#options;
    const urgent = this.#due.some((each) => each.urgent);
    const log = (text: string) => (urgent ? logger.error(text) : logger.warn(text));
    const failures = thrown instanceof RoundFailed ? thrown.failures : [{ name: '', error: thrown as Error }];
    for (const { name, error } of failures) {
      const lines = error instanceof NatspkiError ? error.lines : [error.message];
      for (const line of lines) log(name === '' ? line : `"${name}": ${line}`);
      if (error instanceof NatspkiError && error.hint !== undefined) log(`hint: ${error.hint}`);
    }
    const first = [...this.#due].sort((a, b) => a.notAfter.getTime() - b.notAfter.getTime())[0];
    const ends = first === undefined ? '' : `; "${first.name}" expires on ${formatDay(first.notAfter)}`;
    log(`trying again in ${formatDuration(Math.round(pauseMs / 1000) * 1000)}${ends}`);
  }

  /** Returns a pause that grows, differs from member to member, and is short for what expires soon. */
  pause(failures: number): number {
    const { time, random = Math.random } = this.#options;
    const lefts = this.#due.map(({ notAfter }) => notAfter.getTime() - time.now().getTime());
    const soonest = Math.min(...lefts.filter((left) => left > 0), Number.POSITIVE_INFINITY);
    const longest = Math.min(Math.max(soonest / 20, shortestPauseMs), longestPauseMs);
    return Math.round(Math.min(pauseAfter(failures), longest) * (0.5 + random() / 2));
  }

  async #schedule(now: Date) {
    const { member, policy, names: only } = this.#options;
    const schedule = await scheduleMember(member.directory, now, policy);
    for (const remark of schedule.remarks) {
      if (!this.#remarks.includes(remark)) this.#options.logger.warn(remark);
    }
    this.#remarks = schedule.remarks;
    const isWanted = (name: string) => only === undefined || only.includes(name);
    return {
      ...schedule,
      due: schedule.due.filter(({ name }) => isWanted(name)),
      names: schedule.names.filter(isWanted),
    };
  }

  /** Takes new roots, so that this host knows them before a peer presents a certificate below them. */
  async #refreshTrust(now: Date): Promise<RenewalFailure[]> {
    const { member, signal, random = Math.random } = this.#options;
    try {
      await member.refreshTrust(signal);
      this.#trustAt = new Date(now.getTime() + trustEveryMs * (0.5 + random() / 2));
      return [];
    } catch (error) {
      if (!(error instanceof NatspkiError)) throw error;
      return [{ name: '', error }];
    }
  }

  #log({ certificates, rootsChanged, notices, reloaded, served }: Renewals): void {
    const { logger } = this.#options;
    if (rootsChanged) logger.info(`took new authorities into ca.pem`);
    for (const { name, notAfter, pin } of certificates) {
      logger.info(`renewed "${name}" until ${formatDay(notAfter)}, pin ${pin}`);
    }
    for (const notice of notices) logger.warn(notice);
    for (const pid of reloaded) logger.info(`told process ${pid} to reload`);
    for (const { address, name } of served) logger.info(`${address} serves "${name}"`);
  }
}

/** Returns a failure for each certificate that was renewed and is due all the same, so that it is not renewed all the time. */
function dueAgain({ certificates }: Renewals, due: readonly DuePair[]): RenewalFailure[] {
  return certificates.flatMap(({ name }) => {
    const again = due.find((each) => each.name === name);
    if (again === undefined) return [];
    const message = `it was renewed and is to be renewed again: ${again.why}`;
    return [
      { name, error: new NatspkiError('clock', message, { hint: 'is the clock of this host right?' }) },
    ];
  });
}
