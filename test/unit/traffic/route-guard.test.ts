import { expect, it } from 'vitest';
import { guardWeights } from '../../../src/traffic/route-guard.ts';

const ready = (stable: boolean, canary: boolean) => ({ stable, canary });

it.each([
  ['lists both where both are ready', { stable: 75, canary: 25 }, ready(true, true), { stable: 75, canary: 25 }],
  ['leaves stable out at 100', { stable: 0, canary: 100 }, ready(true, true), { stable: 0, canary: 100 }],
  [
    'lets stable carry all without a canary',
    { stable: 75, canary: 25 },
    ready(true, false),
    { stable: 100, canary: 0 },
  ],
  [
    'lets stable carry all without a canary at 100',
    { stable: 0, canary: 9 },
    ready(true, false),
    { stable: 9, canary: 0 },
  ],
  [
    'lets the canary carry all without stable',
    { stable: 75, canary: 25 },
    ready(false, true),
    { stable: 0, canary: 100 },
  ],
  ['changes nothing where both are empty', { stable: 75, canary: 25 }, ready(false, false), undefined],
  ['changes nothing where the pair has no weight', { stable: 0, canary: 0 }, ready(true, true), undefined],
])('guardWeights %s', (_name, wanted, isReady, expected) => {
  expect(guardWeights(wanted, isReady)).toEqual(expected);
});
