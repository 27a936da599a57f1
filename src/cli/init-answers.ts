// What `init` has to know before it starts: its flags, and on a terminal the questions about what they leave open.
import { hostname } from 'node:os';
import { boolean, option, string } from '@oclif/core/flags';
import { maximumDays } from '../duration.ts';
import { UsageError } from '../errors.ts';
import { parseNode, type ServerNames } from '../server-configuration.ts';
import { type TemplateName, templates } from '../templates.ts';
import {
  daysFlag,
  directoryFlag,
  given,
  keyTypeFlag,
  numberFlag,
  passphraseFileFlag,
  pathFlag,
  yesFlag,
} from './flags.ts';
import { readPassphrase } from './input.ts';
import { askChoice, askSecret, askWords, mayAsk } from './prompts.ts';

const templateNames = Object.keys(templates) as TemplateName[];
const usualClusterName = 'secure-cluster';

/** Makes the flags of `init`; the defaults of what may be asked for stand in initAnswers. */
export const initFlags = <K extends string>(keyTypes: readonly K[]) => ({
  dir: directoryFlag(),
  config: pathFlag({
    char: 'c',
    description: 'Configuration file to write; for nodes nats-NODE.conf beside it.',
    helpValue: 'FILE',
    default: './nats.conf',
  }),
  template: option({
    description: `Kind of configuration: ${templateNames.join(', ')}.`,
    helpValue: 'NAME',
    options: templateNames,
    defaultHelp: async () => 'verify, or cluster with --node',
  })(),
  host: string({
    description: 'DNS names and addresses of the server.',
    helpValue: 'HOST',
    multiple: true,
    defaultHelp: async () => 'localhost, 127.0.0.1, ::1 and the name of this host',
  }),
  client: string({
    description: 'Clients to make certificates for.',
    helpValue: 'NAME',
    multiple: true,
    defaultHelp: async () => 'client',
  }),
  node: string({
    description: 'Cluster nodes; each gets a server and a route certificate and a configuration file.',
    helpValue: 'NAME=HOST[,HOST]',
    multiple: true,
  }),
  'cluster-name': string({
    description: 'Name of the cluster.',
    helpValue: 'NAME',
    default: usualClusterName,
  }),
  'ca-name': string({
    description: 'Common name of the authority.',
    helpValue: 'NAME',
    default: 'natspki CA',
  }),
  'ca-days': daysFlag('Days until the authority expires.', 3650),
  intermediate: boolean({
    description: "Have an intermediate sign the certificates, so that the root's key can be taken away.",
    allowNo: true,
  }),
  'intermediate-days': numberFlag({
    description: 'Days until the intermediate expires.',
    helpValue: 'DAYS',
    dependsOn: ['intermediate'],
    defaultHelp: async () => '1825',
    ...{ minimum: 1, maximum: maximumDays, example: 1825 },
  }),
  days: daysFlag('Days until the certificates expire.', 365),
  'key-type': keyTypeFlag(keyTypes),
  'passphrase-file': passphraseFileFlag('encrypts it'),
  yes: yesFlag(),
  import: pathFlag({
    description: 'Take over an authority and what it signed from this folder instead; repeatable.',
    helpValue: 'DIR',
    multiple: true,
    multipleNonGreedy: true,
    exclusive: [
      ...['config', 'template', 'host', 'client', 'node', 'cluster-name'],
      ...['ca-name', 'ca-days', 'intermediate', 'intermediate-days', 'days', 'key-type'],
    ],
  }),
  force: boolean({
    description: 'Replace an authority and configuration that exist; old pairs go to the archive.',
  }),
});

export interface InitAnswers<K> {
  template: TemplateName;
  hosts: string[];
  clients: string[];
  nodes: ServerNames[];
  keyType: K;
  /** Where an intermediate signs the certificates, how many days it lives. */
  intermediate?: { readonly days: number };
  passphrase?: string;
}

interface GivenFlags<K> {
  readonly template?: TemplateName | undefined;
  readonly host?: string[] | undefined;
  readonly client?: string[] | undefined;
  readonly node?: string[] | undefined;
  readonly 'cluster-name': string;
  readonly 'key-type'?: K | undefined;
  readonly intermediate?: boolean | undefined;
  readonly 'intermediate-days'?: number | undefined;
  readonly 'passphrase-file'?: string | undefined;
  readonly yes: boolean;
  readonly json?: boolean;
}

export interface InitRules<K> {
  /** The default first. */
  readonly keyTypes: readonly [K, ...K[]];
  readonly intermediateDays: number;
  readonly defaultHosts: (hostname: string) => string[];
  /** Throw what is wrong with a word. */
  readonly checkHost: (host: string) => void;
  readonly checkClient: (name: string) => void;
}

/** Answers what the flags leave open, on a terminal by asking, elsewhere and with --yes by defaults. */
export async function initAnswers<K extends string>(
  flags: GivenFlags<K>,
  { keyTypes, intermediateDays, defaultHosts, checkHost, checkClient }: InitRules<K>,
): Promise<InitAnswers<K>> {
  const asking = mayAsk(flags);
  const answer = async <T>(given: T | undefined, question: () => Promise<T>, usual: T): Promise<T> =>
    given ?? (asking ? question() : usual);

  const template = await answer<TemplateName>(
    flags.template ?? (flags.node && 'cluster'),
    () => askChoice('Configuration', 'verify', templateNames, (name) => templates[name]),
    'verify',
  );
  const forClusters = [
    ...(flags.node ? ['--node'] : []),
    ...(flags['cluster-name'] === usualClusterName ? [] : ['--cluster-name']),
  ];
  if (forClusters.length > 0 && template !== 'cluster') {
    throw new UsageError(
      `${forClusters[0]} is for the template cluster, found "${template}"`,
      '--template cluster',
    );
  }
  const nodes = (
    await answer(
      flags.node ?? (template === 'cluster' ? undefined : []),
      () => askWords('Nodes as NAME=HOST (none: one server)', [], parseNode),
      [],
    )
  ).map(parseNode);
  const usualHosts = defaultHosts(hostname());
  const hosts = await answer(
    flags.host ?? (nodes.length > 0 ? [] : undefined),
    () => askWords('Names and addresses of the server', usualHosts, checkHost),
    usualHosts,
  );
  const clients = await answer(flags.client, () => askWords('Clients', ['client'], checkClient), ['client']);
  const keyType = await answer(
    flags['key-type'],
    () => askChoice('Key type', keyTypes[0], keyTypes),
    keyTypes[0],
  );
  const intermediate = await answer(flags.intermediate, askIntermediate, false);
  const passphrase = await answer(
    flags['passphrase-file'] && (await readPassphrase(flags['passphrase-file'])),
    newPassphrase,
    undefined,
  );
  return {
    ...{ template, hosts, clients, keyType },
    // Hosts that are named beside nodes, such as that of a load balancer, lead to all of them.
    nodes: nodes.map((node) => ({ ...node, hosts: [...node.hosts, ...hosts] })),
    ...(intermediate ? { intermediate: { days: flags['intermediate-days'] ?? intermediateDays } } : {}),
    ...given({ passphrase }),
  };
}

async function askIntermediate(): Promise<boolean> {
  const kinds = {
    root: 'One key signs everything.',
    intermediate: "An intermediate signs; the root's key can be taken away.",
  };
  const names = ['root', 'intermediate'] as const;
  return (await askChoice('Authority', 'root', names, (name) => kinds[name])) === 'intermediate';
}

async function newPassphrase(): Promise<string | undefined> {
  const first = await askSecret("Passphrase for the authority's key (empty: none)");
  if (first === '') return undefined;
  await askSecret('The same again', (again) => again === first || 'not the same, try again');
  return first;
}
