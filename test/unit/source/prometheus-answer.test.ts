import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAnswer, readMatrix } from '../../../src/source/prometheus-answer.ts';

/** A text that is awkward in JSON: quotes, braces, backslashes, other scripts, and what answers are cut by. */
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom(
    '"',
    '\\',
    '\\"',
    '}',
    ']}',
    '{"',
    '"result":[',
    '"data":{"resultType":"matrix","result":[',
    '\n',
    'é€😀',
  ),
);
const labels = fc.dictionary(fc.string({ minLength: 1, maxLength: 6 }), text, { maxKeys: 4, noNullPrototype: true });
const points = fc.array(
  fc.tuple(fc.integer({ min: 0, max: 4_000_000_000_000 }), fc.constantFrom('0', '1.5', '-2e9', '+Inf', '-Inf', 'NaN')),
  { maxLength: 5 },
);
const row = fc.record({ metric: labels, values: points.map((all) => all.map(([ms, value]) => [ms / 1000, value])) });
const extra = fc.record({ warnings: fc.array(text, { maxLength: 2 }) }, { requiredKeys: [] });

interface Row {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

/** expected is what a matrix holds, read from the parsed whole. */
function expected(rows: readonly Row[]): object {
  const toNumber = (value: string): number => (value.endsWith('Inf') ? Number(`${value}inity`) : Number(value));
  return rows.map(({ metric, values }) => {
    return { labels: metric, samples: new Map(values.map(([at, value]) => [Math.round(at * 1000), toNumber(value)])) };
  });
}

function matrix(rows: readonly unknown[], more: object = {}, before: object = {}): object {
  return { ...before, status: 'success', data: { resultType: 'matrix', result: rows }, ...more };
}

describe('the answer of Prometheus', () => {
  test('is the same whether it is cut into rows or, with blanks in it, parsed at once', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 6 }), extra, extra, (rows, more, before) => {
        const whole = JSON.parse(JSON.stringify(matrix(rows, more, before))) as {
          readonly data: { readonly result: readonly Row[] };
        };
        for (const blanks of [0, 1]) {
          const body = parseAnswer(Buffer.from(JSON.stringify(whole, null, blanks)));
          expect(readMatrix(body?.data ?? {})).toEqual(expected(whole.data.result));
          expect({ ...body, data: undefined }).toEqual({ ...whole, data: undefined });
        }
      }),
    );
  });

  test('is none where it ends too soon, wherever that is', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 3 }), fc.nat(), (rows, place) => {
        const bytes = Buffer.from(JSON.stringify(matrix(rows)));
        expect(parseAnswer(bytes.subarray(0, place % bytes.length))).toBeUndefined();
      }),
    );
  });

  test('is none where a byte more or less makes it something else than JSON', () => {
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 3 }),
        fc.nat(),
        fc.constantFrom('{', '}', '[', ']', '"', ',', ':', 'x', '\\', ' '),
        (rows, place, byte) => {
          const bytes = Buffer.from(JSON.stringify(matrix(rows)));
          bytes.write(byte, place % bytes.length);
          const isJson = (): boolean => {
            try {
              return typeof JSON.parse(bytes.toString()) === 'object';
            } catch {
              return false;
            }
          };
          if (!isJson()) expect(parseAnswer(bytes)).toBeUndefined();
        },
      ),
    );
  });

  test('with histograms instead of values has series without samples', () => {
    const body = parseAnswer(Buffer.from(JSON.stringify(matrix([{ metric: { le: '1' }, histograms: [[1, {}]] }]))));
    expect(readMatrix(body?.data ?? {})).toEqual([{ labels: { le: '1' }, samples: new Map() }]);
  });

  test.each([
    ['a vector', { resultType: 'vector', result: [{ metric: {}, value: [1, '2'] }] }],
    ['an empty vector', { resultType: 'vector', result: [] }],
    ['a scalar', { resultType: 'scalar', result: [1, '2'] }],
    ['a matrix that is none', { resultType: 'matrix', result: 'nothing' }],
  ])('keeps %s as it is', (_name, data) => {
    expect(parseAnswer(Buffer.from(JSON.stringify({ status: 'success', data })))).toEqual({ status: 'success', data });
  });

  test.each(['null', '1', '"text"', '', '<html>'])('is none where it is %s', (body) => {
    expect(parseAnswer(Buffer.from(body))).toBeUndefined();
  });
});
