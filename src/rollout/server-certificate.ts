// Fetches the certificates that a running server presents, whoever issued them. It trusts no authority and does not log in.
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { NatspkiError, UsageError } from '../errors.ts';
import { sentBy } from '../tls/peer.ts';
import { writePem } from '../x509/pem.ts';

const defaultPorts: Readonly<Record<string, number>> = {
  'nats:': 4222,
  'tls:': 4222,
  'https:': 443,
  'wss:': 443,
};

/** A NATS server sends INFO first; one that stays silent for this long, in milliseconds, expects the handshake first. */
const silenceMs = 500;

/** INFO is one line; more bytes than this before a newline are not NATS. */
const greetingLimit = 64 * 1024;

/** A certificate to present, in PEM: a server that requires one logs an error for a client without. */
export interface ProbeIdentity {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/**
 * Fetches the certificates of a server as PEM, its own first: nats://, tls:// (INFO first or handshake first), https://,
 * wss://. Throws `unreachable` or `no-server-certificate`, with the URL, after at most `timeoutMs` milliseconds.
 * @param options.address the address of the host to connect to
 */
export async function fetchServerCertificates(
  url: string,
  options: {
    address?: string | undefined;
    timeoutMs?: number;
    identity?: ProbeIdentity | undefined;
  } = {},
): Promise<Buffer> {
  const { timeoutMs = 5000 } = options;
  const server = parseServerUrl(url);
  const socket = connectPlain({ host: options.address ?? server.host, port: server.port });
  const deadline = setTimeout(
    () => socket.destroy(new Error(`no answer in ${timeoutMs / 1000} seconds`)),
    timeoutMs,
  );
  try {
    await connected(socket).catch((cause: Error) => {
      throw new NatspkiError('unreachable', `cannot connect to ${server.name}: ${cause.message}`, { cause });
    });
    if (server.greets) await greeting(socket, server);
    return await shownCertificates(socket, server, options.identity);
  } finally {
    clearTimeout(deadline);
    socket.destroy();
  }
}

export interface ServerAddress {
  /** The URL without user and password. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Whether it sends a plain-text INFO first. */
  readonly greets: boolean;
}

/** Parses a URL for fetchServerCertificate; throws a UsageError. */
export function parseServerUrl(text: string): ServerAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const usual = defaultPorts[url?.protocol ?? ''];
  if (url === undefined || usual === undefined || url.hostname === '') {
    const shown = text.replace(/\/\/[^/]*@/, '//');
    throw new UsageError(`"${shown}" is not the URL of a TLS server`, 'tls://localhost:4222');
  }
  return {
    name: `${url.protocol}//${url.host}`,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? usual : Number(url.port),
    greets: usual === 4222,
  };
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
}

/** Consumes the INFO line, or nothing when the server waits for the handshake. */
function greeting(socket: Socket, { name }: ServerAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    const silence = setTimeout(() => finish(), silenceMs);
    const finish = (message?: string, cause?: Error) => {
      clearTimeout(silence);
      socket.off('data', read).off('error', fail).off('end', end).pause();
      if (message === undefined) resolve();
      else reject(new NatspkiError('no-server-certificate', `${name} ${message}`, { cause }));
    };
    const read = (chunk: Buffer) => {
      clearTimeout(silence);
      text += chunk.toString('latin1');
      if (text.length > greetingLimit || !'INFO '.startsWith(text.slice(0, 5)))
        finish('is not a NATS server');
      else if (text.includes('\n')) finish(offersTls(text) ? undefined : 'is a NATS server without TLS');
    };
    const fail = (cause: Error) => finish(`failed: ${cause.message}`, cause);
    const end = () => finish('closed the connection before sending INFO');
    socket.on('data', read).on('error', fail).on('end', end);
  });
}

function offersTls(info: string): boolean {
  return /"tls_(required|available)":\s*true/.test(info);
}

function shownCertificates(
  socket: Socket,
  { name, host }: ServerAddress,
  identity: ProbeIdentity | undefined,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // The certificates are only inspected, not trusted; a server that requires a client certificate sends its own first.
    const secured = connectTls({
      socket,
      rejectUnauthorized: false,
      ...(isIP(host) === 0 && { servername: host }),
      ...identity,
    });
    const finish = (cause?: Error) => {
      // TLS 1.3 is done on this side before the server has accepted the client: a failure after this one is ignored.
      secured
        .off('error', finish)
        .off('close', closed)
        .on('error', () => {});
      const sent = sentBy(secured);
      if (sent.length > 0) {
        secured.end(() => {
          resolve(Buffer.from(sent.map((der) => writePem('CERTIFICATE', der)).join('')));
        });
        return;
      }
      secured.destroy();
      const reason = cause?.message ?? socket.errored?.message ?? 'the connection was closed';
      reject(
        new NatspkiError('no-server-certificate', `${name} presented no certificate: ${reason}`, { cause }),
      );
    };
    const closed = () => finish();
    secured.once('secureConnect', () => finish());
    secured.once('error', finish).once('close', closed);
  });
}
