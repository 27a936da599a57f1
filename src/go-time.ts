// Prints times and durations as Go does in JSON, for clients that parse the output of nats-server.

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
