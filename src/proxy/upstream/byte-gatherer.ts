const nothing = Buffer.alloc(0);
const keptBytes = 4096;

/** ByteGatherer collects what arrives in pieces until an empty line has come: a head, or the trailers. */
export class ByteGatherer {
  #gathered: Buffer = nothing;
  #length = 0;
  #hasBareLf = false;

  get length(): number {
    return this.#length;
  }

  /** hasBareLf: there is a line end without CR. */
  get hasBareLf(): boolean {
    return this.#hasBareLf;
  }

  /** text returns the first `length` bytes as latin1. */
  text(length: number = this.#length): string {
    return this.#gathered.toString('latin1', 0, Math.min(length, this.#length));
  }

  /** clear starts anew; the memory of a long head is not kept. */
  clear(): void {
    this.#length = 0;
    this.#hasBareLf = false;
    if (this.#gathered.length > keptBytes) this.#gathered = nothing;
  }

  /**
   * add takes bytes up to and including the first CRLF CRLF of the whole and returns how many of `bytes` it took; -1 when
   * that has not come yet, then it took all. It looks at each byte once, however small the pieces are.
   */
  add(bytes: Buffer): number {
    const before = this.#length;
    this.#append(bytes);
    const found = this.#gathered.subarray(0, this.#length).indexOf('\r\n\r\n', Math.max(0, before - 3), 'latin1');
    if (found !== -1) this.#length = found + 4;
    this.#findBareLf(before);
    return found === -1 ? -1 : this.#length - before;
  }

  #append(bytes: Buffer): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#gathered.length) {
      const grown = Buffer.allocUnsafe(Math.max(1024, 2 * needed));
      this.#gathered.copy(grown, 0, 0, this.#length);
      this.#gathered = grown;
    }
    bytes.copy(this.#gathered, this.#length);
    this.#length = needed;
  }

  #findBareLf(from: number): void {
    const added = this.#gathered.subarray(0, this.#length);
    for (let at = added.indexOf(10, from); at !== -1; at = added.indexOf(10, at + 1)) {
      if (added[at - 1] !== 13) this.#hasBareLf = true;
    }
  }
}
