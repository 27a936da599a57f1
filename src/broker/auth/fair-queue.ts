// A fair queue: round-robin by source, and within a source by key. However many items one source adds, an item of
// another source waits for at most one of them.

export class Turns<T> {
  readonly #sources = new Map<string, Map<string, T[]>>();

  add(source: string, key: string, item: T): void {
    const keys = this.#sources.get(source) ?? new Map<string, T[]>();
    const items = keys.get(key) ?? [];
    items.push(item);
    keys.set(key, items);
    this.#sources.set(source, keys);
  }

  /** Removes and returns the next item. */
  take(): T | undefined {
    const [first] = this.#sources;
    if (first === undefined) return undefined;
    const [source, keys] = first;
    const [key, items] = [...keys][0] as [string, T[]];
    const item = items.shift();
    // The key moves behind the other keys of its source, and the source behind the other sources.
    keys.delete(key);
    if (items.length > 0) keys.set(key, items);
    this.#sources.delete(source);
    if (keys.size > 0) this.#sources.set(source, keys);
    return item;
  }

  /** Removes and returns all items, in their order. */
  clear(): T[] {
    const all: T[] = [];
    for (let item = this.take(); item !== undefined; item = this.take()) all.push(item);
    return all;
  }
}
