// Prints the result of `init`: the certificates it issued or imported, notices, and commands that work as the next step.

import { join } from 'node:path';
import { escapeControls } from '../log.ts';
import type { IssuedCertificates } from '../pki/issue/leaf.ts';
import { shellWord } from '../suggest.ts';
import { isIP } from '../x509/name.ts';
import { certificateLines } from './certificate-table.ts';
import type { Terminal } from './terminal.ts';

export interface InitResult extends IssuedCertificates {
  /** Paths of the configuration files that were written. */
  readonly configurations?: readonly string[];
  readonly next: readonly NextStep[];
}

export interface NextStep {
  readonly command: string;
  readonly purpose: string;
}

export interface NextSteps {
  /** The certificate folder, as the user typed it. */
  readonly directory: string;
  readonly configurations: readonly string[];
  readonly client: string | undefined;
  /** Names and addresses of the servers. */
  readonly hosts: readonly string[];
  /** Path of the root's key, if an intermediate signs and the key can be kept offline. */
  readonly rootKey?: string;
}

/** Returns the table, the notices and the next steps, with blank lines between them. */
export function initLines(result: InitResult, terminal: Terminal): string[] {
  const { certificates, notices, configurations = [], next } = result;
  const remarks = [...configurations.map((path) => `wrote ${path}`), ...notices].map(escapeControls);
  const table = certificateLines(certificates, terminal, { wholePins: true });
  const middle = remarks.length === 0 ? [] : ['', ...remarks];
  return [...table, ...middle, '', ...nextStepLines(next, terminal)];
}

/** Returns the commands to run after an `init`. */
export function nextSteps({ directory, configurations, client, hosts, rootKey }: NextSteps): NextStep[] {
  const host = hosts.find((each) => !each.includes('*')) ?? 'localhost';
  const url = `tls://${isIP(host) === 6 ? `[${host}]` : host}`;
  const file = (name: string) => shellWord(join(directory, name));
  const steps = configurations.map((path) => ({
    command: `natspki broker -c ${shellWord(path)}`,
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
      command: `mv ${shellWord(rootKey)} /path/to/a/safe/place/`,
      purpose: "keep the root's key offline until the intermediate is due",
    });
  }
  return [
    ...steps,
    { command: `natspki list --dir ${shellWord(directory)}`, purpose: 'see when each certificate expires' },
  ];
}

/**
 * Returns the commands to run after an import.
 * @param server name of an imported server certificate, if there is one
 */
export function importSteps(directory: string, server: string | undefined): NextStep[] {
  const at = `--dir ${shellWord(directory)}`;
  const block = {
    command: `natspki tls client ${at} --name ${server}`,
    purpose: 'print a tls block for a configuration',
  };
  return [
    { command: `natspki verify ${at}`, purpose: 'check the imported certificates' },
    { command: `natspki rotate ${at} --dry-run`, purpose: 'see what a renewal would change' },
    ...(server === undefined ? [] : [block]),
  ];
}

function nextStepLines(steps: readonly NextStep[], terminal: Terminal): string[] {
  return [
    'Next:',
    ...steps.flatMap(({ command, purpose }, index) => [
      ...(steps[index - 1]?.purpose === purpose ? [] : [`  ${terminal.dim(`# ${purpose}`)}`]),
      `  ${command}`,
    ]),
  ];
}
