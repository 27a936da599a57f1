// Values as nats-server prints them: JSON as Go's encoding/json escapes it, times and durations as Go's time package.

/** Prints a value. Go escapes these characters wherever they occur; undefined members are left out. */
export function goJson(value: object): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Prints a time as Go does in JSON: without trailing zeros. */
export function goTime(time: Date | number): string {
  return new Date(time).toISOString().replace(/\.?0*Z$/, 'Z');
}

/** Prints a duration in whole seconds, with years and days (monitor.go, myUptime). */
export function uptime(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const units: [number, string][] = [
    [Math.floor(seconds / 31_536_000), 'y'],
    [Math.floor(seconds / 86_400) % 365, 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const first = units.findIndex(([count]) => count > 0);
  return units
    .slice(first < 0 ? -1 : first)
    .map(([count, unit]) => `${count}${unit}`)
    .join('');
}

/** Converts milliseconds to whole nanoseconds, as which Go prints durations in JSON. */
export function nanoseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1e6);
}
