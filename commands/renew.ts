// `natspki renew`: renews the certificates of a member of a fleet, once or for as long as it runs.
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import { directoryFlag, parseWindow, withOptionalValue } from '../src/cli/flags.ts';
import { renewalDocument, renewalLines, renewalPlanLines } from '../src/cli/renew-result.ts';
import { onHangup, processLogger, untilStopped } from '../src/cli/watch-process.ts';
import { runMember } from '../src/fleet/member/daemon.ts';
import { checkFollowers } from '../src/fleet/member/followers.ts';
import { Member } from '../src/fleet/member/member.ts';
import { checkAuthorityUrl } from '../src/fleet/member/member-file.ts';
import { readPair } from '../src/fleet/member/pair.ts';
import { scheduleMember } from '../src/fleet/member/schedule.ts';
import { given } from '../src/given.ts';
import { systemTime } from '../src/pki/rotate/rounds.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';

/** The value of a `--due` without a window. */
const lastThird = 'last-third';

export default class Renew extends BaseCommand {
  static override summary = 'Renew the certificates of this host; the keys never leave it.';
  static override usage =
    'renew [NAME...] [--due [WINDOW]] [--from URL] [--reload PID] [--verify URL] | renew --daemon';
  static override description =
    'Makes a new key, asks the authority for its certificate by the current pair, over NATS or HTTPS (EST), and replaces the pair in one step; the old pair goes to the archive. Takes new authorities into ca.pem first, when a trusted one stands behind them. --daemon keeps running: it renews in the last third of the life, tries again with growing pauses, and renews at once on SIGHUP.';
  static override examples = [
    'Keep the pair of a nats-server renewed\nnatspki renew --daemon --reload /run/nats/nats.pid --verify tls://localhost:4222',
    'From cron: what is in the last third of its life\nnatspki renew --due --exec "systemctl reload web"',
    'A pair that was copied to this host, with ca.pem, over NATS\nnatspki renew web-1 --from tls://nats.example.com:4222',
  ];
  static override args = {
    name: Args.string({
      description: 'Certificates to renew; all by default.',
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    dir: directoryFlag(),
    from: Flags.string({
      description: 'Where the authority answers: https:// for EST, tls:// or nats:// for NATS. Repeatable.',
      helpValue: 'URL',
      multiple: true,
      multipleNonGreedy: true,
      defaultHelp: async () => 'as `natspki enroll` has written it',
    }),
    due: Flags.custom<number | typeof lastThird>({
      description:
        'Only certificates that expire within this time; without a time, those in the last third of their life.',
      helpValue: '[30d]',
      parse: async (text) => (text === lastThird ? text : parseWindow(text, 'due')),
    })(),
    daemon: Flags.boolean({ description: 'Keep running and renew what is due.', exclusive: ['dry-run'] }),
    'keep-key': Flags.boolean({ description: 'Keep the keys, and thereby the pins.' }),
    reload: Flags.string({
      description: 'Send SIGHUP to this nats-server after each change. Repeatable.',
      helpValue: 'PID|PIDFILE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    exec: Flags.string({
      description: 'Run this command in a shell after each change; NATSPKI_RENEWED has the names.',
      helpValue: 'CMD',
    }),
    verify: Flags.string({
      description:
        'After the change, connect to every address of this server; put the old pair back unless it serves the new one.',
      helpValue: 'URL',
    }),
    'dry-run': Flags.boolean({ description: 'Print what would be renewed and change nothing.' }),
  };

  async run() {
    // Takes a window with a sign as well, so that the error is about the sign.
    const argv = withOptionalValue(this.argv, '--due', /^[+-]?[\d.]/, lastThird);
    const { args, flags } = await this.parse(Renew, argv);
    const { due, daemon } = flags;
    for (const url of flags.from ?? []) checkAuthorityUrl(url);
    const directory = new PkiDirectory(flags.dir);
    const followers = given({ reload: flags.reload, exec: flags.exec, verify: flags.verify });
    checkFollowers(followers);
    const member = await Member.open({
      directory,
      keepKey: flags['keep-key'],
      ...followers,
      ...given({ from: flags.from }),
    });
    for (const name of args.name ?? []) await readPair(directory, name);
    const policy = given({ dueMs: due === lastThird ? undefined : due });
    if (daemon) return this.#daemon(member, { policy, ...given({ names: args.name }) }, flags.dir);
    const schedule = await scheduleMember(directory, new Date(), { ...policy, once: true });
    const wanted = due === undefined ? (args.name ?? schedule.names) : schedule.due.map(({ name }) => name);
    const names = wanted.filter((name) => args.name?.includes(name) ?? true);
    if (flags['dry-run']) {
      const plan = { names, from: member.links.map(({ name }) => name), left: schedule.remarks };
      this.print(renewalPlanLines(plan));
      return { directory: flags.dir, ...plan };
    }
    // A signal ends the process: the next run goes on where this one was.
    const done = await member.renew(names, new AbortController().signal);
    const [failure, ...others] = done.failures;
    if (failure !== undefined && others.length + done.certificates.length === 0) throw failure.error;
    this.print(renewalLines(done, schedule.remarks, this.terminal));
    for (const { error } of done.failures) this.report(error);
    return { directory: flags.dir, ...renewalDocument(done), left: schedule.remarks };
  }

  async #daemon(
    member: Member,
    options: Pick<Parameters<typeof runMember>[0], 'policy' | 'names'>,
    folder: string,
  ) {
    const logger = processLogger();
    logger.info(
      `Renewing the certificates in ${folder} from ${member.links.map(({ name }) => name).join(', ')}`,
    );
    const hurry = onHangup(logger);
    const policy = { spread: 0.1, ...options.policy };
    try {
      await untilStopped(logger, (signal) =>
        runMember({ ...options, policy, member, logger, time: systemTime, signal, hurry }),
      );
    } finally {
      hurry.off();
    }
    return { directory: folder };
  }
}
