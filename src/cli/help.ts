// The pages of --help, from what the commands say about themselves; no wider than the terminal.
import type { Command } from '@oclif/core/command';
import { type Terminal, terminalOf } from './terminal.ts';

/** In the order of a certificate's life; commands not named here come last. */
const order = [
  ...['init', 'issue', 'rotate', 'watch', 'revoke', 'list', 'inspect'],
  ...['verify', 'pin', 'tls', 'check', 'broker'],
];

type Flag = Command.Class['flags'][string];
type Row = readonly [left: string, right: string];

const indent = '  ';
const usualWidth = 80;
const widest = 100;
/** In fewer columns what is explained stands above its explanation. */
const roomForTwo = 50;

/**
 * Returns the page of the program.
 * @param summaries of the commands, by their names
 */
export function rootHelp(
  description: string,
  summaries: Readonly<Record<string, string>>,
  terminal = terminalOf(process.stdout),
): string {
  const place = ([id]: Row) => (order.includes(id) ? order.indexOf(id) : order.length);
  const commands = Object.entries(summaries).sort((a, b) => place(a) - place(b));
  const everywhere: Row[] = [
    ['--help', 'Flags and examples of a command.'],
    ['--json', 'One JSON document on stdout, errors included.'],
    ['--yes', 'No questions, the defaults instead.'],
    ['--version', 'Version of this program.'],
  ];
  return page([
    wrapped(description, '', terminal),
    section('Usage', [`${indent}natspki COMMAND [FLAGS]`], terminal),
    section('Commands', rows(commands, terminal), terminal),
    section('Everywhere', rows(everywhere, terminal), terminal),
  ]);
}

/** Returns the page of one command. */
export async function commandHelp(
  command: Command.Class,
  terminal = terminalOf(process.stdout),
): Promise<string> {
  const { flags: own = {}, baseFlags = {} } = command;
  const shared = Object.entries(baseFlags).filter(([name]) => !Object.hasOwn(own, name));
  const flags = [...Object.entries(own), ...shared].filter(([, { hidden }]) => !hidden);
  const parameters = Object.entries(command.args).map(
    ([name, { description, options }]): Row => [name.toUpperCase(), sentences(description, options)],
  );
  const usage = `natspki ${[command.usage ?? command.id].flat().join(' ')}`;
  return page([
    wrapped(command.summary ?? '', '', terminal),
    section('Usage', wrapped(usage, indent, terminal, indent), terminal),
    wrapped(command.description ?? '', '', terminal),
    section('Arguments', rows(parameters, terminal), terminal),
    section(
      'Flags',
      rows(await Promise.all(flags.map(([name, flag]) => flagRow(name, flag))), terminal),
      terminal,
    ),
    section('Examples', examples(command, terminal), terminal),
  ]);
}

async function flagRow(name: string, flag: Flag): Promise<Row> {
  const label = flag.helpLabel ?? `${flag.char === undefined ? '    ' : `-${flag.char}, `}--${name}`;
  if (flag.type === 'boolean') return [label, flag.description ?? ''];
  const value = `${[flag.helpValue ?? 'VALUE'].flat().join(' ')}${flag.multiple && !flag.delimiter ? '...' : ''}`;
  const usual =
    typeof flag.defaultHelp === 'function'
      ? await flag.defaultHelp({ flags: {}, options: flag })
      : flag.default;
  const described = sentences(flag.description, flag.options);
  return [`${label} ${value}`, usual === undefined ? described : `${described} Default ${usual}.`];
}

function sentences(description = '', options: readonly string[] = []): string {
  return options.length === 0 ? description : `${description.replace(/\.$/, '')}: ${options.join(', ')}.`;
}

/** An example is written as what it does, a newline, and the command. */
function examples({ examples: given = [] }: Command.Class, terminal: Terminal): string[] {
  return given.flatMap((example, index) => {
    const [purpose, command = ''] = String(example).split('\n');
    return [...(index === 0 ? [] : ['']), `${indent}${terminal.dim(`# ${purpose}`)}`, indent + command];
  });
}

function page(parts: readonly (readonly string[])[]): string {
  return parts
    .filter((part) => part.length > 0)
    .map((part) => `${part.join('\n')}\n`)
    .join('\n');
}

function section(title: string, body: readonly string[], terminal: Terminal): string[] {
  return body.length === 0 ? [] : [terminal.bold(title), ...body];
}

/** Two columns, the right one wrapped; one below the other where there is no room for two. */
function rows(all: readonly Row[], terminal: Terminal): string[] {
  if ((terminal.columns ?? usualWidth) < roomForTwo) {
    return all.flatMap(([left, right]) => [indent + left, ...wrapped(right, indent + indent, terminal)]);
  }
  const width = Math.max(0, ...all.map(([left]) => left.length));
  return all.flatMap(([left, right]) => {
    const margin = `${indent}${' '.repeat(width)}${indent}`;
    const [first = '', ...more] = wrapped(right, margin, terminal);
    return [`${indent}${left.padEnd(width)}${first.slice(indent.length + width)}`.trimEnd(), ...more];
  });
}

/** Breaks a text at spaces; `hanging` is further indentation for all lines but the first. */
function wrapped(text: string, margin: string, { columns = usualWidth }: Terminal, hanging = ''): string[] {
  if (text === '') return [];
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= Math.min(columns, widest)) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(margin + (last === undefined ? '' : hanging) + word);
  }
  return lines;
}
