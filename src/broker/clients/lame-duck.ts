// Lame duck mode: tells all clients, then disconnects them one by one, which avoids a storm of reconnects (server.go,
// lameDuckMode).
import { setTimeout as wait } from 'node:timers/promises';

/** A client as lame duck mode sees it. */
export interface LameDuckClient {
  readonly acceptsInfo: boolean;
  sendInfo(fields: { lameDuck: true }): void;
  readonly connection: { close(reason: 'Server Shutdown'): void };
}

export interface LameDuckSettings {
  /** Milliseconds from the start to the last close. */
  readonly lameDuckDurationMs: number;
  /** Milliseconds before the first close. */
  readonly lameDuckGraceMs: number;
}

/** Longest pause between two closes, in milliseconds. */
const longestPauseMs = 1000;

/** Shortest pause in milliseconds: with very many clients, several are closed between two pauses. */
const shortestPauseMs = 10;

/**
 * Tells every client, waits for the grace period and closes the clients in random order over the rest of the duration.
 * When `signal` aborts, returns early and leaves the remaining clients to the caller.
 */
export async function disconnectGradually(
  clients: readonly LameDuckClient[],
  settings: LameDuckSettings,
  random: () => number,
  onClosing: () => void,
  signal: AbortSignal,
): Promise<void> {
  for (const client of clients) {
    if (client.acceptsInfo) client.sendInfo({ lameDuck: true });
  }
  try {
    await wait(settings.lameDuckGraceMs, undefined, { signal });
    onClosing();
    const interval = (settings.lameDuckDurationMs - settings.lameDuckGraceMs) / clients.length;
    let owed = 0;
    for (const [index, client] of shuffled(clients, random).entries()) {
      client.connection.close('Server Shutdown');
      if (index === clients.length - 1) return;
      owed += Math.min(longestPauseMs, interval) * (0.5 + random() / 2);
      if (owed < shortestPauseMs) continue;
      await wait(owed, undefined, { signal });
      owed = 0;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, place: random() }))
    .sort((one, other) => one.place - other.place)
    .map(({ item }) => item);
}
