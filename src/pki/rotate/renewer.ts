// One round of renewal: what is due is issued anew, and whoever must be told of it is. What was not told, because a
// server was away, is owed to it in the next round. When rounds are held is rounds.ts's.
import type { Logger } from '../../log.ts';
import type { Pin } from '../../x509/pin.ts';
import { formatDay } from '../store/authority.ts';
import type { PkiDirectory } from '../store/directory.ts';
import { leavesBySerial } from '../store/listing.ts';
import { type PinChange, rotateLeaves, stalePins } from './rotate.ts';
import { type RenewalPolicy, scheduleRenewal } from './schedule.ts';

/** Who is told of new certificates: configurations and servers. */
export interface Audience {
  /** Called before files change. */
  announce(changes: readonly PinChange[]): Promise<void>;
  /** Called after they have. */
  reload(): Promise<void>;
  prune(stale: ReadonlySet<Pin>): Promise<void>;
  verify(expected: ReadonlyMap<string, string>): Promise<readonly { address: string; name: string }[]>;
  /** Says what was done so far, a line each. */
  report(): string[];
}

export interface RenewerOptions extends RenewalPolicy {
  readonly directory: PkiDirectory;
  /** Finds the audience anew for each round that has something to tell; throws what would stop the telling. */
  readonly audience: () => Promise<Audience>;
  /** Removes the pins that no certificate has any more, afterwards. */
  readonly prunePins?: boolean;
  /** Of the authority's key. */
  readonly passphrase?: string;
  readonly logger: Logger;
  readonly now?: () => Date;
}

export class Renewer {
  /** Names in the order of their renewal. */
  readonly renewed: string[] = [];
  readonly #options: RenewerOptions;
  #remarks: readonly string[] = [];
  #next: Date | undefined;
  /** Certificates have changed and not everybody who should has been told. */
  #owing = false;

  constructor(options: RenewerOptions) {
    this.#options = options;
  }

  /** Throws what would fail every round: no authority, or a key that cannot be opened. */
  async prepare(): Promise<void> {
    const { directory, passphrase } = this.#options;
    await directory.settle();
    await directory.readAuthority(passphrase);
  }

  /** Renews what is due; returns when the next certificate will be. Throws what stopped it. */
  async round(): Promise<Date | undefined> {
    const { directory, audience, logger, now = () => new Date() } = this.#options;
    const { due, remarks } = await scheduleRenewal(directory, now(), this.#options);
    for (const notice of directory.tellRecovery()) logger.warn(notice);
    for (const remark of remarks) if (!this.#remarks.includes(remark)) logger.warn(remark);
    this.#remarks = remarks;
    if (due.length > 0 || this.#owing) {
      const told = await audience();
      try {
        if (due.length > 0) await this.#renew(due, told);
        if (this.#owing) await this.#tell(told);
      } finally {
        for (const line of told.report()) logger.info(line);
      }
    }
    const { next } = await scheduleRenewal(directory, now(), this.#options);
    if (next !== undefined && next.getTime() !== this.#next?.getTime()) {
      logger.info(`the next renewal is at ${next.toISOString()}`);
    }
    this.#next = next;
    return next;
  }

  async #renew(names: readonly string[], told: Audience): Promise<void> {
    const { directory, dueMs, passphrase, logger, now } = this.#options;
    const { certificates, notices } = await rotateLeaves({
      directory,
      names,
      due: true,
      beforeSwap: told.announce.bind(told),
      ...(dueMs === undefined ? {} : { dueMs }),
      ...(passphrase === undefined ? {} : { passphrase }),
      ...(now === undefined ? {} : { now }),
    });
    for (const { name, profile, notAfter, pin } of certificates) {
      logger.info(`renewed "${name}" (${profile}) until ${formatDay(notAfter)}, pin ${pin}`);
    }
    for (const notice of notices) logger.warn(notice);
    this.renewed.push(...certificates.map(({ name }) => name));
    this.#owing ||= certificates.length > 0;
  }

  async #tell(told: Audience): Promise<void> {
    const { directory, prunePins = false, logger } = this.#options;
    if (prunePins) await directory.exclusive(async () => told.prune(await stalePins(directory)));
    await told.reload();
    for (const { address, name } of await told.verify(await leavesBySerial(directory))) {
      logger.info(`${address} serves "${name}"`);
    }
    this.#owing = false;
  }
}
