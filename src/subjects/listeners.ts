// Those who subscribed to one subject. There may be very many subjects, nearly all of them with one plain subscription,
// so that such a one stands for itself and nothing is made around it.

/** Nobody, one plain subscription, or a crowd. */
export type Listeners<T> = T | Crowd<T> | undefined;

/** What is found for a message: plain subscriptions, and those of queue groups by the names of the groups. */
export interface Collected<T> {
  readonly plain: T[];
  queues: Map<string, T[]> | undefined;
}

class Crowd<T> {
  readonly plain: Set<T>;
  /** None of them empty. */
  readonly queues = new Map<string, Set<T>>();

  constructor(plain: Iterable<T>) {
    this.plain = new Set(plain);
  }
}

/** Whether a subscription is among them. */
export function isAmong<T>(listeners: Listeners<T>, queue: string | undefined, item: T): boolean {
  if (!(listeners instanceof Crowd)) return queue === undefined && listeners === item;
  return (queue === undefined ? listeners.plain : listeners.queues.get(queue))?.has(item) === true;
}

/** Gives those who listen when one comes who is not among them. */
export function joined<T>(listeners: Listeners<T>, queue: string | undefined, item: T): Listeners<T> {
  if (listeners === undefined && queue === undefined) return item;
  const crowd = crowdOf(listeners);
  if (queue === undefined) crowd.plain.add(item);
  else crowd.queues.set(queue, (crowd.queues.get(queue) ?? new Set<T>()).add(item));
  return crowd;
}

/** Gives those who listen when one goes who is among them. */
export function left<T>(listeners: Listeners<T>, queue: string | undefined, item: T): Listeners<T> {
  if (!(listeners instanceof Crowd)) return undefined;
  const { plain, queues } = listeners;
  if (queue === undefined) plain.delete(item);
  else {
    const members = queues.get(queue);
    members?.delete(item);
    if (members?.size === 0) queues.delete(queue);
  }
  if (queues.size > 0 || plain.size > 1) return listeners;
  const [last] = plain;
  return last;
}

/** Adds them to what is found. */
export function collect<T>(listeners: Listeners<T>, found: Collected<T>): void {
  if (listeners === undefined) return;
  if (!(listeners instanceof Crowd)) {
    found.plain.push(listeners);
    return;
  }
  for (const item of listeners.plain) found.plain.push(item);
  for (const [queue, members] of listeners.queues) {
    found.queues ??= new Map();
    const group = found.queues.get(queue);
    if (group === undefined) found.queues.set(queue, [...members]);
    else for (const item of members) group.push(item);
  }
}

/** All of them, in no particular order. */
export function* each<T>(listeners: Listeners<T>): Generator<T> {
  if (!(listeners instanceof Crowd)) {
    if (listeners !== undefined) yield listeners;
    return;
  }
  yield* listeners.plain;
  for (const members of listeners.queues.values()) yield* members;
}

function crowdOf<T>(listeners: Listeners<T>): Crowd<T> {
  if (listeners instanceof Crowd) return listeners;
  return new Crowd<T>(listeners === undefined ? [] : [listeners]);
}
