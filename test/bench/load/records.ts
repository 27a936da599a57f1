// Counts the content bytes of TLS 1.3 records from their headers alone (RFC 8446, section 5.2).

const headerLength = 5;
// The content type and the authentication tag; neither server adds padding.
const overhead = 1 + 16;

export class RecordCounter {
  #header = 0;
  #length = 0;
  #missing = 0;

  /**
   * Takes the next bytes of a connection, split anywhere; returns the content bytes of the records that end in
   * them.
   */
  add(chunk: Buffer): number {
    let content = 0;
    for (let at = 0; at < chunk.length; ) {
      if (this.#header < headerLength) {
        // The length is in the last two of the five bytes.
        this.#length = ((this.#length << 8) | (chunk[at++] ?? 0)) & 0xffff;
        if (++this.#header === headerLength) this.#missing = this.#length;
        continue;
      }
      const taken = Math.min(this.#missing, chunk.length - at);
      at += taken;
      this.#missing -= taken;
      if (this.#missing === 0) {
        content += this.#length - overhead;
        this.#header = 0;
      }
    }
    return content;
  }
}
