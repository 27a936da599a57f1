// `natspki rotate`: new certificates in place of those that are there, a new authority in place of the old one, and back.
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import {
  directoryFlag,
  parseWindow,
  passphraseFileFlag,
  prunePinsFlag,
  rolloutFlags,
  withOptionalValue,
} from '../src/cli/flags.ts';
import { configurationsHere } from '../src/cli/input.ts';
import { authorityPassphrase } from '../src/cli/passphrase.ts';
import { withProgress } from '../src/cli/progress.ts';
import { planLines, rotateLines } from '../src/cli/rotate-result.ts';
import { UsageError } from '../src/errors.ts';
import { given } from '../src/given.ts';
import { PkiDirectory } from '../src/pki/directory.ts';
import { planIntermediate, replaceIntermediate } from '../src/pki/intermediate.ts';
import { leavesBySerial } from '../src/pki/listing.ts';
import { planRotation, rotateLeaves, stalePins, undoRotation } from '../src/pki/rotate.ts';
import { finishSuccession, planFinish, planStart, startSuccession } from '../src/pki/succession.ts';
import { Rollout } from '../src/tls/rollout.ts';

/** What `--due` means without a window. */
const lastThird = 'last-third';
const ofLeaves = ['ca', 'undo'];

export default class Rotate extends BaseCommand {
  static override summary = 'Replace certificates, or the authority, without an outage.';
  static override usage =
    'rotate [NAME...] [--due [WINDOW]] [--dry-run] [--reload PID] | rotate --ca [--finish] | rotate --intermediate | rotate --undo NAME';
  static override description =
    'Issues certificates anew: same names, profile, type of key and life, a new key. The pair that is replaced goes to the archive, and new pins are in the configuration before the files change.';
  static override examples = [
    'Everything that is in the last third of its life, for cron\nnatspki rotate --due',
    'One certificate, on a running nats-server, and see that it is served\nnatspki rotate server --reload nats.pid --verify tls://localhost:4222',
    'A new authority beside the old one; then `natspki rotate`\nnatspki rotate --ca',
    'And the end of the old one\nnatspki rotate --ca --finish',
    "A new intermediate, when the root's key is back for it; then `natspki rotate`\nnatspki rotate --intermediate",
    'Put the old pair back\nnatspki rotate --undo server',
  ];
  static override args = {
    name: Args.string({
      description: 'Certificates to replace, all unless given.',
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    dir: directoryFlag(),
    ...rolloutFlags({ exclusive: ['dry-run'] }),
    due: Flags.custom<number | typeof lastThird>({
      description: 'Only what expires within this time; without one, what is in the last third of its life.',
      helpValue: '[30d]',
      exclusive: ofLeaves,
      parse: async (text) => (text === lastThird ? text : parseWindow(text, 'due')),
    })(),
    'keep-key': Flags.boolean({ description: 'Keep the keys, and with them the pins.', exclusive: ofLeaves }),
    'dry-run': Flags.boolean({ description: 'Print the plan and change nothing.', exclusive: ['undo'] }),
    'prune-pins': prunePinsFlag({ exclusive: ['dry-run'] }),
    ca: Flags.boolean({
      description: 'Make a new authority beside the old one, which vouches for it and stays trusted.',
      exclusive: ['undo'],
    }),
    intermediate: Flags.boolean({
      description:
        "Make a new intermediate below the same root, whose key must be there; or the root's first.",
      exclusive: [...ofLeaves, 'due', 'keep-key'],
    }),
    'ca-name': Flags.string({
      description: 'Common name of the new authority, or intermediate.',
      helpValue: 'NAME',
      relationships: [{ type: 'some', flags: ['ca', 'intermediate'] }],
      exclusive: ['finish'],
      defaultHelp: async () => 'the old one with the next number',
    }),
    finish: Flags.boolean({
      description: 'With --ca: drop the old authority, when no live certificate depends on it.',
      dependsOn: ['ca'],
    }),
    force: Flags.boolean({
      description: 'Drop an authority that is still needed; undo to what is of no use.',
    }),
    undo: Flags.string({ description: 'Put the pair back that was replaced last.', helpValue: 'NAME' }),
    'passphrase-file': passphraseFileFlag(),
  };

  async run() {
    // A window may begin with a sign, to be told that it must not.
    const argv = withOptionalValue(this.argv, '--due', /^[+-]?[\d.]/, lastThird);
    const { args, flags } = await this.parse(Rotate, argv);
    const { ca, finish, intermediate, undo, force, due, reload, verify } = flags;
    refuseNames(args.name, flags);
    const directory = new PkiDirectory(flags.dir);
    const selection = {
      directory,
      due: due !== undefined,
      keepKey: flags['keep-key'],
      ...given({ names: args.name, dueMs: due === lastThird ? undefined : due }),
    };
    const succession = { directory, force, ...given({ commonName: flags['ca-name'] }) };
    if (flags['dry-run']) {
      const planAuthority = finish ? planFinish : intermediate ? planIntermediate : planStart;
      const plan =
        ca || intermediate
          ? { steps: [await planAuthority(succession)], left: [] }
          : await planRotation(selection);
      const notices = directory.tellRecovery();
      this.print([...planLines(plan), ...notices]);
      return { plan, notices };
    }
    const configurations = flags.config ?? configurationsHere();
    const rollout = await Rollout.prepare({ configurations, ...given({ reload, verify }) });
    const beforeSwap = rollout.announce.bind(rollout);
    const passphrase =
      undo === undefined && !finish
        ? await authorityPassphrase(directory, flags, { root: ca || intermediate })
        : undefined;
    const made = await withProgress('issuing certificates', (progress) => {
      if (undo !== undefined) return undoRotation({ directory, name: undo, force, beforeSwap });
      if (finish) return finishSuccession(succession);
      if (ca) return startSuccession({ ...succession, ...given({ passphrase }) });
      if (intermediate) return replaceIntermediate({ ...succession, ...given({ passphrase }) });
      return rotateLeaves({ ...selection, ...given({ passphrase }), progress, beforeSwap });
    });
    if (flags['prune-pins']) {
      await directory.exclusive(async () => rollout.prune(await stalePins(directory)));
    }
    const { added, removed, reloaded } = rollout;
    if (made.certificates.length + removed.length > 0) await rollout.reload();
    this.print(rotateLines(made, rollout.report(), flags, this.terminal));
    const served = verify === undefined ? [] : await rollout.verify(await leavesBySerial(directory));
    this.print(served.map(({ address, name }) => `${verify} at ${address} serves "${name}"`));
    return { ...made, pins: { added, removed }, reloaded, served };
  }
}

/** Throws a UsageError when certificates are named for what is not about certificates by name. */
function refuseNames(
  names: readonly string[] | undefined,
  { ca, intermediate, undo }: { ca: boolean; intermediate: boolean; undo?: string | undefined },
): void {
  if (names === undefined || !(ca || intermediate || undo !== undefined)) return;
  throw new UsageError(
    `--${ca ? 'ca' : intermediate ? 'intermediate' : 'undo'} and names of certificates exclude each other`,
  );
}
