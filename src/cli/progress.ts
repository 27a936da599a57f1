// Shows the progress of slow work: one line on stderr, on a terminal only, after half a second, and erased at the end.
import { terminalOf } from './terminal.ts';

const delayMs = 500;
const redrawMs = 80;
const barWidth = 20;

/** Runs `work`, and shows `label` and its progress once it takes longer than half a second. */
export async function withProgress<T>(
  label: string,
  work: (update: (done: number, total: number) => void) => Promise<T>,
  stream: NodeJS.WriteStream = process.stderr,
): Promise<T> {
  if (!stream.isTTY) return work(() => {});
  const { unicode, dim } = terminalOf(stream);
  const frames = unicode ? '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏' : '|/-\\';
  let state = '';
  let frame = 0;
  let drawn = false;
  const draw = () => {
    drawn = true;
    stream.write(`\r\x1b[K${frames[frame++ % frames.length]} ${label}${state}`);
  };
  let timer = setTimeout(() => {
    draw();
    timer = setInterval(draw, redrawMs);
  }, delayMs);
  try {
    return await work((done, total) => {
      const full = total === 0 ? 0 : Math.round((done / total) * barWidth);
      state = total < 2 ? '' : `  ${bar(full, barWidth, unicode)} ${dim(`${done}/${total}`)}`;
    });
  } finally {
    clearTimeout(timer);
    if (drawn) stream.write('\r\x1b[K');
  }
}

/** Draws a bar with `full` of `width` cells filled, in ASCII unless the terminal shows Unicode. */
export function bar(full: number, width: number, unicode: boolean): string {
  const [on, off] = unicode ? ['█', '░'] : ['#', '-'];
  return on.repeat(full) + off.repeat(width - full);
}
