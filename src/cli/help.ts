// The pages of --help, from what the commands say about themselves; no wider than the terminal.
import type { Command } from '@oclif/core/command';
import type { Config } from '@oclif/core/config';
import type { Terminal } from './terminal.ts';

/** In the order of a certificate's life; commands not named here come last. */
const order = ['init', 'issue', 'list', 'inspect', 'verify', 'pin', 'tls', 'check', 'broker'];

/** The flags and arguments of a command, as oclif keeps them. */
type Flag = Command.Flag.Any;
type Row = readonly [left: string, right: string];

const indent = '  ';
const usualWidth = 80;
const widest = 100;

/** Returns the page of the program. */
export function rootHelp({ bin, commands: all, pjson }: Config, terminal: Terminal): string {
  const place = ({ id }: Command.Loadable) => (order.includes(id) ? order.indexOf(id) : order.length);
  const commands = all.filter(({ hidden }) => !hidden).sort((a, b) => place(a) - place(b));
  return page([
    wrapped(pjson.description ?? '', '', terminal),
    section('Usage', [`${indent}${bin} COMMAND [FLAGS]`], terminal),
    section(
      'Commands',
      rows(
        commands.map(({ id, summary }) => [id, summary ?? '']),
        terminal,
      ),
      terminal,
    ),
    section(
      'Everywhere',
      rows(
        [
          ['--help', 'Flags and examples of a command.'],
          ['--json', 'One JSON document on stdout, errors included.'],
          ['--version', 'Version of this program.'],
        ],
        terminal,
      ),
      terminal,
    ),
  ]);
}

/** Returns the page of one command. */
export function commandHelp(bin: string, command: Command.Loadable, terminal: Terminal): string {
  const { json, ...own } = command.flags;
  const flags = [...Object.values(own), ...(json === undefined ? [] : [json])].filter(
    ({ hidden }) => !hidden,
  );
  const parameters = Object.values(command.args).map(
    ({ name, description, options }): Row => [name.toUpperCase(), sentences(description, options)],
  );
  const usage = `${bin} ${[command.usage ?? command.id].flat().join(' ')}`;
  return page([
    wrapped(command.summary ?? '', '', terminal),
    section('Usage', wrapped(usage, indent, terminal, indent), terminal),
    wrapped(command.description ?? '', '', terminal),
    section('Arguments', rows(parameters, terminal), terminal),
    section('Flags', rows(flags.map(flagRow), terminal), terminal),
    section('Examples', examples(command, terminal), terminal),
  ]);
}

function flagRow(flag: Flag): Row {
  const short = flag.char === undefined ? '    ' : `-${flag.char}, `;
  const name = `--${flag.type === 'boolean' && flag.allowNo ? '[no-]' : ''}${flag.name}`;
  if (flag.type === 'boolean') return [`${short}${name}`, sentences(flag.description)];
  const value = [flag.helpValue ?? 'VALUE'].flat().join(' ');
  const usual = flag.default === undefined ? [] : [`Default ${String(flag.default)}.`];
  return [
    `${short}${name} ${value}${flag.multiple ? '...' : ''}`,
    [sentences(flag.description, flag.options), ...usual].join(' '),
  ];
}

function sentences(description = '', options: readonly string[] = []): string {
  return options.length === 0 ? description : `${description.replace(/\.$/, '')}: ${options.join(', ')}.`;
}

/** An example is written as what it does, a newline, and the command. */
function examples({ examples: given = [] }: Command.Loadable, terminal: Terminal): string[] {
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

/** Two columns, the right one wrapped. */
function rows(all: readonly Row[], terminal: Terminal): string[] {
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
