// `natspki invite` on the built program: what goes to stdout, the listing, and its refusals.
import { beforeAll, expect, it } from 'vitest';
import { decodeToken } from '../../src/fleet/token.ts';
import { natspki } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('invite');
const url = 'https://pki.example.com:8443';

beforeAll(async () => {
  await natspki(folder, ['init', '--yes']);
});

it('prints the token alone on stdout, and on stderr what it is for', async () => {
  const args = ['invite', 'client', 'alice', '--url', url, '--url', 'tls://nats.example.com', '--ttl', '10m'];
  const { code, stdout, stderr } = await natspki(folder, args);
  expect(code).toBe(0);
  const { id, name, urls, secret } = decodeToken(stdout);
  expect(stdout).toMatch(/^\S+\n$/);
  expect({ name, urls }).toEqual({ name: 'alice', urls: [url, 'tls://nats.example.com'] });
  expect(stderr).toContain('invited client "alice" for dns:alice, 365 days each time');
  expect(stderr).toContain(`invitation ${id} is valid once until `);
  expect(stderr).not.toContain(secret.toString('base64url'));
});

it('prints a configuration of curl for a host without natspki', async () => {
  const { stdout, stderr } = await natspki(folder, ['invite', 'client', 'erin', '--url', url, '--curl']);
  expect(stdout).toMatch(
    /^url = "https:\/\/pki\.example\.com:8443\/\.well-known\/est\/simpleenroll"\nuser = "[0-9a-f]{16}:[\w-]{43}"\n$/,
  );
  expect(stderr).toContain('curl --config FILE --data-binary @REQUEST');
});

it('lists invitations, and withdraws one once and for all', async () => {
  const made = await natspki(folder, ['invite', 'client', 'bob', '--url', url, '--json']);
  const { id, secret, token, invitation } = JSON.parse(made.stdout);
  expect(made.stderr).toBe('');
  expect(decodeToken(token).secret).toEqual(Buffer.from(secret, 'base64url'));
  expect(invitation).toMatchObject({ name: 'bob', state: 'open', used: 0, uses: 1 });
  const table = await natspki(folder, ['invite', '--list']);
  expect(table.stdout).toMatch(/^ID +NAME +PROFILE/);
  expect(table.stdout).toMatch(new RegExp(`^${id} +bob +client +dns:bob +365d +open +0/1`, 'm'));
  const withdrawn = await natspki(folder, ['invite', '--withdraw', id]);
  expect(withdrawn).toEqual({ code: 0, stdout: `withdrew invitation ${id} for "bob"\n`, stderr: '' });
  const { stdout } = await natspki(folder, ['invite', '--list', '--json']);
  const listed = JSON.parse(stdout).invitations.find((each: { id: string }) => each.id === id);
  expect(listed).toMatchObject({ state: 'withdrawn' });
  expect(stdout).not.toContain('hash');
});

it.each([
  [['invite'], 2, 'a profile and a name are missing'],
  [['invite', 'klient', 'carol'], 2, 'unknown profile "klient", expected one of server'],
  [['invite', 'client', 'carol'], 2, 'an invitation needs the https URL of the authority'],
  [
    ['invite', 'client', 'carol', '--url', 'tls://x'],
    2,
    'an invitation needs the https URL of the authority',
  ],
  [['invite', 'client', 'carol', '--url', 'x:y/z'], 2, '"x:y/z" is not where an authority answers'],
  [['invite', 'client', 'carol', '--url', url, '--ttl', '0s'], 2, 'an invitation that expires at once'],
  [['invite', 'client', 'carol', '--url', url, '--uses', '0'], 2, '--uses is "0", expected a whole number'],
  [['invite', 'client', 'client', '--url', url], 1, '"client" already has a certificate'],
  [['invite', '--again', 'carol', '--url', url], 1, 'no certificate "carol" was issued here'],
  [
    ['invite', '--again', 'client', 'client', 'carol'],
    2,
    '--again and "client carol" are mutually exclusive',
  ],
  [['invite', '--withdraw', '0123'], 1, 'there is no invitation "0123"'],
])('refuses %j', async (args, code, message) => {
  const found = await natspki(folder, args);
  expect(found).toMatchObject({ code, stdout: '' });
  expect(found.stderr).toContain(`natspki: error: ${message}`);
  expect(found.stderr).toContain('natspki: hint: ');
});
