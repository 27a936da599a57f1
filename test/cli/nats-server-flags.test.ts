import { describe, expect, it } from 'vitest';
import { ignoresUnsupported, normaliseNatsServerFlags } from '../../src/cli/nats-server-flags.ts';
import { run } from '../harness/process.ts';
import { describePeer } from '../support/peers.ts';

const normalise = (line: string): string[] => normaliseNatsServerFlags(line.split(' '));

describe('normaliseNatsServerFlags', () => {
  it.each([
    ['-c nats.conf', '--config=nats.conf'],
    ['--config=nats.conf', '--config=nats.conf'],
    ['-config nats.conf', '--config=nats.conf'],
    ['-p -1', '--port=-1'],
    ['-m 8222 -http_port 1', '--http_port=1'],
    ['-ms 8443 --https_port=-1', '--https_port=-1'],
    ['--net ::1 -p 4223', '--addr=::1 --port=4223'],
    ['-n a -D --name b --server_name c --debug=false', '--server_name=c --no-debug'],
    ['-DV', '--DV'],
    ['-D -V', '--debug --trace'],
    ['-sl reload=/run/nats.pid', '--signal=reload=/run/nats.pid'],
    ['--signal=ldm=12', '--signal=ldm=12'],
    ['-T=false --logtime_utc', '--no-logtime --logtime_utc'],
    ['--debug=1 --trace=F', '--debug --no-trace'],
    ['-tls --tlsverify', '--tls --tlsverify=true'],
    ['--tlsverify=Optional', '--tlsverify=optional'],
    ['--tlsverify=0', '--tlsverify=false'],
    ['-VV', '--trace'],
    ['-DVV', '--DV'],
    ['-js=false -s=F', ''],
    ['-t --test_reload new.conf', '--t --test_reload=new.conf'],
    ['-t -v -h', '--t --version --help'],
    ['--pass -D', '--pass=-D'],
    ['--auth=a=b=', '--auth=a=b='],
    ['--user=', '--user='],
    ['-cluster_listen nats://a:1 --no_advertise', '--cluster=nats://a:1 --no_advertise'],
    [
      '--routes=nats://a:1,nats://b:1 -connect_retries 3',
      '--routes=nats://a:1,nats://b:1 --connect_retries=3',
    ],
  ])('rewrites %s to %s', (given, expected) => {
    expect(normalise(given).join(' ')).toBe(expected);
  });

  it('keeps unknown long flags, so that the parser rejects them', () => {
    expect(normalise('--json --prot 3 x')).toEqual(['--json', '--prot', '3', 'x']);
  });

  it.each([
    ['-nosuch', 'natspki broker --help'],
    ['-d', 'did you mean "-D"'],
    ['-x', 'natspki broker --help'],
    ['-prot=4222', 'did you mean "-port"'],
    ['-p4222', 'natspki broker --help'],
  ])('rejects %s, which the parser would read as several flags in one word', (word, hint) => {
    const message = `unknown flag "${word.replace(/=.*/, '')}"`;
    expect(() => normalise(word)).toThrow(expect.objectContaining({ code: 'usage', message, hint }));
  });

  it('rewrites the words that nats-server accepts in place of flags', () => {
    expect(normalise('version')).toEqual(['--version']);
    expect(normalise('-p 1 help')).toEqual(['--port=1', '--help']);
  });

  it('keeps every word after --', () => {
    expect(normalise('-D -- -p 1')).toEqual(['--debug', '--', '-p', '1']);
  });

  it.each(['--jetstream', '-s', '-r', '--profile'])(
    'rejects %s with a hint, because the bundled broker does not support it',
    (word) => {
      expect(() => normalise(`${word} 1`)).toThrow(
        expect.objectContaining({ code: 'usage', exitCode: 2, hint: expect.stringMatching(/\w/) }),
      );
    },
  );

  it('turns a flag that has no effect without JetStream into a warning', () => {
    const warning = (flag: string) =>
      `--ignored=${flag} has no effect: the bundled broker does not have JetStream`;
    expect(normalise('-sd /data -p 1')).toEqual([warning('-sd'), '--port=1']);
    expect(normalise('--store_dir=/data')).toEqual([warning('--store_dir')]);
  });

  it('turns an unsupported flag into a warning on request', () => {
    const warning = (flag: string) => `--ignored=${flag} is ignored: the bundled broker does not support it`;
    expect(normaliseNatsServerFlags(['-js', '--profile', '1', '-p', '2'], true)).toEqual([
      warning('-js'),
      warning('--profile'),
      '--port=2',
    ]);
    expect(normalise('--ignore-unsupported -s')).toEqual(['--ignore-unsupported', warning('-s')]);
    expect(ignoresUnsupported({ NATSPKI_IGNORE_UNSUPPORTED: '1' })).toBe(true);
    expect(ignoresUnsupported({})).toBe(false);
  });

  it('rejects a flag without its value and a boolean that is neither true nor false', () => {
    expect(() => normalise('-D -p')).toThrow('-p expects a value');
    expect(() => normalise('-D=maybe')).toThrow('-D=maybe is neither true nor false');
  });
});

/** Flags of nats-server with a value that it starts with: what the broker makes of each. */
const table: readonly (readonly ['taken' | 'warned' | 'rejected', readonly string[]])[] = [
  ['taken', ['-a', '--addr', '--net'].map((flag) => `${flag} 127.0.0.1`)],
  ['taken', ['-p', '--port', '-m', '--http_port', '-ms', '--https_port'].map((flag) => `${flag} 4222`)],
  [
    'taken',
    ['-n', '--name', '--server_name', '--client_advertise', '-P', '--pid'].map((flag) => `${flag} x`),
  ],
  [
    'taken',
    ['--ports_file_dir', '-c', '--config', '-l', '--log', '--test_reload'].map((flag) => `${flag} x`),
  ],
  ['taken', ['-sl', '--signal', '--user', '--pass', '--auth', '--cluster_name'].map((flag) => `${flag} x`)],
  ['taken', ['--tlscert', '--tlskey', '--tlscacert', '--routes', '--cluster'].map((flag) => `${flag} x`)],
  ['taken', ['--cluster_listen', '--cluster_advertise'].map((flag) => `${flag} x`)],
  [
    'taken',
    ['--connect_retries 1', '--max_traced_msg_len 1', '--no_advertise', '-t', '--tls', '--tlsverify'],
  ],
  ['taken', ['-T', '--logtime', '--logtime_utc', '-D', '--debug', '-V', '--trace', '-VV', '-DV', '-DVV']],
  ['taken', ['-h', '--help', '-v', '--version', '--help_tls', '-js=false', '-s=false']],
  ['warned', ['-sd x', '--store_dir x']],
  [
    'rejected',
    [
      '-js',
      '--jetstream',
      '-s',
      '--syslog',
      '-r x',
      '--remote_syslog x',
      '--profile 1',
      '--log_size_limit 1',
    ],
  ],
];

describe.each(table)('a flag of nats-server is %s', (outcome, flags) => {
  it.each(flags)('%s', (line) => {
    const words = line.split(' ');
    const isWarned = (argv: readonly string[]) => argv.some((word) => word.startsWith('--ignored='));
    if (outcome === 'rejected') {
      expect(() => normalise(line)).toThrow('the bundled broker does not support');
      expect(isWarned(normaliseNatsServerFlags(words, true))).toBe(true);
    } else {
      expect(isWarned(normalise(line))).toBe(outcome === 'warned');
    }
  });
});

describePeer('nats-server', 'the help of nats-server', (bin) => {
  it('has no flag that the table lacks', async () => {
    const { stdout } = await run([bin, '--help']);
    const words = [...stdout.matchAll(/^ +((?:-{1,2}\w+(?:, )?)+)/gm)].flatMap(([, names = '']) =>
      names.split(', '),
    );
    const flags = words.filter((word) => word !== '').map((word) => word.replace(/^-+/, ''));
    const known = table.flatMap(([, lines]) =>
      lines.map((line) => line.replace(/^-+/, '').replace(/[ =].*/, '')),
    );
    expect(flags.length).toBeGreaterThan(40);
    expect(flags.filter((flag) => !known.includes(flag))).toEqual([]);
  });
});
