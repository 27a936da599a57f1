// How the broker reads permissions blocks: every spelling of an option, defaults, and rejected values.
import { describe, expect, it } from 'vitest';
import { readAuthOptions } from '../../../src/broker/options/auth-options.ts';
import type { UserOptions } from '../../../src/broker/options/user-options.ts';
import type { ConfProblem } from '../../../src/conf/error.ts';
import { parseConf } from '../../../src/conf/parser.ts';
import { MapReader } from '../../../src/conf/reader.ts';
import type { PermissionRules } from '../../../src/subjects/permissions.ts';

function read(text: string): { users: readonly UserOptions[]; problems: string[] } {
  const problems: ConfProblem[] = [];
  const root = new MapReader(parseConf(text, { file: 'nats.conf' }), problems, '');
  const { users = [] } = readAuthOptions(root, problems, {});
  const shown = problems.map(
    ({ severity, position: { line, column }, message }) => `${severity} ${line}:${column} ${message}`,
  );
  return { users, problems: shown };
}

function permissionsOf(text: string): PermissionRules | undefined {
  const { users, problems } = read(`authorization { users: [{ user: a, permissions: { ${text} } }] }`);
  expect(problems).toEqual([]);
  return users[0]?.permissions;
}

const rule = (subject: string, queue?: string) => ({ subject, queue });
const everything = { allow: undefined, deny: [] };

describe('a permissions block', () => {
  it.each([
    ['publish: a', { publish: { allow: [rule('a')], deny: [] } }],
    ['pub: [a, "b.>"]', { publish: { allow: [rule('a'), rule('b.>')], deny: [] } }],
    ['import: { allow: a }', { publish: { allow: [rule('a')], deny: [] } }],
    ['publish: { deny: [a, b] }', { publish: { allow: undefined, deny: [rule('a'), rule('b')] } }],
    ['publish: {}', {}],
    ['subscribe: "a q"', { subscribe: { allow: [rule('a', 'q')], deny: [] } }],
    ['sub: { allow: ">", deny: "a *.q" }', { subscribe: { allow: [rule('>')], deny: [rule('a', '*.q')] } }],
    ['export: [a]', { subscribe: { allow: [rule('a')], deny: [] } }],
    ['', {}],
    ['allow_responses: false', {}],
  ])('is read from { %s }', (text, rules) => {
    expect(permissionsOf(text)).toEqual({
      publish: everything,
      subscribe: everything,
      responses: undefined,
      ...rules,
    });
  });

  it.each([
    ['allow_responses: true', 1, 120_000],
    ['publish_allow_responses: {}', 1, 120_000],
    ['allow_responses: { max: 5, expires: "1m" }', 5, 60_000],
    ['allow_responses: { max_msgs: 0, ttl: "0s" }', 1, 120_000],
    [
      'allow_responses: { max_responses: -1, expiration: "-1s" }',
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    ],
  ])('with { %s } allows publishing only answers', (text, max, expiresMs) => {
    const responses = { max, expiresMs };
    expect(permissionsOf(text)).toEqual({
      publish: { allow: [], deny: [] },
      subscribe: everything,
      responses,
    });
    expect(permissionsOf(`${text}, publish: x`)?.publish).toEqual({ allow: [rule('x')], deny: [] });
    expect(permissionsOf(`publish: { deny: x }, ${text}`)?.publish).toEqual({ allow: [], deny: [rule('x')] });
  });

  it.each([
    ['publish: "a..b"', 'error 2:10 an entry of authorization.users.permissions.publish is not a subject'],
    ['publish: [a, 1 ]', 'error 2:14 an entry of authorization.users.permissions.publish is not a subject'],
    [
      'pub: { deny: "a q" }',
      'error 2:14 an entry of authorization.users.permissions.publish has a queue group, which applies only to subscriptions',
    ],
    [
      'subscribe: { allow: "a b c" }',
      'error 2:21 an entry of authorization.users.permissions.subscribe is not a subject, or a subject and a queue group',
    ],
    [
      'subscribe: { alow: a }',
      'error 2:14 unknown field "alow" in authorization.users.permissions.subscribe',
    ],
    ['publich: a', 'error 2:1 unknown field "publich" in authorization.users.permissions'],
    [
      'allow_responses: 3',
      'error 2:18 "allow_responses" in authorization.users.permissions must be true, false or a block',
    ],
    [
      'allow_responses: { expires: 3 }',
      'error 2:29 expected a string for "expires" in authorization.users.permissions.allow_responses, found an integer',
    ],
    [
      'allow_responses: { expires: "3" }',
      'error 2:29 "expires" in authorization.users.permissions.allow_responses is not a duration',
    ],
    [
      'publish: []',
      'warning 2:10 an empty list in authorization.users.permissions.publish allows everything',
    ],
  ])('is reported with { %s }', (text, problem) => {
    const { problems } = read(`authorization { users: [{ user: a, permissions: {\n${text} } }] }`);
    expect(problems).toEqual([problem]);
  });

  it('named default_permissions applies to users without a permissions block', () => {
    const { users, problems } = read(`authorization { default_permissions: { publish: d }
      users: [{ user: a }, { user: b, permission: {} }] }
      accounts { X { default_permissions: { publish: x }, users: [{ user: c }, { user: d, authorization: { pub: own } }] }
                 Y { users: [{ user: e }] } }`);
    expect(problems).toEqual([]);
    const allowed = users.map(({ permissions }) => permissions?.publish.allow?.map(({ subject }) => subject));
    expect(allowed).toEqual([['d'], undefined, ['x'], ['own'], undefined]);
    expect(users.map(({ permissions }) => permissions !== undefined)).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
  });

  it.each(['user: a, password: b', 'token: t', ''])(
    'in authorization { %s } needs a list of users',
    (text) => {
      const { problems } = read(`authorization { ${text}\npermissions: { publish: x } }`);
      expect(problems).toEqual([
        'error 2:14 permissions in authorization apply to "users", and there is no such list',
      ]);
    },
  );
});
