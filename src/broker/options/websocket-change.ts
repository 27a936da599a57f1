// Plans what a configuration reload changes in the websocket block: its tls block, as in nats-server (reload.go). Only a
// restart can change the rest.
import { isDeepStrictEqual } from 'node:util';
import type { BlockChange } from './block-change.ts';
import type { WebsocketOptions } from './websocket-options.ts';

/** Compares the block in use with the block in the reloaded configuration. */
export function planWebsocketChange(
  current: WebsocketOptions | undefined,
  next: WebsocketOptions | undefined,
): BlockChange<WebsocketOptions> {
  const isServed = (current?.port ?? 0) !== 0;
  if (current === undefined || next === undefined || !isServed) {
    const isSame = isServed ? current === next : (next?.port ?? 0) === 0;
    return { options: current, changed: [], kept: isSame ? [] : ['websocket'] };
  }
  // Connections cannot change between plain text and TLS.
  const tls = current.tls && next.tls ? next.tls : current.tls;
  const options = { ...current, tls };
  return {
    options,
    changed: isDeepStrictEqual(current.tls, tls) ? [] : ['websocket tls'],
    kept: isDeepStrictEqual(options, next) ? [] : ['websocket'],
  };
}
