// Asks a running server for the certificate it shows, whoever issued it. It logs in nowhere and trusts nothing.
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { NatspkiError, UsageError } from '../errors.ts';

const defaultPorts: Readonly<Record<string, number>> = {
  'nats:': 4222,
  'tls:': 4222,
  'https:': 443,
  'wss:': 443,
};

/** A NATS server speaks first; one that says nothing for this long wants the handshake first. */
const silenceMs = 500;

/** INFO is one line; whatever is longer before a newline is not NATS. */
const greetingLimit = 64 * 1024;

/**
 * Fetches the certificate (DER) that a server shows: nats://, tls:// (INFO first or handshake first), https://, wss://.
 * Throws `unreachable` or `no-server-certificate`, with the URL, after at most `timeoutMs` milliseconds.
 * @param options.address which of the host's addresses is asked
 */
export async function fetchServerCertificate(
  url: string,
  options: { address?: string; timeoutMs?: number } = {},
): Promise<Buffer> {
  const { timeoutMs = 5000 } = options;
  const { host, port, greets } = parseUrl(url);
  const socket = connectPlain({ host: options.address ?? host, port });
  const deadline = setTimeout(
    () => socket.destroy(new Error(`no answer within ${timeoutMs / 1000} seconds`)),
    timeoutMs,
  );
  try {
    await connected(socket).catch((cause: Error) => {
      throw new NatspkiError('unreachable', `cannot connect to ${url}: ${cause.message}`, { cause });
    });
    if (greets) await greeting(socket, url);
    return await shownCertificate(socket, host, url);
  } finally {
    clearTimeout(deadline);
    socket.destroy();
  }
}

/** Reads the host, a name or an address, out of a URL that fetchServerCertificate takes; throws a UsageError. */
export function hostOfUrl(url: string): string {
  return parseUrl(url).host;
}

function parseUrl(text: string): { host: string; port: number; greets: boolean } {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const usual = defaultPorts[url?.protocol ?? ''];
  if (url === undefined || usual === undefined || url.hostname === '') {
    throw new UsageError(`"${text}" is not the URL of a TLS server`, 'tls://localhost:4222');
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? usual : Number(url.port),
    greets: usual === 4222,
  };
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
}

/** Takes the INFO line off the socket, or nothing where the server waits for the handshake. */
function greeting(socket: Socket, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    const silence = setTimeout(() => finish(), silenceMs);
    const finish = (message?: string, cause?: Error) => {
      clearTimeout(silence);
      socket.off('data', read).off('error', fail).off('end', end).pause();
      if (message === undefined) resolve();
      else reject(new NatspkiError('no-server-certificate', `${url} ${message}`, { cause }));
    };
    const read = (chunk: Buffer) => {
      clearTimeout(silence);
      text += chunk.toString('latin1');
      if (text.length > greetingLimit || !'INFO '.startsWith(text.slice(0, 5)))
        finish('is not a NATS server');
      else if (text.includes('\n')) finish(offersTls(text) ? undefined : 'is a NATS server without TLS');
    };
    const fail = (cause: Error) => finish(`failed: ${cause.message}`, cause);
    const end = () => finish('closed the connection before its INFO');
    socket.on('data', read).on('error', fail).on('end', end);
  });
}

function offersTls(info: string): boolean {
  return /"tls_(required|available)":\s*true/.test(info);
}

function shownCertificate(socket: Socket, host: string, url: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // The certificate is looked at, not trusted; a server that wants one of us sends its own first all the same.
    const secured = connectTls({
      socket,
      rejectUnauthorized: false,
      ...(isIP(host) === 0 && { servername: host }),
    });
    const finish = (cause?: Error) => {
      const raw = secured.getPeerCertificate()?.raw;
      secured.destroy();
      if (raw !== undefined) resolve(raw);
      else {
        const reason = cause?.message ?? 'the connection was closed';
        reject(
          new NatspkiError('no-server-certificate', `${url} showed no certificate: ${reason}`, { cause }),
        );
      }
    };
    secured.once('secureConnect', () => finish());
    secured.once('error', finish).once('close', () => finish());
  });
}
