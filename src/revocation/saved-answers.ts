// Saves the OCSP answers of the cache to a file and reads them back, in nats-server's format: JSON with each answer in a
// stream of Snappy chunks (server/ocsp_responsecache.go). It writes chunks without compression, and skips compressed ones.
import { join } from 'node:path';
import { exists, makeDirectory, readRegularFile, writeFileAtomic } from '../files/files.ts';
import type { OcspStatus } from '../x509/ocsp-answer.ts';
import type { KeptAnswer } from './answer-cache.ts';
import { crc32c } from './crc32c.ts';

/** The fields of an entry (OCSPResponseCacheItem). */
interface SavedAnswer {
  readonly subject?: string;
  readonly cached_at: string;
  readonly resp_status: OcspStatus;
  readonly resp_expires?: string;
  readonly resp: string;
}

const fileName = 'cache.json';
/** Limits on a file that others may have written. */
const maxFileBytes = 64 * 1024 * 1024;
const maxAnswerBytes = 64 * 1024;
const statuses: readonly unknown[] = ['good', 'revoked', 'unknown'];

const streamIdentifier = Buffer.from('\xff\x06\x00\x00sNaPpY', 'latin1');
const plainChunk = 0x01;

/** Writes all answers; throws when that fails. @param answers by the SHA-256 of the certificate in hex */
export async function saveAnswers(folder: string, answers: ReadonlyMap<string, KeptAnswer>): Promise<void> {
  const saved = Object.fromEntries(
    Array.from(answers, ([fingerprint, { der, answer, subject, at }]): [string, SavedAnswer] => [
      Buffer.from(fingerprint, 'hex').toString('base64'),
      {
        subject,
        cached_at: at.toISOString(),
        resp_status: answer.status,
        // Go's zero time.
        resp_expires: answer.nextUpdate?.toISOString() ?? '0001-01-01T00:00:00Z',
        resp: Buffer.concat([streamIdentifier, chunkOf(der)]).toString('base64'),
      },
    ]),
  );
  await makeDirectory(folder, 0o750);
  await writeFileAtomic(join(folder, fileName), JSON.stringify(saved, undefined, ' '), { mode: 0o600 });
}

/**
 * Reads the answers that can be read; none when there is no file. They are verified when they are used. Throws when the
 * file cannot be read or is not JSON.
 */
export async function readAnswers(folder: string): Promise<Map<string, KeptAnswer>> {
  const answers = new Map<string, KeptAnswer>();
  const file = join(folder, fileName);
  if (!exists(file)) return answers;
  const document: unknown = JSON.parse((await readRegularFile(file, { maximum: maxFileBytes })).toString());
  if (typeof document !== 'object' || document === null) return answers;
  for (const [key, value] of Object.entries(document as Record<string, Partial<SavedAnswer> | null>)) {
    const fingerprint = Buffer.from(key, 'base64').toString('hex');
    const der = typeof value?.resp === 'string' ? derOf(Buffer.from(value.resp, 'base64')) : undefined;
    if (der === undefined || fingerprint.length !== 64 || !statuses.includes(value?.resp_status)) continue;
    const at = new Date(String(value?.cached_at));
    const status = value?.resp_status as OcspStatus;
    const answer = { status, thisUpdate: at, nextUpdate: undefined };
    answers.set(fingerprint, { der, answer, subject: String(value?.subject ?? ''), at });
  }
  return answers;
}

/** Returns the content of a stream; undefined for a damaged or a compressed one. */
function derOf(stream: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  let total = 0;
  for (let at = 0; at < stream.length; ) {
    const type = stream[at] as number;
    if (at + 4 > stream.length) return undefined;
    const length = stream.readUIntLE(at + 1, 3);
    const content = stream.subarray(at + 4, at + 4 + length);
    if (content.length !== length) return undefined;
    at += 4 + length;
    if (type === plainChunk && length > 4) {
      parts.push(content.subarray(4));
      total += length - 4;
    }
    // 0x80 and above may be skipped; what is below is compressed or unknown.
    if ((type !== plainChunk && type < 0x80) || total > maxAnswerBytes) return undefined;
  }
  return total === 0 ? undefined : Buffer.concat(parts);
}

function chunkOf(data: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head[0] = plainChunk;
  head.writeUIntLE(data.length + 4, 1, 3);
  const sum = crc32c(data);
  // Masked, as the format says: a checksum of data that contains checksums is weak.
  head.writeUInt32LE((((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0, 4);
  return Buffer.concat([head, data]);
}
