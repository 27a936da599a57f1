// Checks passwords against bcrypt hashes beside the event loop, in worker threads: one check takes a tenth of a second
// and more. What waits takes turns by the address it comes from and by the hash, so that guesses from one address hold up
// no other, and guesses at one user's password no other user.
import { createHmac, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Turns } from '../../turns.ts';
import { bcryptCost } from '../options/password.ts';

/** One processor is left to the event loop, and beyond four the guesses of strangers would have the machine. */
const maxWorkers = Math.max(1, Math.min(4, availableParallelism() - 1));

/** How many passwords that were right are known again without a check. */
const maxKnown = 10_000;

/**
 * What a worker runs; a text, because a file of its own would be TypeScript in the sources and JavaScript in the
 * package. Go takes the revisions of bcrypt for one and the same (golang.org/x/crypto/bcrypt), the library does not.
 */
const program = `
const { parentPort, workerData } = require('node:worker_threads');
const { compareSync } = require(workerData);
parentPort.on('message', ({ hash, password }) => {
  parentPort.postMessage(compareSync(password, '$2b' + hash.slice(3, 60)));
});`;

/** Who waits for a verdict. */
export interface Asker {
  readonly address: string;
  /** Whether nobody wants to know any more. */
  readonly isGone: () => boolean;
}

interface Check {
  readonly hash: string;
  readonly password: string;
  readonly asker: Asker;
  readonly answer: (right: boolean) => void;
}

export class PasswordHashes {
  readonly #waiting = new Turns<Check>();
  readonly #workers = new Set<Worker>();
  readonly #idle: Worker[] = [];
  /** Passwords that were right, under a key that no other process has. */
  readonly #known = new Set<string>();
  readonly #key = randomBytes(32);
  readonly #onError: (error: Error) => void;

  /** @param onError told of a worker that died; what it was at is refused */
  constructor(onError: (error: Error) => void) {
    this.#onError = onError;
  }

  /** Whether the password has been found to belong to the hash before. */
  knows(hash: string, password: string): boolean {
    return this.#known.has(this.#nameOf(hash, password));
  }

  /** Finds out whether the password belongs to the hash; false also for one whose asker is gone before its turn. */
  check(hash: string, password: string, asker: Asker): Promise<boolean> {
    if (bcryptCost(hash) === undefined) return Promise.resolve(false);
    return new Promise((answer) => {
      this.#waiting.add(asker.address, hash, { hash, password, asker, answer });
      this.#proceed();
    });
  }

  /** Refuses what waits and ends the workers. */
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

  /** Takes out the next check that somebody still needs. */
  #take(): Check | undefined {
    for (;;) {
      const check = this.#waiting.take();
      if (check === undefined) return undefined;
      const { hash, password, asker, answer } = check;
      if (asker.isGone()) answer(false);
      else if (this.knows(hash, password)) answer(true);
      else return check;
    }
  }

  async #run(worker: Worker, { hash, password, answer }: Check): Promise<void> {
    const right = await ask(worker, { hash, password });
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

/** Undefined where the worker died over it. */
function ask(worker: Worker, question: { hash: string; password: string }): Promise<boolean | undefined> {
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
    worker.postMessage(question);
  });
}
