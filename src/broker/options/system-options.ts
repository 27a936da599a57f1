// Reads the name of the system account, in which the server answers monitoring requests and publishes its events
// (nats-server, server.go, configureAccounts).
import type { MapReader } from '../../conf/reader.ts';
import { globalAccountName } from './account-name.ts';
import type { AccountOptions } from './auth-options.ts';

/** The system account if the configuration names none (const.go, DEFAULT_SYSTEM_ACCOUNT). */
export const defaultSystemAccount = '$SYS';

/** Returns undefined for no system account. @param accounts the accounts that the configuration defines */
export function readSystemAccount(
  reader: MapReader,
  accounts: readonly AccountOptions[],
): string | undefined {
  const names: [string, string] = ['system_account', 'system'];
  const without = ['no_system_account', 'no_system', 'no_sys_acc'];
  const none = without.filter((each) => reader.boolean(each) === true);
  const name = reader.string(...names) || undefined;
  const isConfigured = (account: string) => accounts.some((each) => each.name === account);
  const [first] = none;
  if (first !== undefined && isMeasured(accounts)) {
    // nats-server reports this only when it happens to read this option before the accounts.
    reader.error(
      reader.position(first),
      `"${first}" removes the system account, which the "latency" of services needs`,
    );
  }
  if (name === undefined) {
    return first !== undefined && !isConfigured(defaultSystemAccount) ? undefined : defaultSystemAccount;
  }
  if (name !== globalAccountName && !isConfigured(name)) {
    reader.error(
      reader.position(...names),
      `the system account "${name}" is not defined in "accounts"`,
      `add it to accounts: ${name} { users: [ { user: sys, password: ... } ] }`,
    );
  }
  return name;
}

function isMeasured(accounts: readonly AccountOptions[]): boolean {
  return accounts.some(({ exports }) => exports.some(({ latency }) => latency !== undefined));
}
