// The folder of an authority: every path in it, and every read and write.

export class PkiDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** The trust bundle, the current authority first. */
  get authorityFile(): string {
    return `${this.path}/ca.pem`;
  }
  get authorityKeyFile(): string {
    return `${this.path}/ca-key.pem`;
  }
  certificateFile(name: string): string {
    return `${this.path}/${name}-cert.pem`;
  }
  keyFile(name: string): string {
    return `${this.path}/${name}-key.pem`;
  }
}
