// `revoke --ca`: asks for confirmation, replaces the authority, and prints what each host needs in which order.
import { formatDay } from '../duration.ts';
import { type NatspkiError, UsageError } from '../errors.ts';
import { given } from '../given.ts';
import { escapeControls } from '../log.ts';
import { type WrittenLists, writeRevocationLists } from '../pki/revoke/lists.ts';
import {
  isLeaf,
  type Replacement,
  type ReplacementPlan,
  type ReplaceOptions,
  replaceAuthority,
} from '../pki/revoke/replace-authority.ts';
import { describeStep } from '../pki/rotate/plan.ts';
import { stalePins } from '../pki/rotate/rotate.ts';
import { type Handover, planHandover } from '../rollout/handover.ts';
import type { Rollout } from '../rollout/rollout.ts';
import { certificateLines } from './certificate-table.ts';
import { counted } from './findings.ts';
import { withProgress } from './progress.ts';
import { askChoice, cancelled, mayAsk } from './prompts.ts';
import { caught, listLines } from './revoke-result.ts';
import type { Terminal } from './terminal.ts';

export interface ReplacedAuthority extends Replacement {
  readonly handover: readonly Handover[];
  readonly lists: WrittenLists | undefined;
  /** What failed after the authority was replaced. */
  readonly failures: readonly NatspkiError[];
}

/** Asks whether the authority is to be replaced; throws a UsageError without a terminal and without --yes. */
export async function confirmReplacement(
  plan: ReplacementPlan,
  flags: { readonly yes?: boolean; readonly json?: boolean },
): Promise<void> {
  if (flags.yes || plan.replacedAt !== undefined) return;
  if (!mayAsk(flags)) {
    throw new UsageError(
      'revoke --ca locks every peer out until it has its new files, and asks no questions here',
      'see the plan with --dry-run, then pass --yes',
    );
  }
  const answers = { no: 'change nothing', yes: 'lock every peer out until it has its new files' };
  const names = plan.distrusted.join('", "');
  const answer = await askChoice(
    `Replace "${names}" at once?`,
    'no',
    ['no', 'yes'] as const,
    (each) => answers[each],
  );
  if (answer === 'no') throw cancelled();
}

/** Replaces the authority, or completes an earlier run: pins, servers and lists follow. */
export async function executeReplacement(
  options: ReplaceOptions,
  rollout: Rollout,
  configurations: readonly string[],
): Promise<ReplacedAuthority> {
  const { directory, passphrase } = options;
  const made = await withProgress('issuing certificates', (progress) =>
    replaceAuthority({ ...options, progress, beforeReplace: (changes) => rollout.announce(changes) }),
  );
  // The hosts have to hear of the new authority whatever fails now.
  const failures: NatspkiError[] = [];
  await caught(failures, () => directory.exclusive(async () => rollout.prune(await stalePins(directory))));
  await caught(failures, () => rollout.reload());
  const lists = await caught(failures, () => writeRevocationLists({ directory, ...given({ passphrase }) }));
  return { ...made, lists, failures, handover: handoverOf(made, options, configurations) };
}

function handoverOf(
  { certificates, plan: { elsewhere } }: Replacement,
  { directory }: ReplaceOptions,
  configurations: readonly string[],
): Handover[] {
  const bundleFile = directory.authorityFile;
  return planHandover({ bundleFile, certificates: certificates.filter(isLeaf), elsewhere, configurations });
}

/** Returns the lines of the plan. */
export function replacementPlanLines(plan: ReplacementPlan): string[] {
  return [...headline(plan), ...plan.reissued.map(describeStep), ...plan.left, ...elsewhereLine(plan)].map(
    escapeControls,
  );
}

/** Returns the lines of the result: what was made, and what each host needs. */
export function replacementLines(
  { plan, certificates, notices, lists, handover }: ReplacedAuthority,
  told: readonly string[],
  terminal: Terminal,
): string[] {
  return [
    ...headline(plan).map(escapeControls),
    '',
    ...certificateLines(certificates, terminal, { wholePins: true }),
    '',
    ...[...(lists === undefined ? [] : listLines(lists)), ...told, ...notices].map(escapeControls),
    'next: give each host its files, in this order; until then it is locked out',
    ...handoverLines(handover).map(escapeControls),
    'then: delete every copy of the old ca.pem, run `natspki verify`, and find out how the key was read before you trust the host again',
  ];
}

function headline({ distrusted, authority, intermediate, replacedAt }: ReplacementPlan): string[] {
  const names = distrusted.map((name) => `"${name}"`).join(', ');
  if (replacedAt !== undefined) {
    return [
      `done    ${names} has replaced a stolen authority on ${formatDay(replacedAt)}; --force replaces it as well`,
    ];
  }
  const below = intermediate === undefined ? '' : ` with "${intermediate}" below it`;
  return [`replace ${names} by "${authority}"${below}: nothing that the old key signs is trusted any more`];
}

function elsewhereLine({ elsewhere }: ReplacementPlan): string[] {
  if (elsewhere.length === 0) return [];
  return [`${counted(elsewhere.length, 'certificate')} not in the folder: ${elsewhere.join(', ')}`];
}

const titles: Record<Handover['order'], string> = {
  1: 'servers, all at the same time; restart them, since a reload keeps the connections that are open',
  2: 'clients: replace the files and connect again',
  3: 'certificates that are not in the folder: issue them again, or invite the member again',
};

function handoverLines(handover: readonly Handover[]): string[] {
  const orders = [...new Set(handover.map(({ order }) => order))];
  return orders.flatMap((order, index) => [
    `  ${index + 1}. ${titles[order]}`,
    ...handover
      .filter((each) => each.order === order)
      .map(({ host, sans, files }) => {
        const names = sans.length === 0 ? '' : ` (${sans.map((san) => san.replace(/^\w+:/, '')).join(' ')})`;
        return `     ${host}${names}: ${files.join(' ')}`;
      }),
  ]);
}
