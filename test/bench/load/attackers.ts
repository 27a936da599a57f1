// Clients that guess passwords: each connects, sends a wrong password, is rejected, and starts again at once.
import { closed } from '../../harness/socket.ts';
import { now } from '../usage.ts';
import { greet, type Target } from './connection.ts';

export interface AttackSetup {
  /** The server, with a wrong password. */
  readonly target: Target;
  /** The number of concurrent attackers. */
  readonly attackers: number;
}

export class Attackers {
  readonly #setup: AttackSetup;
  #isOver = false;

  private constructor(setup: AttackSetup) {
    this.#setup = setup;
  }

  static async open(setup: AttackSetup): Promise<Attackers> {
    return new Attackers(setup);
  }

  /** Attacks for a duration; returns the number of rejections and when the attack started and ended. */
  async attack(seconds: number): Promise<{ refusals: number; from: number; to: number }> {
    const from = now();
    let refusals = 0;
    const timer = setTimeout(() => {
      this.#isOver = true;
    }, seconds * 1000);
    this.#isOver = false;
    const { target, attackers } = this.#setup;
    const one = async () => {
      for (; !this.#isOver; refusals++) await guess(target);
    };
    await Promise.all(Array.from({ length: attackers }, one));
    clearTimeout(timer);
    return { refusals, from, to: now() };
  }
}

async function guess(target: Target): Promise<void> {
  const socket = await greet(target);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  const end = closed(socket);
  const identity = { verbose: false, user: target.user, pass: target.password };
  socket.write(`CONNECT ${JSON.stringify(identity)}\r\nPING\r\n`);
  await end;
  if (!text.includes("-ERR 'Authorization Violation'"))
    throw new Error(`rejected with ${JSON.stringify(text)}`);
}
