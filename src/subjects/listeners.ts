// The subscriptions to one subject. There may be very many subjects, nearly all with a single plain subscription, so that
// a single one is stored by itself, without a container.

/** No subscription, one plain subscription, or a container of several. */
export type Listeners<T> = T | Crowd<T> | undefined;

/** The subscriptions found for a message: plain ones, and those of queue groups by group name. */
export interface Collected<T> {
  readonly plain: T[];
  queues: Map<string, T[]> | undefined;
}

class Crowd<T> {
  readonly plain: Set<T>;
  /** Contains no empty set. */
  readonly queues = new Map<string, Set<T>>();

  constructor(plain: Iterable<T>) {
    this.plain = new Set(plain);
  }
}

/** Returns whether a subscription is one of the listeners. */
export function isAmong<T>(listeners: Listeners<T>, queue: string | undefined, item: T): boolean {
  if (!(listeners instanceof Crowd)) return queue === undefined && listeners === item;
  return (queue === undefined ? listeners.plain : listeners.queues.get(queue))?.has(item) === true;
}

/** Returns the listeners with one more subscription, which must be new. */
export function joined<T>(listeners: Listeners<T>, queue: string | undefined, item: T): Listeners<T> {
  if (listeners === undefined && queue === undefined) return item;
  const crowd = crowdOf(listeners);
  if (queue === undefined) crowd.plain.add(item);
  else crowd.queues.set(queue, (crowd.queues.get(queue) ?? new Set<T>()).add(item));
  return crowd;
}

/** Returns the listeners without a subscription, which must be one of them. */
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

/** Adds the listeners to the result. */
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

/** Iterates over all listeners, in no particular order. */
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
