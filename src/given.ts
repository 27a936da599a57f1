// Optional properties whose value may be missing. Every layer uses it: `exactOptionalPropertyTypes` tells a property that is
// absent from one that is undefined.

/** Leaves out the properties that are undefined, so that what remains fits a type with optional properties. */
export function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
