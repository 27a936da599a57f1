// A process of the load generator, as seen from the benchmark. It runs compiled JavaScript, so it needs a built
// benchmark.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Answer, Question, Roles } from './worker.ts';

type Role = keyof Roles;
type Player<R extends Role> = Awaited<ReturnType<Roles[R]['open']>>;
type Method<P, M extends keyof P> = P[M] extends (...parameters: infer A) => infer R
  ? { parameters: A; result: Awaited<R> }
  : never;

// Far longer than any measurement takes, in milliseconds; later answers count as lost.
const patience = 60_000;

export class LoadProcess<R extends Role> {
  readonly pid: number;
  readonly #child: ChildProcess;
  #failure: Error | undefined;
  #answer: (answer: Answer) => void = () => undefined;

  constructor() {
    // With JSON serialization Node searches a message from its beginning for each piece of it that arrives, and a
    // million subscriptions make a long message.
    this.#child = fork(fileURLToPath(new URL('worker.js', import.meta.url)), { serialization: 'advanced' });
    this.pid = this.#child.pid ?? 0;
    this.#child.on('message', (answer: Answer) => this.#settle(answer));
    this.#child.on('exit', () => this.#settle({ failure: 'the load generator ended' }));
  }

  /** Gives the process its role; resolves when it has opened its connections. */
  async open(role: R, setup: Parameters<Roles[R]['open']>[0]): Promise<void> {
    await this.#send({ open: role, setup });
  }

  /**
   * Calls a method of the role in the process; one call at a time. Rejects when the process has lost its server, or
   * at the timeout.
   */
  async ask<M extends keyof Player<R> & string>(
    method: M,
    ...parameters: Method<Player<R>, M>['parameters']
  ): Promise<Method<Player<R>, M>['result']> {
    return (await this.#send({ ask: method, parameters })) as Method<Player<R>, M>['result'];
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    await exited;
  }

  #send(question: Question): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#settle({ failure: `the load generator waited ${patience / 1000} s for the server` });
        this.#child.kill();
      }, patience);
      this.#answer = (answer) => {
        clearTimeout(timer);
        if ('failure' in answer) reject(this.#failure);
        else resolve(answer.result);
      };
      if (this.#failure) this.#settle({ failure: '' });
      else this.#child.send(question);
    });
  }

  #settle(answer: Answer): void {
    if ('failure' in answer) this.#failure ??= new Error(answer.failure);
    this.#answer(answer);
  }
}
