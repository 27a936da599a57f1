// What `init` prints in the end: what was made or taken over, remarks, and the commands to type next, so that its output
// ends with something that works.
import { join } from 'node:path';
import { isIP } from '../ip-address.ts';
import type { Made } from '../pki/leaf.ts';
import { certificateLines } from './certificate-table.ts';
import { printable, type Terminal } from './terminal.ts';

export interface InitResult extends Made {
  /** Paths of the files that were written. */
  readonly configurations?: readonly string[];
  readonly next: readonly NextStep[];
}

export interface NextStep {
  readonly command: string;
  readonly purpose: string;
}

export interface NextSteps {
  /** The certificate folder as it was typed. */
  readonly directory: string;
  readonly configurations: readonly string[];
  readonly client: string | undefined;
  /** Names and addresses of the servers. */
  readonly hosts: readonly string[];
  /** Path of the root's key where it can be taken away. */
  readonly rootKey?: string;
}

/** Returns the lines, in blocks with a blank line between them. */
export function initLines(result: InitResult, terminal: Terminal): string[] {
  const { certificates, notices, configurations = [], next } = result;
  const remarks = [...configurations.map((path) => `wrote ${path}`), ...notices].map(printable);
  const table = certificateLines(certificates, terminal, { wholePins: true });
  const middle = remarks.length === 0 ? [] : ['', ...remarks];
  return [...table, ...middle, '', ...nextStepLines(next, terminal)];
}

/** Returns the commands, each with what it does. */
export function nextSteps({ directory, configurations, client, hosts, rootKey }: NextSteps): NextStep[] {
  const host = hosts.find((each) => !each.includes('*')) ?? 'localhost';
  const url = `tls://${isIP(host) === 6 ? `[${host}]` : host}`;
  const file = (name: string) => quoted(join(directory, name));
  const steps = configurations.map((path) => ({
    command: `natspki broker -c ${quoted(path)}`,
    purpose: 'run the bundled broker, or nats-server with the same -c',
  }));
  if (client !== undefined) {
    steps.push({
      command: `nats -s ${url} --tlsca ${file('ca.pem')} --tlscert ${file(`${client}-cert.pem`)} --tlskey ${file(`${client}-key.pem`)} sub '>'`,
      purpose: 'connect a client',
    });
  }
  if (rootKey !== undefined) {
    steps.push({
      command: `mv ${quoted(rootKey)} /path/to/a/safe/place/`,
      purpose: 'keep the key of the root elsewhere until the next intermediate is made',
    });
  }
  return [...steps, { command: `natspki list --dir ${quoted(directory)}`, purpose: 'see what expires when' }];
}

/**
 * Returns the commands after an import: to see that all is well, and to make it natspki's own.
 * @param server name of a certificate that is for servers, where that is known of one
 */
export function importSteps(directory: string, server: string | undefined): NextStep[] {
  const at = `--dir ${quoted(directory)}`;
  const block = {
    command: `natspki tls client ${at} --name ${server}`,
    purpose: 'the block for a configuration',
  };
  return [
    { command: `natspki verify ${at}`, purpose: 'see what is wrong with it' },
    { command: `natspki rotate ${at} --dry-run`, purpose: 'see what a renewal would do' },
    ...(server === undefined ? [] : [block]),
  ];
}

/** Returns the commands for people. */
function nextStepLines(steps: readonly NextStep[], terminal: Terminal): string[] {
  return [
    'Next:',
    ...steps.flatMap(({ command, purpose }, index) => [
      ...(steps[index - 1]?.purpose === purpose ? [] : [`  ${terminal.dim(`# ${purpose}`)}`]),
      `  ${command}`,
    ]),
  ];
}

/** Quotes a word for a shell where it needs it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
