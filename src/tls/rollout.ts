// What servers are told while certificates change under them: new pins before anybody shows the new keys, a signal where
// a server does not watch its files, and the question in the end whether they serve what they should.

import { setTimeout as delay } from 'node:timers/promises';
import { findServer, reloadServer } from '../reload.ts';
import type { Pin } from '../x509/pin.ts';
import { addSuccessors, configurationFiles, type PinEdit, removePins } from './pin-succession.ts';
import { probeServers, type Served } from './probe.ts';
import { parseServerUrl } from './server-certificate.ts';

export interface RolloutOptions {
  /** Configuration files whose pins are kept true; what they include is as well. */
  readonly configurations: readonly string[];
  /** Process id of a nats-server, or its pid file. */
  readonly reload?: string;
  /** URL of the server that is asked in the end what it serves. */
  readonly verify?: string;
  /** How long servers get to take new pins into use before a certificate changes, in milliseconds. */
  readonly settleMs?: number;
}

/** No server answers a signal; both the real one and the bundled broker take a configuration into use well within this. */
const usualSettleMs = 1000;

export class Rollout {
  readonly added: PinEdit[] = [];
  readonly removed: PinEdit[] = [];
  /** Process ids in the order of the signals. */
  readonly reloaded: number[] = [];
  readonly #files: readonly string[];
  readonly #reload: string | undefined;
  readonly #verify: string | undefined;
  readonly #settleMs: number;

  private constructor(
    files: readonly string[],
    { reload, verify, settleMs = usualSettleMs }: RolloutOptions,
  ) {
    this.#files = files;
    this.#reload = reload;
    this.#verify = verify;
    this.#settleMs = settleMs;
  }

  /** Throws now what would stop it later: a configuration that cannot be read, a process that is not there, a URL that is none. */
  static async prepare(options: RolloutOptions): Promise<Rollout> {
    const files = new Set(options.configurations.flatMap(configurationFiles));
    if (options.verify !== undefined) parseServerUrl(options.verify);
    if (options.reload !== undefined) await findServer(options.reload);
    return new Rollout([...files], options);
  }

  /** Lets servers accept keys that are about to be shown; to be called before the swap. */
  async announce(changes: readonly { readonly from: Pin; readonly to: Pin }[]): Promise<void> {
    const edits = await addSuccessors(this.#files, changes);
    if (edits.length === 0) return;
    this.added.push(...edits);
    await this.reload();
    await delay(this.#settleMs);
  }

  /** Takes pins out of the configurations that nobody shows any more. */
  async prune(stale: ReadonlySet<Pin>): Promise<void> {
    this.removed.push(...(await removePins(this.#files, stale)));
  }

  /** Signals the server, where one was named. */
  async reload(): Promise<void> {
    if (this.#reload !== undefined) this.reloaded.push(await reloadServer(this.#reload));
  }

  /** Says what was done so far, a line each: pins in, pins out, processes signalled. */
  report(): string[] {
    const count = ({ pins }: PinEdit) => (pins.length === 1 ? '1 pin' : `${pins.length} pins`);
    return [
      ...this.added.map((edit) => `added ${count(edit)} to ${edit.file}`),
      ...this.removed.map((edit) => `removed ${count(edit)} from ${edit.file}`),
      ...[...new Set(this.reloaded)].map((pid) => `told process ${pid} to reload`),
    ];
  }

  /** Throws unless each address of the server, where one was named, serves one of these (names by serial number). */
  async verify(expected: ReadonlyMap<string, string>): Promise<Served[]> {
    return this.#verify === undefined ? [] : probeServers(this.#verify, expected);
  }
}
