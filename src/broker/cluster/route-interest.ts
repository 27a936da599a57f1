// What one other server listens to, by the names that it takes it back by. Sends nothing.
import type { RemoteInterest } from '../accounts/remote-interest.ts';

/** How many are forgotten in one turn of the event loop, in about a millisecond; there may be hundreds of thousands. */
const piece = 1000;

export class RouteInterest {
  #byKey = new Map<string, RemoteInterest>();

  get size(): number {
    return this.#byKey.size;
  }

  [Symbol.iterator](): Iterator<RemoteInterest> {
    return this.#byKey.values();
  }

  get(key: string): RemoteInterest | undefined {
    return this.#byKey.get(key);
  }

  /** False where the subject is not valid. */
  add(key: string, interest: RemoteInterest): boolean {
    if (!interest.enter()) return false;
    this.#byKey.set(key, interest);
    return true;
  }

  remove(key: string): void {
    this.#byKey.get(key)?.leave();
    this.#byKey.delete(key);
  }

  /** Drops what the other server may not ask for any more. */
  review(mayStay: (interest: RemoteInterest) => boolean): void {
    for (const [key, interest] of this.#byKey) if (!mayStay(interest)) this.remove(key);
  }

  /**
   * Forgets all of a route that has ended: its queue groups at once, since one of their members is chosen before the
   * message is sent, and the others turn by turn, since a route that has ended takes nothing anyway.
   */
  clear(): void {
    const all = this.#byKey;
    this.#byKey = new Map();
    const plain: RemoteInterest[] = [];
    for (const interest of all.values()) {
      if (interest.queue === undefined) plain.push(interest);
      else interest.leave();
    }
    leaveInTurns(plain);
  }
}

function leaveInTurns(interests: RemoteInterest[]): void {
  for (let count = 0; count < piece; count++) {
    const interest = interests.pop();
    if (interest === undefined) return;
    interest.leave();
  }
  setImmediate(leaveInTurns, interests);
}
