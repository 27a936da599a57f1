// Everything that is wrong with a configuration, found without starting anything: what the broker and nats-server would
// refuse, what the files it names are not, and what should be done better. It changes nothing.

import { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { byPlace, ConfErrors, type ConfProblem, confProblem } from '../../conf/error.ts';
import { loadConf } from '../../conf/parser.ts';
import type { MapValue } from '../../conf/value.ts';
import { NatspkiError } from '../../errors.ts';
import { readFile } from '../../files.ts';
import type { TlsBlock } from '../../tls/block.ts';
import { filesOf, loadMaterial, type TlsMaterial } from '../../tls/material.ts';
import { mapPeer, readPeer } from '../../tls/peer.ts';
import { type ReadOptions, readBrokerOptions } from './options.ts';
import { plaintextOf } from './password.ts';
import { blockAt, placeOfString } from './place.ts';
import { type Entrance, findFaults } from './practices.ts';

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
  if (root.entries.size === 0) {
    const message = 'nats-server refuses a configuration that says nothing';
    problems.push(
      confProblem('warning', root.position, message, 'natspki init writes one', 'nats-server-refuses'),
    );
  }
  const { tls, cluster, allowNonTls, auth } = readBrokerOptions(root, problems, { flags, ignoreUnsupported });
  // What cannot be read is no reason to blame what was meant.
  const unreadable = new Set(problems.flatMap((p) => (p.severity === 'error' ? p.position : [])));
  const at = now();
  const inspect = async (
    context: Entrance['context'],
    block: TlsBlock | undefined,
    ...path: string[]
  ): Promise<Entrance> => {
    const map = blockAt(root, ...path);
    const material = block === undefined ? undefined : await checkMaterial(block, map, problems, at);
    return { context, map, tls: block, material, keyModes: await modesOfKeys(block) };
  };
  const entrances = [await inspect('client', tls, 'tls')];
  if (cluster !== undefined) entrances.push(await inspect('cluster', cluster.tls, 'cluster', 'tls'));
  const users = auth.users?.filter(({ isNkey }) => !isNkey).map(({ name }) => name) ?? [];
  const usersByCommonName = tls?.verifyAndMap ? await withoutOtherName(users, dirname(tls.caFile ?? '')) : [];
  const faults = findFaults({
    root,
    entrances,
    allowNonTls,
    usersByCommonName,
    plaintext: plaintextOf(auth),
    now: at,
  });
  problems.push(...faults.filter(({ position }) => !unreadable.has(position)));
  return problems.sort((a, b) => byPlace(a.position, b.position));
}

/** Adds what is wrong with the files of a tls block, each placed where the file is named. */
async function checkMaterial(
  block: TlsBlock,
  map: MapValue,
  problems: ConfProblem[],
  now: Date,
): Promise<TlsMaterial | undefined> {
  const addError = (error: unknown) => {
    if (!(error instanceof NatspkiError)) throw error;
    const { code, message, hint } = error;
    const position = placeOfString(map, (text) => message.includes(`"${text}"`));
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
    for (const { code, file, message } of material.warnings) {
      const position = placeOfString(map, (text) => text === file);
      const isOwn = file !== block.caFile;
      const name = code === 'expired' ? `${isOwn ? 'certificate' : 'authority'}-expired` : code;
      // With an expired certificate nobody connects; an expired authority may have a successor beside it.
      const severity = code === 'expired' && isOwn ? 'error' : 'warning';
      problems.push(confProblem(severity, position, message, undefined, name));
    }
    return material;
  } catch (error) {
    addError(error);
    return undefined;
  }
}

async function modesOfKeys(block: TlsBlock | undefined): Promise<Map<string, number>> {
  const modes = new Map<string, number>();
  // Windows has no such modes.
  if (process.platform === 'win32') return modes;
  for (const { keyFile } of block?.pairs ?? []) {
    const there = await stat(keyFile).catch(() => undefined);
    if (there !== undefined) modes.set(keyFile, there.mode);
  }
  return modes;
}

/**
 * Leaves out the users that are an e-mail address, a name with dots, a URI or a distinguished name, and those whose
 * certificate lies beside ca_file, as `natspki issue` puts it, and has them in a name that nats-server looks at.
 */
async function withoutOtherName(users: readonly string[], folder: string): Promise<string[]> {
  const left: string[] = [];
  for (const user of users.filter((name) => !/[@.:=]/.test(name))) {
    const by = await readFile(join(folder, `${user}-cert.pem`))
      .then((pem) => mapPeer(readPeer(new X509Certificate(pem).raw), new Set([user])))
      .catch(() => undefined);
    if (by?.user === undefined || by.by === 'common-name') left.push(user);
  }
  return left;
}
