// Renders the page of the documentation that shows a complete report. Only the benchmark writes that page.
import { judge } from './goals.ts';
import type { Plot } from './plots.ts';
import { markdownTable, type Report, renderTables, short } from './report.ts';

/** Renders the page; `folder`, next to it, holds the plots. */
export function renderPage(report: Report, plots: readonly Plot[], folder: string): string {
  return [
    '# Performance',
    '`npm run bench` writes this page. To repeat it, install [nats-server](https://github.com/nats-io/nats-server), the [nats CLI](https://github.com/nats-io/natscli), openssl and [mkcert](https://github.com/FiloSottile/mkcert), leave the machine otherwise idle, and run it in a clone. It takes about twelve minutes and lists what it could not measure. `npm run bench -- --list` lists the cells, `npm run bench -- CELL` measures one.',
    'Both servers read the same configuration and the same P-256 certificates, with a user, a password and permissions; TLS is TLS 1.3 with client certificates and AES-128-GCM. The load comes from processes on the same machine, over raw sockets in batched writes. Receivers compare every byte in a first pass; in timed passes they count bytes without decrypting them. Absolute figures apply to this machine; ratios are comparable across machines.',
    '## Goals',
    'Ratios to nats-server under TLS, unless stated otherwise.',
    goalTable(report),
    ...(plots.length > 0 ? ['## Scaling'] : []),
    ...plots.map(({ file, title }) => `![${title}](${folder}/${file})`),
    '## All figures',
    ...renderTables(report),
  ].join('\n\n');
}

function goalTable(report: Report): string {
  const verdict = (isReached: boolean | undefined) => {
    if (isReached === undefined) return 'not measured';
    return isReached ? 'yes' : 'no';
  };
  return markdownTable(
    ['', 'goal', 'measured', 'reached'],
    judge(report).map(({ goal, limit, found, isReached }) => [
      goal,
      limit,
      short(found ?? Number.NaN),
      verdict(isReached),
    ]),
  );
}
