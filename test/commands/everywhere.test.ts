// What every command has in common: help, errors, JSON, exit codes and output in pipes.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { bin, natspki, run } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('everywhere');
const root = new URL('../../', import.meta.url);
const commands = readdirSync(new URL('commands', root)).map((file) => file.replace('.ts', ''));
const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));

beforeAll(async () => {
  await natspki(folder, ['init', '--yes']);
});

describe('the program', () => {
  it("lists its commands in the order of a certificate's life, with and without --help", async () => {
    const { code, stdout, stderr } = await natspki(folder, []);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const names = stdout.match(/^ {2}[a-z]+(?= {2})/gm)?.map((name) => name.trim());
    expect(names?.slice(0, 6)).toEqual(['init', 'issue', 'rotate', 'watch', 'revoke', 'crl']);
    expect((await natspki(folder, ['--help'])).stdout).toBe(stdout);
    expect((await natspki(folder, ['-h'])).stdout).toBe(stdout);
    expect((await natspki(folder, ['help'])).stdout).toBe(stdout);
  });

  it('prints its version', async () => {
    for (const flag of ['--version', '-v', 'version']) {
      expect(await natspki(folder, [flag])).toEqual({ code: 0, stdout: `natspki ${version}\n`, stderr: '' });
    }
  });

  it.each([
    ['isue', 'did you mean "natspki issue"'],
    ['frobnicate', '`natspki --help` lists the commands'],
    ['../init', '`natspki --help` lists the commands'],
    ['--frobnicate', '`natspki --help` lists the commands', 'flag'],
  ])('rejects the unknown command "%s" with a hint', async (name, hint, what = 'command') => {
    expect(await natspki(folder, [name])).toEqual({
      code: 2,
      stdout: '',
      stderr: `natspki: error: unknown ${what} "${name}"\nnatspki: hint: ${hint}\n`,
    });
    const { code, stdout, stderr } = await natspki(folder, [name, '--json']);
    expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'usage', message: `unknown ${what} "${name}"`, hint },
    });
  });
});

describe('autocompletion', () => {
  it('completes commands and flags once the printed script is installed', async () => {
    const environment = { HOME: folder, XDG_CACHE_HOME: '' };
    const { code, stdout } = await natspki(folder, ['autocomplete', 'bash'], { environment });
    expect(code).toBe(0);
    expect(stdout).toContain('natspki autocomplete script bash');
    const { stdout: setUp } = await natspki(folder, ['autocomplete', 'script', 'bash'], { environment });
    const complete = (...words: string[]) =>
      execFileSync('bash', ['-c', `${setUp}\n${completion(words)}`], { cwd: folder, encoding: 'utf8' })
        .trim()
        .split('\n');
    expect(complete('natspki', 'rot')).toEqual(['rotate']);
    expect(complete('natspki', 'rotate', '--dry')).toEqual(['--dry-run']);
  });

  it('rejects an unknown shell in the format of all errors', async () => {
    expect(await natspki(folder, ['autocomplete', 'tcsh'])).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'natspki: error: "tcsh", expected one of zsh, bash, powershell\n' +
        'natspki: hint: natspki autocomplete --help\n',
    });
  });
});

describe.each(commands)('natspki %s', (command) => {
  it('has help with a summary, a description of every flag, and examples, in 80 columns', async () => {
    const { code, stdout, stderr } = await natspki(folder, [command, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [purpose = '', blank, usage] = stdout.split('\n');
    expect(purpose).toMatch(/^[A-Z].*\.$/);
    expect([blank, usage]).toEqual(['', 'USAGE']);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    for (const flag of stdout.match(/^ {2}(-\w, | {4})--.*$/gm) ?? []) expect(flag).toMatch(/ {2}[A-Z([]\S*/);
    const examples = stdout.slice(stdout.indexOf('\nEXAMPLES\n')).match(/^ {4}\$ (.* )?natspki .*$/gm);
    expect(examples?.length).toBeGreaterThanOrEqual(2);
    expect((await natspki(folder, ['help', command])).stdout).toBe(stdout);
  });

  it('reports an unknown flag as wrong usage, as text and as JSON', async () => {
    const { code, stdout, stderr } = await natspki(folder, [command, '--no-such-flag']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(
      `natspki: error: unknown flag "--no-such-flag"\nnatspki: hint: natspki ${command} --help\n`,
    );
    const json = await natspki(folder, [command, '--no-such-flag', '--json']);
    expect({ code: json.code, stderr: json.stderr }).toEqual({ code: 2, stderr: '' });
    expect(JSON.parse(json.stdout)).toEqual({
      error: { code: 'usage', message: 'unknown flag "--no-such-flag"', hint: `natspki ${command} --help` },
    });
  });
});

describe('output', () => {
  it('has no colours in a pipe', async () => {
    for (const args of [['list'], ['--help'], ['inspect', 'certs/ca.pem'], ['nope']]) {
      const { stdout, stderr } = await natspki(folder, args);
      expect(stdout + stderr).not.toContain('\x1b');
    }
  });

  it('ends silently when the reader closes the pipe', async () => {
    const command = `"$0" "$1" list --json | head -c 10`;
    const { stderr, status } = await piped(command);
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  it.runIf(existsSync('/dev/full')).each(['list', 'list --json', '--help'])(
    'fails when the disk is full, and says so: %s',
    async (args) => {
      expect(await piped(`"$0" "$1" ${args} > /dev/full`)).toEqual({
        status: 1,
        stderr: expect.stringMatching(
          /^natspki: error: cannot print the result: ENOSPC: no space left on device, write\nnatspki: hint: .*\n$/,
        ),
      });
    },
  );

  it.each([
    ['list', '--dir'],
    ['init', '--config', '--yes'],
    ['issue', '--out', 'client', 'a'],
    ['rotate', '--config'],
    ['tls', '--write', 'client'],
    ['pin', '--add', 'certs/ca.pem'],
  ])('rejects an empty path: natspki %s %s', async (command, flag, ...rest) => {
    expect(await natspki(folder, [command, ...rest, flag, ''])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(`natspki: error: ${flag} is empty, expected a path\n`),
    });
  });

  // README, "Use it in scripts": an error line and a hint line.
  it.each([
    ['check', 'none.conf'],
    ['check', 'certs'],
    ['list', '--dir', 'nats.conf'],
    ['pin', 'nats.conf'],
    ['pin', 'none.pem', '--json'],
    ['pin', 'certs/none/x.pem'],
    ['pin', '-'],
    ['pin', 'tls://127.0.0.1:1'],
    ['issue', 'client', 'a', '--san', 'dns:'],
    ['issue', 'client', 'a', '--san', 'x:y'],
    ['issue', 'client', 'a', '--csr', 'nats.conf'],
    ['issue', 'client', 'a', 'b', '--csr', 'a.csr'],
    ['issue', 'client', 'x'.repeat(65)],
    ['issue', 'client', 'a', '--passphrase-file', 'none'],
    ['init', '--yes', '--host', 'a b', '--dir', 'other'],
    ['rotate', '--undo', 'server'],
    ['rotate', 'server', '--ca'],
    ['broker', '-c', 'none.conf'],
  ])('prints a hint after a failure: natspki %s %s', async (...args) => {
    const { code, stdout, stderr } = await natspki(folder, args);
    expect(code).toBeGreaterThan(0);
    if (args.includes('--json')) expect(JSON.parse(stdout).error.hint).toMatch(/./);
    else expect(stderr).toMatch(/^natspki: error: .+\nnatspki: hint: .+\n$/);
  });

  it('escapes line breaks in the name of a certificate, which could forge a hint', async () => {
    const name = 'x\nnatspki: hint: natspki init --force';
    const subject = `/CN=${name}`;
    const made = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      subject,
    ];
    const files = [
      '-addext',
      'basicConstraints=critical,CA:FALSE',
      '-keyout',
      'forged-key.pem',
      '-out',
      'forged-ca.pem',
    ];
    execFileSync('openssl', [...made, ...files], { cwd: folder, stdio: 'pipe' });
    mkdirSync(join(folder, 'forged'));
    renameSync(join(folder, 'forged-ca.pem'), join(folder, 'forged/ca.pem'));
    renameSync(join(folder, 'forged-key.pem'), join(folder, 'forged/ca-key.pem'));
    const { stderr } = await natspki(folder, ['issue', 'client', 'a', '--dir', 'forged']);
    expect(stderr).toMatch(/^natspki: error: .*x\\nnatspki: hint: .*\nnatspki: hint: .*\n$/);
  });

  it('prints a stack trace only with NATSPKI_DEBUG=1', async () => {
    const environment = { NATSPKI_DEBUG: '1' };
    const { stderr } = await natspki(folder, ['list', '--dir', 'none'], { environment });
    expect(stderr).toMatch(/^natspki: error: no authority in "none"\nnatspki: hint: .*\n.*\n +at /);
  });
});

/** Returns a script in which bash completes the last word of a command line and prints the candidates. */
function completion(words: readonly string[]): string {
  const line = words.join(' ');
  return `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; COMP_LINE='${line}'; COMP_POINT=${line.length}
complete -p natspki | grep --quiet _natspki_autocomplete && _natspki_autocomplete
printf '%s\\n' "\${COMPREPLY[@]}" | sed 's/ *$//'`;
}

async function piped(command: string) {
  const { stderr, code: status } = await run(['bash', '-c', command, process.execPath, bin], { folder });
  return { stderr, status };
}
