// What an authority answers over plain HTTP. All of it is public; nothing here changes anything.
import { NatspkiError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { type Answer, json } from '../../net/answer.ts';
import { readAssets } from '../../net/page.ts';
import type { Responder } from '../../pki/revoke/responder.ts';
import { toPem } from '../../x509/certificate.ts';
import type { FleetAuthority } from '../authority/authority.ts';
import { FleetMetrics } from './fleet-metrics.ts';
import { fleetAssets, fleetDocument, fleetPage } from './fleet-page.ts';
import type { PublicHandler, PublicHandlers } from './public-server.ts';
import { statusHandlers } from './status.ts';

export interface PublicContext {
  readonly authority: FleetAuthority;
  readonly version: string;
  readonly logger: Pick<Logger, 'error'>;
  /** Whether it is connected to NATS; undefined when it does not serve there. */
  readonly nats: () => boolean | undefined;
  readonly now: () => Date;
  readonly responder: Responder;
}

/** Endpoints without a link on the page. */
const unlinked = ['/', '/page.json', '/ocsp'];

/** Returns the handlers. */
export function publicHandlers(context: PublicContext): PublicHandlers {
  const { authority: fleet, version, nats, now, responder, logger } = context;
  const startedAt = now();
  const metrics = new FleetMetrics(fleet, version, now);
  const facts = () => ({ fleet, version, startedAt, now: now(), nats: nats() });
  const handlers: Map<string, PublicHandler> = new Map<string, PublicHandler>([
    ['/', { answer: () => fleetPage(facts(), linked(handlers)) }],
    ['/page.json', { answer: ({ query }) => document(query) }],
    ['/ca.pem', { answer: () => bundle(fleet) }],
    ['/healthz', { answer: () => health(context), isUrgent: true }],
    ['/metrics', { answer: () => metrics.answer() }],
  ]);
  const document = async (query: URLSearchParams) => {
    await fleet.refresh();
    return json(fleetDocument(facts(), query.get('filter') ?? ''));
  };
  const status = statusHandlers({ directory: fleet.directory, responder, logger, now });
  for (const [path, handler] of status) handlers.set(path, handler);
  for (const [path, answer] of readAssets(fleetAssets)) handlers.set(path, { answer: () => answer });
  return handlers;
}

/** Returns the paths that the page links to. */
function linked(handlers: PublicHandlers): string[] {
  return [...handlers.keys()].filter((path) => !unlinked.includes(path) && !path.startsWith('/page/'));
}

async function bundle(fleet: FleetAuthority): Promise<Answer> {
  await fleet.refresh();
  return { status: 200, type: 'application/x-pem-file', body: toPem(fleet.roots) };
}

/** Answers 503 when the authority can sign nothing: its folder cannot be read, or it has expired. */
async function health({ authority, nats, logger, now }: PublicContext): Promise<Answer> {
  const state = nats() === undefined ? {} : { nats: nats() };
  const fail = (error: string): Answer => ({ ...json({ status: 'error', error, ...state }), status: 503 });
  try {
    await authority.refresh();
  } catch (error) {
    if (!(error instanceof NatspkiError)) throw error;
    logger.error(`The folder cannot be used: ${error.message}`);
    return fail('the folder of the authority cannot be used');
  }
  const { notAfter } = authority.signing.current.certificate;
  return now() < notAfter ? json({ status: 'ok', ...state }) : fail('the authority has expired');
}
