// The page of the documentation that shows a whole report; it is written by the benchmark and by nobody else.
import { judge } from './goals.ts';
import type { Plot } from './plots.ts';
import { markdownTable, type Report, renderTables, short } from './report.ts';

/** Writes the page; the plots stand in a folder of that name beside it. */
export function renderPage(report: Report, plots: readonly Plot[], folder: string): string {
  return [
    '# Performance',
    'Written by `npm run bench`; to repeat it, install [nats-server](https://github.com/nats-io/nats-server), the [nats CLI](https://github.com/nats-io/natscli), openssl and [mkcert](https://github.com/FiloSottile/mkcert), leave the machine alone, and run it in a clone. It takes about twelve minutes and says what it could not find. `npm run bench -- --list` names the cells, `npm run bench -- CELL` measures one.',
    'Both servers read the same configuration and the same P-256 certificates, with a user, a password and permissions; TLS is TLS 1.3 with client certificates and AES-128-GCM. The load comes from processes on the same machine, over raw sockets in batched writes; receivers count what arrives without decrypting it, after a pass in which they compare every byte. Absolute figures belong to this machine, the ratios carry further.',
    '## What it means to reach',
    'Ratios to nats-server under TLS, unless they say otherwise.',
    goalTable(report),
    ...(plots.length > 0 ? ['## How it grows'] : []),
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
    ['', 'goal', 'found', 'reached'],
    judge(report).map(({ goal, limit, found, isReached }) => [
      goal,
      limit,
      short(found ?? Number.NaN),
      verdict(isReached),
    ]),
  );
}
