import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keys, TerminalSession } from '../support/terminal.ts';

describe('natspki init on a terminal', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'natspki-terminal-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('asks for the configuration, hosts, clients, key type, intermediate and passphrase, with arrow keys', async () => {
    const session = new TerminalSession(folder, ['init']);
    await session.answer(/Configuration[\s\S]*select/, keys.down, keys.down, keys.enter);
    await session.answer(
      /Names and addresses of the server/,
      keys.backspace.repeat(200),
      'nats.example.com, 10.0.0.1',
      keys.enter,
    );
    await session.answer(/Clients/, ' alice', keys.enter);
    await session.answer(/Key type[\s\S]*select/, keys.down, keys.down, keys.up, keys.enter);
    await session.answer(/Authority[\s\S]*select/, keys.down, keys.enter);
    await session.answer(/Passphrase for the authority's key/, keys.enter);
    expect(await session.ended).toBe(0);
    const conf = readFileSync(join(folder, 'nats.conf'), 'utf8');
    expect(conf).toContain('verify_and_map: true');
    expect(conf).toContain('{user: "alice"}');
    expect(session.text).toMatch(/server +server +nats\.exampl.* +p384/);
    expect(existsSync(join(folder, 'certs/alice-key.pem'))).toBe(true);
    expect(existsSync(join(folder, 'certs/intermediate-key.pem'))).toBe(true);
  });

  it('asks for nodes instead of hosts for a cluster, and asks again after an invalid answer', async () => {
    const session = new TerminalSession(folder, ['init', '--key-type', 'p256']);
    await session.answer(/Configuration[\s\S]*select/, keys.down.repeat(4), keys.enter);
    await session.answer(/Nodes as NAME=HOST/, 'n1', keys.enter);
    await session.answer(/node "n1" is not NAME=HOST/, '=a.example.com n2=b.example.com', keys.enter);
    await session.answer(/Clients/, keys.enter);
    await session.answer(/Authority[\s\S]*select/, keys.enter);
    await session.answer(/Passphrase/, keys.enter);
    expect(await session.ended).toBe(0);
    expect(readdirSync(folder).sort()).toEqual(['certs', 'nats-n1.conf', 'nats-n2.conf']);
  });

  it('asks only for what the flags leave open, and asks for a passphrase twice', async () => {
    const flags = [
      '--template',
      'basic',
      '--host',
      'localhost',
      '--client',
      'c',
      '--key-type',
      'p256',
      '--no-intermediate',
    ];
    const session = new TerminalSession(folder, ['init', ...flags]);
    await session.answer(/Passphrase for the authority's key/, 'secret words', keys.enter);
    await session.answer(/Repeat the passphrase/, 'secret wrods', keys.enter);
    await session.answer(/the passphrases differ/, keys.backspace.repeat(12), 'secret words', keys.enter);
    expect(await session.ended).toBe(0);
    expect(session.raw).not.toContain('secret');
    expect(readFileSync(join(folder, 'certs/ca-key.pem'), 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY');

    const issue = new TerminalSession(folder, ['issue', 'client', 'bob']);
    await issue.answer(/Passphrase for certs\/ca-key\.pem/, 'secret', keys.enter);
    await issue.answer(/wrong passphrase, try again/, keys.backspace.repeat(6), 'secret words', keys.enter);
    expect(await issue.ended).toBe(0);
    expect(existsSync(join(folder, 'certs/bob-cert.pem'))).toBe(true);

    const left = new TerminalSession(folder, ['issue', 'client', 'eve']);
    await left.answer(/Passphrase for certs\/ca-key\.pem/, keys.interrupt);
    expect(await left.ended).toBe(1);
    expect(left.text).toContain('natspki: hint: pass --passphrase-file FILE instead\n');
  });

  it.each([
    ['the first question', 0],
    ['a later question', 1],
    ['the passphrase', 5],
  ])('reports one error and changes nothing on Ctrl-C at %s', async (_where, before) => {
    const session = new TerminalSession(folder, ['init']);
    const questions = [
      /Configuration/,
      /Names and addresses/,
      /Clients/,
      /Key type/,
      /Authority/,
      /Passphrase/,
    ];
    for (const question of questions.slice(0, before)) await session.answer(question, keys.enter);
    await session.answer(questions[before] as RegExp, keys.interrupt);
    expect(await session.ended).toBe(1);
    expect(session.text).toMatch(/natspki: error: cancelled at the prompt, nothing was changed\n/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('ends on Ctrl-D as on Ctrl-C', async () => {
    const session = new TerminalSession(folder, ['init']);
    await session.answer(/Configuration[\s\S]*select/, keys.enter);
    await session.answer(/Names and addresses/, keys.end);
    expect(await session.ended).toBe(1);
    expect(session.text).toMatch(/\nnatspki: error: cancelled at the prompt, nothing was changed\n/);
    expect(session.text.match(/natspki: error/g)).toHaveLength(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('asks nothing with --yes, and prints whole pins below the rows on a narrow terminal', async () => {
    const session = new TerminalSession(folder, ['init', '--yes']);
    expect(await session.ended).toBe(0);
    expect(session.text.match(/^ {2}pin [0-9a-f]{64}$/gm)).toHaveLength(4);
    const table = session.text.slice(session.text.indexOf('NAME '), session.text.indexOf('\nwrote'));
    for (const line of table.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(session.raw).toContain('\x1b[1m');
  });

  it('asks nothing when an authority exists already', async () => {
    await new TerminalSession(folder, ['init', '--yes']).ended;
    const session = new TerminalSession(folder, ['init']);
    expect(await session.ended).toBe(1);
    expect(session.text).toMatch(/^natspki: error: an authority already exists in "\.\/certs"\n/);
  });
});
