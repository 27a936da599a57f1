// The only module that uses private interfaces of Node. Each one is typed here and names the Node source that defines it;
// test/tls/node-internals.test.ts fails when a Node version changes one.
import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** The private members of a TLSSocket (lib/_tls_wrap.js). */
interface TlsInternals {
  /** The TLSWrap handle (src/crypto/crypto_tls.cc); null once the socket is closed. */
  readonly ssl: TlsHandle | null;
  /** The options of the constructor (TLSSocket). */
  readonly _tlsOptions?: { readonly isServer?: boolean };
  /** Makes the socket emit later errors, which would be lost otherwise (onServerSocketSecure calls it). */
  _releaseControl(): void;
}

interface TlsHandle {
  /** The verification result for the certificate of the peer: null if there is no error. */
  verifyError(): NodeJS.ErrnoException | null | undefined;
  /** Makes OpenSSL call `oncertcb` after the ClientHello; the handshake waits for certCbDone (loadSNI). */
  enableCertCb(): void;
  oncertcb: (hello: { servername?: string | false; OCSPRequest?: boolean }) => void;
  /** Sets the OCSP answer that the ServerHello carries (requestOCSP). */
  setOCSPResponse(answer: Buffer): void;
  certCbDone(): void;
  /** Start and stop reading from the connection below (src/stream_base.cc). */
  readStart(): number;
  readStop(): number;
}

/** The private members of a Socket that reads into a buffer of the caller (lib/net.js, initSocketHandle). */
interface SocketInternals {
  /** The TCP or Pipe handle (src/stream_base.cc, LibuvStreamWrap). */
  readonly _handle?: { useUserBuffer?: (buffer: Buffer) => void } | null;
}

/** The symbols under which a socket keeps its `onread` option (lib/internal/stream_base_commons.js). */
interface OnReadSymbols {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

/**
 * Calls `choose` after the ClientHello with the host that the client names, if any. It must set the certificates of the
 * connection unless it has them; the connection is destroyed when it throws. Call this before the handshake.
 * @param staple an OCSP answer for a client that asks for one
 * @returns a function that makes the connection forget `choose`, for after the handshake
 */
export function onClientHello(
  socket: TLSSocket,
  choose: (host: string | undefined) => void,
  staple?: Buffer,
): () => void {
  const { ssl } = internalsOf(socket);
  if (ssl === null) return () => {};
  ssl.oncertcb = ({ servername, OCSPRequest }) => {
    // The name is untrusted, and an exception in this callback would end the process.
    try {
      choose(servername || undefined);
      if (OCSPRequest && staple !== undefined) ssl.setOCSPResponse(staple);
      ssl.certCbDone();
    } catch (error) {
      socket.destroy(error as Error);
    }
  };
  ssl.enableCertCb();
  return () => forgetCallback(ssl);
}

/** Apart from `onClientHello`, whose scope would keep the callback in memory. */
function forgetCallback(ssl: TlsHandle): void {
  ssl.oncertcb = () => {};
}

/** Returns OpenSSL's verification result for the peer: null if there is no error, undefined if there is no result. */
export function verificationResult(socket: TLSSocket): NodeJS.ErrnoException | null | undefined {
  return internalsOf(socket).ssl?.verifyError();
}

/** Stops reading from the connection below a socket during its handshake, until `resumeHandshake`. */
export function pauseHandshake(socket: TLSSocket): void {
  internalsOf(socket).ssl?.readStop();
}

export function resumeHandshake(socket: TLSSocket): void {
  internalsOf(socket).ssl?.readStart();
}

/** Makes a server-side socket emit the errors that follow its handshake, as tls.Server does. */
export function releaseControl(socket: TLSSocket): void {
  internalsOf(socket)._releaseControl();
}

/** Returns whether a socket is on the server side of its connection. */
export function isServerSide(socket: TLSSocket): boolean {
  return internalsOf(socket)._tlsOptions?.isServer ?? false;
}

function internalsOf(socket: TLSSocket): TlsInternals {
  return socket as unknown as TlsInternals;
}

const onRead = findOnReadSymbols();

/**
 * Makes an accepted socket read into `buffer` and call `callback` with the length of each chunk. Node offers that, as
 * `onread`, only for sockets that connect. Returns false where it is not possible: the caller then uses 'data' events.
 */
export function readIntoBuffer(socket: Socket, buffer: Buffer, callback: (length: number) => void): boolean {
  const { _handle: handle } = socket as unknown as SocketInternals;
  if (onRead === undefined || typeof handle?.useUserBuffer !== 'function') return false;
  Object.assign(socket, {
    [onRead.buffer]: buffer,
    [onRead.callback]: (length: number) => {
      callback(length);
      return true;
    },
    [onRead.generator]: null,
  });
  handle.useUserBuffer(buffer);
  return true;
}

/** Finds the symbols on a socket that was created with `onread`. */
function findOnReadSymbols(): OnReadSymbols | undefined {
  const options = { onread: { buffer: Buffer.alloc(1), callback: () => true } };
  const symbols = Object.getOwnPropertySymbols(
    new Socket(options as ConstructorParameters<typeof Socket>[0]),
  );
  const find = (name: string) => symbols.find(({ description }) => description === name);
  const [buffer, callback, generator] = [find('kBuffer'), find('kBufferCb'), find('kBufferGen')];
  if (buffer === undefined || callback === undefined || generator === undefined) return undefined;
  return { buffer, callback, generator };
}
