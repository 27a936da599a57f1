// Finds what is wrong with a configuration without starting a broker: what the broker or nats-server would reject,
// files that cannot be used, and bad practices. Changes nothing.

import { X509Certificate } from 'node:crypto';
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { byPlace, ConfErrors, type ConfProblem, confProblem, throwOnErrors } from '../../conf/error.ts';
import { loadConf } from '../../conf/parser.ts';
import type { MapValue } from '../../conf/value.ts';
import { NatspkiError } from '../../errors.ts';
import { readFile } from '../../files/files.ts';
import type { TlsBlock } from '../../tls/block.ts';
import { filesOf, loadMaterial, type TlsMaterial } from '../../tls/material.ts';
import { mapPeer, readPeer } from '../../tls/peer.ts';
import { type ConfigurationSource, loadBrokerConfiguration } from './configuration.ts';
import { planConfigurationChange } from './configuration-change.ts';
import { type ReadOptions, readBrokerOptions } from './options.ts';
import { plaintextSecrets } from './password.ts';
import { blockAt, positionOfString } from './positions.ts';
import { findBadPractices, type ListeningPort } from './practices.ts';

export interface CheckOptions extends Omit<ReadOptions, 'ignoreUnsupported'> {
  readonly ignoreUnsupported?: boolean | undefined;
  readonly now?: () => Date;
}

/**
 * Returns errors and warnings in the order of the file. By default an option that only nats-server supports is a
 * warning, unless it decides which clients may connect. Throws a NatspkiError if the file itself cannot be read.
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
  if (root.entries.size === 0) {
    const message = 'nats-server rejects a configuration without settings';
    problems.push(
      confProblem('warning', root.position, message, 'natspki init writes one', 'nats-server-refuses'),
    );
  }
  const read = readBrokerOptions(root, problems, { flags, ignoreUnsupported });
  const { tls, cluster, websocket, allowNonTls, auth } = read;
  // No rule applies at a position with an error: the intended value is unknown there.
  const unreadable = new Set(problems.flatMap((p) => (p.severity === 'error' ? p.position : [])));
  const at = now();
  const inspect = async (
    context: ListeningPort['context'],
    block: TlsBlock | undefined,
    ...path: string[]
  ): Promise<ListeningPort> => {
    const map = blockAt(root, ...path);
    const material = block === undefined ? undefined : await checkMaterial(block, map, problems, at);
    return { context, map, tls: block, material, keyModes: await modesOfKeys(block) };
  };
  const ports = [await inspect('client', tls, 'tls')];
  if (cluster !== undefined) ports.push(await inspect('cluster', cluster.tls, 'cluster', 'tls'));
  if (websocket !== undefined && (websocket.tls !== undefined || websocket.port !== 0)) {
    const names = Array.from(root.entries.values(), ({ key }) => key.toLowerCase());
    const name = names.includes('websocket') ? 'websocket' : 'ws';
    ports.push(await inspect('websocket', websocket.tls, name, 'tls'));
  }
  const users = auth.users?.filter(({ isNkey }) => !isNkey).map(({ name }) => name) ?? [];
  const usersByCommonName = tls?.verifyAndMap
    ? await namedByCommonNameOnly(users, dirname(tls.caFile ?? ''))
    : [];
  const findings = findBadPractices({
    root,
    ports,
    allowNonTls,
    usersByCommonName,
    plaintext: plaintextSecrets(auth),
    now: at,
  });
  problems.push(...findings.filter(({ position }) => !unreadable.has(position)));
  return problems.sort((a, b) => byPlace(a.position, b.position));
}

/**
 * Returns the names of the options that a broker running on `source` could not change to those of the file `next`
 * without a restart. Throws as loadBrokerConfiguration does if one of the files is invalid.
 */
export async function restartsFor(source: ConfigurationSource, next: string): Promise<readonly string[]> {
  const [current, changed] = [source, { ...source, config: next }].map(loadBrokerConfiguration);
  if (current === undefined || changed === undefined) return [];
  throwOnErrors(await checkConfiguration(next, source));
  return planConfigurationChange(current.options, changed.options).kept;
}

/** Adds the problems of a tls block's files, each at the position where the block names the file. */
async function checkMaterial(
  block: TlsBlock,
  map: MapValue,
  problems: ConfProblem[],
  now: Date,
): Promise<TlsMaterial | undefined> {
  const addError = (error: unknown) => {
    if (!(error instanceof NatspkiError)) throw error;
    const { code, message, hint } = error;
    const position = positionOfString(map, (text) => message.includes(`"${text}"`));
    problems.push(confProblem('error', position, message, hint, code));
  };
  const files = filesOf(block);
  const unread = (await Promise.allSettled(files.map((file) => readFile(file)))).filter(
    (result) => result.status === 'rejected',
  );
  if (unread.length > 0) {
    for (const { reason } of unread) addError(reason);
    return undefined;
  }
  try {
    const material = await loadMaterial(block, now);
    for (const { code, file, message, hint } of material.warnings) {
      const position = positionOfString(map, (text) => text === file);
      const isOwn = file !== block.caFile;
      const name = code === 'expired' ? `${isOwn ? 'certificate' : 'authority'}-expired` : code;
      // An expired certificate fails every handshake; an expired authority may have a successor in the same file.
      const severity = code === 'expired' && isOwn ? 'error' : 'warning';
      problems.push(confProblem(severity, position, message, hint, name));
    }
    return material;
  } catch (error) {
    addError(error);
    return undefined;
  }
}

async function modesOfKeys(block: TlsBlock | undefined): Promise<Map<string, Stats>> {
  const modes = new Map<string, Stats>();
  // Windows has no POSIX file modes.
  if (process.platform === 'win32') return modes;
  for (const { keyFile } of block?.pairs ?? []) {
    const stats = await stat(keyFile).catch(() => undefined);
    if (stats !== undefined) modes.set(keyFile, stats);
  }
  return modes;
}

/**
 * Returns the users that certificates can only name by their common name. Leaves out e-mail addresses, names with dots,
 * URIs and distinguished names. Also leaves out a user whose certificate, stored next to ca_file by `natspki issue`,
 * holds the user in a name that nats-server maps.
 */
async function namedByCommonNameOnly(users: readonly string[], folder: string): Promise<string[]> {
  const names: string[] = [];
  for (const user of users.filter((name) => !/[@.:=]/.test(name))) {
    const mapped = await readFile(join(folder, `${user}-cert.pem`))
      .then((pem) => mapPeer(readPeer(new X509Certificate(pem).raw), new Set([user]), true))
      .catch(() => undefined);
    if (mapped?.user === undefined || mapped.by === 'common-name') names.push(user);
  }
  return names;
}
