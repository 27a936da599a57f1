// What goes over the routes of a cluster by its permissions: `import` is what this server asks the others for, `export`
// what it gives to others that ask (nats-server's route.go, canImport and canExport).
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

  /** Whether other servers may be asked for a subject, with wildcards or without. */
  mayImport(subject: Buffer): boolean {
    return this.#import.maySubscribe(subject, undefined);
  }

  /** Whether other servers may ask for a subject. */
  mayExport(subject: Buffer): boolean {
    return this.#export.maySubscribe(subject, undefined);
  }

  /** Whether a message is kept from a server that has asked for more than it may have. */
  withholds({ buffer, subjectStart, subjectEnd }: Publication): boolean {
    return this.#export.withholds(buffer, subjectStart, subjectEnd, undefined);
  }

  /** The rules as an INFO carries them. */
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
