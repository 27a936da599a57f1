// The label of a client's log lines once it is identified (client.go, updateClientLabel).
import { quote } from '../../log.ts';
import type { AuthenticatedUser } from '../auth/authenticator.ts';
import type { ConnectOptions } from '../auth/connect-options.ts';

/** @param connection the label before: address and id */
export function sessionLabel(connection: string, connect: ConnectOptions, user: AuthenticatedUser): string {
  const { version, lang, name } = connect;
  const client = [version === '' ? '' : `v${version}`, lang, name].filter((part) => part !== '').join(':');
  const parts = [connection];
  if (client !== '') parts.push(quote(client));
  if (user.label !== '') parts.push(quote(`${user.account}/${user.label}`));
  return parts.join(' - ');
}
