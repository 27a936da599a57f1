// `natspki crl`: writes the revocation lists of the authority anew.
import { BaseCommand } from '../src/cli/base-command.ts';
import { crlDaysFlag, directoryFlag, passphraseFileFlag } from '../src/cli/flags.ts';
import { authorityPassphrase } from '../src/cli/passphrase.ts';
import { listLines } from '../src/cli/revoke-result.ts';
import { given } from '../src/given.ts';
import { writeRevocationLists } from '../src/pki/revoke/lists.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';

export default class Crl extends BaseCommand {
  static override summary = 'Write the revocation lists of the authority anew.';
  static override usage = 'crl [--crl-days DAYS] [--json]';
  static override description =
    'Writes ca.crl with every revoked certificate of the ledger (RFC 5280): one list for each issuer whose key is in the folder, in PEM. The lists of other issuers stay as they are. `natspki revoke` writes the file too, and `natspki watch` renews it after half of its life, if it exists.';
  static override examples = [
    'Lists that are valid for a week\nnatspki crl',
    'Lists that are valid for a month, and what is on them\nnatspki crl --crl-days 30 && natspki inspect certs/ca.crl',
  ];
  static override flags = {
    dir: directoryFlag(),
    'crl-days': crlDaysFlag(),
    'passphrase-file': passphraseFileFlag(),
  };

  async run() {
    const { flags } = await this.parse(Crl);
    const directory = new PkiDirectory(flags.dir);
    const passphrase = await authorityPassphrase(directory, flags);
    const written = await writeRevocationLists({
      directory,
      ...given({ passphrase, days: flags['crl-days'] }),
    });
    this.print(listLines(written));
    return { directory: flags.dir, ...written };
  }
}
