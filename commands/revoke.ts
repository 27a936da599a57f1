// `natspki revoke`: locks the holder of a certificate out of the servers before it expires.
import { resolve } from 'node:path';
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import {
  configurationFlag,
  crlDaysFlag,
  directoryFlag,
  passphraseFileFlag,
  reloadFlag,
} from '../src/cli/flags.ts';
import { configurationsHere } from '../src/cli/input.ts';
import { authorityPassphrase } from '../src/cli/passphrase.ts';
import { listLines, nextLines, revokeLines } from '../src/cli/revoke-result.ts';
import { NatspkiError } from '../src/errors.ts';
import { given } from '../src/given.ts';
import { type ListOptions, type WrittenLists, writeRevocationLists } from '../src/pki/revoke/lists.ts';
import {
  leafReasons,
  planRevocation,
  type RevocableProfile,
  type RevocationPlan,
  revokeCertificates,
} from '../src/pki/revoke/revocation.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';
import {
  filesInUse,
  type Lockout,
  type LockoutStep,
  lockOut,
  planLockout,
  trustsOneOf,
} from '../src/rollout/lockout.ts';
import { Rollout } from '../src/rollout/rollout.ts';
import type { TlsContext } from '../src/tls/block.ts';

/** Peers of servers: certificates with both usages. */
const peers: readonly RevocableProfile[] = ['route', 'gateway', 'leafnode'];

/**
 * The profiles whose certificates have the usages that a tls block asks for. A client certificate cannot be that of a
 * server in a cluster, although it gets through the handshake there.
 */
const profiles: ReadonlyMap<TlsContext, readonly RevocableProfile[]> = new Map([
  ...(['client', 'websocket', 'mqtt', 'leafnodes'] as const).map(
    (context) => [context, ['client', ...peers] as const] as const,
  ),
  ...(['cluster', 'gateway'] as const).map((context) => [context, peers] as const),
]);

export default class Revoke extends BaseCommand {
  static override summary = 'Lock out the holder of a certificate before it expires.';
  static override usage =
    'revoke NAME... [--reason REASON] [--config FILE...] [--reload PID] [--dry-run] [--json]';
  static override description =
    'nats-server reads no revocation lists, so this command uses "pinned_certs". A configuration with pins loses the pins of NAME. A configuration without pins gets the pins of every other live certificate that natspki issued, and accepts no other key. The pair goes to the archive and is not renewed. The bundled broker closes open connections at once, and nats-server when it reloads; nats-server 2.9 keeps them open. For other programs, the command writes ca.crl, as `natspki crl` does.';
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
    reason: Flags.option({
      description: `Why, for the revocation list: ${leafReasons.join(', ')}.`,
      helpValue: 'REASON',
      options: leafReasons,
    })(),
    'crl-days': crlDaysFlag(),
    'passphrase-file': passphraseFileFlag(),
    'dry-run': Flags.boolean({ description: 'Print the plan and change nothing.' }),
  };

  async run() {
    const { args, flags } = await this.parse(Revoke);
    const directory = new PkiDirectory(flags.dir);
    const options = { directory, names: args.name };
    const configurations = flags.config ?? configurationsHere();
    const inUse = filesInUse(configurations);
    const rollout = await Rollout.prepare({ configurations, ...given({ reload: flags.reload }) });
    const dryRun = flags['dry-run'];
    const passphrase = dryRun ? undefined : await authorityPassphrase(directory, flags);
    let steps: readonly LockoutStep[] = [];
    const plan = dryRun
      ? await planRevocation(options)
      : await revokeCertificates({
          ...options,
          lockOut: async (planned) => {
            steps = await lockOut(await lockoutOf(planned, directory, configurations));
          },
          isInUse: (file) => inUse.has(resolve(file)),
          ...given({ reason: flags.reason }),
        });
    if (dryRun) steps = planLockout(await lockoutOf(plan, directory, configurations));
    else await rollout.reload();
    const lists = dryRun
      ? undefined
      : await this.#writeLists({ directory, ...given({ passphrase, days: flags['crl-days'] }) });
    const { certificates, notices } = plan;
    this.print([
      ...revokeLines(plan, steps),
      ...(lists === undefined ? [] : listLines(lists)),
      ...rollout.report(),
      ...notices,
      ...nextLines(steps, flags),
    ]);
    for (const name of new Set(args.name)) {
      const { certificateFile, keyFile } = directory.pair(name);
      const configuration = inUse.get(resolve(certificateFile)) ?? inUse.get(resolve(keyFile));
      if (configuration !== undefined) this.report(pairInUse(name, configuration));
    }
    const { reloaded } = rollout;
    return {
      directory: flags.dir,
      certificates,
      steps,
      reloaded,
      notices,
      ...given({ lists: lists?.lists }),
    };
  }

  /** Writes the lists; reports it, after the keys were locked out, when the authority cannot sign them. */
  async #writeLists(options: ListOptions): Promise<WrittenLists | undefined> {
    try {
      return await writeRevocationLists(options);
    } catch (error) {
      if (!(error instanceof NatspkiError)) throw error;
      this.report(
        new NatspkiError('list-not-written', `the revocation list was not written: ${error.message}`, {
          hint: 'write it with `natspki crl` where the key of the authority is',
        }),
      );
      return undefined;
    }
  }
}

function pairInUse(name: string, configuration: string): NatspkiError {
  return new NatspkiError(
    'pair-in-use',
    `"${configuration}" still uses the pair of "${name}", which other servers reject now`,
    { hint: `natspki rotate ${name}, then natspki pin certs/${name}-cert.pem --add FILE for each server` },
  );
}

/** Converts a plan: the tls blocks that accept such certificates, the pins to remove, and the certificates that stay. */
async function lockoutOf(
  { certificates, others }: RevocationPlan,
  directory: PkiDirectory,
  configurations: readonly string[],
): Promise<Lockout> {
  const authorities = [...(await directory.readBundle()), ...(await directory.readIntermediates())];
  return {
    configurations,
    contexts: new Map(
      [...profiles].map(([context, accepted]) => [
        context,
        accepted.flatMap((profile) => others.get(profile) ?? []),
      ]),
    ),
    out: new Set(certificates.map(({ pin }) => pin)),
    isTrusted: (caFile) => trustsOneOf(authorities, caFile),
  };
}
