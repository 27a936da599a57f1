// `natspki rotate`: replaces certificates, the intermediate or the authority, or restores the previous pair.
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { addressesOf, addressFlags, addressNotices } from '../src/cli/address-flags.ts';
import { BaseCommand } from '../src/cli/base-command.ts';
import { counted } from '../src/cli/findings.ts';
import {
  directoryFlag,
  parseWindow,
  passphraseFileFlag,
  pathFlag,
  prunePinsFlag,
  rolloutFlags,
  withOptionalValue,
} from '../src/cli/flags.ts';
import { configurationsHere } from '../src/cli/input.ts';
import { authorityPassphrase } from '../src/cli/passphrase.ts';
import { withProgress } from '../src/cli/progress.ts';
import { listed } from '../src/cli/revoke-result.ts';
import { nextOfRotation, planLines, rotateLines } from '../src/cli/rotate-result.ts';
import { formatDay } from '../src/duration.ts';
import { NatspkiError, UsageError } from '../src/errors.ts';
import { given } from '../src/given.ts';
import {
  finishRollover,
  membersUnderWay,
  planFinish,
  planStart,
  replacedClients,
  startRollover,
} from '../src/pki/rotate/ca-rollover.ts';
import { undoRollover } from '../src/pki/rotate/ca-undo.ts';
import { planIntermediate, replaceIntermediate } from '../src/pki/rotate/intermediate-rollover.ts';
import { planRotation, rotateLeaves, stalePins } from '../src/pki/rotate/rotate.ts';
import { undoRotation } from '../src/pki/rotate/undo.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';
import { clientIdentity } from '../src/pki/store/identity.ts';
import { leavesBySerial } from '../src/pki/store/listing.ts';
import { Rollout } from '../src/rollout/rollout.ts';

/** The value of a `--due` without a window. */
const lastThird = 'last-third';
/** The value of an `--undo` without a name. */
const lastRotation = '*';
/** The flags that make `rotate` do something else than reissue certificates. */
const otherModes = ['ca', 'undo'];

export default class Rotate extends BaseCommand {
  static override summary = 'Replace certificates, or the authority, without an outage.';
  static override usage =
    'rotate [NAME...] [--due [WINDOW]] [--dry-run] [--reload PID] | rotate --ca [--finish | --undo] | rotate --intermediate | rotate --undo [NAME]';
  static override description =
    'Issues certificates again with the same names, profile, key type and lifetime, and with a new key. It adds the new pins to the configuration before it replaces the files, and moves the old pairs to the archive.';
  static override examples = [
    'From cron: every certificate in the last third of its life\nnatspki rotate --due',
    'One certificate of a running nats-server, checking that the server uses it\nnatspki rotate server --reload nats.pid --verify tls://localhost:4222',
    'The pairs that `natspki issue --out` has written into another folder\nnatspki rotate --out /etc/nats/certs',
    'Create a new authority beside the old one; then run `natspki rotate`\nnatspki rotate --ca',
    'Drop the old authority\nnatspki rotate --ca --finish',
    "Create a new intermediate, with the root's key in place; then run `natspki rotate`\nnatspki rotate --intermediate",
    'Restore the previous pair; without a name, all pairs that the last rotation replaced\nnatspki rotate --undo server',
    'Abandon the new authority, before --finish\nnatspki rotate --ca --undo',
  ];
  static override args = {
    name: Args.string({
      description: 'Certificates to replace; all by default.',
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    dir: directoryFlag(),
    ...rolloutFlags({ exclusive: ['dry-run'] }),
    due: Flags.custom<number | typeof lastThird>({
      description:
        'Only certificates that expire within this time; without a time, those in the last third of their life.',
      helpValue: '[30d]',
      exclusive: otherModes,
      parse: async (text) => (text === lastThird ? text : parseWindow(text, 'due')),
    })(),
    'keep-key': Flags.boolean({ description: 'Keep the keys, and thereby the pins.', exclusive: otherModes }),
    'dry-run': Flags.boolean({ description: 'Print the plan and change nothing.', exclusive: ['undo'] }),
    'prune-pins': prunePinsFlag({ exclusive: ['dry-run'] }),
    ca: Flags.boolean({
      description: 'Create a new authority beside the old one, which cross-signs it and stays trusted.',
    }),
    intermediate: Flags.boolean({
      description: "Create a new intermediate below the same root, or its first one; needs the root's key.",
      exclusive: [...otherModes, 'due', 'keep-key'],
    }),
    'ca-name': Flags.string({
      description: 'Common name of the new authority or intermediate.',
      helpValue: 'NAME',
      relationships: [{ type: 'some', flags: ['ca', 'intermediate'] }],
      exclusive: ['finish'],
      defaultHelp: async () => 'the old name with the next number',
    }),
    finish: Flags.boolean({
      description: 'With --ca: drop the old authority, once no live certificate depends on it.',
      dependsOn: ['ca'],
    }),
    'clients-ready': Flags.boolean({
      description:
        'With --finish: every client and member has its new pair, although its replaced one is still valid.',
      dependsOn: ['finish'],
    }),
    force: Flags.boolean({
      description:
        'Drop an authority that is still needed, or restore a pair that is expired, untrusted or revoked.',
    }),
    undo: Flags.string({
      description:
        'Restore the pair that was replaced last; without a name, those of the last rotation; with --ca, the old authority.',
      helpValue: '[NAME]',
      exclusive: ['finish', 'intermediate'],
    }),
    out: pathFlag({
      description: 'Folder with the files, where `natspki issue --out` has written them; --dir by default.',
      helpValue: 'DIR',
      exclusive: ['ca', 'intermediate', 'undo'],
    }),
    ...addressFlags(),
    'passphrase-file': passphraseFileFlag(),
  };

  async run() {
    // Takes a window with a sign as well, so that the error is about the sign.
    const dueGiven = withOptionalValue(this.argv, '--due', /^[+-]?[\d.]/, lastThird);
    const argv = withOptionalValue(dueGiven, '--undo', /^[^-]/, lastRotation);
    const { args, flags } = await this.parse(Rotate, argv);
    const { ca, finish, intermediate, undo, force, due, reload, verify } = flags;
    rejectNames(args.name, flags);
    const directory = new PkiDirectory(flags.dir, flags.out);
    // A member has an archive too.
    if (undo === undefined) directory.refuseMember();
    const addresses = addressesOf(flags);
    directory.changeAddresses(addresses);
    const selection = {
      directory,
      due: due !== undefined,
      keepKey: flags['keep-key'],
      ...given({ names: args.name, dueMs: due === lastThird ? undefined : due }),
    };
    const rollover = { directory, force, ...given({ commonName: flags['ca-name'] }) };
    if (flags['dry-run']) {
      const planAuthority = finish ? planFinish : intermediate ? planIntermediate : planStart;
      const plan =
        ca || intermediate
          ? { steps: [await planAuthority(rollover)], left: finish ? await stillHeld(directory) : [] }
          : await planRotation(selection);
      const notices = directory.takeRecoveryNotices();
      this.print([...planLines(plan), ...notices]);
      return { plan, notices };
    }
    const configurations = flags.config ?? configurationsHere();
    const rollout = await Rollout.prepare({ configurations, ...given({ reload, verify }) });
    const beforeReplace = rollout.announce.bind(rollout);
    if (finish && !force && !flags['clients-ready']) await this.#refuseReplaced(directory);
    const passphrase =
      undo === undefined && !finish
        ? await authorityPassphrase(directory, flags, { root: ca || intermediate })
        : undefined;
    const done = await withProgress('issuing certificates', (progress) => {
      if (ca && undo !== undefined) return undoRollover({ directory, force });
      if (undo !== undefined) {
        const name = undo === lastRotation ? {} : { name: undo };
        return undoRotation({ directory, ...name, force, beforeReplace });
      }
      if (finish) return finishRollover(rollover);
      if (ca) return startRollover({ ...rollover, ...given({ passphrase }) });
      if (intermediate) return replaceIntermediate({ ...rollover, ...given({ passphrase }) });
      return rotateLeaves({ ...selection, ...given({ passphrase }), progress, beforeReplace });
    });
    const made = { ...done, notices: [...done.notices, ...addressNotices(addresses)] };
    if (flags['prune-pins']) {
      await directory.exclusive(async () => rollout.prune(await stalePins(directory)));
    }
    const { added, removed, reloaded } = rollout;
    if (made.certificates.length + removed.length > 0) await rollout.reload();
    const isRollover = !ca && (await directory.readBundle()).length > 1;
    const next = nextOfRotation(made.certificates, { ...flags, isRollover, undo: undo !== undefined });
    this.print([...rotateLines(made, rollout.report(), this.terminal), ...next]);
    const served =
      verify === undefined
        ? []
        : await rollout.verify(await leavesBySerial(directory), await clientIdentity(directory));
    this.print(served.map(({ address, name }) => `${verify} at ${address} serves "${name}"`));
    return { ...made, pins: { added, removed }, reloaded, served };
  }

  /** Throws `still-needed` while replaced certificates of clients are valid that servers would reject afterwards. */
  async #refuseReplaced(directory: PkiDirectory): Promise<void> {
    // Without a rollover, finishing fails by itself.
    await planFinish({ directory });
    const held = await stillHeld(directory);
    const late = await membersUnderWay({ directory });
    if (held.length + late.length === 0) return;
    const asked = `members asked for a certificate of the new authority a short time ago, and may not have it yet: ${listed(late)}`;
    throw new NatspkiError('still-needed', [...held, ...(late.length === 0 ? [] : [asked])], {
      hint:
        held.length === 0
          ? 'try again in an hour, or pass --clients-ready when each of them has it'
          : 'give each client its new pair, then `natspki rotate --ca --finish --clients-ready`',
    });
  }
}

/** Throws a UsageError for names of certificates beside a flag that does not take them. */
function rejectNames(
  names: readonly string[] | undefined,
  { ca, intermediate, undo }: { ca: boolean; intermediate: boolean; undo?: string | undefined },
): void {
  if (names === undefined || !(ca || intermediate || undo !== undefined)) return;
  throw new UsageError(
    `--${ca ? 'ca' : intermediate ? 'intermediate' : 'undo'} and names of certificates are mutually exclusive`,
  );
}

/** Describes in one line the replaced certificates that clients may still use; none when there are none. */
async function stillHeld(directory: PkiDirectory): Promise<string[]> {
  const replaced = await replacedClients({ directory });
  if (replaced.length === 0) return [];
  const names = [...new Set(replaced.map(({ name }) => name))];
  const last = formatDay(new Date(Math.max(...replaced.map(({ notAfter }) => notAfter.getTime()))));
  const count = counted(replaced.length, 'replaced client certificate');
  const verb = replaced.length === 1 ? 'is' : 'are';
  return [
    `${count} of the old authority ${verb} valid until ${last}, and servers will reject them: ${listed(names)}`,
  ];
}
