// When the watcher reports a change, and that it misses none. certificate-source.test.ts covers the effect on TLS.
import { createHook } from 'node:async_hooks';
import {
  chmodSync,
  watch as follow,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { FileWatcher, type FileWatcherOptions } from '../../src/files/watcher.ts';
import { unprivileged } from '../support/file-modes.ts';
import { testFolder } from '../support/folder.ts';

const root = testFolder('watcher');
let folders = 0;

/** Creates a separate folder for each test. */
function makeFolder(): string {
  const folder = join(root, String(++folders));
  mkdirSync(folder);
  return folder;
}

/** Watches files; `change` makes a change and waits until it is reported, `calls` counts the reports. */
async function watching(files: readonly string[], options: FileWatcherOptions = {}) {
  // Without polling, so that every reported change came as an event.
  const watcher = new FileWatcher({ pollMs: 600_000, ...options });
  let calls = 0;
  const watch = await watcher.watch(files, () => calls++);
  return {
    watcher,
    watch,
    calls: () => calls,
    change: async (action: () => void) => {
      const before = calls;
      action();
      await vi.waitUntil(() => calls > before, { timeout: 5000, interval: 1 });
    },
  };
}

describe('events', () => {
  it.each<[string, (file: string) => void]>([
    ['a rewrite in place', (file) => writeFileSync(file, 'new')],
    [
      'a rename over',
      (file) => {
        writeFileSync(`${file}.tmp`, 'new');
        renameSync(`${file}.tmp`, file);
      },
    ],
    ['a removal', (file) => rmSync(file)],
    [
      'a removal and a new file',
      (file) => {
        rmSync(file);
        writeFileSync(file, 'new');
      },
    ],
    ['a change of the mode', (file) => chmodSync(file, 0o600)],
    [
      'a link in its place',
      (file) => {
        rmSync(file);
        symlinkSync('/dev/null', file);
      },
    ],
  ])('report %s', async (_, action) => {
    const file = join(makeFolder(), 'file');
    writeFileSync(file, 'old');
    const { change, watcher } = await watching([file]);
    await change(() => action(file));
    await watcher.close();
  });

  it('report a new file in a new folder', async () => {
    const folder = makeFolder();
    const file = join(folder, 'a', 'b', 'file');
    const { change, watcher } = await watching([file]);
    await change(() => {
      mkdirSync(join(folder, 'a', 'b'), { recursive: true });
      writeFileSync(file, 'new');
    });
    await change(() => writeFileSync(file, 'newer'));
    await watcher.close();
  });

  it('report a changed link on the way to the file, and then a change of its new target', async () => {
    const folder = makeFolder();
    for (const version of ['v1', 'v2']) {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, 'file'), version);
    }
    symlinkSync('v1', join(folder, 'current'));
    mkdirSync(join(folder, 'live'));
    const file = join(folder, 'live', 'file');
    symlinkSync('../current/file', file);
    const { change, watcher } = await watching([file]);
    await change(() => writeFileSync(join(folder, 'v1', 'file'), 'new'));
    await change(() => {
      symlinkSync('v2', join(folder, 'next'));
      renameSync(join(folder, 'next'), join(folder, 'current'));
    });
    await change(() => writeFileSync(join(folder, 'v2', 'file'), 'newer'));
    await watcher.close();
  });

  it('report a replaced folder to all subscribers with files in it', async () => {
    const folder = join(makeFolder(), 'certs');
    mkdirSync(folder);
    const files = ['a', 'b'].map((name) => join(folder, name));
    for (const file of files) writeFileSync(file, 'old');
    const { change, watcher } = await watching([files[0] as string]);
    let others = 0;
    await watcher.watch([files[1] as string], () => others++);
    for (let round = 1; round <= 3; round++) {
      mkdirSync(`${folder}-new`);
      for (const name of ['a', 'b']) writeFileSync(join(`${folder}-new`, name), `${round}`);
      const before = others;
      await change(() => {
        renameSync(folder, `${folder}-old`);
        renameSync(`${folder}-new`, folder);
      });
      await vi.waitUntil(() => others > before, { timeout: 5000, interval: 1 });
      rmSync(`${folder}-old`, { recursive: true });
    }
    await watcher.close();
  });
});

it('reports a change even while further changes never stop', async () => {
  const file = join(makeFolder(), 'file');
  writeFileSync(file, '0');
  const { change, watcher } = await watching([file]);
  const writing = setInterval(() => writeFileSync(file, String(performance.now())), 2);
  await change(() => {});
  await change(() => {});
  clearInterval(writing);
  await watcher.close();
});

it('never sets a timer with a negative delay when events are late, which newer Node versions warn about', async () => {
  const folder = makeFolder();
  const files = ['a', 'b'].map((name) => join(folder, name));
  const { change, watcher } = await watching(files, { settleMs: 0.1 });
  const timers = vi.spyOn(globalThis, 'setTimeout');
  // More events than can be processed before the report is due, each one different from the event before.
  await change(() => {
    for (let count = 0; count < 2000; count++) for (const file of files) writeFileSync(file, String(count));
  });
  const delays = timers.mock.calls.map(([, delay]) => delay ?? 0);
  timers.mockRestore();
  expect(delays).not.toEqual([]);
  expect(delays.filter((delay) => delay < 0)).toEqual([]);
  await watcher.close();
});

it('reports many simultaneous changes once', async () => {
  const file = join(makeFolder(), 'file');
  const { change, calls, watcher } = await watching([file]);
  await change(() => {
    for (let count = 0; count < 50; count++) writeFileSync(file, String(count));
  });
  expect(calls()).toBe(1);
  await watcher.close();
});

it('does not report changes of other files in the folder', async () => {
  const folder = makeFolder();
  const file = join(folder, 'file');
  const other = join(folder, 'other');
  const { change, calls, watcher } = await watching([file]);
  let others = 0;
  await watcher.watch([other], () => others++);
  writeFileSync(other, 'new');
  await vi.waitUntil(() => others === 1, { interval: 1 });
  expect(calls()).toBe(0);
  await change(() => writeFileSync(file, 'new'));
  expect(others).toBe(1);
  await watcher.close();
});

it('does not touch the file system when another file in the folder changes, such as a growing log', async () => {
  const folder = makeFolder();
  const { watcher } = await watching([join(folder, 'file')]);
  let accesses = 0;
  const hook = createHook({
    init: (_id, type) => {
      if (type === 'FSREQPROMISE') accesses++;
    },
  });
  let events = 0;
  const other = follow(folder, () => events++);
  hook.enable();
  for (let line = 1; line <= 3; line++) {
    const before = events;
    writeFileSync(join(folder, 'log'), String(line));
    await vi.waitUntil(() => events > before, { interval: 1 });
  }
  hook.disable();
  other.close();
  expect(accesses).toBe(0);
  await watcher.close();
});

it('polls the files to detect changes without an event', async () => {
  const folder = makeFolder();
  const file = join(folder, 'far', 'away', 'file');
  mkdirSync(join(folder, 'far', 'away'), { recursive: true });
  writeFileSync(file, 'old');
  const { change, watcher } = await watching([file], { pollMs: 30 });
  mkdirSync(join(folder, 'other', 'away'), { recursive: true });
  writeFileSync(join(folder, 'other', 'away', 'file'), 'new');
  // The folder of the file does not change; only the one above it is renamed.
  await change(() => {
    renameSync(join(folder, 'far'), join(folder, 'old'));
    renameSync(join(folder, 'other'), join(folder, 'far'));
  });
  await change(() => writeFileSync(file, 'newer'));
  await watcher.close();
});

it('polls files in a folder that it may not list, and reports the error that prevents events', async () => {
  const folder = makeFolder();
  const file = join(folder, 'file');
  writeFileSync(file, 'old');
  chmodSync(root, 0o755);
  chmodSync(folder, 0o711);
  await unprivileged(async (asOwner) => {
    const errors: unknown[] = [];
    const { change, watcher } = await watching([file], {
      pollMs: 30,
      onError: (error) => errors.push(error),
    });
    await change(() => asOwner(() => writeFileSync(file, 'new')));
    expect(errors).toEqual([expect.objectContaining({ code: 'EACCES' })]);
    await watcher.close();
  });
});

it('reports nothing after the subscription was closed', async () => {
  const file = join(makeFolder(), 'file');
  const { watch, calls, watcher } = await watching([file]);
  let others = 0;
  await watcher.watch([file], () => others++);
  writeFileSync(file, 'new');
  watch.close();
  await vi.waitUntil(() => others === 1, { interval: 1 });
  expect(calls()).toBe(0);
  await watcher.close();
});
