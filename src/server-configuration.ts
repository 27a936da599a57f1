// Which servers an `init` is for and which configuration files they get: one for a server, one for each node of a
// cluster. It computes names, paths and texts, and writes nothing.
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, parse } from 'node:path';
import { NatspkiError, UsageError } from './errors.ts';
import { renderTemplate, type TemplateName, type TemplateValue } from './templates.ts';

/** A server, by the name of its certificate pair (of its node in a cluster). */
export interface ServerNames {
  readonly name: string;
  /** DNS names and addresses; of a node the first is where the other nodes reach it. */
  readonly hosts: readonly string[];
}

export interface ServerPlan {
  readonly template: TemplateName;
  /** Path of the configuration file, `nats.conf`; nodes get `nats-NODE.conf` beside it. */
  readonly file: string;
  /** Folder of the certificates as the configuration is to name it: absolute, or from where the server starts. */
  readonly directory: string;
  readonly servers: readonly ServerNames[];
  readonly clients: readonly string[];
  readonly clusterName: string;
  /** Without any, a cluster starts with one server. */
  readonly nodes: readonly ServerNames[];
}

export interface ConfigurationFile {
  readonly path: string;
  readonly text: string;
}

const clientPort = 4222;
const routePort = 6222;

/** Reads `NAME=HOST[,HOST...]`; throws a UsageError when it is not one. */
export function parseNode(text: string): ServerNames {
  const [, name, hosts] = /^([^=\s]+)=([^=\s]+)$/.exec(text) ?? [];
  if (name !== undefined && hosts !== undefined) return { name, hosts: hosts.split(',') };
  throw new UsageError(`node "${text}" is not NAME=HOST`, '--node n1=n1.example.com');
}

/**
 * Divides hosts among server pairs. One pair called `server` has them all, except with multi-certificate: there each
 * DNS name has a pair of its own, called like it, and the addresses (which no client can name in SNI) go to the first.
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

/** Returns the configuration files of a plan, in the order of the nodes. */
export function serverConfigurations(plan: ServerPlan): ConfigurationFile[] {
  if (plan.nodes.length === 0)
    return [{ path: plan.file, text: renderTemplate(plan.template, values(plan)) }];
  const nodes = plan.nodes.map((node, index) => {
    // Nodes on one host, as on a laptop, must not fight for a port.
    const before = plan.nodes.slice(0, index).filter(({ hosts }) => hosts[0] === node.hosts[0]).length;
    return { ...node, port: clientPort + before, routePort: routePort + before };
  });
  const { dir, name: base, ext } = parse(plan.file);
  return nodes.map((node) => ({
    path: join(dir, `${base}-${node.name}${ext}`),
    text: renderTemplate('cluster', {
      ...clusterValues(plan, node),
      routes: nodes
        .filter((other) => other !== node)
        .map((other) => `nats://${urlHost(other.hosts[0] ?? other.name)}:${other.routePort}`),
    }),
  }));
}

/** Throws `configuration-exists` when one of the files is there already. */
export function refuseExistingConfigurations(files: readonly ConfigurationFile[]): void {
  const existing = files.find(({ path }) => existsSync(path));
  if (existing === undefined) return;
  throw new NatspkiError('configuration-exists', `configuration "${existing.path}" already exists`, {
    hint: 'name another file with --config, or pass --force to replace it',
  });
}

function values(plan: ServerPlan): Record<string, TemplateValue> {
  const ca_file = path(plan, 'ca.pem');
  const [server = 'server'] = plan.servers.map(({ name }) => name);
  switch (plan.template) {
    case 'multi-certificate':
      return { ca_file, certificates: plan.servers.map(({ name }) => pair(plan, name)) };
    case 'verify-and-map':
      return { ca_file, ...pair(plan, server), users: plan.clients.map((user) => ({ user })) };
    case 'cluster':
      return { ...clusterValues(plan, { port: clientPort, routePort }), routes: [] };
    default:
      return { ca_file, ...pair(plan, server) };
  }
}

function clusterValues(plan: ServerPlan, node: { name?: string; port: number; routePort: number }) {
  const prefix = node.name === undefined ? '' : `${node.name}-`;
  const { cert_file, key_file } = pair(plan, `${prefix}route`);
  return {
    port: node.port,
    server_name: node.name ?? 'nats-cluster-tls',
    ca_file: path(plan, 'ca.pem'),
    ...pair(plan, `${prefix}server`),
    cluster_name: plan.clusterName,
    cluster_listen: `0.0.0.0:${node.routePort}`,
    route_cert_file: cert_file,
    route_key_file: key_file,
  };
}

function pair(plan: ServerPlan, name: string) {
  return { cert_file: path(plan, `${name}-cert.pem`), key_file: path(plan, `${name}-key.pem`) };
}

/** A relative path begins with `./`, which says so at a glance. */
function path({ directory }: ServerPlan, name: string): string {
  const joined = join(directory, name);
  return /^(\/|\.|[a-z]:)/i.test(joined) ? joined : `./${joined}`;
}

function urlHost(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}
