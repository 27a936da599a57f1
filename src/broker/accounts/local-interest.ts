// Tracks the interest of this server's clients in one account, in the form that is announced to routes: whether a
// subject has subscribers, and how many members each queue group has. Sends nothing: a callback announces the
// changes.
import type { Subscription } from './subscription.ts';

/** Interest in a subject, by plain subscribers or by a queue group, with their number; 0 when the last one is gone. */
export interface Interest {
  /** In Latin-1. */
  readonly subject: string;
  readonly queue: string | undefined;
  readonly weight: number;
}

/** Called for the first and last plain subscriber of a subject, and for every change in a queue group. */
type OnChange = (interest: Interest) => void;

/** The interest of one account. */
export class LocalInterest implements Iterable<Interest> {
  readonly #onChange: OnChange;
  readonly #counts = new Map<string, { subject: string; queue: string | undefined; weight: number }>();

  constructor(onChange: OnChange) {
    this.#onChange = onChange;
  }

  /** All interest, to announce to a new route. */
  [Symbol.iterator](): Iterator<Interest> {
    return this.#counts.values();
  }

  add({ subject, queue }: Subscription): void {
    const key = keyOf(subject, queue);
    const known = this.#counts.get(key);
    if (known === undefined) {
      const interest = { subject, queue, weight: 1 };
      this.#counts.set(key, interest);
      this.#onChange(interest);
    } else {
      known.weight++;
      if (queue !== undefined) this.#onChange(known);
    }
  }

  remove({ subject, queue }: Subscription): void {
    const key = keyOf(subject, queue);
    const known = this.#counts.get(key);
    if (known === undefined) return;
    known.weight--;
    if (known.weight === 0) this.#counts.delete(key);
    if (known.weight === 0 || queue !== undefined) this.#onChange(known);
  }
}

/** The space is unambiguous: no subject and no queue group contains one. */
function keyOf(subject: string, queue: string | undefined): string {
  return queue === undefined ? subject : `${subject} ${queue}`;
}
