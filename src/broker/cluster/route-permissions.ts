// The permissions of a cluster: `import` is what this server requests from the others, `export` what it sends to others
// on request (nats-server, route.go, canImport and canExport).
import type { Publication } from '../../protocol/operations.ts';
import { Permissions, type SubjectRules } from '../../subjects/permissions.ts';
import type { ClusterPermissions } from '../options/permission-options.ts';

const everything: SubjectRules = { allow: undefined, deny: [] };

export class RoutePermissions {
  readonly rules: ClusterPermissions;
  readonly #import: Permissions;
  readonly #export: Permissions;

  constructor(rules: ClusterPermissions) {
    this.rules = rules;
    this.#import = subscribing(rules.import);
    this.#export = subscribing(rules.export);
  }

  /** Whether this server may request a subject, with or without wildcards, from the others. */
  mayImport(subject: Buffer): boolean {
    return this.#import.maySubscribe(subject, undefined);
  }

  /** Whether other servers may request a subject from this one. */
  mayExport(subject: Buffer): boolean {
    return this.#export.maySubscribe(subject, undefined);
  }

  /** Whether to withhold a message from a server whose interest covers more than `export` permits. */
  withholds({ buffer, subjectStart, subjectEnd }: Publication): boolean {
    return this.#export.withholds(buffer, subjectStart, subjectEnd, undefined);
  }

  /** The rules in the form of an INFO. */
  get announced(): { import?: object; export?: object } {
    return { ...announce('import', this.rules.import), ...announce('export', this.rules.export) };
  }
}

function subscribing(rules: SubjectRules): Permissions {
  return new Permissions({ publish: everything, subscribe: rules, responses: undefined });
}

function announce(name: 'import' | 'export', { allow, deny }: SubjectRules) {
  if (allow === undefined && deny.length === 0) return {};
  const subjects = (rules: SubjectRules['deny'] | undefined) =>
    rules === undefined || rules.length === 0 ? undefined : rules.map(({ subject }) => subject);
  return { [name]: { allow: subjects(allow), deny: subjects(deny) } };
}
