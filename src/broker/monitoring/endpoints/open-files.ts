// What the operating system reports about this process, for monitoring. Reads /proc, which only Linux has.
import { readdir, readFile } from 'node:fs/promises';

/** Returns the number of open files of this process and its limit; empty on systems without /proc. */
export async function openFiles(): Promise<{ readonly open?: number; readonly max?: number }> {
  try {
    const [descriptors, limits] = await Promise.all([
      readdir('/proc/self/fd'),
      readFile('/proc/self/limits', 'utf8'),
    ]);
    const max = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.NaN);
    // Reading the folder itself takes one descriptor.
    return { open: descriptors.length - 1, ...(Number.isFinite(max) && { max }) };
  } catch {
    return {};
  }
}
