// `natspki revoke`: keeps the holder of a certificate out of servers, before it expires.
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import { configurationFlag, directoryFlag, reloadFlag } from '../src/cli/flags.ts';
import { configurationsHere } from '../src/cli/input.ts';
import { nextLines, revokeLines } from '../src/cli/revoke-result.ts';
import { given } from '../src/given.ts';
import { PkiDirectory } from '../src/pki/directory.ts';
import {
  planRevocation,
  type RevocableProfile,
  type RevocationPlan,
  revokeCertificates,
} from '../src/pki/revocation.ts';
import type { TlsContext } from '../src/tls/block.ts';
import { type Lockout, type LockoutStep, lockOut, planLockout } from '../src/tls/lockout.ts';
import { Rollout } from '../src/tls/rollout.ts';

/** Where certificates of a profile are asked for. */
const contexts: Readonly<Record<RevocableProfile, readonly TlsContext[]>> = {
  client: ['client', 'websocket', 'mqtt'],
  route: ['cluster'],
  gateway: ['gateway'],
  leafnode: ['leafnodes'],
};

export default class Revoke extends BaseCommand {
  static override summary = 'Lock out who holds a certificate, before it expires.';
  static override usage = 'revoke NAME... [--config FILE...] [--reload PID] [--dry-run] [--json]';
  static override description =
    'NATS servers read no revocation lists: what keeps a key out is "pinned_certs". A configuration that pins some keys loses those of NAME; one that pins none gets the keys of all others that natspki has issued and that are alive, and lets in nobody else. The pair goes to the archive, and nothing renews it. Connections that are open are closed, by the bundled broker at once and by a nats-server when it reloads; one of version 2.9 keeps them.';
  static override examples = [
    'See what would be done\nnatspki revoke alice --dry-run',
    'Lock a client out of a running nats-server\nnatspki revoke alice --reload nats.pid',
    'Out of every node of a cluster\nnatspki revoke alice --config nats-n1.conf --config nats-n2.conf',
  ];
  static override args = {
    name: Args.string({
      description: 'Certificates to revoke, with all that were issued under the name and are alive.',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    dir: directoryFlag(),
    config: configurationFlag('Configuration of a server to lock them out of; repeatable.'),
    reload: reloadFlag('Afterwards send SIGHUP to this nats-server.'),
    'dry-run': Flags.boolean({ description: 'Print the plan and change nothing.' }),
  };

  async run() {
    const { args, flags } = await this.parse(Revoke);
    const options = { directory: new PkiDirectory(flags.dir), names: args.name };
    const configurations = flags.config ?? configurationsHere();
    const rollout = await Rollout.prepare({ configurations, ...given({ reload: flags.reload }) });
    let steps: readonly LockoutStep[] = [];
    const plan = flags['dry-run']
      ? await planRevocation(options)
      : await revokeCertificates({
          ...options,
          lockOut: async (planned) => {
            steps = await lockOut(lockoutOf(planned, configurations));
          },
        });
    if (flags['dry-run']) steps = planLockout(lockoutOf(plan, configurations));
    else await rollout.reload();
    const { certificates, notices } = plan;
    this.print([...revokeLines(plan, steps), ...rollout.report(), ...notices, ...nextLines(steps, flags)]);
    return { directory: flags.dir, certificates, steps, reloaded: rollout.reloaded, notices };
  }
}

/** Says of whom a plan speaks to the configurations: the blocks that ask for such certificates, and who else stays. */
function lockoutOf({ certificates, others }: RevocationPlan, configurations: readonly string[]): Lockout {
  return {
    configurations,
    contexts: new Map(
      [...others].flatMap(([profile, stay]) => contexts[profile].map((each) => [each, stay] as const)),
    ),
    out: new Set(certificates.map(({ pin }) => pin)),
  };
}
