// The flags of `natspki issue`.
import { boolean, string } from '@oclif/core/flags';
import { daysFlag, directoryFlag, keyTypeFlag, passphraseFileFlag, pathFlag } from './flags.ts';

export const issueFlags = <K extends string>(keyTypes: readonly K[]) => ({
  dir: directoryFlag(),
  san: string({
    description: 'Subject alternative name: dns:X, ip:X, email:X or uri:X. Repeatable.',
    helpValue: 'KIND:VALUE',
    multiple: true,
    multipleNonGreedy: true,
  }),
  days: daysFlag('Days until it expires.', 365),
  'key-type': keyTypeFlag(keyTypes),
  csr: pathFlag({
    description: 'Sign this PKCS#10 request instead of making a key.',
    helpValue: 'FILE',
    exclusive: ['key-type'],
  }),
  out: pathFlag({ description: 'Folder for the files, --dir unless given.', helpValue: 'DIR' }),
  'passphrase-file': passphraseFileFlag('asked for on a terminal'),
  force: boolean({ description: 'Replace certificates that exist; the old pairs go to the archive.' }),
});
