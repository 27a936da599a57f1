// `natspki rotate`: new certificates in place of those that are there, a new authority in place of the old one, and back.
import { string } from '@oclif/core/args';
import { BaseCommand } from '../src/cli/base-command.ts';
import { given } from '../src/cli/flags.ts';
import { authorityPassphrase } from '../src/cli/input.ts';
import { withProgress } from '../src/cli/progress.ts';
import {
  configurationsHere,
  dueWindow,
  refuseNames,
  rotateFlags,
  withDueWindow,
} from '../src/cli/rotate-flags.ts';
import { planLines, rotateLines } from '../src/cli/rotate-result.ts';
import { PkiDirectory } from '../src/pki/directory.ts';
import { planIntermediate, replaceIntermediate } from '../src/pki/intermediate.ts';
import { authorityNeedsPassphrase } from '../src/pki/issue.ts';
import { leavesBySerial } from '../src/pki/listing.ts';
import { planRotation, rotateLeaves, stalePins, undoRotation } from '../src/pki/rotate.ts';
import { describeStep } from '../src/pki/rotation.ts';
import { finishSuccession, planFinish, planStart, startSuccession } from '../src/pki/succession.ts';
import { Rollout } from '../src/tls/rollout.ts';

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
    name: string({
      description: 'Certificates to replace, all unless given.',
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = rotateFlags();

  async run() {
    const { args, flags } = await this.parse(Rotate, withDueWindow(this.argv));
    const names = args.name as unknown as string[] | undefined;
    refuseNames(names, flags);
    const directory = new PkiDirectory(flags.dir);
    const selection = { directory, ...given({ names }), ...dueWindow(flags.due), keepKey: flags['keep-key'] };
    const succession = { directory, force: flags.force, ...given({ commonName: flags['ca-name'] }) };
    const { ca, finish, intermediate, undo, force, reload, verify } = flags;
    if (flags['dry-run']) {
      const planAuthority = finish ? planFinish : intermediate ? planIntermediate : planStart;
      const plan =
        ca || intermediate
          ? { steps: [await planAuthority(succession)], left: [] }
          : await planRotation(selection);
      const notices = directory.tellRecovery();
      this.print([...planLines(plan.steps.map(describeStep), plan.left), ...notices]);
      return { plan, notices };
    }
    const configurations = flags.config ?? configurationsHere();
    const rollout = await Rollout.prepare({ configurations, ...given({ reload, verify }) });
    const beforeSwap = rollout.announce.bind(rollout);
    const needed = () => authorityNeedsPassphrase(directory, ca || intermediate);
    const signs = undo === undefined && !finish;
    const { keyFile } = directory.issuerPair;
    const passphrase = signs ? await authorityPassphrase(keyFile, flags, needed) : undefined;
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
    const result = { ...made, pins: { added, removed }, reloaded };
    this.print(rotateLines(made, rollout.report(), flags, this.terminal));
    const served = verify === undefined ? [] : await rollout.verify(await leavesBySerial(directory));
    this.print(served.map(({ address, name }) => `${verify} at ${address} serves "${name}"`));
    return { ...result, served };
  }
}
