// Reads `ocsp`, OCSP stapling (nats-server, server/opts.go).
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import {
  defaultStapling,
  type StaplingMode,
  type StaplingOptions,
} from '../../revocation/stapling-options.ts';

const modes: readonly StaplingMode[] = ['auto', 'always', 'must', 'never'];

/** Reads the option; `store_dir`, below which nats-server saves answers, has been checked elsewhere. */
export function readStapling(reader: MapReader, problems: ConfProblem[]): StaplingOptions {
  const folder = storeFolder(reader);
  const found = reader.value('ocsp');
  if (found === undefined) return { ...defaultStapling, folder };
  if (found.kind === 'boolean') return { ...defaultStapling, mode: found.value ? 'auto' : 'never', folder };
  if (found.kind !== 'map') {
    reader.error(found.position, '"ocsp" must be true, false or a block');
    return defaultStapling;
  }
  const block = new MapReader(found, problems, 'ocsp');
  const text = block.string('mode');
  const mode = modes.find((each) => each === text?.toLowerCase());
  if (text !== undefined && mode === undefined) {
    block.error(
      block.position('mode'),
      `unknown mode of "ocsp": ${JSON.stringify(text)}`,
      `use ${modes.join(', ')}`,
    );
  }
  const urls = block.has('urls') ? (block.strings('urls') ?? []) : [];
  if (block.has('urls')) {
    const message = 'nats-server rejects "urls" of "ocsp", whatever it contains';
    block.warning(block.position('urls'), message, 'write one address as url', 'nats-server-refuses');
  }
  const url = block.string('url');
  block.finish();
  return { mode: mode ?? 'auto', urls: url === undefined ? urls : [url], folder };
}

function storeFolder(reader: MapReader): string | undefined {
  const value = reader.value('store_dir', 'storedir');
  return value?.kind === 'string' ? value.value || undefined : undefined;
}
