// What `rotate` has done besides making certificates, in lines for people.

export interface RotateResult {
  readonly notices: readonly string[];
  readonly pins: {
    readonly added: readonly { readonly file: string; readonly pins: readonly string[] }[];
    readonly removed: readonly { readonly file: string; readonly pins: readonly string[] }[];
  };
  /** Process ids, one a signal. */
  readonly reloaded: readonly number[];
}

/** Returns the lines: pins, remarks, signals. */
export function rotateLines({ notices, pins, reloaded }: RotateResult): string[] {
  const count = (edited: readonly string[]) => (edited.length === 1 ? '1 pin' : `${edited.length} pins`);
  return [
    ...pins.added.map((edit) => `added ${count(edit.pins)} to ${edit.file}`),
    ...pins.removed.map((edit) => `removed ${count(edit.pins)} from ${edit.file}`),
    ...notices,
    ...new Set(reloaded.map((pid) => `told process ${pid} to reload`)),
  ];
}
