// Everything that is wrong with a configuration, found without starting anything: what the broker and nats-server would
// refuse, and what the files it names are not. It changes nothing.

import { ConfErrors, type ConfProblem, confProblem } from '../conf/error.ts';
import { loadConf } from '../conf/parser.ts';
import type { MapValue, Position, Value } from '../conf/value.ts';
import { NatspkiError } from '../errors.ts';
import { readFile } from '../files.ts';
import type { TlsBlock } from '../tls/block.ts';
import { filesOf, loadMaterial } from '../tls/material.ts';
import { type ReadOptions, readBrokerOptions } from './options.ts';

export interface CheckOptions extends ReadOptions {
  readonly now?: () => Date;
}

/**
 * Returns errors and warnings in the order of the file. What only nats-server has is a warning unless told otherwise,
 * except for what decides who may connect. Throws a NatspkiError when the file itself cannot be read.
 */
export async function checkConfiguration(file: string, options: CheckOptions = {}): Promise<ConfProblem[]> {
  const { flags = {}, ignoreUnsupported = true, now = () => new Date() } = options;
  const problems: ConfProblem[] = [];
  let root: MapValue;
  try {
    ({ root } = loadConf(file));
  } catch (error) {
    if (error instanceof ConfErrors) return [...error.problems];
    throw error;
  }
  const { tls, cluster } = readBrokerOptions(root, problems, { flags, ignoreUnsupported });
  await checkMaterial(tls, blockAt(root, 'tls'), problems, now());
  await checkMaterial(cluster?.tls, blockAt(root, 'cluster', 'tls'), problems, now());
  return problems.sort((a, b) => byPlace(a.position, b.position));
}

/** Adds what is wrong with the files of a tls block, each placed where the file is named. */
async function checkMaterial(
  block: TlsBlock | undefined,
  map: MapValue,
  problems: ConfProblem[],
  now: Date,
): Promise<void> {
  if (block === undefined) return;
  const add = (severity: ConfProblem['severity'], message: string, hint?: string) =>
    problems.push(confProblem(severity, placeNamedIn(message, map), message, hint));
  const addError = (error: unknown) => {
    if (!(error instanceof NatspkiError)) throw error;
    add('error', error.message, error.hint);
  };
  const files = filesOf(block);
  const unread = (await Promise.allSettled(files.map((file) => readFile(file)))).filter(
    (result) => result.status === 'rejected',
  );
  if (unread.length > 0) {
    for (const { reason } of unread) addError(reason);
    return;
  }
  try {
    const { certificates, warnings } = await loadMaterial(block, now);
    const expired = certificates.filter(({ notAfter }) => notAfter < now);
    for (const warning of warnings) {
      const isOwn = expired.some(({ certFile }) => warning.includes(`"${certFile}" expired`));
      add(isOwn ? 'error' : 'warning', warning);
    }
  } catch (error) {
    addError(error);
  }
}

/** Finds the innermost block on a path. */
function blockAt(map: MapValue, ...path: string[]): MapValue {
  const [name, ...rest] = path;
  for (const { key, value } of map.entries.values()) {
    if (key.toLowerCase() === name && value.kind === 'map') return blockAt(value, ...rest);
  }
  return map;
}

/** Finds the value that names a file which the message names too, or else the block. */
function placeNamedIn(message: string, map: MapValue): Position {
  const named = (value: Value): Position | undefined => {
    if (value.kind === 'string') return message.includes(`"${value.value}"`) ? value.position : undefined;
    if (value.kind === 'array') return value.items.map(named).find((place) => place !== undefined);
    if (value.kind !== 'map') return undefined;
    return [...value.entries.values()]
      .map((entry) => named(entry.value))
      .find((place) => place !== undefined);
  };
  return named(map) ?? map.position;
}

function byPlace(a: Position, b: Position): number {
  return a.file === b.file ? a.offset - b.offset : a.file < b.file ? -1 : 1;
}
