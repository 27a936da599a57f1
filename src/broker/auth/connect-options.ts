// Parses CONNECT as nats-server's JSON decoder does. Does not authenticate the client.
import { isGoInteger, type JsonMember, readMembers } from '../../protocol/json-members.ts';
import { redactSeeds } from '../options/nkey.ts';

export interface ConnectOptions {
  verbose: boolean;
  pedantic: boolean;
  echo: boolean;
  headers: boolean;
  no_responders: boolean;
  protocol: number;
  user: string;
  pass: string;
  auth_token: string;
  nkey: string;
  jwt: string;
  sig: string;
  name: string;
  lang: string;
  version: string;
  account: string;
  new_account: boolean;
  tls_required: boolean;
}

/** The values before CONNECT, and of the fields that it leaves out (client.go, defaultOpts). */
export const defaultConnectOptions: Readonly<ConnectOptions> = {
  verbose: true,
  pedantic: true,
  echo: true,
  headers: false,
  no_responders: false,
  protocol: 0,
  user: '',
  pass: '',
  auth_token: '',
  nkey: '',
  jwt: '',
  sig: '',
  name: '',
  lang: '',
  version: '',
  account: '',
  new_account: false,
  tls_required: false,
};

/**
 * Applies a CONNECT to the options from earlier ones. Field names match in any case, the last duplicate counts, and
 * null and unknown fields change nothing. Throws an Error if the JSON or the type of a field is invalid; its message
 * never contains a value.
 */
export function mergeConnect(previous: Readonly<ConnectOptions>, json: Buffer): ConnectOptions {
  const merged: Record<string, unknown> = { ...previous };
  for (const { name, text } of readObject(json)) {
    const known = name.toLowerCase();
    if (!Object.hasOwn(defaultConnectOptions, known) || text === 'null') continue;
    const value: unknown = JSON.parse(text);
    const expected = typeof defaultConnectOptions[known as keyof ConnectOptions];
    if (typeof value !== expected || (expected === 'number' && !isGoInteger(text))) {
      throw new Error(`CONNECT with a value of the wrong type for "${known}"`);
    }
    merged[known] = value;
  }
  return merged as unknown as ConnectOptions;
}

/** Fills in members that are empty, as nats-server does from cookies (client.go, processConnect). */
export function fillEmpty(
  connect: ConnectOptions,
  {
    user = '',
    pass = '',
    auth_token = '',
  }: Partial<Pick<ConnectOptions, 'user' | 'pass' | 'auth_token'>> = {},
): ConnectOptions {
  return {
    ...connect,
    user: connect.user || user,
    pass: connect.pass || pass,
    auth_token: connect.auth_token || auth_token,
  };
}

/** Returns the CONNECT for the trace log, with its secrets redacted. */
export function redactSecrets(json: Buffer): string {
  try {
    readMembers(json);
    const text = JSON.stringify(JSON.parse(json.toString()), (key, value) =>
      /pass|token|nkey|jwt|sig/i.test(key) ? '[REDACTED]' : value,
    );
    return redactSeeds(text);
  } catch {
    return '[no JSON object]';
  }
}

function readObject(json: Buffer): JsonMember[] {
  try {
    return readMembers(json);
  } catch {
    // The parser's own message quotes the input, which may be a password.
    throw new Error('CONNECT without a valid JSON object');
  }
}
