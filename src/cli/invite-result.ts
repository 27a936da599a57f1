// Prints what `invite` did: the facts of a new invitation for stderr, since the token alone goes to stdout, and the table of
// invitations.
import { formatDuration } from '../duration.ts';
import type { ListedInvitation } from '../fleet/authority/invite.ts';
import { escapeControls } from '../log.ts';
import { formatTime } from './details.ts';
import { type Column, tableLines } from './table.ts';
import type { Terminal } from './terminal.ts';

/** Returns the lines that say what a token is for and how it is used. */
export function invitationLines(
  invitation: ListedInvitation,
  urls: readonly string[],
  forCurl = false,
): string[] {
  const { id, name, profile, sans, days, uses, expires } = invitation;
  const names = sans.length === 0 ? '' : ` for ${sans.join(', ')}`;
  const often = uses === 1 ? 'once' : `${uses} times`;
  return [
    `invited ${profile} "${name}"${names}, ${days} days each time`,
    `invitation ${id} is valid ${often} until ${until(expires)}, at ${urls.join(', ')}`,
    forCurl
      ? 'the password is a secret until then; on the host of the certificate: curl --config FILE --data-binary @REQUEST'
      : 'the token is a secret until then; on the host of the certificate: natspki enroll -',
  ].map(escapeControls);
}

/** Returns a configuration for `curl --config` with the URL and the credentials of an enrolment (RFC 7030 section 4.2). */
export function curlLines(
  { id, secret }: { readonly id: string; readonly secret: string },
  urls: readonly string[],
): string[] {
  const base = urls.find((url) => /^https:/i.test(url))?.replace(/\/$/, '');
  return [`url = "${base}/.well-known/est/simpleenroll"`, `user = "${id}:${secret}"`];
}

/** Returns the table of invitations. */
export function invitationTable(rows: readonly ListedInvitation[], terminal: Terminal): string[] {
  const colour = ({ state }: ListedInvitation, cell: string) =>
    state === 'open' ? terminal.green(cell) : terminal.dim(cell);
  const columns: Column<ListedInvitation>[] = [
    { header: 'ID', value: ({ id }) => id },
    { header: 'NAME', value: ({ name }) => name, minimum: 12 },
    { header: 'PROFILE', value: ({ profile }) => profile, leaves: 2 },
    { header: 'SANS', value: ({ sans }) => sans.join(' ') || '-', minimum: 12, leaves: 3 },
    { header: 'LIFE', value: ({ days }) => formatDuration(days * 24 * 60 * 60 * 1000), leaves: 4 },
    { header: 'STATE', value: ({ state }) => state, style: colour },
    { header: 'USED', value: ({ used, uses }) => `${used}/${uses}`, leaves: 1 },
    { header: 'UNTIL', value: ({ expires }) => until(expires) },
  ];
  return tableLines(rows, columns, terminal);
}

function until(iso: string): string {
  return formatTime(new Date(Math.floor(Date.parse(iso) / 1000) * 1000));
}
