// Reads permissions blocks: what a user may publish and subscribe to, whether it may answer requests, and what routes
// carry.
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { MapValue, Value } from '../../conf/value.ts';
import { parseGoDuration } from '../../duration.ts';
import {
  type PermissionRules,
  parseSubjectRule,
  type ResponseLimits,
  type SubjectRule,
  type SubjectRules,
} from '../../subjects/permissions.ts';
import { addError } from './problems.ts';

/** How many answers a request may have by default, and for how long (nats-server's const.go). */
const defaultResponses: ResponseLimits = { max: 1, expiresMs: 120_000 };
const everything: SubjectRules = { allow: undefined, deny: [] };

/** @param where the block as messages name it, such as `authorization.users.permissions` */
export function readPermissions(map: MapValue, problems: ConfProblem[], where: string): PermissionRules {
  const reader = new MapReader(map, problems, where);
  const lists = (allowsQueues: boolean, ...names: [string, ...string[]]) => {
    const value = reader.value(...names);
    return value === undefined
      ? everything
      : readSubjectRules(value, { problems, where: `${where}.${names[0]}`, allowsQueues });
  };
  const publish = lists(false, 'publish', 'pub', 'import');
  const subscribe = lists(true, 'subscribe', 'sub', 'export');
  const responses = readResponses(reader, problems, where);
  reader.finish();
  // A user with `allow_responses` may publish nothing else, unless `publish` allows it (opts.go, parseUserPermissions).
  const closed = responses !== undefined && publish.allow === undefined;
  return { publish: closed ? { ...publish, allow: [] } : publish, subscribe, responses };
}

/** The subjects that the routes of a cluster carry. */
export interface ClusterPermissions {
  /** Subjects that this server subscribes to on its peers. */
  readonly import: SubjectRules;
  /** Subjects that this server sends to peers that subscribe to them. */
  readonly export: SubjectRules;
}

/** Reads the permissions of a cluster block (opts.go, setClusterPermissions and checkClusterPermissionSubjects). */
export function readClusterPermissions(
  map: MapValue,
  problems: ConfProblem[],
  where: string,
): ClusterPermissions {
  const reader = new MapReader(map, problems, where);
  const lists = (name: string, ...aliases: string[]) => {
    const value = reader.value(name, ...aliases);
    return value === undefined
      ? everything
      : readSubjectRules(value, { problems, where: `${where}.${name}`, allowsQueues: false });
  };
  const answers = ['allow_responses', 'publish_allow_responses'] as const;
  const responses = reader.value(...answers);
  if (responses !== undefined && !(responses.kind === 'boolean' && !responses.value)) {
    reader.error(responses.position, `${where} does not support "allow_responses"`);
  }
  const permissions = {
    import: lists('import', 'publish', 'pub'),
    export: lists('export', 'subscribe', 'sub'),
  };
  reader.finish();
  return permissions;
}

/** The list of subjects that is read. */
interface SubjectList {
  readonly problems: ConfProblem[];
  /** The list as messages name it. */
  readonly where: string;
  /** Whether an entry may name a queue group. */
  readonly allowsQueues: boolean;
}

/** Reads the allow and deny lists for one direction. */
function readSubjectRules(value: Value, list: SubjectList): SubjectRules {
  if (value.kind !== 'map') return { allow: readAllowed(value, list), deny: [] };
  const reader = new MapReader(value, list.problems, list.where);
  const [allow, deny] = [reader.value('allow'), reader.value('deny')];
  reader.finish();
  return { allow: allow && readAllowed(allow, list), deny: deny === undefined ? [] : readRules(deny, list) };
}

/** An empty list allows everything: nats-server treats it as absent. */
function readAllowed(value: Value, list: SubjectList): readonly SubjectRule[] | undefined {
  if (value.kind !== 'array' || value.items.length > 0) return readRules(value, list);
  list.problems.push({
    severity: 'warning',
    position: value.position,
    message: `an empty list in ${list.where} allows everything`,
    hint: 'to allow nothing write {deny: ">"}',
    code: 'empty-permission',
  });
  return undefined;
}

function readRules(value: Value, list: SubjectList): SubjectRule[] {
  const items = value.kind === 'array' ? value.items : [value];
  return items.flatMap((item) => readRule(item, list) ?? []);
}

function readRule(item: Value, { problems, where, allowsQueues }: SubjectList): SubjectRule | undefined {
  const rule = item.kind === 'string' ? parseSubjectRule(item.value) : undefined;
  if (rule === undefined) {
    const wanted = allowsQueues ? 'subject, or a subject and a queue group' : 'subject';
    addError(problems, item.position, `an entry of ${where} is not a ${wanted}`);
  } else if (rule.queue !== undefined && !allowsQueues) {
    addError(
      problems,
      item.position,
      `an entry of ${where} has a queue group, which applies only to subscriptions`,
    );
  }
  return rule;
}

/** A negative value means no limit, and zero means the default (opts.go, parseAllowResponses). */
function readResponses(
  permissions: MapReader,
  problems: ConfProblem[],
  where: string,
): ResponseLimits | undefined {
  const value = permissions.value('allow_responses', 'publish_allow_responses');
  if (value === undefined) return undefined;
  if (value.kind === 'boolean') return value.value ? defaultResponses : undefined;
  if (value.kind !== 'map') {
    permissions.error(value.position, `"allow_responses" in ${where} must be true, false or a block`);
    return undefined;
  }
  const reader = new MapReader(value, problems, `${where}.allow_responses`);
  const max = reader.integer('max', 'max_msgs', 'max_messages', 'max_responses') ?? 0;
  const text = reader.string('expires', 'expiration', 'ttl') ?? '0';
  const expiresMs = parseGoDuration(text);
  if (expiresMs === undefined) {
    const position = reader.position('expires', 'expiration', 'ttl');
    reader.error(position, `"expires" in ${where}.allow_responses is not a duration`, 'for example "1m"');
  }
  reader.finish();
  return {
    max: limit(max, defaultResponses.max),
    expiresMs: limit(expiresMs ?? 0, defaultResponses.expiresMs),
  };
}

function limit(value: number, byDefault: number): number {
  if (value === 0) return byDefault;
  return value < 0 ? Number.POSITIVE_INFINITY : value;
}
