/** seededRandom returns a source of numbers from 0 to 1 that gives the same ones for the same seed (Marsaglia's xorshift, 32 bits). */
export function seededRandom(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
