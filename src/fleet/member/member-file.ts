// `.natspki/member.json`: where a member finds its authority, and the counter of the last trust statement that it took.
import { NatspkiError, UsageError } from '../../errors.ts';
import { exists, type FileWrite } from '../../files/files.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';

export interface MemberFile {
  /** `https://` URLs of EST servers, `nats://` and `tls://` URLs of NATS servers, in the order in which they are asked. */
  readonly from: readonly string[];
  /** The counter of the last trust statement; 0 before the first. */
  readonly counter: number;
}

const version = 1;
const schemes = ['https:', 'nats:', 'tls:'];

/** Reads the file; undefined when there is none. Throws `damaged-member`. */
export async function readMemberFile(directory: PkiDirectory): Promise<MemberFile | undefined> {
  const { memberFile } = directory;
  if (!exists(memberFile)) return undefined;
  const value = parse((await directory.read(memberFile)).toString());
  if (value === undefined) {
    throw new NatspkiError('damaged-member', `"${memberFile}" is not what natspki wrote`, {
      hint: 'name the authority again: natspki renew --from URL',
    });
  }
  return value;
}

/** Returns the write of the file. */
export function memberWrite(directory: PkiDirectory, { from, counter }: MemberFile): FileWrite {
  const data = `${JSON.stringify({ version, from, counter }, null, 1)}\n`;
  return { path: directory.memberFile, data, mode: 0o600 };
}

/** Throws a UsageError unless a member can ask at a URL. */
export function checkAuthorityUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && schemes.includes(url.protocol) && url.hostname !== '') return;
  const shown = text.replace(/\/\/[^/]*@/, '//');
  throw new UsageError(
    `"${shown}" is not the URL of an authority, expected https:// for EST, nats:// or tls:// for NATS`,
    '--from tls://nats.example.com:4222',
  );
}

function parse(text: string): MemberFile | undefined {
  try {
    const { version: found, from, counter } = JSON.parse(text) as Record<string, unknown>;
    const isCounter = Number.isSafeInteger(counter) && (counter as number) >= 0;
    if (found !== version || !isCounter || !Array.isArray(from)) return undefined;
    for (const url of from) checkAuthorityUrl(String(url));
    return { from: from.map(String), counter: counter as number };
  } catch {
    return undefined;
  }
}
