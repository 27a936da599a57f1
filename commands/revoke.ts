// `natspki revoke`: locks the holder of a certificate out of the servers before it expires.
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import { configurationFlag, directoryFlag, reloadFlag } from '../src/cli/flags.ts';
import { configurationsHere } from '../src/cli/input.ts';
import { nextLines, revokeLines } from '../src/cli/revoke-result.ts';
import { given } from '../src/given.ts';
import {
  planRevocation,
  type RevocableProfile,
  type RevocationPlan,
  revokeCertificates,
} from '../src/pki/revoke/revocation.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';
import { type Lockout, type LockoutStep, lockOut, planLockout } from '../src/rollout/lockout.ts';
import { Rollout } from '../src/rollout/rollout.ts';
import type { TlsContext } from '../src/tls/block.ts';

/** The tls blocks that accept certificates of a profile. */
const contexts: Readonly<Record<RevocableProfile, readonly TlsContext[]>> = {
  client: ['client', 'websocket', 'mqtt'],
  route: ['cluster'],
  gateway: ['gateway'],
  leafnode: ['leafnodes'],
};

export default class Revoke extends BaseCommand {
  static override summary = 'Lock out the holder of a certificate before it expires.';
  static override usage = 'revoke NAME... [--config FILE...] [--reload PID] [--dry-run] [--json]';
  static override description =
    'NATS servers read no revocation lists, so this command uses "pinned_certs". A configuration with pins loses the pins of NAME. A configuration without pins gets the pins of every other live certificate that natspki issued, and accepts no other key. The pair goes to the archive and is not renewed. The bundled broker closes open connections at once, and nats-server when it reloads; nats-server 2.9 keeps them open.';
  static override examples = [
    'See what would change\nnatspki revoke alice --dry-run',
    'Lock a client out of a running nats-server\nnatspki revoke alice --reload nats.pid',
    'Lock a client out of every node of a cluster\nnatspki revoke alice --config nats-n1.conf --config nats-n2.conf',
  ];
  static override args = {
    name: Args.string({
      description: 'Names to revoke, with every live certificate that was issued under them.',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    dir: directoryFlag(),
    config: configurationFlag('Configuration to change; repeatable.'),
    reload: reloadFlag('After the change, send SIGHUP to this nats-server.'),
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

/** Converts a plan: the tls blocks that accept such certificates, the pins to remove, and the certificates that stay. */
function lockoutOf({ certificates, others }: RevocationPlan, configurations: readonly string[]): Lockout {
  return {
    configurations,
    contexts: new Map(
      [...others].flatMap(([profile, stay]) => contexts[profile].map((each) => [each, stay] as const)),
    ),
    out: new Set(certificates.map(({ pin }) => pin)),
  };
}
