// What uses the pairs of a member: servers that reload on SIGHUP, a command of the operator, and a server whose certificate is
// looked at in the end.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { NatspkiError } from '../../errors.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import { leavesBySerial } from '../../pki/store/listing.ts';
import { probeServers, type Served } from '../../rollout/probe.ts';
import { parseServerUrl } from '../../rollout/server-certificate.ts';
import { reloadServer } from '../../rollout/signal.ts';

export interface Followers {
  /** Process ids of NATS servers, or their pid files. */
  readonly reload?: readonly string[];
  /** Runs in a shell, with the changed names in NATSPKI_RENEWED. */
  readonly exec?: string;
  /** URL of a server that has to present a certificate of the folder afterwards. */
  readonly verify?: string;
}

export interface Told {
  /** Process ids. */
  readonly reloaded: readonly number[];
  readonly served: readonly Served[];
}

/** Throws a UsageError for a URL that cannot be verified. */
export function checkFollowers({ verify }: Followers): void {
  if (verify !== undefined) parseServerUrl(verify);
}

/** Makes servers read the new files, and looks at what they serve. Throws `no-process`, `exec-failed`, `not-served`, ... */
export async function tell(
  { reload = [], exec, verify }: Followers,
  directory: PkiDirectory,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Told> {
  const reloaded: number[] = [];
  for (const target of reload) reloaded.push(await reloadServer(target));
  if (exec !== undefined) await runCommand(exec, names, signal);
  const served = verify === undefined ? [] : await probeServers(verify, await leavesBySerial(directory));
  return { reloaded, served };
}

async function runCommand(command: string, names: readonly string[], signal: AbortSignal): Promise<void> {
  const environment = { ...process.env, NATSPKI_RENEWED: names.join(' ') };
  // Its output goes to stderr: stdout is for the result, which may be JSON.
  const child = spawn(command, { shell: true, stdio: ['ignore', 2, 2], env: environment, signal });
  const [code, killedBy] = (await once(child, 'close')) as [number | null, string | null];
  if (code === 0) return;
  const how = code === null ? `was ended by ${killedBy}` : `ended with code ${code}`;
  throw new NatspkiError('exec-failed', `the command of --exec ${how}`, {
    hint: `run it by hand: ${command}`,
  });
}
