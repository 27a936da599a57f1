// Tells when one of some files may have changed, however it was replaced. Knows nothing of what is in the files.
// Events of their folders are for speed; a look at the files themselves every two seconds is for what raises no
// event: network file systems, bind mounts, a folder far above that was exchanged.

import { basename } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import { fileSignature, type WatchPoint, watchPoints } from './watch-points.ts';

export interface FileWatcherOptions {
  /** Milliseconds of quiet before a change is told; changes that never end are told after three times that. */
  readonly settleMs?: number;
  /** Milliseconds between two looks at the files themselves. */
  readonly pollMs?: number;
  /** Takes what keeps events from coming, such as a limit of the system; the looks go on all the same. */
  readonly onError?: (error: unknown) => void;
}

/** An interest in some files. */
export interface FileWatch {
  /** Ends it; `onChange` is not called any more. */
  close(): void;
}

/** Watches files for everybody in a process who wants to know of their changes. */
export class FileWatcher {
  readonly #settleMs: number;
  readonly #onError: (error: unknown) => void;
  readonly #watches = new Set<WatchedFiles>();
  readonly #folders = new Map<string, WatchedFolder>();
  readonly #poll: NodeJS.Timeout;

  constructor(options: FileWatcherOptions = {}) {
    this.#settleMs = options.settleMs ?? 10;
    this.#onError = options.onError ?? (() => undefined);
    this.#poll = setInterval(() => this.#look(), options.pollMs ?? 2000).unref();
  }

  /**
   * Calls `onChange` when any of the files may have changed, appeared or gone, whether its content differs or not.
   * Resolves once no change can be missed any more.
   */
  async watch(files: readonly string[], onChange: () => void): Promise<FileWatch> {
    const watched = new WatchedFiles(files, this.#settleMs, onChange, () => void this.#follow());
    this.#watches.add(watched);
    await watched.begin();
    await this.#follow();
    return {
      close: () => {
        watched.close();
        this.#watches.delete(watched);
        void this.#follow();
      },
    };
  }

  /** Ends every interest. */
  async close(): Promise<void> {
    clearInterval(this.#poll);
    for (const watched of this.#watches) watched.close();
    this.#watches.clear();
    await this.#follow();
  }

  #look(): void {
    for (const watched of this.#watches) void watched.look();
  }

  /** Watches the folders that matter now, and no others; resolves when events come from all of them. */
  async #follow(): Promise<void> {
    const wanted = new Map<string, string>();
    for (const { points } of this.#watches) {
      for (const { folder, folderIdentity } of points) wanted.set(folder, folderIdentity);
    }
    for (const [folder, watched] of this.#folders) {
      if (wanted.get(folder) === watched.identity && !watched.isStale) continue;
      this.#folders.delete(folder);
      watched.close();
    }
    for (const [folder, identity] of wanted) {
      if (this.#folders.has(folder)) continue;
      this.#folders.set(
        folder,
        new WatchedFolder(folder, identity, this.#onError, (name) => {
          for (const watched of this.#watches) watched.touch(folder, name);
        }),
      );
    }
    await Promise.all([...this.#folders.values()].map(({ ready }) => ready));
    // What happened before the first event could come.
    this.#look();
  }
}

/** One folder under chokidar. */
class WatchedFolder {
  readonly identity: string;
  /** True once the folder itself was moved or removed: no more comes of it, even if its inode number comes back. */
  isStale = false;
  /** Resolves when events come, or when none will: after an error, or once it is closed. */
  readonly ready: Promise<void>;
  readonly #watcher: FSWatcher;
  #isReady = () => {};

  /** @param onEvent gets the name of the entry, or null where the system does not say it */
  constructor(
    folder: string,
    identity: string,
    onError: (error: unknown) => void,
    onEvent: (name: string | null) => void,
  ) {
    this.identity = identity;
    // The entries stay unwatched: what happens to them is an event of the folder too. The 'raw' events come at once,
    // for links and modes as well, where those that chokidar makes of them are throttled and leave modes out.
    this.#watcher = watch(folder, { ignored: (path) => path !== folder, persistent: false });
    this.#watcher.on('raw', (_event: string, name: string | null) => {
      // The folder's own name. Of an entry with the same name it is wrong, and costs no more than a new watch.
      if (name === basename(folder)) this.isStale = true;
      onEvent(name);
    });
    this.ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
    this.#watcher.once('ready', this.#isReady);
    this.#watcher.on('error', (error) => {
      onError(error);
      this.#isReady();
    });
  }

  close(): void {
    void this.#watcher.close();
    this.#isReady();
  }
}

/** One interest: the files, what leads to them, and a change that waits to settle. */
class WatchedFiles {
  points: readonly WatchPoint[] = [];
  readonly #files: readonly string[];
  readonly #settleMs: number;
  readonly #onChange: () => void;
  readonly #onPoints: () => void;
  #signature = '';
  #timer: NodeJS.Timeout | undefined;
  /** When a change that waits is told at the latest. */
  #deadline = 0;
  #isClosed = false;

  /** @param onPoints told that other folders may matter now */
  constructor(files: readonly string[], settleMs: number, onChange: () => void, onPoints: () => void) {
    this.#files = files;
    this.#settleMs = settleMs;
    this.#onChange = onChange;
    this.#onPoints = onPoints;
  }

  /** Takes down what the files are now, and what leads to them. */
  async begin(): Promise<void> {
    this.#signature = await this.#readSignature();
    await this.#findPoints();
  }

  /** Takes an event of a folder. */
  touch(folder: string, name: string | null): void {
    const isOurs = this.points.some(
      (point) =>
        point.folder === folder &&
        // The last is the folder itself.
        (name === null || name === point.name || name === basename(folder)),
    );
    if (isOurs) this.#settle();
  }

  /** Compares the files with what was taken down. */
  async look(): Promise<void> {
    if (this.#timer === undefined && (await this.#readSignature()) !== this.#signature) this.#settle();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #settle(): void {
    if (this.#isClosed) return;
    const now = performance.now();
    if (this.#timer === undefined) this.#deadline = now + 3 * this.#settleMs;
    clearTimeout(this.#timer);
    const left = Math.max(0, this.#deadline - now);
    this.#timer = setTimeout(() => this.#tell(), Math.min(this.#settleMs, left));
  }

  async #tell(): Promise<void> {
    this.#timer = undefined;
    // Before anybody reads the files, so that a change while they do is another change.
    this.#signature = await this.#readSignature();
    if (this.#isClosed) return;
    this.#onChange();
    await this.#findPoints();
    this.#onPoints();
  }

  async #findPoints(): Promise<void> {
    this.points = (await Promise.all(this.#files.map(watchPoints))).flat();
  }

  async #readSignature(): Promise<string> {
    return (await Promise.all(this.#files.map(fileSignature))).join('\n');
  }
}
