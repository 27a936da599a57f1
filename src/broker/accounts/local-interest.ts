// What the clients of this server listen to, in each account, as routes are told it: whether anybody listens to a subject,
// and how many members each queue group has. Sends nothing; it calls the one who tells the routes.
import type { Subscription } from './subscription.ts';

/** One thing to tell: a subject, a queue group where it is one, and how many listen; 0 for nobody any more. */
export interface Interest {
  /** In Latin-1. */
  readonly subject: string;
  readonly queue: string | undefined;
  readonly weight: number;
}

/** Called with what changed: the first and the last of plain subscriptions, and each member of a queue group. */
type OnChange = (interest: Interest) => void;

/** The interest of one account. */
export class LocalInterest implements Iterable<Interest> {
  readonly #onChange: OnChange;
  readonly #counts = new Map<string, { subject: string; queue: string | undefined; weight: number }>();

  constructor(onChange: OnChange) {
    this.#onChange = onChange;
  }

  /** What there is to tell a new route. */
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

/** No subject and no queue group has a space in it. */
function keyOf(subject: string, queue: string | undefined): string {
  return queue === undefined ? subject : `${subject} ${queue}`;
}
