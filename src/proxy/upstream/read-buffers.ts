/** sharedBytes is enough for nearly every answer at once, and small enough to stay in the cache of a core. */
const sharedBytes = 64 * 1024;

/** largeBytes is how much of a large body one read takes: 1 MiB goes through twice as fast as with 64 KiB. */
const largeBytes = 256 * 1024;

/** maxSpare is how many large buffers are kept for the next large body. */
const maxSpare = 16;

/**
 * ReadBuffers are what connections read into. All share one, whose content is copied before a callback ends: thousands of
 * idle connections hold no memory for it. One with a large body borrows a buffer of its own, whose pieces go on without a copy.
 */
export class ReadBuffers {
  readonly shared: Buffer = Buffer.allocUnsafeSlow(sharedBytes);
  readonly #spare: Buffer[] = [];

  /** borrow returns a buffer that nobody else uses. */
  borrow(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(largeBytes);
  }

  /** giveBack takes a borrowed buffer that nobody looks into any more. One that somebody may is just dropped. */
  giveBack(buffer: Buffer): void {
    if (this.#spare.length < maxSpare) this.#spare.push(buffer);
  }
}
