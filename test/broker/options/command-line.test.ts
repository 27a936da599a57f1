import { describe, expect, it } from 'vitest';
import { brokerFlags } from '../../../src/broker/options/command-line.ts';
import { given } from '../../../src/given.ts';

describe('brokerFlags', () => {
  it("puts nats-server's names of flags under the names of the options", () => {
    expect(
      given(brokerFlags({ addr: '::1', server_name: 'n1', connect_retries: 3, logtime: false })),
    ).toEqual({
      addr: '::1',
      serverName: 'n1',
      connectRetries: 3,
      logtime: false,
    });
  });

  it('lets DV decide about debug and trace', () => {
    expect(brokerFlags({ DV: true, trace: false })).toMatchObject({ debug: true, trace: true });
    expect(brokerFlags({ DV: false, debug: true })).toMatchObject({ debug: false, trace: false });
    expect(brokerFlags({ debug: true })).toMatchObject({ debug: true, trace: undefined });
  });
});
