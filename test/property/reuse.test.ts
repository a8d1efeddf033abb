import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { reuse } from '../../src/kube/reuse.ts';
import { isSame } from '../../src/api/merge-patch.ts';

/** copyOf is another value that is equal, as the next answer of the server brings it. */
function copyOf<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

// Few names, so that two objects have some in common.
const name = fc.constantFrom('a', 'b', 'constructor', '__proto__');
const { json } = fc.letrec<{ readonly json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, 0, 1, 'x', 'y'),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.uniqueArray(fc.tuple(name, tie('json')), { selector: ([key]) => key, maxLength: 3 }).map(Object.fromEntries),
  ),
}));

test('what is made of the parts of another value equals what it was made for', () => {
  fc.assert(
    fc.property(json, json, (before, after) => {
      const known = copyOf(before);
      expect(isSame(reuse(known, after), after)).toBe(true);
      expect(isSame(known, before)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test('of what has not changed the parts of before are taken, and all of it where nothing has', () => {
  const before = { spec: { steps: [{ weight: 5 }, { weight: 50 }] }, status: { weight: 5, target: { route: 'shop' } } };
  expect(reuse(before, copyOf(before))).toBe(before);
  const after = reuse(before, copyOf({ ...before, status: { ...before.status, weight: 50 } }));
  expect(after.spec).toBe(before.spec);
  expect(after.status.target).toBe(before.status.target);
  expect(after.status).toEqual({ weight: 50, target: { route: 'shop' } });
  const shorter = reuse(before.spec.steps, [{ weight: 5 }]);
  expect(shorter).toEqual([{ weight: 5 }]);
  expect(shorter[0]).toBe(before.spec.steps[0]);
});
