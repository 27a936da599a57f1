// The interest of one other server, by the keys that its unsubscribe operations use. Sends nothing.
import type { RemoteInterest } from '../accounts/remote-interest.ts';

/** Entries removed per turn of the event loop, in about a millisecond; there may be hundreds of thousands. */
const batchSize = 1000;

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

  /** Returns false if the subject is invalid. */
  add(key: string, interest: RemoteInterest): boolean {
    if (!interest.insert()) return false;
    this.#byKey.set(key, interest);
    return true;
  }

  remove(key: string): void {
    this.#byKey.get(key)?.remove();
    this.#byKey.delete(key);
  }

  /** Drops the interest that is no longer permitted. */
  removeDenied(isPermitted: (interest: RemoteInterest) => boolean): void {
    for (const [key, interest] of this.#byKey) if (!isPermitted(interest)) this.remove(key);
  }

  /**
   * Drops all interest of a route that has ended. Queue groups go immediately, since delivery chooses a member before
   * it sends; the rest goes in batches, since a route that has ended accepts no message anyway.
   */
  clear(): void {
    const all = this.#byKey;
    this.#byKey = new Map();
    const plain: RemoteInterest[] = [];
    for (const interest of all.values()) {
      if (interest.queue === undefined) plain.push(interest);
      else interest.remove();
    }
    leaveInBatches(plain);
  }
}

function leaveInBatches(interests: RemoteInterest[]): void {
  for (let count = 0; count < batchSize; count++) {
    const interest = interests.pop();
    if (interest === undefined) return;
    interest.remove();
  }
  setImmediate(leaveInBatches, interests);
}
