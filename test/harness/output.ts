// Text that a program or a broker prints while a test runs, and that the test can wait for.

/**
 * Milliseconds that a test waits for a text before it fails with what was printed instead. It is a little less than
 * the time limit of a test, which would show nothing.
 */
export const patienceMs = 28_000;

export class Output {
  text = '';
  #fault: string | undefined;
  #waiting = new Set<() => void>();

  add(text: string): void {
    this.text += text;
    for (const look of this.#waiting) look();
  }

  /** Declares that nothing follows; pending waits reject. @param fault what happened: `the program ended` */
  end(fault: string): void {
    this.#fault = fault;
    for (const look of this.#waiting) look();
  }

  /** Resolves to the match once the text matches; rejects at its end, or after `patience` milliseconds. */
  has(pattern: RegExp, patience = patienceMs): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const fail = (fault: string) => {
        settle();
        reject(new Error(`${fault} before this was printed: ${pattern}\n${this.text}`));
      };
      const look = () => {
        const match = pattern.exec(this.text);
        if (match) {
          settle();
          resolve(match);
        } else if (this.#fault !== undefined) fail(this.#fault);
      };
      const timer = setTimeout(() => fail(`${patience} milliseconds passed`), patience);
      this.#waiting.add(look);
      look();
    });
  }
}
