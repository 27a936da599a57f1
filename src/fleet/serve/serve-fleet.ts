// Serves the authority of a folder to its members: over NATS, over EST, and to the public over HTTP, until it is told to stop.
import { NatspkiError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import { FileWatcher } from '../../files/watcher.ts';
import { given } from '../../given.ts';
import type { Logger } from '../../log.ts';
import { formatHostPort, type HostPort } from '../../net/host-port.ts';
import { issueCertificates } from '../../pki/issue/issue.ts';
import { Responder } from '../../pki/revoke/responder.ts';
import { systemTime, type Timekeeper } from '../../pki/rotate/rounds.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import { recordAddresses } from '../authority/addresses.ts';
import { FleetAuthority } from '../authority/authority.ts';
import { EstServer } from '../http/est-server.ts';
import { PublicServer } from '../http/public-server.ts';
import { serveOverNats } from '../nats/serve.ts';
import { serviceUser } from '../nats/subjects.ts';
import { keepLists } from './list-keeper.ts';
import { keepOwnPairs } from './own-pairs.ts';
import { keepPins } from './pin-keeper.ts';

export interface FleetServeOptions {
  readonly directory: PkiDirectory;
  readonly passphrase?: string;
  /** How long after its end a certificate may still be renewed, in milliseconds. */
  readonly graceMs?: number;
  /** Where EST is served. */
  readonly listen?: HostPort;
  /** Where the public parts are served over plain HTTP. */
  readonly http?: HostPort;
  /** `nats://` or `tls://` URLs of one system; empty to stay away from NATS. */
  readonly nats: readonly string[];
  /** The name of the pair that HTTPS is served with. */
  readonly pair: string;
  /** Where members find EST; by default the address and the names of the pair decide. */
  readonly urls?: readonly string[];
  readonly configurations: readonly string[];
  readonly reload: readonly string[];
  /** The version of natspki. */
  readonly version: string;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly time?: Timekeeper;
}

/** How long requests in progress have to be answered when the server stops, in milliseconds. */
const stopMs = 2000;

/** Serves until the signal is aborted; throws a NatspkiError when something cannot be served from the start. */
export async function serveFleet(options: FleetServeOptions): Promise<void> {
  const { directory, configurations, reload, logger, signal, time = systemTime } = options;
  const now = () => time.now();
  const pins = await keepPins({ directory, configurations, reload, logger });
  const parts = given({ passphrase: options.passphrase, graceMs: options.graceMs });
  const authority = await FleetAuthority.open({
    ...{ directory, logger, announce: pins.announce, now },
    ...parts,
  });
  if (options.nats.length > 0) await provideServiceUser(options, now());
  const ends = new AbortController();
  const closing: (() => Promise<void>)[] = [];
  try {
    const state = new Serving(options, authority, now);
    closing.push(() => state.close());
    const urls = await state.open();
    await recordAddresses(directory, urls, now());
    await authority.audit.write([{ time: now().toISOString(), action: 'serve' }]);
    logger.info(`Serving ${directory.path}: "${authority.signing.current.certificate.commonName}" signs`);
    const stop = AbortSignal.any([signal, ends.signal]);
    const names = ownPairs(options);
    const { updater } = pins;
    const kept = keepOwnPairs({
      ...{ directory, names, updater, logger, time, signal: stop },
      ...given({ passphrase: options.passphrase }),
    });
    closing.push(() => kept);
    const nats = state.serveNats(stop);
    closing.push(() => nats.catch(() => undefined));
    await Promise.race([nats.then(() => aborted(stop)), aborted(signal)]);
  } finally {
    ends.abort();
    for (const close of closing.reverse()) await close();
    await authority.idle();
  }
  logger.info('Stopped');
}

/** The servers of one authority. */
class Serving {
  readonly #options: FleetServeOptions;
  readonly #authority: FleetAuthority;
  readonly #now: () => Date;
  readonly #watcher: FileWatcher;
  #est: EstServer | undefined;
  #http: PublicServer | undefined;
  #isConnected = false;
  /** Ends what keeps the lists. */
  readonly #ends = new AbortController();
  #lists: Promise<void> | undefined;

  constructor(options: FleetServeOptions, authority: FleetAuthority, now: () => Date) {
    this.#options = options;
    this.#authority = authority;
    this.#now = now;
    this.#watcher = new FileWatcher({
      onError: (error) => options.logger.error(`Cannot watch the certificates: ${(error as Error).message}`),
    });
  }

  /** Starts to listen; returns the URLs at which members find the authority, those of EST first. */
  async open(): Promise<string[]> {
    const { directory, listen, http, pair, nats, logger, version } = this.#options;
    const authority = this.#authority;
    const urls = [...nats.map(withoutUser)];
    if (listen !== undefined) {
      const files = pairFiles(directory, pair);
      const watcher = this.#watcher;
      this.#est = await EstServer.open({
        authority,
        where: listen,
        pair: files,
        watcher,
        logger,
        now: this.#now,
      });
      const { port } = this.#est;
      logger.info(`Listening for EST on https://${formatHostPort({ host: listen.host, port })}`);
      urls.unshift(
        ...(this.#options.urls ?? [`https://${formatHostPort({ host: this.#host(listen), port })}`]),
      );
    }
    if (http !== undefined) {
      // Loads prom-client.
      const { publicHandlers } = await import('../http/public-handlers.ts');
      const isConnected = () => (nats.length === 0 ? undefined : this.#isConnected);
      const responder = await Responder.open({ ...this.#signing, logger });
      const handlers = publicHandlers({
        authority,
        version,
        logger,
        nats: isConnected,
        now: this.#now,
        responder,
      });
      const { ocsp, crl } = await directory.addresses();
      const hosts = [...ocsp, ...crl].map((url) => new URL(url).hostname);
      const names = () => [...this.#names, ...hosts];
      this.#http = await PublicServer.open({ handlers, where: http, names, logger });
      this.#lists = keepLists({ ...this.#signing, logger, signal: this.#ends.signal });
      const { port } = this.#http;
      logger.info(`Listening for HTTP on http://${formatHostPort({ host: http.host, port })}`);
    }
    return urls;
  }

  /** What signs answers and lists. */
  get #signing() {
    const { directory, passphrase } = this.#options;
    return { directory, now: this.#now, ...given({ passphrase }) };
  }

  async serveNats(signal: AbortSignal): Promise<void> {
    const { nats: servers, version, logger } = this.#options;
    if (servers.length === 0) return;
    const onState = (isConnected: boolean) => {
      this.#isConnected = isConnected;
    };
    await serveOverNats({
      authority: this.#authority,
      servers,
      version,
      logger,
      signal,
      onState,
      now: this.#now,
    });
  }

  async close(): Promise<void> {
    this.#ends.abort();
    await Promise.all([this.#lists, this.#est?.close(stopMs), this.#http?.close(stopMs)]);
    await this.#watcher.close();
  }

  /** The names in the certificate that EST is served with. */
  get #names(): string[] {
    return this.#est?.source.material.names.map(({ value }) => value) ?? [];
  }

  /** The name under which members find this host: what it listens on, or a name in the certificate that others can use. */
  #host({ host }: HostPort): string {
    const names = this.#names;
    if (names.includes(host)) return host;
    return names.find((name) => !/^(localhost|127\..*|::1)$/.test(name)) ?? names[0] ?? host;
  }
}

/** Returns the names of the pairs that this process serves and connects with. */
function ownPairs({ listen, nats, pair }: FleetServeOptions): string[] {
  return [...(listen === undefined ? [] : [pair]), ...(nats.length === 0 ? [] : [serviceUser])];
}

/** Resolves when a signal is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** Returns the files of the pair that HTTPS is served with; throws `no-server-pair` when it is missing. */
function pairFiles(directory: PkiDirectory, name: string): ReturnType<PkiDirectory['pair']> {
  const pair = directory.pair(name);
  if (exists(pair.certificateFile) && exists(pair.keyFile)) return pair;
  throw new NatspkiError(
    'no-server-pair',
    `there is no pair "${name}" in "${directory.path}" to serve EST with`,
    {
      hint: `natspki issue server ${name} --san dns:HOST --dir ${directory.path}, or another one with --pair`,
    },
  );
}

/** Issues the client pair of the authority if it is missing. */
async function provideServiceUser(
  { directory, passphrase, logger }: FleetServeOptions,
  now: Date,
): Promise<void> {
  const { certificateFile, keyFile } = directory.pair(serviceUser);
  if (exists(certificateFile) && exists(keyFile)) return;
  const names = [serviceUser];
  try {
    await issueCertificates({
      directory,
      profile: 'client',
      names,
      now: () => now,
      ...given({ passphrase }),
    });
  } catch (error) {
    // Another authority of the folder that starts at the same time was faster.
    if (error instanceof NatspkiError && error.code === 'certificate-exists' && exists(keyFile)) return;
    throw error;
  }
  logger.info(`Issued client certificate "${serviceUser}" to connect to NATS with`);
  logger.info(
    `It needs the permissions of \`natspki serve --print-permissions\`, and its pin where servers pin clients: \`natspki pin ${certificateFile} --add FILE\``,
  );
}

/** A token must not carry the password of a server. */
function withoutUser(url: string): string {
  const parsed = new URL(url);
  return `${parsed.protocol}//${parsed.host}`;
}
