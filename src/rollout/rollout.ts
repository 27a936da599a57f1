// Keeps servers up to date while certificates change: adds new pins before a peer presents the new keys, signals servers
// that do not watch their files, and checks at the end that they present the right certificates.

import { setTimeout as delay } from 'node:timers/promises';
import type { Pin } from '../x509/pin.ts';
import { addSuccessors, configurationFiles, type PinEdit, removePins } from './pin-update.ts';
import { probeServers, type Served } from './probe.ts';
import { type ProbeIdentity, parseServerUrl } from './server-certificate.ts';
import { findServer, reloadServer } from './signal.ts';

export interface RolloutOptions {
  /** Configuration files whose pins are kept up to date, together with their includes. */
  readonly configurations: readonly string[];
  /** Process ids of nats-servers, or their pid files. */
  readonly reload?: readonly string[];
  /** URL of the server whose certificate is checked at the end. */
  readonly verify?: string;
  /** How long servers have to apply new pins before a certificate changes, in milliseconds. */
  readonly settleMs?: number;
}

/** Servers do not confirm a signal; nats-server and the bundled broker reload a configuration well within this time. */
const usualSettleMs = 1000;

export class Rollout {
  readonly added: PinEdit[] = [];
  readonly removed: PinEdit[] = [];
  /** Process ids in the order of the signals. */
  readonly reloaded: number[] = [];
  readonly #files: readonly string[];
  readonly #reload: readonly string[];
  readonly #verify: string | undefined;
  readonly #settleMs: number;

  private constructor(
    files: readonly string[],
    { reload = [], verify, settleMs = usualSettleMs }: RolloutOptions,
  ) {
    this.#files = files;
    this.#reload = reload;
    this.#verify = verify;
    this.#settleMs = settleMs;
  }

  /** Checks the options first: throws for an unreadable configuration, a missing process or an invalid URL. */
  static async prepare(options: RolloutOptions): Promise<Rollout> {
    const files = new Set(options.configurations.flatMap(configurationFiles));
    if (options.verify !== undefined) parseServerUrl(options.verify);
    for (const target of options.reload ?? []) await findServer(target);
    return new Rollout([...files], options);
  }

  /** Makes servers accept the keys that are about to be used; call it before the certificates change. */
  async announce(changes: readonly { readonly from: Pin; readonly to: Pin }[]): Promise<void> {
    const edits = await addSuccessors(this.#files, changes);
    if (edits.length === 0) return;
    this.added.push(...edits);
    await this.reload();
    await delay(this.#settleMs);
  }

  /** Removes pins from the configurations that no peer presents any more. */
  async prune(stale: ReadonlySet<Pin>): Promise<void> {
    this.removed.push(...(await removePins(this.#files, stale)));
  }

  /** Signals the servers that were given. */
  async reload(): Promise<void> {
    for (const target of this.#reload) this.reloaded.push(await reloadServer(target));
  }

  /** Reports what was done so far, one line each: pins added, pins removed, processes signalled. */
  report(): string[] {
    const count = ({ pins }: PinEdit) => (pins.length === 1 ? '1 pin' : `${pins.length} pins`);
    return [
      ...this.added.map((edit) => `added ${count(edit)} to ${edit.file}`),
      ...this.removed.map((edit) => `removed ${count(edit)} from ${edit.file}`),
      ...[...new Set(this.reloaded)].map((pid) => `told process ${pid} to reload`),
    ];
  }

  /** Throws unless each address of the server, if one was given, presents one of these (names by serial number). */
  async verify(expected: ReadonlyMap<string, string>, identity?: ProbeIdentity): Promise<Served[]> {
    return this.#verify === undefined ? [] : probeServers(this.#verify, expected, { identity });
  }
}
