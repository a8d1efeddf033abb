/** What the clients get of a canary, once Traefik has loaded the route. */
import { expect } from 'vitest';
import { eventually } from './eventually.ts';
import type { Load } from './load.ts';

/** Traefik takes 2 s to load a route; a busy machine gets as much again. */
const reloadMs = 4_000;
const forMs = 4_000;
const enough = 150;

/**
 * expectShare lets Traefik load the route, watches the answers for 4 s at least and until there are 150 of them, and
 * expects the canary to have given `percent` of these, with nothing tolerated at 0 and 100.
 */
export async function expectShare(load: Load, percent: number, tolerated = percent % 100 === 0 ? 0 : 7): Promise<void> {
  const from = load.mark() + reloadMs;
  await eventually(() => load.mark() - from >= forMs && load.since(from).total >= enough, {
    timeoutMs: 60_000,
    describe: `${enough} answers`,
  });
  const { total, byVersion } = load.since(from);
  const share = (100 * (byVersion['v2'] ?? 0)) / total;
  expect(Math.abs(share - percent), `share ${share.toFixed(1)}% of ${total}, ${percent}% expected`).toBeLessThanOrEqual(
    tolerated,
  );
}
