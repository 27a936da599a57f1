// `natspki revoke`: locks the holder of a certificate out of the servers before it expires.
import { resolve } from 'node:path';
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand, yesFlag } from '../src/cli/base-command.ts';
import {
  configurationFlag,
  crlDaysFlag,
  directoryFlag,
  passphraseFileFlag,
  reloadFlag,
} from '../src/cli/flags.ts';
import { configurationsHere } from '../src/cli/input.ts';
import { authorityPassphrase } from '../src/cli/passphrase.ts';
import {
  confirmReplacement,
  executeReplacement,
  replacementLines,
  replacementPlanLines,
} from '../src/cli/replace-authority.ts';
import {
  caught,
  halfDone,
  listLines,
  nextLines,
  openDoors,
  pairInUse,
  revokeLines,
} from '../src/cli/revoke-result.ts';
import { NatspkiError, UsageError } from '../src/errors.ts';
import { given } from '../src/given.ts';
import { type ListOptions, type WrittenLists, writeRevocationLists } from '../src/pki/revoke/lists.ts';
import { planReplacement } from '../src/pki/revoke/replace-authority.ts';
import {
  leafReasons,
  type PeerProfile,
  planRevocation,
  type RevocationPlan,
  revokeCertificates,
} from '../src/pki/revoke/revocation.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';
import type { LockoutStep } from '../src/rollout/doors.ts';
import { filesInUse, type Lockout, lockOut, planLockout, trustsOneOf } from '../src/rollout/lockout.ts';
import { Rollout } from '../src/rollout/rollout.ts';
import type { TlsContext } from '../src/tls/block.ts';

/** Peers of servers: certificates with both usages. */
const peers: readonly PeerProfile[] = ['route', 'gateway', 'leafnode'];

/**
 * The profiles whose certificates a block without pins accepts from then on. A client certificate gets through the
 * handshake of a cluster, and has no business there.
 */
const profiles: ReadonlyMap<TlsContext, readonly PeerProfile[]> = new Map([
  ...(['client', 'websocket', 'mqtt', 'leafnodes'] as const).map(
    (context) => [context, ['client', ...peers] as const] as const,
  ),
  ...(['cluster', 'gateway'] as const).map((context) => [context, peers] as const),
]);

export default class Revoke extends BaseCommand {
  static override summary = 'Lock out the holder of a certificate before it expires.';
  static override usage =
    'revoke NAME... [--replaced] [--reason REASON] [--reload PID] [--dry-run] | revoke --ca [--dry-run] [--yes]';
  static override description =
    'Looks at every tls block by which the certificate gets in, and says for each what it did. A block with "pinned_certs" loses the pins of NAME. A block without gets the pins of every other live certificate that natspki issued, and accepts no other key, unless "ocsp_peer" makes it ask the responder that the certificate names. What stays open is an error, and the exit code is 1. The pair goes to the archive and is not renewed. The bundled broker closes open connections at once, and nats-server when it reloads; nats-server 2.9 keeps them open. For other programs, the command writes ca.crl, as `natspki crl` does.';
  static override examples = [
    'See what would change\nnatspki revoke alice --dry-run',
    'Lock a client out of a running nats-server\nnatspki revoke alice --reload nats.pid',
    'After a theft: a new pair first, then lock out the old one\nnatspki rotate n2-route && natspki revoke n2-route --replaced --reason keyCompromise',
    "The authority's key was stolen: see what each host will need, then replace it\nnatspki revoke --ca --dry-run && natspki revoke --ca",
    'Lock a client out of every node of a cluster\nnatspki revoke alice --config nats-n1.conf --config nats-n2.conf',
  ];
  static override args = {
    name: Args.string({
      description: 'Names to revoke, with every live certificate that was issued under them.',
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    dir: directoryFlag(),
    config: configurationFlag('Configuration to change; repeatable.'),
    replaced: Flags.boolean({
      description: 'Spare the newest certificate of each NAME: revoke those that `rotate` replaced.',
      exclusive: ['ca'],
    }),
    ca: Flags.boolean({
      description:
        'The key of the authority was stolen: replace it and every certificate, and stop trusting the old one at once.',
    }),
    'ca-name': Flags.string({
      description: 'Common name of the new authority.',
      helpValue: 'NAME',
      dependsOn: ['ca'],
      defaultHelp: async () => 'the old name with the next number',
    }),
    force: Flags.boolean({
      description: 'With --ca: also replace an authority that has itself replaced a stolen one.',
      dependsOn: ['ca'],
    }),
    reload: reloadFlag('After the change, send SIGHUP to this nats-server; repeatable.'),
    reason: Flags.option({
      description: `Why, for the revocation list: ${leafReasons.join(', ')}.`,
      helpValue: 'REASON',
      options: leafReasons,
      exclusive: ['ca'],
    })(),
    'crl-days': crlDaysFlag(),
    'passphrase-file': passphraseFileFlag(),
    'dry-run': Flags.boolean({ description: 'Print the plan and change nothing.' }),
    yes: yesFlag(),
  };

  async run() {
    const { args, flags } = await this.parse(Revoke);
    const directory = new PkiDirectory(flags.dir);
    if (flags.ca) return this.#replaceAuthority(directory, args.name, flags);
    const { name: names } = args;
    if (names === undefined) throw new UsageError('missing argument NAME', 'natspki revoke --help');
    const options = { directory, names, replaced: flags.replaced };
    const configurations = flags.config ?? configurationsHere();
    const inUse = filesInUse(configurations);
    const rollout = await Rollout.prepare({ configurations, ...given({ reload: flags.reload }) });
    if (flags['dry-run']) {
      const plan = await planRevocation(options);
      const steps = planLockout(await lockoutOf(plan, directory, configurations));
      this.print([...revokeLines(plan, steps), ...plan.notices]);
      return resultOf(flags.dir, plan, steps, [], []);
    }
    const passphrase = await authorityPassphrase(directory, flags);
    const failures: NatspkiError[] = [];
    let steps: readonly LockoutStep[] = [];
    const plan = await revokeCertificates({
      ...options,
      lockOut: async (planned) => {
        steps = await lockOut(await lockoutOf(planned, directory, configurations));
      },
      isInUse: (file) => inUse.has(resolve(file)),
      ...given({ reason: flags.reason }),
    }).catch(async (error) => {
      await caught(failures, () => rollout.reload());
      throw halfDone(error, steps);
    });
    await caught(failures, () => rollout.reload());
    const lists = await this.#writeLists(failures, {
      directory,
      ...given({ passphrase, days: flags['crl-days'] }),
    });
    this.print([
      ...revokeLines(plan, steps),
      ...(lists === undefined ? [] : listLines(lists)),
      ...rollout.report(),
      ...plan.notices,
      ...nextLines(steps, flags),
    ]);
    failures.push(...openDoors(plan, steps, names));
    for (const name of flags.replaced ? [] : new Set(names)) {
      const { certificateFile, keyFile } = directory.pair(name);
      const configuration = inUse.get(resolve(certificateFile)) ?? inUse.get(resolve(keyFile));
      if (configuration !== undefined) failures.push(pairInUse(name, configuration, plan));
    }
    for (const failure of failures) this.report(failure);
    return {
      ...resultOf(flags.dir, plan, steps, rollout.reloaded, failures),
      ...given({ lists: lists?.lists }),
    };
  }

  async #replaceAuthority(
    directory: PkiDirectory,
    names: readonly string[] | undefined,
    flags: AuthorityFlags,
  ) {
    if (names !== undefined) throw new UsageError('--ca and names of certificates are mutually exclusive');
    const options = { directory, force: flags.force, ...given({ commonName: flags['ca-name'] }) };
    const plan = await planReplacement(options);
    if (flags['dry-run']) {
      this.print([...replacementPlanLines(plan), ...directory.takeRecoveryNotices()]);
      return { directory: flags.dir, plan };
    }
    await confirmReplacement(plan, flags);
    const configurations = flags.config ?? configurationsHere();
    const rollout = await Rollout.prepare({ configurations, ...given({ reload: flags.reload }) });
    const passphrase = await authorityPassphrase(directory, flags, { root: true });
    const made = await executeReplacement({ ...options, ...given({ passphrase }) }, rollout, configurations);
    this.print(replacementLines(made, rollout.report(), this.terminal));
    const { added, removed, reloaded } = rollout;
    for (const failure of made.failures) this.report(failure);
    const { lists, failures, ...result } = made;
    const pins = { added, removed };
    return {
      directory: flags.dir,
      ...result,
      ...given({ lists: lists?.lists }),
      pins,
      reloaded,
      problems: problemsOf(failures),
    };
  }

  /** Writes the lists; adds a failure, after the keys were locked out, when the authority cannot sign them. */
  async #writeLists(failures: NatspkiError[], options: ListOptions): Promise<WrittenLists | undefined> {
    try {
      return await writeRevocationLists(options);
    } catch (error) {
      if (!(error instanceof NatspkiError)) throw error;
      failures.push(
        new NatspkiError('list-not-written', `the revocation list was not written: ${error.message}`, {
          hint: 'write it with `natspki crl` where the key of the authority is',
        }),
      );
      return undefined;
    }
  }
}

interface AuthorityFlags {
  readonly dir: string;
  readonly config?: string[] | undefined;
  readonly reload?: readonly string[] | undefined;
  readonly force: boolean;
  readonly yes: boolean;
  readonly json?: boolean;
  readonly 'ca-name'?: string | undefined;
  readonly 'passphrase-file'?: string | undefined;
  readonly 'dry-run': boolean;
}

/** Returns the document of --json. */
function resultOf(
  directory: string,
  { certificates, notices }: RevocationPlan,
  steps: readonly LockoutStep[],
  reloaded: readonly number[],
  failures: readonly NatspkiError[],
) {
  return { directory, certificates, steps, reloaded, notices, problems: problemsOf(failures) };
}

function problemsOf(failures: readonly NatspkiError[]) {
  return failures.map(({ code, message, hint }) => ({ code, message, hint }));
}

/** Converts a plan: the pins to remove, and the certificates that each block without pins accepts from then on. */
async function lockoutOf(
  { certificates, out, others }: RevocationPlan,
  directory: PkiDirectory,
  configurations: readonly string[],
): Promise<Lockout> {
  const authorities = [...(await directory.readBundle()), ...(await directory.readIntermediates())];
  const connecting = certificates.filter(({ profile }) => profile !== 'server');
  return {
    configurations,
    contexts: new Map(
      [...profiles].map(([context, accepted]) => [
        context,
        accepted.flatMap((profile) => others.get(profile) ?? []),
      ]),
    ),
    out,
    canConnect: connecting.length > 0,
    nameResponder: connecting.every(({ ocsp }) => ocsp),
    isPublished: certificates.every(({ ocsp }) => ocsp),
    isTrusted: (caFile) => trustsOneOf(authorities, caFile),
  };
}
