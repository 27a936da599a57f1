// Runs the program that seals an export, such as kubeseal: the text goes in on stdin, and what it prints is the result.
import { spawn } from 'node:child_process';
import { NatspkiError } from '../../errors.ts';

/**
 * Returns what a command of the shell prints for a text. Throws `not-sealed` when it cannot start, fails, or prints nothing;
 * its stderr is this process's.
 */
export async function sealWith(command: string, text: string): Promise<string> {
  const child = spawn(command, { shell: true, stdio: ['pipe', 'pipe', 'inherit'] });
  // A program that does not read its input may end before the text is written.
  child.stdin.on('error', () => {}).end(text);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const how = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => {
      resolve(code === 0 ? undefined : `it ended with ${code === null ? signal : `code ${code}`}`);
    });
  });
  const sealed = Buffer.concat(chunks).toString();
  if (how === undefined && sealed !== '') return sealed;
  throw new NatspkiError(
    'not-sealed',
    `\`${command}\` did not seal the Secret: ${how ?? 'it printed nothing'}`,
    {
      hint: 'nothing was written; run it by hand: natspki export NAME --format kubernetes --out - | COMMAND',
    },
  );
}
