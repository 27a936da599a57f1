// The systemd units and the cron line of the package call commands and flags that exist.
import { readdirSync, readFileSync } from 'node:fs';
import type { Command } from '@oclif/core/command';
import { describe, expect, it } from 'vitest';

const folder = new URL('../templates/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8');
const files = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isFile() && !entry.name.endsWith('.conf'))
  .map(({ name }) => name);

/** Returns the natspki command lines in a file, each starting with its command. */
function commandLines(text: string): string[][] {
  return [...text.matchAll(/^(?:ExecStart=\S+|[\d*].*) natspki (.*)$/gm)].map(([, words = '']) =>
    words.split(' '),
  );
}

describe('the files for systemd and cron', () => {
  it('provides services that broker, watch, serve and renew, a timer with its service, and a cron file', () => {
    expect(files.sort()).toEqual([
      'natspki-broker.service',
      'natspki-renew.service',
      'natspki-rotate.service',
      'natspki-rotate.timer',
      'natspki-serve.service',
      'natspki-watch.service',
      'natspki.cron',
    ]);
  });

  it.each([
    'natspki-watch.service',
    'natspki-serve.service',
    'natspki-renew.service',
    'natspki-rotate.service',
    'natspki.cron',
  ])('%s calls an existing command with existing flags', async (name) => {
    const lines = commandLines(read(name));
    expect(lines).toHaveLength(1);
    const [command = '', ...words] = lines[0] as string[];
    const { default: commandClass } = (await import(`../commands/${command}.ts`)) as {
      default: Command.Class;
    };
    const flags = words.filter((word) => word.startsWith('-')).map((word) => word.replace('--', ''));
    expect(flags.length).toBeGreaterThan(2);
    expect(Object.keys(commandClass.flags)).toEqual(expect.arrayContaining(flags));
    expect(flags.includes('once')).toBe(['natspki-rotate.service', 'natspki.cron'].includes(name));
  });

  it('starts the broker, reloads it with SIGHUP and ends it through lame duck mode', () => {
    const text = read('natspki-broker.service');
    expect(commandLines(text)).toEqual([['broker', '--config', './nats.conf']]);
    expect(text).toMatch(/^ExecReload=\/bin\/kill -HUP \$MAINPID$/m);
    expect(text).toMatch(/^KillSignal=SIGUSR2$/m);
  });

  it('provides a daily timer and the oneshot service of the same name', () => {
    expect(read('natspki-rotate.timer')).toContain('[Timer]\nOnCalendar=daily\n');
    expect(read('natspki-rotate.service')).toContain('Type=oneshot');
  });
});
