// What `init` has to know before it starts: its flags, and on a terminal the questions about what they leave open.
import { hostname } from 'node:os';
import { boolean, option, string } from '@oclif/core/flags';
import { UsageError } from '../errors.ts';
import { parseNode, type ServerNames } from '../server-configuration.ts';
import { type TemplateName, templates } from '../templates.ts';
import { daysFlag, directoryFlag, keyTypeFlag, passphraseFileFlag, yesFlag } from './flags.ts';
import { readPassphrase } from './input.ts';
import { askChoice, askSecret, askWords, mayAsk } from './prompts.ts';

const templateNames = Object.keys(templates) as TemplateName[];

/** Makes the flags of `init`; the defaults of what may be asked for stand in initAnswers. */
export const initFlags = <K extends string>(keyTypes: readonly K[]) => ({
  dir: directoryFlag(),
  config: string({
    char: 'c',
    description: 'Configuration file to write; for nodes nats-NODE.conf beside it.',
    helpValue: 'FILE',
    default: './nats.conf',
  }),
  template: option({
    description: 'Kind of configuration.',
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
    default: 'secure-cluster',
  }),
  'ca-name': string({
    description: 'Common name of the authority.',
    helpValue: 'NAME',
    default: 'natspki CA',
  }),
  'ca-days': daysFlag('Days until the authority expires.', 3650),
  days: daysFlag('Days until the certificates expire.', 365),
  'key-type': keyTypeFlag(keyTypes),
  'passphrase-file': passphraseFileFlag('encrypts it'),
  yes: yesFlag(),
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
  passphrase: string | undefined;
}

interface GivenFlags<K> {
  readonly template?: TemplateName | undefined;
  readonly host?: string[] | undefined;
  readonly client?: string[] | undefined;
  readonly node?: string[] | undefined;
  readonly 'key-type'?: K | undefined;
  readonly 'passphrase-file'?: string | undefined;
  readonly yes: boolean;
  readonly json?: boolean;
}

/**
 * Answers what the flags leave open, on a terminal by asking, elsewhere and with --yes by defaults.
 * @param checkHost throws what is wrong with a host
 */
export async function initAnswers<K extends string>(
  flags: GivenFlags<K>,
  keyTypes: readonly [K, ...K[]],
  defaultHosts: (hostname: string) => string[],
  checkHost: (host: string) => void,
): Promise<InitAnswers<K>> {
  const asking = mayAsk(flags);
  const file = flags['passphrase-file'];
  const template =
    flags.template ??
    (flags.node ? 'cluster' : asking ? await askChoice('Configuration', 'verify', templates) : 'verify');
  if (flags.node && template !== 'cluster') {
    throw new UsageError(`--node is for the template cluster, found "${template}"`, '--template cluster');
  }
  const askNodes = asking && template === 'cluster';
  const nodes =
    flags.node ?? (askNodes ? await askWords('Nodes as NAME=HOST (none: one server)', [], parseNode) : []);
  const usual = nodes.length > 0 ? [] : defaultHosts(hostname());
  return {
    template,
    nodes: nodes.map(parseNode).map((node) => ({ ...node, hosts: [...node.hosts, ...(flags.host ?? [])] })),
    hosts:
      flags.host ??
      (asking && nodes.length === 0
        ? await askWords('Names and addresses of the server', usual, checkHost)
        : usual),
    clients: flags.client ?? (asking ? await askWords('Clients', ['client'], () => {}) : ['client']),
    keyType:
      flags['key-type'] ??
      (asking
        ? await askChoice(
            'Key type',
            keyTypes[0],
            Object.fromEntries(keyTypes.map((type) => [type, ''])) as Record<K, string>,
          )
        : keyTypes[0]),
    passphrase: file !== undefined ? await readPassphrase(file) : asking ? await newPassphrase() : undefined,
  };
}

async function newPassphrase(): Promise<string | undefined> {
  const first = await askSecret("Passphrase for the authority's key (empty: none)");
  if (first === '') return undefined;
  await askSecret('The same again', (again) => again === first || 'not the same, try again');
  return first;
}
