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

describe('the next steps', () => {
  it('are a broker for each configuration, a client, and the list', () => {
    expect(commands({ configurations: ['a.conf', 'b.conf'] })).toEqual([
      'natspki broker -c a.conf',
      'natspki broker -c b.conf',
      "nats -s tls://a.com --tlsca certs/ca.pem --tlscert certs/client-cert.pem --tlskey certs/client-key.pem sub '>'",
      'natspki list --dir certs',
    ]);
  });

  it('connect to a host that can be dialed', () => {
    expect(commands({ hosts: ['*.a.com', '::1'] })[1]).toContain(' tls://[::1] ');
    expect(commands({ hosts: ['*.a.com'] })[1]).toContain(' tls://localhost ');
  });

  it('survive a shell', () => {
    expect(commands({ directory: "my 'certs'" }).at(-1)).toBe(`natspki list --dir 'my '\\''certs'\\'''`);
    expect(commands({ client: undefined })).toHaveLength(2);
  });
});
