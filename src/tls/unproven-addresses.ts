// Limits how many clients of an address may send their certificates at a time, until one of them was accepted. OpenSSL
// verifies every signature of a chain in one call, on the event loop and also when the chain is not trusted: 99
// certificates with P-521 keys take a fifth of a second. It does not handle sockets.

/** How many handshakes of an unproven address are read at a time. */
const maxReading = 2;

/** After how many milliseconds a client that sends nothing keeps no other one waiting. */
const turnMs = 500;

/** How many proven addresses are remembered; the one that was proven first is forgotten. */
const maxProven = 10_000;

/** Starts and stops reading a connection during its handshake. */
export interface HandshakeReading {
  resume(): void;
  pause(): void;
}

/** The handshakes of an unproven address. */
interface Crowd {
  /** Those that are read and have their turn. */
  reading: number;
  /** Functions that begin the turn of one that waits, the oldest first. */
  readonly waiting: Set<() => void>;
}

/** Keeps handshakes waiting whose address has not shown a certificate that was accepted, or has shown a bad one since. */
export class UnprovenAddresses {
  readonly #proven = new Set<string>();
  readonly #crowds = new Map<string, Crowd>();

  /**
   * Pauses a connection that has received its ClientHello, if others of its address are being read.
   * @returns a function to call when its handshake has ended
   */
  add(address: string, connection: HandshakeReading): () => void {
    if (this.#proven.has(address)) return () => {};
    const crowd = this.#crowds.get(address) ?? { reading: 0, waiting: new Set() };
    this.#crowds.set(address, crowd);
    let timer: NodeJS.Timeout | undefined;
    let isReading = false;
    const begin = () => {
      isReading = true;
      crowd.reading++;
      timer = setTimeout(leave, turnMs);
    };
    const resume = () => {
      begin();
      connection.resume();
    };
    const leave = () => {
      clearTimeout(timer);
      crowd.waiting.delete(resume);
      if (isReading) crowd.reading--;
      isReading = false;
      this.#resume(address, crowd, maxReading);
    };
    if (crowd.reading < maxReading) {
      begin();
    } else {
      crowd.waiting.add(resume);
      connection.pause();
    }
    return leave;
  }

  /** Records that a client of this address was accepted. */
  prove(address: string): void {
    this.#proven.add(address);
    const [first] = this.#proven;
    if (this.#proven.size > maxProven) this.#proven.delete(first as string);
    const crowd = this.#crowds.get(address);
    if (crowd !== undefined) this.#resume(address, crowd, Number.POSITIVE_INFINITY);
  }

  /** Records that the certificate of a client of this address was rejected. */
  doubt(address: string): void {
    this.#proven.delete(address);
  }

  #resume(address: string, crowd: Crowd, limit: number): void {
    for (const resume of crowd.waiting) {
      if (crowd.reading >= limit) return;
      crowd.waiting.delete(resume);
      resume();
    }
    if (crowd.reading === 0 && this.#crowds.get(address) === crowd) this.#crowds.delete(address);
  }
}
