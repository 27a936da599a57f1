// The CPU time and memory of a process, from Linux's /proc; not available on other systems.
import { readFileSync } from 'node:fs';

// The unit of /proc/PID/stat: USER_HZ, 100 on every architecture that Node runs on.
const ticksPerSecond = 100;

/** The CPU time of all threads, user and system, in seconds (resolution 10 ms); NaN where it is not available. */
export function cpuSeconds(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses and may contain any character.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** The resident memory in bytes, current (`VmRSS`) or peak (`VmHWM`); NaN where it is not available. */
export function memory(pid: number, which: 'VmRSS' | 'VmHWM'): number {
  const kilobytes = new RegExp(`^${which}:\\s+(\\d+) kB`, 'm').exec(read(`/proc/${pid}/status`))?.[1];
  return Number(kilobytes ?? Number.NaN) * 1024;
}

/** The monotonic clock that all processes of this machine share, in milliseconds. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
