// The monitoring page of the broker.
import { lifeOf, showCertificates } from './certificates.js';
import { connectionsQuery, showConnections, startConnections } from './connections.js';
import { byId } from './document.js';
import { showPlots, showTimeline } from './plots.js';
import { startPolling } from './poll.js';
import { showRevocation } from './revocation.js';
import { showHandshakes, showHistory, showRoutes, showSuites, showSummary } from './traffic.js';

/** @typedef {import('../../src/broker/monitoring/http/page.ts').PageDocument} Page */

const ask = startPolling({
  what: 'broker',
  query: connectionsQuery,
  read: (/** @type {Page} */ { server, tls, now }) => {
    const [kind, state] = stateOf(server, tls, Date.parse(now));
    return { id: server.id, now, isReady: server.ready, kind, state };
  },
  show,
});
startConnections(ask);

/** @param {Page} page @param {number} now */
function show(page, now) {
  const { tls, revocation, clients } = page;
  showSummary(page, now);
  showPlots(page.recent);
  showTimeline(tls, now);
  showCertificates(byId('certificates'), tls, now);
  showRevocation(byId('revocation'), revocation);
  showHistory(tls);
  showSuites(clients);
  showHandshakes(page.handshakes);
  showRoutes(page.routes, now);
  showConnections(page.connections, page.client_certificates, now);
}

/**
 * What the pill in the headline says: the worst of the server, its files and its certificates.
 * @param {Page['server']} server @param {Page['tls']} tls @param {number} now
 * @returns {[state: string, text: string]}
 */
function stateOf(server, tls, now) {
  if (!server.ready) return ['leaving', 'accepts no new clients'];
  const refused = tls.find(({ current }) => !current);
  if (refused !== undefined) return ['refused', `ready, files of ${refused.name} rejected`];
  const chains = tls.flatMap(({ certificates, intermediates }) => [...certificates, ...intermediates]);
  const states = chains.map((certificate) => lifeOf(certificate, now).state);
  if (states.includes('expired')) return ['expired', 'ready, a certificate has expired'];
  if (states.includes('critical')) return ['critical', 'ready, a certificate is about to expire'];
  if (states.includes('due')) return ['due', 'ready, a certificate is due'];
  return ['ready', 'ready'];
}
