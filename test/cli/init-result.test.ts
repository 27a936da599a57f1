import { describe, expect, it } from 'vitest';
import { nextSteps } from '../../src/cli/init-result.ts';

const commands = (settings: Partial<Parameters<typeof nextSteps>[0]>) =>
  nextSteps({
    directory: 'certs',
    configurations: ['nats.conf'],
    client: 'client',
    hosts: ['a.com'],
    ...settings,
  }).map(({ command }) => command);

describe('nextSteps', () => {
  it('lists a broker for each configuration, a client, and natspki list', () => {
    expect(commands({ configurations: ['a.conf', 'b.conf'] })).toEqual([
      'natspki broker -c a.conf',
      'natspki broker -c b.conf',
      "nats -s tls://a.com --tlsca certs/ca.pem --tlscert certs/client-cert.pem --tlskey certs/client-key.pem sub '>'",
      'natspki list --dir certs',
    ]);
  });

  it('connects the client to a host that it can dial: no wildcard, and an IPv6 address in brackets', () => {
    expect(commands({ hosts: ['*.a.com', '::1'] })[1]).toContain(' tls://[::1] ');
    expect(commands({ hosts: ['*.a.com'] })[1]).toContain(' tls://localhost ');
  });

  it('quotes the words that a shell would split, and leaves the client out if there is none', () => {
    expect(commands({ directory: "my 'certs'" }).at(-1)).toBe(`natspki list --dir 'my '\\''certs'\\'''`);
    expect(commands({ client: undefined })).toHaveLength(2);
  });
});
