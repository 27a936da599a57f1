// All processes of the load generator in one measurement.
import { LoadProcess } from './process.ts';
import type { Roles } from './worker.ts';

export class LoadGenerator {
  readonly #processes: LoadProcess<keyof Roles>[] = [];

  get pids(): number[] {
    return this.#processes.map(({ pid }) => pid);
  }

  /** Starts another process; resolves when it has opened its connections. */
  async start<R extends keyof Roles>(
    role: R,
    setup: Parameters<Roles[R]['open']>[0],
  ): Promise<LoadProcess<R>> {
    const started = new LoadProcess<R>();
    this.#processes.push(started);
    await started.open(role, setup);
    return started;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.stop()));
  }
}
