// Runs a script in a process that receives SIGKILL at its n-th operation on the file system. A test can thus try
// every crash point, not only those that a timer happens to hit.
import { run } from '../harness/process.ts';

/** How the process ended: killed at the requested operation, or finished before it got there. */
export type Ending = 'killed' | 'done';

const hook = `
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
let left = Number(process.env.KILL_AT);
const die = () => process.kill(process.pid, 'SIGKILL');
const guard = (object, name, last) => {
  const original = object[name];
  object[name] = async function (...parameters) {
    if (--left === 0) {
      await last?.call(this, original, parameters);
      die();
    }
    return original.apply(this, parameters);
  };
};
const guardNow = (object, name, last) => {
  const original = object[name];
  object[name] = function (...parameters) {
    if (--left === 0) {
      last?.call(this, original, parameters);
      die();
    }
    return original.apply(this, parameters);
  };
};
const changes = ['mkdirSync', 'openSync', 'renameSync', 'unlinkSync', 'rmSync', 'rmdirSync', 'chownSync', 'chmodSync'];
for (const name of [...changes, 'fsync']) guardNow(fs, name);
// A killed write leaves half of its bytes.
guardNow(fs, 'writeFileSync', (original, [file, data, options]) => original(file, data.slice(0, data.length / 2), options));
const { open } = promises;
for (const name of ['mkdir', 'open', 'rename', 'unlink', 'rm', 'rmdir', 'writeFile']) guard(promises, name);
const handle = await open(process.execPath);
const methods = Object.getPrototypeOf(handle);
await handle.close();
guard(methods, 'writeFile', (original, [data]) => original.call(this, data.slice(0, data.length / 2)).catch(() => {}));
guard(methods, 'sync');
syncBuiltinESMExports();
`;

/**
 * Runs an ES module in a process of its own and kills it at its n-th change to the file system (n from 1).
 * @param script may import compiled sources by their URL
 */
export async function killedAt(n: number, script: string, folder: string): Promise<Ending> {
  const url = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;
  const { code, stderr } = await run([process.execPath, '--import', url(hook), '--input-type=module', '-'], {
    folder,
    environment: { KILL_AT: String(n) },
    input: script,
  });
  // Only a signal leaves no exit code, and the script sends itself no other than SIGKILL.
  if (code === null) return 'killed';
  if (code === 0) return 'done';
  throw new Error(`the script failed: ${stderr}`);
}
