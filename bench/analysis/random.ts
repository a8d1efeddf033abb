/** Random numbers that come again with the same seed: sfc32 (PractRand's small fast generator), and Poisson counts. */

/** Random is one stream of random numbers. */
export interface Random {
  /** uniform returns a number in [0, 1). */
  uniform(): number;
  /** poisson returns a count with this mean; 0 for a mean of 0. */
  poisson(mean: number): number;
  /** geometric returns the number of trials up to the first success, at least 1, with this mean. */
  geometric(mean: number): number;
}

/** createRandom returns the stream of a seed; every text has its own. */
export function createRandom(seed: string): Random {
  const uniform = sfc32(hashOf(seed));
  return {
    uniform,
    poisson: (mean) => (mean < 10 ? poissonByProduct(mean, uniform) : poissonByRejection(mean, uniform)),
    geometric: (mean) => 1 + Math.floor(Math.log(1 - uniform()) / Math.log(1 - 1 / mean)),
  };
}

/** hashOf is FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

function sfc32(seed: number): () => number {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  };
  for (let round = 0; round < 15; round += 1) next();
  return next;
}

/** Knuth's method: cheap for small means. */
function poissonByProduct(mean: number, uniform: () => number): number {
  const limit = Math.exp(-mean);
  let product = uniform();
  let count = 0;
  while (product > limit) {
    product *= uniform();
    count += 1;
  }
  return count;
}

/** Hörmann's PTRS (Insurance: Mathematics and Economics 12, 1993): exact, and the cost does not grow with the mean. */
function poissonByRejection(mean: number, uniform: () => number): number {
  const logMean = Math.log(mean);
  const b = 0.931 + 2.53 * Math.sqrt(mean);
  const a = -0.059 + 0.02483 * b;
  const inverseAlpha = 1.1239 + 1.1328 / (b - 3.4);
  const vr = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const u = uniform() - 0.5;
    const v = uniform();
    const us = 0.5 - Math.abs(u);
    const count = Math.floor(((2 * a) / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= vr) return count;
    if (count < 0 || (us < 0.013 && v > us)) continue;
    const left = Math.log(v) + Math.log(inverseAlpha) - Math.log(a / (us * us) + b);
    if (left <= count * logMean - mean - logFactorial(count)) return count;
  }
}

const smallLogFactorials = [0, 0];
for (let count = 2; count < 128; count += 1) smallLogFactorials.push(smallLogFactorials[count - 1]! + Math.log(count));

/** Stirling's series; from 128 on its error is below 1e-12. */
function logFactorial(count: number): number {
  const small = smallLogFactorials[count];
  if (small !== undefined) return small;
  return (count + 0.5) * Math.log(count) - count + 0.918938533204673 + 1 / (12 * count) - 1 / (360 * count ** 3);
}
