// Reads which account is the system's: the one in which the server answers questions about itself and tells what happens
// (nats-server, server.go, configureAccounts).
import type { MapReader } from '../../conf/reader.ts';
import { globalAccountName } from './account-name.ts';

/** The account where the configuration names none (const.go, DEFAULT_SYSTEM_ACCOUNT). */
export const defaultSystemAccount = '$SYS';

/** Undefined for no system account. @param accounts those that the configuration names */
export function readSystemAccount(
  reader: MapReader,
  accounts: readonly { readonly name: string }[],
): string | undefined {
  const names: [string, string] = ['system_account', 'system'];
  const none = [
    reader.boolean('no_system_account'),
    reader.boolean('no_system'),
    reader.boolean('no_sys_acc'),
  ];
  const name = reader.string(...names) || undefined;
  const isConfigured = (account: string) => accounts.some((each) => each.name === account);
  if (name === undefined) {
    return none.includes(true) && !isConfigured(defaultSystemAccount) ? undefined : defaultSystemAccount;
  }
  if (name !== globalAccountName && !isConfigured(name)) {
    reader.error(
      reader.position(...names),
      `the system account "${name}" is not one of the accounts`,
      `add it to accounts: ${name} { users: [ { user: sys, password: ... } ] }`,
    );
  }
  return name;
}
