// What each host needs after a change that all of them have to follow, and in which order: servers first, then clients.
import { resolve } from 'node:path';
import { filesInUse } from './lockout.ts';

/** A certificate of the folder. */
export interface HandedOver {
  readonly name: string;
  readonly profile: string;
  readonly sans: readonly string[];
  readonly certificateFile: string;
  readonly keyFile?: string;
}

/** What one host or client needs. */
export interface Handover {
  /** 1: servers, all at the same time. 2: clients. 3: names whose certificates are not in the folder. */
  readonly order: 1 | 2 | 3;
  /** The name of the certificate; the path of the configuration where that names certificates. */
  readonly host: string;
  /** What peers dial: the alternative names. */
  readonly sans: readonly string[];
  readonly files: readonly string[];
  /** `restart` the server with the files, `replace` those of the client, or `issue` the certificate again. */
  readonly action: 'restart' | 'replace' | 'issue';
}

export interface HandoverOptions {
  readonly bundleFile: string;
  readonly certificates: readonly HandedOver[];
  /** Names whose certificates are not in the folder. */
  readonly elsewhere: readonly string[];
  readonly configurations: readonly string[];
}

/** Returns what each host needs, in order. */
export function planHandover(options: HandoverOptions): Handover[] {
  const { bundleFile, certificates, elsewhere, configurations } = options;
  const filesOf = (some: readonly HandedOver[]) => [
    bundleFile,
    ...some.flatMap(({ certificateFile, keyFile }) => [certificateFile, ...(keyFile ? [keyFile] : [])]),
  ];
  const configured = configurations.flatMap((file): Handover[] => {
    const inUse = filesInUse([file]);
    const own = certificates.filter(({ certificateFile }) => inUse.has(resolve(certificateFile)));
    if (own.length === 0) return [];
    const sans = [...new Set(own.flatMap((each) => each.sans))];
    return [{ order: 1, host: file, sans, files: filesOf(own), action: 'restart' }];
  });
  const handled = new Set(configured.flatMap(({ files }) => files));
  const single = certificates
    .filter(({ certificateFile }) => !handled.has(certificateFile))
    .map((each): Handover => {
      const isClient = each.profile === 'client';
      return {
        order: isClient ? 2 : 1,
        host: each.name,
        sans: isClient ? [] : each.sans,
        files: filesOf([each]),
        action: isClient ? 'replace' : 'restart',
      };
    });
  const away = elsewhere.map((host): Handover => {
    return { order: 3, host, sans: [], files: [bundleFile], action: 'issue' };
  });
  return [...configured, ...single, ...away].sort((a, b) => a.order - b.order);
}
