// The flags of `rotate`, and --due, whose value may be left out.
import { readdirSync } from 'node:fs';
import { boolean, string } from '@oclif/core/flags';
import { UsageError } from '../errors.ts';
import { directoryFlag, parseWindow, passphraseFileFlag, pathFlag, withOptionalValue } from './flags.ts';

const ofLeaves = ['ca', 'undo'];

/** Makes --config, for configurations that are edited. */
export const configurationFlag = (description: string) =>
  pathFlag({
    char: 'c',
    description,
    helpValue: 'FILE',
    multiple: true,
    multipleNonGreedy: true,
    defaultHelp: async () => './nats.conf and ./nats-*.conf, where there are any',
  });

/** Makes --reload. */
export const reloadFlag = (description: string) => string({ description, helpValue: 'PID|PIDFILE' });

/** Makes --config, --reload and --verify: who is told of new certificates. */
export const rolloutFlags = (exclusive: string[] = []) => ({
  config: configurationFlag('Configuration whose pins are kept true; repeatable.'),
  reload: reloadFlag('Afterwards, and after new pins, send SIGHUP to this nats-server.'),
  verify: string({
    description:
      'Afterwards connect to each address of this server and see that it serves a current certificate.',
    helpValue: 'URL',
    exclusive,
  }),
});

/** What `init` has written here: the configuration of a server, or of each node of a cluster. */
export function configurationsHere(): string[] {
  const files = readdirSync('.', { withFileTypes: true }).filter((entry) => !entry.isDirectory());
  const names = files.map(({ name }) => name).filter((name) => /^nats(-.+)?\.conf$/.test(name));
  return names.sort().map((name) => `./${name}`);
}

/** Makes --prune-pins. */
export const prunePinsFlag = (exclusive: string[] = []) =>
  boolean({
    description: 'Afterwards remove the pins of certificates that are no longer in the folder.',
    exclusive,
  });

/** Makes the flags of `rotate`. */
export const rotateFlags = () => ({
  dir: directoryFlag(),
  ...rolloutFlags(['dry-run']),
  due: string({
    description: 'Only what expires within this time; without one, what is in the last third of its life.',
    helpValue: '[30d]',
    exclusive: ofLeaves,
  }),
  'keep-key': boolean({ description: 'Keep the keys, and with them the pins.', exclusive: ofLeaves }),
  'dry-run': boolean({ description: 'Print the plan and change nothing.', exclusive: ['undo'] }),
  'prune-pins': prunePinsFlag(['dry-run']),
  ca: boolean({
    description: 'Make a new authority beside the old one, which vouches for it and stays trusted.',
    exclusive: ['undo'],
  }),
  intermediate: boolean({
    description: "Make a new intermediate below the same root, whose key must be there; or the root's first.",
    exclusive: [...ofLeaves, 'due', 'keep-key'],
  }),
  'ca-name': string({
    description: 'Common name of the new authority, or intermediate.',
    helpValue: 'NAME',
    relationships: [{ type: 'some', flags: ['ca', 'intermediate'] }],
    exclusive: ['finish'],
    defaultHelp: async () => 'the old one with the next number',
  }),
  finish: boolean({
    description: 'With --ca: drop the old authority, when no live certificate depends on it.',
    dependsOn: ['ca'],
  }),
  force: boolean({ description: 'Drop an authority that is still needed; undo to what is of no use.' }),
  undo: string({ description: 'Put the pair back that was replaced last.', helpValue: 'NAME' }),
  'passphrase-file': passphraseFileFlag('asked for on a terminal'),
});

/** Throws a UsageError when certificates are named for what is not about certificates by name. */
export function refuseNames(
  names: readonly string[] | undefined,
  { ca, intermediate, undo }: { ca: boolean; intermediate: boolean; undo?: string | undefined },
): void {
  if (names === undefined || !(ca || intermediate || undo !== undefined)) return;
  throw new UsageError(
    `--${ca ? 'ca' : intermediate ? 'intermediate' : 'undo'} and names of certificates exclude each other`,
  );
}

/** What `--due` means without a window. */
const lastThird = 'last-third';

/** Gives --due its value where none stands behind it. */
export function withDueWindow(argv: readonly string[]): string[] {
  return withOptionalValue(argv, '--due', /^[+-]?[\d.]/, lastThird);
}

/** Reads --due: not asked for, a window in milliseconds, or the last third of each life. */
export function dueWindow(value: string | undefined): { due?: true; dueMs?: number } {
  if (value === undefined) return {};
  return value === lastThird ? { due: true } : { due: true, dueMs: parseWindow(value) };
}
