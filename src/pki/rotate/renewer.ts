// One round of renewal: reissues the certificates that are due, then updates configurations and servers. A failed update,
// such as of an unreachable server, is repeated in the next round. rounds.ts decides when rounds run.
import { formatDay } from '../../duration.ts';
import { given } from '../../given.ts';
import type { Logger } from '../../log.ts';
import type { Pin } from '../../x509/pin.ts';
import type { PkiDirectory } from '../store/directory.ts';
import { clientIdentity } from '../store/identity.ts';
import { leavesBySerial } from '../store/listing.ts';
import { type PinChange, rotateLeaves, stalePins } from './rotate.ts';
import { type ScheduleOptions, scheduleRenewal } from './schedule.ts';

/** The configurations and servers that use the certificates. */
export interface ServerUpdater {
  /** Makes servers accept the new pins; called before the certificates change. */
  announce(changes: readonly PinChange[]): Promise<void>;
  /** Makes servers reload their files; called after the certificates have changed. */
  reload(): Promise<void>;
  prune(stale: ReadonlySet<Pin>): Promise<void>;
  /** @param identity a client certificate to present */
  verify(
    expected: ReadonlyMap<string, string>,
    identity?: { readonly cert: Buffer; readonly key: Buffer },
  ): Promise<readonly { address: string; name: string }[]>;
  /** Reports what was done so far, one line each. */
  report(): string[];
}

export interface RenewerOptions extends ScheduleOptions {
  readonly directory: PkiDirectory;
  /** Called in each round that has something to update; throws when an update would fail. */
  readonly updater: () => Promise<ServerUpdater>;
  /** Afterwards removes the pins that no certificate has any more. */
  readonly prunePins?: boolean;
  /** Opens the key of the authority. */
  readonly passphrase?: string;
  readonly logger: Logger;
  readonly now?: () => Date;
}

export class Renewer {
  /** The names of renewed certificates, in order. */
  readonly renewed: string[] = [];
  readonly #options: RenewerOptions;
  #remarks: readonly string[] = [];
  #next: Date | undefined;
  /** Whether certificates have changed and the servers are not updated yet. */
  #updatePending = false;

  constructor(options: RenewerOptions) {
    this.#options = options;
  }

  /** Throws when every round would fail: there is no authority, or its key cannot be opened. */
  async prepare(): Promise<void> {
    const { directory, passphrase } = this.#options;
    await directory.recover();
    await directory.readAuthority(passphrase);
  }

  /** Renews the certificates that are due; returns when the next one will be. Throws the error that stopped it. */
  async round(): Promise<Date | undefined> {
    const { directory, updater, logger, names, now = () => new Date() } = this.#options;
    const { due, remarks } = await scheduleRenewal(directory, now(), this.#options);
    for (const notice of directory.takeRecoveryNotices()) logger.warn(notice);
    for (const remark of remarks) if (!this.#remarks.includes(remark)) logger.warn(remark);
    this.#remarks = remarks;
    if (due.length > 0 || this.#updatePending) {
      const servers = await updater();
      try {
        if (due.length > 0) await this.#renew(due, servers);
        if (this.#updatePending) await this.#update(servers);
      } finally {
        for (const line of servers.report()) logger.info(line);
      }
    }
    const { next } = await scheduleRenewal(directory, now(), this.#options);
    if (next !== undefined && next.getTime() !== this.#next?.getTime()) {
      const whose = names === undefined ? '' : ` of ${names.map((name) => `"${name}"`).join(' and ')}`;
      logger.info(`the next renewal${whose} is at ${next.toISOString()}`);
    }
    this.#next = next;
    return next;
  }

  async #renew(names: readonly string[], servers: ServerUpdater): Promise<void> {
    const { directory, dueMs, passphrase, logger, now } = this.#options;
    const { certificates, notices } = await rotateLeaves({
      directory,
      names,
      due: true,
      beforeReplace: servers.announce.bind(servers),
      ...given({ dueMs, passphrase, now }),
    });
    for (const { name, profile, notAfter, pin } of certificates) {
      logger.info(`renewed "${name}" (${profile}) until ${formatDay(notAfter)}, pin ${pin}`);
    }
    for (const notice of notices) logger.warn(notice);
    this.renewed.push(...certificates.map(({ name }) => name));
    this.#updatePending ||= certificates.length > 0;
  }

  async #update(servers: ServerUpdater): Promise<void> {
    const { directory, prunePins = false, logger } = this.#options;
    if (prunePins) await directory.exclusive(async () => servers.prune(await stalePins(directory)));
    await servers.reload();
    const expected = await leavesBySerial(directory);
    for (const { address, name } of await servers.verify(expected, await clientIdentity(directory))) {
      logger.info(`${address} serves "${name}"`);
    }
    this.#updatePending = false;
  }
}
