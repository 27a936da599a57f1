// Plans the servers of an `init` and their configuration files: one for a single server, one for each node of a cluster.
// It computes names, paths and texts, and writes nothing.
import { existsSync } from 'node:fs';
import { join, parse } from 'node:path';
import { printValue } from '../conf/printer.ts';
import { NatspkiError, UsageError } from '../errors.ts';
import { renderTemplate, type TemplateName } from '../files/templates.ts';
import { controlCharacterIn } from '../x509/control-character.ts';
import { isIP } from '../x509/name.ts';

/** A server, named after its certificate pair; in a cluster, after its node. */
export interface ServerNames {
  readonly name: string;
  /** DNS names and addresses; for a node, the other nodes connect to the first one. */
  readonly hosts: readonly string[];
}

export interface ServerPlan {
  readonly template: TemplateName;
  /** Path of the configuration file, `nats.conf`; nodes get `nats-NODE.conf` in the same folder. */
  readonly file: string;
  /** Folder of the certificates as the configuration names it: absolute, or relative to where the server starts. */
  readonly directory: string;
  readonly servers: readonly ServerNames[];
  /** The users of verify-and-map, named as a server finds them in client certificates. */
  readonly users: readonly string[];
  readonly clusterName: string;
  /** When empty, a cluster starts with a single server. */
  readonly nodes: readonly ServerNames[];
  /** The addresses of this machine; nodes on several of them listen each on its own. */
  readonly localAddresses?: ReadonlySet<string>;
}

export interface ConfigurationFile {
  readonly path: string;
  readonly text: string;
}

/** Prints a value in the configuration language, with strings quoted. */
export const clientPort = 4222;
const routePort = 6222;

/** Parses `NAME=HOST[,HOST...]`; throws a UsageError for anything else. */
export function parseNode(text: string): ServerNames {
  const [, name, hosts] = /^([^=\s]+)=([^=\s]+)$/.exec(text) ?? [];
  if (name !== undefined && hosts !== undefined) return { name, hosts: hosts.split(',') };
  throw new UsageError(`node "${text}" is not NAME=HOST`, '--node n1=n1.example.com');
}

/**
 * Distributes hosts over certificate pairs. A single pair named `server` has them all, except with multi-certificate.
 * There each DNS name has a pair named after it, and the first pair also has the addresses, which SNI cannot carry.
 */
export function serverPairs(template: TemplateName, hosts: readonly string[]): ServerNames[] {
  const domains = hosts.filter((host) => isIP(host) === 0);
  const addresses = hosts.filter((host) => isIP(host) !== 0);
  if (template !== 'multi-certificate' || domains.length === 0) return [{ name: 'server', hosts }];
  return domains.map((domain, index) => ({
    name: domain.replace('*', 'wildcard'),
    hosts: index === 0 ? [domain, ...addresses] : [domain],
  }));
}

/**
 * Returns the configuration files of a plan, in the order of the nodes. Throws a UsageError for a cluster name that
 * nats-server rejects (server/opts.go).
 */
export function serverConfigurations(plan: ServerPlan): ConfigurationFile[] {
  refuseClusterName(plan.clusterName);
  if (plan.nodes.length === 0) {
    return [{ path: plan.file, text: renderTemplate(plan.template, valuesOfOne(plan)) }];
  }
  const nodes = plan.nodes.map((node, index) => {
    // Nodes on the same host, such as a laptop, need different ports.
    const before = plan.nodes.slice(0, index).filter((other) => hostOf(other) === hostOf(node)).length;
    return { ...node, port: clientPort + before, routePort: routePort + before };
  });
  const here = new Set(nodes.filter((node) => isHere(node, plan)).map(hostOf));
  const { dir, name: base, ext } = parse(plan.file);
  return nodes.map((node) => {
    const routes = nodes
      .filter((other) => other !== node)
      .map((other) => printValue(`nats://${urlHost(other.hosts[0] ?? other.name)}:${other.routePort}`));
    const advertised = `${urlHost(node.hosts[0] ?? node.name)}:${node.routePort}`;
    const host = here.size > 1 && isHere(node, plan) ? addressOf(node) : undefined;
    const values = { ...nodeValues(plan, node, { advertised, host }), routes: lines(routes) };
    return { path: join(dir, `${base}-${node.name}${ext}`), text: renderTemplate('cluster', values) };
  });
}

/** Returns the address that a node listens on: its own, or that of this machine by the name localhost. */
function addressOf({ name, hosts: [host = name] }: ServerNames): string {
  return isIP(host) === 0 ? '127.0.0.1' : host;
}

/** Whether a node is on this machine, by an address of it. */
function isHere(node: ServerNames, { localAddresses = new Set() }: ServerPlan): boolean {
  const host = hostOf(node);
  return host === 'localhost' || /^127\./.test(host) || localAddresses.has(host);
}

/** Returns the host of a node by name; the names of this machine count as one host. */
function hostOf({ name, hosts: [host = name] }: ServerNames): string {
  return ['127.0.0.1', '::1'].includes(host) ? 'localhost' : host.toLowerCase();
}

function refuseClusterName(name: string): void {
  if (name === '') throw new UsageError('the cluster name is empty');
  const character = controlCharacterIn(name);
  if (character !== undefined) {
    throw new UsageError(`cluster name "${name}" contains the control character ${character}`);
  }
  if (!/\s/.test(name)) return;
  const better = name.trim().replace(/\s+/g, '-');
  throw new UsageError(
    `cluster name "${name}" contains spaces, which nats-server rejects`,
    better === '' ? undefined : `--cluster-name ${better}`,
  );
}

/** Throws `configuration-exists` when one of the files already exists. */
export function refuseExistingConfigurations(files: readonly ConfigurationFile[]): void {
  const existing = files.find(({ path }) => existsSync(path));
  if (existing === undefined) return;
  throw new NatspkiError('configuration-exists', `configuration "${existing.path}" already exists`, {
    hint: `keep it: natspki init --config new.conf, then \`natspki tls client --verify --write ${existing.path}\``,
  });
}

/** Returns the template values of a single server. */
function valuesOfOne(plan: ServerPlan): Record<string, string> {
  const ca_file = printValue(configuredPath(plan.directory, 'ca.pem'));
  const pairs = plan.servers.map(({ name }) => pair(plan, name));
  switch (plan.template) {
    case 'multi-certificate':
      return {
        ca_file,
        certificates: lines(
          pairs.map(({ cert_file, key_file }) => `{cert_file: ${cert_file}, key_file: ${key_file}}`),
        ),
      };
    case 'verify-and-map':
      return { ca_file, ...pairs[0], users: lines(plan.users.map((user) => `{user: ${printValue(user)}}`)) };
    case 'cluster':
      return { ...nodeValues(plan, { port: clientPort, routePort }), routes: '[]' };
    default:
      return { ca_file, ...pairs[0] };
  }
}

function nodeValues(
  plan: ServerPlan,
  node: { name?: string; port: number; routePort: number },
  { advertised = '', host }: { advertised?: string; host?: string | undefined } = {},
) {
  const prefix = node.name === undefined ? '' : `${node.name}-`;
  const route = pair(plan, `${prefix}route`);
  return {
    // A second line, where there is one.
    port: host === undefined ? printValue(node.port) : `${node.port}\nhost: ${printValue(host)}`,
    server_name: printValue(node.name ?? 'nats-cluster-tls'),
    ca_file: printValue(configuredPath(plan.directory, 'ca.pem')),
    ...pair(plan, `${prefix}server`),
    cluster_name: printValue(plan.clusterName),
    cluster_listen: printValue(`${host === undefined ? '0.0.0.0' : urlHost(host)}:${node.routePort}`),
    cluster_advertise: printValue(advertised),
    route_cert_file: route.cert_file,
    route_key_file: route.key_file,
  };
}

function pair(plan: ServerPlan, name: string) {
  return {
    cert_file: printValue(configuredPath(plan.directory, `${name}-cert.pem`)),
    key_file: printValue(configuredPath(plan.directory, `${name}-key.pem`)),
  };
}

/** Returns the path of a file as a configuration names it; a relative path starts with `./`, to be recognized as one. */
export function configuredPath(directory: string, name: string): string {
  const joined = join(directory, name);
  return /^(\/|\.|[a-z]:)/i.test(joined) ? joined : `./${joined}`;
}

/** Prints an array with one item per line. */
function lines(items: readonly string[]): string {
  return items.length === 0 ? '[]' : `[\n${items.map((item) => `  ${item}\n`).join('')}]`;
}

function urlHost(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}
