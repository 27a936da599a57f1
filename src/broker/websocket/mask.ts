// Removes the mask of frames, word by word where source and target are aligned alike (RFC 6455 section 5.3).

const nothing = new ArrayBuffer(0);

/** A masking key, and how many of its bytes the current frame has used. */
export class MaskingKey {
  /** The four bytes, in an order that makes `at` the next one to use. */
  readonly bytes = new Uint8Array(4);
  at = 0;

  /** Starts a frame. @param at offset of the key in `header` */
  set(header: Buffer, at: number): void {
    for (let index = 0; index < 4; index++) this.bytes[index] = header[at + index] as number;
    this.at = 0;
  }
}

/**
 * Copies bytes to a lower or the same offset of a chunk and removes their mask. All connections of a broker share one,
 * because most of their chunks are in the same memory, and creating a word view of memory is expensive.
 */
export class Unmasker {
  #memory: ArrayBufferLike = nothing;
  #words: Int32Array<ArrayBufferLike> = new Int32Array(nothing);
  readonly #keyBytes = new Uint8Array(4);
  readonly #keyWord = new Int32Array(this.#keyBytes.buffer);

  /** @param to at most `from` */
  unmask(chunk: Buffer, from: number, to: number, length: number, key: MaskingKey): void {
    const { bytes } = key;
    let at = key.at;
    let done = 0;
    if (length >= 32 && ((from - to) & 3) === 0) {
      const offset = chunk.byteOffset;
      for (; ((offset + from + done) & 3) !== 0; done++, at++) {
        chunk[to + done] = (chunk[from + done] as number) ^ (bytes[at & 3] as number);
      }
      for (let index = 0; index < 4; index++) this.#keyBytes[index] = bytes[(at + index) & 3] as number;
      const mask = this.#keyWord[0] as number;
      const words = this.#wordsOf(chunk);
      let source = (offset + from + done) >> 2;
      let target = (offset + to + done) >> 2;
      const end = source + ((length - done) >> 2);
      done += (end - source) * 4;
      for (; source < end; source++, target++) words[target] = (words[source] as number) ^ mask;
    }
    for (; done < length; done++, at++) {
      chunk[to + done] = (chunk[from + done] as number) ^ (bytes[at & 3] as number);
    }
    key.at = at & 3;
  }

  #wordsOf({ buffer }: Buffer): Int32Array<ArrayBufferLike> {
    if (buffer !== this.#memory) {
      this.#memory = buffer;
      this.#words = new Int32Array(buffer, 0, buffer.byteLength >> 2);
    }
    return this.#words;
  }
}
