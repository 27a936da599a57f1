// The certificates and the configuration of test servers, and their changes while the servers run.
import { existsSync } from 'node:fs';
import { setBlock } from '../conf/editor.ts';
import { printKey, printValue } from '../conf/printer.ts';
import { NatspkiError, UsageError } from '../errors.ts';
import { writeFileAtomic } from '../files/files.ts';
import type { TemplateName } from '../files/templates.ts';
import { revokeCertificates } from '../pki/revoke/revocation.ts';
import { rotateLeaves } from '../pki/rotate/rotate.ts';
import { PkiDirectory } from '../pki/store/directory.ts';
import { mappedUser } from '../pki/store/profile.ts';
import { lockOut } from '../rollout/lockout.ts';
import { Rollout } from '../rollout/rollout.ts';
import { serverConfigurations } from '../rollout/server-configuration.ts';
import { printWantedBlock } from '../rollout/wanted-block.ts';
import { type IssuedPins, writeAuthority } from './test-authority.ts';

export interface TestCertificatesOptions {
  readonly dir: string;
  readonly configFile: string;
  readonly isCluster: boolean;
  readonly clients?: readonly string[];
  readonly template?: TemplateName;
  readonly accounts?: Readonly<Record<string, readonly string[]>>;
  /** Text to add to the configuration. */
  readonly config?: string;
  readonly ownAuthority?: boolean;
}

export class TestCertificates {
  readonly #options: TestCertificatesOptions;
  readonly #directory: PkiDirectory;
  readonly #clients: readonly string[];
  /** Every pin that a name had, also before a rotation. */
  readonly #pins = new Map<string, Set<string>>();

  constructor(options: TestCertificatesOptions) {
    const { clients = [], accounts = {} } = options;
    this.#options = options;
    this.#directory = new PkiDirectory(options.dir);
    const named = new Set([...clients, ...Object.values(accounts).flat()]);
    this.#clients = named.size === 0 ? ['client'] : [...named];
  }

  /** Writes the certificates and the configuration; throws a UsageError for a name that cannot be used. */
  async create(): Promise<void> {
    const { dir, configFile, ownAuthority = false } = this.#options;
    this.#remember(await writeAuthority(dir, this.#clients, ownAuthority));
    await writeFileAtomic(configFile, this.#configuration());
  }

  /** Returns the paths of a client's files; throws `no-certificate` for an unknown name. */
  filesOf(client = this.#clients[0] as string): { caFile: string; certFile: string; keyFile: string } {
    const { certificateFile: certFile, keyFile } = this.#directory.pair(client);
    if (this.#pins.has(client) && existsSync(certFile)) {
      return { caFile: this.#directory.authorityFile, certFile, keyFile };
    }
    throw new NatspkiError('no-certificate', `there is no certificate "${client}"`, {
      hint: `expected one of ${this.#clients.join(', ')}: name it in "clients"`,
    });
  }

  /** Returns the pins that certificates of a name have or had. */
  pinsOf(name: string): ReadonlySet<string> {
    return this.#pins.get(name) ?? new Set();
  }

  /**
   * Replaces certificates, those of all names for an empty list.
   * @param reload makes the servers read configuration and certificates; called when either has changed
   */
  async rotate(names: readonly string[], reload: () => Promise<void>): Promise<void> {
    const rollout = await Rollout.prepare({ configurations: [this.#options.configFile], settleMs: 0 });
    const { certificates } = await rotateLeaves({
      directory: this.#directory,
      due: false,
      keepKey: false,
      ...(names.length > 0 && { names }),
      beforeReplace: async (changes) => {
        await rollout.announce(changes);
        if (rollout.added.length > 0) await reload();
      },
    });
    this.#remember(certificates);
    await reload();
  }

  /** Revokes a client and locks its keys out of the configuration; the servers have to reload. */
  async revoke(client: string): Promise<void> {
    await revokeCertificates({
      directory: this.#directory,
      names: [client],
      lockOut: async ({ certificates, others }) => {
        await lockOut({
          configurations: [this.#options.configFile],
          contexts: new Map([['client', others.get('client') ?? []]]),
          out: new Set(certificates.map(({ pin }) => pin)),
        });
      },
    });
  }

  #remember(certificates: IssuedPins): void {
    for (const { name, pin } of certificates) {
      this.#pins.set(name, (this.#pins.get(name) ?? new Set()).add(pin));
    }
  }

  #configuration(): string {
    const { dir, accounts, isCluster, config = '' } = this.#options;
    const template = this.#options.template ?? 'verify';
    if (accounts !== undefined && template === 'basic') {
      throw new UsageError(
        '"accounts" need certificates of clients, which the template "basic" does not request',
      );
    }
    const [{ text } = { text: '' }] = serverConfigurations({
      template: accounts !== undefined && template === 'verify-and-map' ? 'verify' : template,
      file: 'nats.conf',
      directory: dir,
      servers: [{ name: 'server', hosts: [] }],
      users: this.#clients.map((name) => mappedUser(name)),
      clusterName: 'test',
      nodes: [],
    });
    const cluster = printWantedBlock({ context: 'cluster', directory: dir });
    return [
      accounts === undefined ? text : this.#withAccounts(text, accounts),
      isCluster ? `cluster {\n  name: "test"\n${cluster}\n}\n` : '',
      `${config}\n`,
    ].join('\n');
  }

  /** Has the certificate of a client select its user, and puts the users into accounts. */
  #withAccounts(text: string, accounts: Readonly<Record<string, readonly string[]>>): string {
    const { dir: directory, template } = this.#options;
    const wanted = { context: 'client', directory, verifyAndMap: true } as const;
    const block = printWantedBlock(template === 'high-security' ? { ...wanted, minVersion: '1.3' } : wanted);
    const blocks = Object.entries(accounts).map(([account, names]) => {
      const users = names.map((name) => `{user: ${printValue(mappedUser(name))}}`);
      return `  ${printKey(account)} { users: [${users.join(', ')}] }\n`;
    });
    return `${setBlock(text, ['tls'], block)}\naccounts {\n${blocks.join('')}}\n`;
  }
}
