// The monitoring page of the broker.
import { showCertificates } from './certificates.js';
import { connectionsQuery, showConnections, startConnections } from './connections.js';
import { byId } from './document.js';
import { startPolling } from './poll.js';
import { showRevocation } from './revocation.js';
import { showHandshakes, showHistory, showSuites, showSummary } from './traffic.js';

/** @typedef {import('../../src/broker/monitoring/http/page.ts').PageDocument} Page */

const ask = startPolling({
  what: 'broker',
  query: connectionsQuery,
  read: (/** @type {Page} */ { server, now }) => ({
    id: server.id,
    now,
    isReady: server.ready,
    state: 'accepts no new clients',
  }),
  show,
});
startConnections(ask);

/** @param {Page} page @param {number} now */
function show(page, now) {
  const { tls, revocation, clients } = page;
  showSummary(page, now);
  showCertificates(byId('certificates'), tls, now);
  showRevocation(byId('revocation'), revocation);
  showHistory(tls);
  showSuites(clients);
  showHandshakes(page.handshakes);
  showConnections(page.connections, now);
}
