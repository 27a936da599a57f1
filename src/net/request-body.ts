// Reads the body of a request, up to a limit.
import type { IncomingMessage } from 'node:http';

/**
 * Returns the body; undefined when it is longer than `maximum` bytes, or the client leaves before its end. The rest of a body
 * that is too long is discarded as it arrives, for as long as the server keeps the connection: a client that is still sending
 * when its connection is reset would not see the answer.
 */
export async function readBody(request: IncomingMessage, maximum: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = Number(request.headers['content-length'] ?? 0) > maximum ? Number.POSITIVE_INFINITY : 0;
  try {
    if (size <= maximum) {
      for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > maximum) break;
        chunks.push(chunk);
      }
    }
  } catch {
    return undefined;
  }
  if (size <= maximum) return Buffer.concat(chunks);
  request.resume();
  return undefined;
}
