// Reads `ocsp_cache` (nats-server, server/ocsp_responsecache.go, parseOCSPResponseCache).
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import { type AnswerCacheOptions, defaultAnswerCache } from '../../revocation/answer-cache.ts';

const option = 'ocsp_cache';

/** Without the option, answers are kept as with `true`. */
export function readOcspCache(reader: MapReader, problems: ConfProblem[]): AnswerCacheOptions {
  const found = reader.value(option);
  if (found === undefined) return defaultAnswerCache;
  if (found.kind === 'boolean') return { ...defaultAnswerCache, type: found.value ? 'local' : 'none' };
  if (found.kind !== 'map') {
    reader.error(found.position, `"${option}" must be true, false or a block`);
    return defaultAnswerCache;
  }
  const block = new MapReader(found, problems, option);
  const type = block.string('type')?.toLowerCase() ?? defaultAnswerCache.type;
  if (type !== 'local' && type !== 'none') {
    block.error(
      block.position('type'),
      `unknown type of "${option}": ${JSON.stringify(type)}`,
      'use local or none',
    );
  }
  const options: AnswerCacheOptions = {
    type: type === 'none' ? 'none' : 'local',
    folder: block.string('local_store') || defaultAnswerCache.folder,
    preserveRevoked: block.boolean('preserve_revoked') ?? defaultAnswerCache.preserveRevoked,
    // Whole seconds, and at least one.
    saveIntervalMs: Math.max(
      1000,
      Math.floor((block.durationMs('save_interval') ?? defaultAnswerCache.saveIntervalMs) / 1000) * 1000,
    ),
  };
  block.finish();
  return options;
}
