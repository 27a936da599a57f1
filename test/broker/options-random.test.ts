// Random configurations of existing options, with valid and invalid values, in the right and in wrong blocks: the
// broker must either read each of them or report problems at valid positions.
import { describe, expect, it } from 'vitest';
import { readBrokerOptions } from '../../src/broker/options/options.ts';
import { blockAt } from '../../src/broker/options/positions.ts';
import { findBadPractices } from '../../src/broker/options/practices.ts';
import { ConfErrors, type ConfProblem } from '../../src/conf/error.ts';
import { parseConf } from '../../src/conf/parser.ts';
import { below, seeded } from '../support/seeded.ts';

const rounds = 10_000;

/** Options and blocks by the block that they belong to; the test also puts them into other blocks. */
const names = {
  top: `port host net listen server_name max_payload max_pending max_connections ping_interval ping_max write_deadline
    lame_duck_duration lame_duck_grace_period allow_non_tls no_auth_user client_advertise debug trace logtime log_file
    pid_file ports_file_dir max_control_line max_subscriptions write_timeout no_header_support tls cluster accounts
    authorization jetstream gateway leafnodes mqtt websocket operator resolver http_port https_port include`,
  tls: `cert_file key_file ca_file verify verify_and_map insecure cipher_suites allow_insecure_cipher_suites
    curve_preferences min_version timeout rate_limit connection_rate_limit handshake_first first immediate
    handshake_first_fallback pinned_certs certificates certs ocsp_peer cert_store verify_cert_and_check_known_urls`,
  cluster: 'name listen routes host port tls authorization advertise no_advertise connect_retries pool_size',
  authorization: 'user password token users timeout permissions auth_callout',
  accounts: 'A B users user nkey exports imports jetstream limits',
};
const known = Object.fromEntries(
  Object.entries(names).map(([block, text]) => [
    block,
    text.split(/\s+/).filter((name) => name !== 'include'),
  ]),
) as Record<keyof typeof names, string[]>;
const blocks = Object.keys(names) as (keyof typeof names)[];

const values = [
  ...['true', 'false', 'on', '0', '1', '-1', '4222', '65536', '9223372036854775807', '0.3', '-0.3', '1e400'],
  ...['"auto"', '"2s"', '"-2s"', '"2"', '""', '" "', '"a b"', '"1.2"', '"1.0"', '"1.4"', '1.2', '4k', '1GB'],
  ...['"0.0.0.0:4222"', '":4222"', '"[::1]:4222"', '"x:y:z"', '"nats://a:1"', '"::"', '2016-05-04T18:53:41Z'],
  ...['[]', '{}', '[1]', '[{}]', '[[]]', '["a", 1]', '{a: 1}', '[{user: a}]', '[{user: a}, {user: a}]'],
  ...['[{user: a, password: b}]', '[{cert_file: "a", key_file: "b"}]', '[{cert_file: "a"}]', '[null]'],
  ...[
    '[TLS_AES_128_GCM_SHA256]',
    '[TLS_RSA_WITH_RC4_128_SHA]',
    '[nonsense]',
    '[X25519, CurveP256]',
    '[X25519MLKEM768]',
  ],
  ...[
    `["${'ab'.repeat(32)}"]`,
    `["${'AB'.repeat(31)}"]`,
    '"\\x00\\xff"',
    '"é😀"',
    '"$2a$11$x"',
    '__proto__',
    'constructor',
  ],
];

function configuration(random: () => number): string {
  const pick = <T>(choices: readonly T[]): T => choices[below(random, choices.length)] as T;
  const spelled = (name: string) => {
    const kind = random();
    if (kind < 0.8) return name;
    return kind < 0.9 ? name.toUpperCase() : name.slice(0, -1) + pick(['', 'x', '_']);
  };
  const entries = (block: keyof typeof names, depth: number): string =>
    Array.from({ length: 1 + below(random, 6) }, () => {
      const name = pick(random() < 0.9 ? known[block] : known[pick(blocks)]);
      const inner = blocks.find((each) => each === name) ?? 'accounts';
      const isBlock = depth < 3 && (inner === name || /^[AB]$/.test(name)) && random() < 0.8;
      return `${spelled(name)}: ${isBlock ? `{\n${entries(inner, depth + 1)}}` : pick(values)}\n`;
    }).join('');
  return entries('top', 0);
}

describe('10,000 random configurations of existing options', () => {
  it('are read without a crash, and each problem has a position in the text', { timeout: 60_000 }, () => {
    const random = seeded(20261123);
    const seen = { rejected: 0, accepted: 0 };
    for (let round = 0; round < rounds; round++) {
      const text = configuration(random);
      const problems: ConfProblem[] = [];
      try {
        const root = parseConf(text, { file: 'f' });
        const { tls, allowNonTls } = readBrokerOptions(root, problems, { ignoreUnsupported: random() < 0.5 });
        const map = blockAt(root, 'tls');
        const port = { context: 'client' as const, map, tls, material: undefined, keyModes: new Map() };
        const now = new Date(0);
        problems.push(
          ...findBadPractices({
            root,
            ports: [port],
            allowNonTls,
            usersByCommonName: ['a'],
            plaintext: [],
            now,
          }),
        );
      } catch (error) {
        if (!(error instanceof ConfErrors)) throw new Error(`round ${round}:\n${text}`, { cause: error });
        problems.push(...error.problems);
      }
      for (const { message, position, severity } of problems) {
        const line = text.split('\n')[position.line - 1];
        const within = line !== undefined && position.column >= 1 && position.column <= line.length + 1;
        if (!within || message === '')
          throw new Error(`round ${round}: ${severity} "${message}" in\n${text}`);
      }
      seen[problems.some(({ severity }) => severity === 'error') ? 'rejected' : 'accepted']++;
    }
    expect(seen.rejected).toBeGreaterThan(1000);
    expect(seen.accepted).toBeGreaterThan(100);
  });
});
