// What the operating system says of this process, for monitoring. Files come from /proc, which only Linux has.
import { readdir, readFile } from 'node:fs/promises';

/** Open files of this process and how many it may have; empty where the system does not tell. */
export async function openFiles(): Promise<{ readonly open?: number; readonly max?: number }> {
  try {
    const [descriptors, limits] = await Promise.all([
      readdir('/proc/self/fd'),
      readFile('/proc/self/limits', 'utf8'),
    ]);
    const max = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.NaN);
    // The folder itself is open while it is read.
    return { open: descriptors.length - 1, ...(Number.isFinite(max) && { max }) };
  } catch {
    return {};
  }
}
