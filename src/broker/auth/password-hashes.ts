// Checks passwords against bcrypt hashes in worker threads, off the event loop: one check takes a tenth of a second
// or more. The queue is fair, round-robin by client address and then by hash: guesses from one address do not delay
// another address, and guesses at one user's password do not delay another user.
import { createHmac, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { bcryptCost } from '../options/password.ts';
import { Turns } from './fair-queue.ts';

/** Leaves one processor to the event loop, and limits how much of the machine unauthenticated clients can use. */
const maxWorkers = Math.max(1, Math.min(4, availableParallelism() - 1));

/** How many correct passwords are remembered, to accept them again without a check. */
const maxKnown = 10_000;

/**
 * The worker's program, as a string: a file of its own would be TypeScript in the sources but JavaScript in the
 * package. Go treats all bcrypt revisions alike (golang.org/x/crypto/bcrypt), but bcryptjs does not: so it always
 * gets `$2b`.
 */
const program = `
const { parentPort, workerData } = require('node:worker_threads');
const { compareSync } = require(workerData);
parentPort.on('message', ({ hash, password }) => {
  parentPort.postMessage(compareSync(password, '$2b' + hash.slice(3, 60)));
});`;

/** The client that waits for the result of a check. */
export interface WaitingClient {
  readonly address: string;
  /** Whether the client has disconnected, so that its check can be dropped. */
  readonly isGone: () => boolean;
}

interface Check {
  readonly hash: string;
  readonly password: string;
  readonly client: WaitingClient;
  readonly answer: (right: boolean) => void;
}

export class PasswordHashes {
  readonly #waiting = new Turns<Check>();
  readonly #workers = new Set<Worker>();
  readonly #idle: Worker[] = [];
  /** HMACs of correct passwords with their hashes, under a key that only this process has. */
  readonly #known = new Set<string>();
  readonly #key = randomBytes(32);
  readonly #onError: (error: Error) => void;

  /** @param onError called when a worker dies; the password that it was checking counts as wrong */
  constructor(onError: (error: Error) => void) {
    this.#onError = onError;
  }

  /** Whether an earlier check has found that the password matches the hash. */
  knows(hash: string, password: string): boolean {
    return this.#known.has(this.#nameOf(hash, password));
  }

  /** Checks whether the password matches the hash; false too if the client disconnects before the check starts. */
  check(hash: string, password: string, client: WaitingClient): Promise<boolean> {
    if (bcryptCost(hash) === undefined) return Promise.resolve(false);
    return new Promise((answer) => {
      this.#waiting.add(client.address, hash, { hash, password, client, answer });
      this.#proceed();
    });
  }

  /** Answers false to all queued checks and terminates the workers. */
  async close(): Promise<void> {
    for (const { answer } of this.#waiting.clear()) answer(false);
    await Promise.all(Array.from(this.#workers, (worker) => worker.terminate()));
  }

  #proceed(): void {
    while (this.#idle.length > 0 || this.#workers.size < maxWorkers) {
      const check = this.#take();
      if (check === undefined) return;
      void this.#run(this.#idle.pop() ?? this.#start(), check);
    }
  }

  /** Dequeues the next check that is still needed. */
  #take(): Check | undefined {
    for (;;) {
      const check = this.#waiting.take();
      if (check === undefined) return undefined;
      const { hash, password, client, answer } = check;
      if (client.isGone()) answer(false);
      else if (this.knows(hash, password)) answer(true);
      else return check;
    }
  }

  async #run(worker: Worker, { hash, password, answer }: Check): Promise<void> {
    const right = await runCheck(worker, { hash, password });
    if (right !== undefined) this.#idle.push(worker);
    if (right) this.#remember(hash, password);
    answer(right ?? false);
    this.#proceed();
  }

  #start(): Worker {
    const workerData = createRequire(import.meta.url).resolve('bcryptjs');
    const worker = new Worker(program, { eval: true, workerData });
    worker.unref();
    worker.on('error', this.#onError).once('exit', () => this.#workers.delete(worker));
    this.#workers.add(worker);
    return worker;
  }

  #remember(hash: string, password: string): void {
    this.#known.add(this.#nameOf(hash, password));
    for (const oldest of this.#known) {
      if (this.#known.size <= maxKnown) break;
      this.#known.delete(oldest);
    }
  }

  #nameOf(hash: string, password: string): string {
    return createHmac('sha256', this.#key).update(`${hash} ${password}`).digest('base64');
  }
}

/** Runs one check in a worker; undefined if the worker dies. */
function runCheck(worker: Worker, check: { hash: string; password: string }): Promise<boolean | undefined> {
  return new Promise((resolve) => {
    const answered = (right: boolean) => {
      worker.off('exit', died);
      resolve(right);
    };
    const died = () => {
      worker.off('message', answered);
      resolve(undefined);
    };
    worker.once('message', answered).once('exit', died);
    worker.postMessage(check);
  });
}
