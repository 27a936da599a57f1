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

/** How many answers a request may have by default, and for how long (nats-server's const.go). */
const defaultResponses: ResponseLimits = { max: 1, expiresMs: 120_000 };
const everything: SubjectRules = { allow: undefined, deny: [] };

/** @param where the block as messages name it, such as `authorization.users.permissions` */
export function readPermissions(map: MapValue, problems: ConfProblem[], where: string): PermissionRules {
  const reader = new MapReader(map, problems, where);
  const lists = (queues: boolean, ...names: [string, ...string[]]) => {
    const value = reader.value(...names);
    return value === undefined
      ? everything
      : new SubjectReader(problems, `${where}.${names[0]}`, queues).read(value);
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
      : new SubjectReader(problems, `${where}.${name}`, false).read(value);
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

/** Reads the allow and deny lists for one direction. */
class SubjectReader {
  readonly #problems: ConfProblem[];
  readonly #where: string;
  readonly #queues: boolean;

  /** @param queues whether an entry may name a queue group */
  constructor(problems: ConfProblem[], where: string, queues: boolean) {
    this.#problems = problems;
    this.#where = where;
    this.#queues = queues;
  }

  read(value: Value): SubjectRules {
    if (value.kind !== 'map') return { allow: this.#allow(value), deny: [] };
    const reader = new MapReader(value, this.#problems, this.#where);
    const [allow, deny] = [reader.value('allow'), reader.value('deny')];
    reader.finish();
    return { allow: allow && this.#allow(allow), deny: deny === undefined ? [] : this.#list(deny) };
  }

  /** An empty list allows everything: nats-server treats it as absent. */
  #allow(value: Value): readonly SubjectRule[] | undefined {
    if (value.kind !== 'array' || value.items.length > 0) return this.#list(value);
    this.#problems.push({
      severity: 'warning',
      position: value.position,
      message: `an empty list in ${this.#where} allows everything`,
      hint: 'to allow nothing write {deny: ">"}',
      code: 'empty-permission',
    });
    return undefined;
  }

  #list(value: Value): SubjectRule[] {
    const items = value.kind === 'array' ? value.items : [value];
    return items.flatMap((item) => this.#rule(item) ?? []);
  }

  #rule(item: Value): SubjectRule | undefined {
    const rule = item.kind === 'string' ? parseSubjectRule(item.value) : undefined;
    if (rule === undefined) {
      const wanted = this.#queues ? 'subject, or a subject and a queue group' : 'subject';
      this.#error(item, `an entry of ${this.#where} is not a ${wanted}`);
    } else if (rule.queue !== undefined && !this.#queues) {
      this.#error(item, `an entry of ${this.#where} has a queue group, which applies only to subscriptions`);
    }
    return rule;
  }

  #error({ position }: Value, message: string): void {
    this.#problems.push({ severity: 'error', position, message });
  }
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
