// A queue in which everybody has his turn: by where an item comes from, and among those from one place by what it is
// about. However many come from one place, those of another wait for one of them at most.

export class Turns<T> {
  readonly #places = new Map<string, Map<string, T[]>>();

  add(place: string, subject: string, item: T): void {
    const subjects = this.#places.get(place) ?? new Map<string, T[]>();
    const items = subjects.get(subject) ?? [];
    items.push(item);
    subjects.set(subject, items);
    this.#places.set(place, subjects);
  }

  /** Takes out the next one. */
  take(): T | undefined {
    const [first] = this.#places;
    if (first === undefined) return undefined;
    const [place, subjects] = first;
    const [subject, items] = [...subjects][0] as [string, T[]];
    const item = items.shift();
    // Behind the others of its place, and the place behind the others.
    subjects.delete(subject);
    if (items.length > 0) subjects.set(subject, items);
    this.#places.delete(place);
    if (subjects.size > 0) this.#places.set(place, subjects);
    return item;
  }

  /** Takes out all. */
  clear(): T[] {
    const all: T[] = [];
    for (let item = this.take(); item !== undefined; item = this.take()) all.push(item);
    return all;
  }
}
