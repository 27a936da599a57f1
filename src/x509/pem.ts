// Decodes and encodes PEM (RFC 7468, and the older form with headers). It does not interpret the content of a block.
import { NatspkiError } from '../errors.ts';

export interface PemBlock {
  /** The label after BEGIN: `CERTIFICATE`. */
  readonly label: string;
  readonly der: Buffer;
  /** Whether headers say that the content is encrypted (RFC 1421, as `openssl rsa -aes256 -traditional` writes). */
  readonly encrypted: boolean;
}

const beginLine = /^-----BEGIN ([A-Z0-9 ]+)-----$/;

/** Returns whether bytes contain the beginning of a PEM block, complete or not. */
export function looksLikePem(bytes: Buffer): boolean {
  return bytes.includes('-----BEGIN ');
}

/**
 * Reads all blocks and skips the text around them. Throws `truncated-pem` or `malformed-pem` with the number of the line,
 * never with its content, which may be secret.
 * @param source the name of the file, for errors
 */
export function readPem(bytes: Buffer, source: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  let open: { label: string; line: number; body: string; headers: string } | undefined;
  const lines = bytes.toString('latin1').split(/\r\n|\n|\r/);
  for (const [index, text] of lines.entries()) {
    const number = index + 1;
    const line = text.trimEnd();
    if (line.startsWith('-----BEGIN')) {
      const label = beginLine.exec(line)?.[1];
      if (open !== undefined) throw truncated(source, open);
      if (label === undefined) throw malformed(source, number, 'an incomplete BEGIN line');
      open = { label, line: number, body: '', headers: '' };
    } else if (open === undefined || line === '') {
      // Text around the blocks, or the empty line after headers.
    } else if (line.startsWith('-')) {
      const end = `-----END ${open.label}-----`;
      if (line !== end && end.startsWith(line)) throw truncated(source, open);
      if (line !== end) throw malformed(source, number, `not the END of ${open.label}`);
      blocks.push(close(open, source, number));
      open = undefined;
    } else if (open.body === '' && /^[A-Za-z-]+: /.test(line)) {
      open.headers += `${line}\n`;
    } else if (/^[A-Za-z0-9+/]+={0,2}$/.test(line.trimStart())) {
      open.body += line.trimStart();
    } else {
      throw malformed(source, number, 'not base64');
    }
  }
  if (open !== undefined) throw truncated(source, open);
  return blocks;
}

/** Encodes one block with lines of 64 characters and a newline at the end. */
export function writePem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function close(
  open: { label: string; body: string; headers: string },
  source: string,
  line: number,
): PemBlock {
  // Padding is valid only at the end: Buffer.from would stop at it and silently drop the rest.
  if (open.body === '' || open.body.length % 4 !== 0 || !/^[^=]+={0,2}$/.test(open.body)) {
    throw malformed(source, line, `the end of a ${open.label} block whose base64 is not whole`);
  }
  return {
    label: open.label,
    der: Buffer.from(open.body, 'base64'),
    encrypted: /^Proc-Type: 4,ENCRYPTED$/m.test(open.headers),
  };
}

function truncated(source: string, open: { label: string; line: number }): NatspkiError {
  return new NatspkiError(
    'truncated-pem',
    `"${source}" is truncated: the ${open.label} block that begins on line ${open.line} has no whole END line`,
    { hint: 'copy the whole file again, up to and with its END line' },
  );
}

function malformed(source: string, line: number, found: string): NatspkiError {
  return new NatspkiError('malformed-pem', `"${source}" is damaged: line ${line} is ${found}`, {
    hint: 'copy the whole file again, byte for byte',
  });
}
