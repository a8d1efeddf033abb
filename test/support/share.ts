/** What the clients get of a canary, once Traefik has loaded the route. */
import { expect } from 'vitest';
import { eventually } from './eventually.ts';
import type { Load, Mark } from './load.ts';

const forMs = 4_000;
const enough = 150;

/**
 * expectShare waits until the answers of two seconds say that Traefik has loaded the route, which takes it 2 s, and on a
 * busy machine longer. From then on it watches the answers for 4 s at least and until there are 150 of them, and expects
 * the canary to have given `percent` of these, with nothing tolerated at 0 and 100.
 */
export async function expectShare(load: Load, percent: number, tolerated = percent % 100 === 0 ? 0 : 7): Promise<void> {
  const differenceSince = (from: Mark): number => {
    const { total, byVersion } = load.since(from);
    return Math.abs((100 * (byVersion['v2'] ?? 0)) / total - percent);
  };
  await eventually(() => differenceSince(load.mark() - 2_000) <= tolerated, {
    timeoutMs: 40_000,
    describe: `${percent}% of the answers`,
  });
  const from = load.mark();
  await eventually(() => load.mark() - from >= forMs && load.since(from).total >= enough, {
    timeoutMs: 60_000,
    describe: `${enough} answers`,
  });
  expect(differenceSince(from), `points beside ${percent}%`).toBeLessThanOrEqual(tolerated);
}
