/** A short soak (scripts/soak.ts runs it for an hour): what must hold whatever happens, while faults happen. */
import { expect, test } from 'vitest';
import { runSoak } from '../soak/soak.ts';

const seconds = 40;

test('rollouts go on for ever while servers, connections and replicas fail', { timeout: 400_000 }, async () => {
  const seed = Math.floor(Math.random() * 1e6);
  const options = { minutes: seconds / 60, rollouts: 30, seed, isCalm: false, pauseS: [4, 8], nodeFlags: [] } as const;
  const violations = await runSoak(options, new AbortController().signal, (text) => console.log(text));
  expect(violations).toEqual([]);
});
