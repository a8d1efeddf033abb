import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyMergePatch, isSame, mergePatch } from '../../../src/api/merge-patch.ts';

type Json = Readonly<Record<string, unknown>>;

/** applyPatch is RFC 7386, section 2, word for word. */
function applyPatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, applyPatch(result.get(name), value));
  }
  return Object.fromEntries(result);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Names that every object inherits, and few others, so that two objects often have fields in common. */
const name = fc.constantFrom('a', 'b', 'c', 'constructor', 'toString', '__proto__', 'length', '');
const { object: objects } = fc.letrec<{ value: unknown; object: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(0, 1, -0.5, '', 'x', true, false),
    tie('object'),
    fc.array(tie('value'), { maxLength: 3 }),
  ),
  object: fc.array(fc.tuple(name, tie('value')), { maxLength: 4 }).map((fields) => Object.fromEntries(fields) as Json),
}));

describe('applyMergePatch', () => {
  it('does what RFC 7386 says, with any patch', () => {
    const patches = fc.oneof(
      objects,
      fc.tuple(objects, name).map(([patch, field]) => Object.fromEntries([...Object.entries(patch), [field, null]])),
    );
    fc.assert(
      fc.property(objects, patches, (target, patch) => {
        expect(applyMergePatch(target, { a: patch })).toEqual(applyPatch(target, { a: patch }));
        expect(applyMergePatch(target, patch)).toEqual(applyPatch(target, patch));
      }),
      { numRuns: 500 },
    );
  });
});

describe('mergePatch', () => {
  it('turns any object without null into any other when it is applied after RFC 7386, also by way of the wire', () => {
    fc.assert(
      fc.property(objects, objects, (before, after) => {
        const wire: unknown = JSON.parse(JSON.stringify(mergePatch(before, after)));
        expect(JSON.stringify(sorted(applyPatch(before, wire)))).toBe(JSON.stringify(sorted(after)));
      }),
      { numRuns: 500 },
    );
  });

  it('is empty if and only if nothing differs, whatever the order of the fields', () => {
    fc.assert(
      fc.property(objects, objects, (before, after) => {
        const isEmpty = Object.keys(mergePatch(before, after)).length === 0;
        expect(isEmpty).toBe(JSON.stringify(sorted(before)) === JSON.stringify(sorted(after)));
        expect(mergePatch(before, sorted(before) as object)).toEqual({});
      }),
      { numRuns: 500 },
    );
  });

  it.each<[string, object, object, object]>([
    ['adds a field', {}, { a: 1 }, { a: 1 }],
    ['removes a field with null', { a: 1, b: 2 }, { b: 2 }, { a: null }],
    ['names only what differs in an object', { a: { x: 1, y: 2 } }, { a: { x: 1, y: 3 } }, { a: { y: 3 } }],
    ['replaces an array whole', { a: [1, 2] }, { a: [1] }, { a: [1] }],
    ['turns an object into an array', { a: { x: 1 } }, { a: [] }, { a: [] }],
    ['adds an empty object', {}, { a: {} }, { a: {} }],
    ['removes a field that every object inherits', { constructor: 'x' }, {}, { constructor: null }],
  ])('%s', (_name, before, after, patch) => {
    expect(mergePatch(before, after)).toEqual(patch);
  });
});

describe('isSame', () => {
  it.each<[string, unknown, unknown, boolean]>([
    ['objects in another order', { a: 1, b: [2] }, { b: [2], a: 1 }, true],
    ['arrays in another order', [1, 2], [2, 1], false],
    ['an array and the object that looks like it', ['x'], { 0: 'x' }, false],
    ['a number and its text', 1, '1', false],
    ['null and nothing', null, undefined, false],
    ['other fields of the same number', { a: 1 }, { constructor: 1 }, false],
  ])('compares %s', (_name, left, right, same) => {
    expect(isSame(left, right)).toBe(same);
    expect(isSame(right, left)).toBe(same);
  });
});

/** sorted returns the value with the fields of each object in alphabetical order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const fields = Object.entries(value).map(([field, inner]) => [field, sorted(inner)] as const);
  return Object.fromEntries(fields.toSorted(([left], [right]) => (left < right ? -1 : 1)));
}
