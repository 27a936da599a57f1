// Reports when one of several files may have changed, however it was replaced. It does not know their content.
// Events of the folders make it fast. Polling the files every two seconds covers changes without an event: network file
// systems, bind mounts, a replaced folder far above.

import { basename } from 'node:path';
import { FSWatcher } from 'chokidar';
import { fileSignature, type WatchPoint, watchPoints } from './watch-points.ts';

export interface FileWatcherOptions {
  /** Milliseconds without events before a change is reported; continuous changes are reported after three times that. */
  readonly settleMs?: number;
  /** Polling interval in milliseconds. */
  readonly pollMs?: number;
  /** Receives an error that prevents events, such as a system limit; polling continues. */
  readonly onError?: (error: unknown) => void;
}

/** A subscription to the changes of some files. */
export interface FileWatch {
  /** Ends the subscription; `onChange` is not called any more. */
  close(): void;
}

/** Watches files for all subscribers of a process. */
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
   * Calls `onChange` when any of the files may have changed, appeared or disappeared, even if its content is the same.
   * Resolves once no further change can be missed.
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

  /** Ends all subscriptions. */
  async close(): Promise<void> {
    clearInterval(this.#poll);
    for (const watched of this.#watches) watched.close();
    this.#watches.clear();
    await this.#follow();
  }

  #look(): void {
    for (const watched of this.#watches) void watched.look();
  }

  /** Watches exactly the folders that matter now; resolves when all of them deliver events. */
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
    // Detects changes from before the first event.
    this.#look();
  }
}

/**
 * chokidar without its reading of folders. It lists a folder and stats every entry after each event, even of an entry that is
 * ignored, such as a log that grows beside the configuration.
 */
class EventWatcher extends FSWatcher {
  override _throttle(...[action, path, timeout]: Parameters<FSWatcher['_throttle']>) {
    return action === 'readdir' ? false : super._throttle(action, path, timeout);
  }
}

/** One folder that chokidar watches. */
class WatchedFolder {
  readonly identity: string;
  /** True once the folder itself was moved or removed: it delivers no more events, even if its inode number is reused. */
  isStale = false;
  /** Resolves when the folder delivers events, or never will: after an error, or once it is closed. */
  readonly ready: Promise<void>;
  readonly #watcher: FSWatcher;
  #isReady = () => {};

  /** @param onEvent receives the name of the entry, or null if the system does not report it */
  constructor(
    folder: string,
    identity: string,
    onError: (error: unknown) => void,
    onEvent: (name: string | null) => void,
  ) {
    this.identity = identity;
    // The entries are not watched: their changes are events of the folder too. The 'raw' events come immediately, also
    // for links and modes; the events that chokidar derives from them are throttled and omit modes.
    this.#watcher = new EventWatcher({ persistent: false });
    this.#watcher.add(folder);
    this.#watcher.on('raw', (_event: string, name: string | null) => {
      // The folder itself. If it is an entry with the same name, the only cost is a new watch.
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

/** One subscription: the files, the folder entries that lead to them, and a change that has not settled yet. */
class WatchedFiles {
  points: readonly WatchPoint[] = [];
  readonly #files: readonly string[];
  readonly #settleMs: number;
  readonly #onChange: () => void;
  readonly #onPoints: () => void;
  #signature = '';
  #timer: NodeJS.Timeout | undefined;
  /** The latest time at which a pending change is reported. */
  #deadline = 0;
  #isClosed = false;

  /** @param onPoints called when other folders may matter now */
  constructor(files: readonly string[], settleMs: number, onChange: () => void, onPoints: () => void) {
    this.#files = files;
    this.#settleMs = settleMs;
    this.#onChange = onChange;
    this.#onPoints = onPoints;
  }

  /** Records the current state of the files and the folder entries that lead to them. */
  async begin(): Promise<void> {
    this.#signature = await this.#readSignature();
    await this.#findPoints();
  }

  /** Handles an event of a folder. */
  touch(folder: string, name: string | null): void {
    const isOurs = this.points.some(
      (point) =>
        point.folder === folder &&
        // The last condition matches the folder itself.
        (name === null || name === point.name || name === basename(folder)),
    );
    if (isOurs) this.#settle();
  }

  /** Compares the files with their recorded state. */
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
    // Read before `onChange`, so that a change while the subscriber reads the files is detected as another one.
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
