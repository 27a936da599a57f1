// `natspki version`: prints the version, and with --json the platform.
import { BaseCommand } from '../src/cli/base-command.ts';

export default class Version extends BaseCommand {
  static override summary = 'Show the version.';
  static override usage = 'version [--json]';
  static override description = '`natspki --version` prints the same.';
  static override examples = [
    'The version\nnatspki version',
    'With the version of Node and the platform, for a bug report\nnatspki version --json',
  ];

  async run() {
    await this.parse(Version);
    const { name, version } = this.config;
    this.log(`${name} ${version}`);
    return { version, node: process.version, platform: process.platform, arch: process.arch };
  }
}
