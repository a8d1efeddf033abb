import { describe, expect, it } from 'vitest';
import { parseManifests } from '../../../src/standalone/manifest-text.ts';

const valueOf = (text: string): unknown => parseManifests(text).documents[0]?.value;

describe('parseManifests', () => {
  // As kubectl 1.36.3 answers: kubectl annotate --local -f - -o json x=y
  it.each<[string, unknown]>([
    ['yes', true],
    ['y', true],
    ['n', false],
    ['off', false],
    ['TRUE', true],
    ['tRue', 'tRue'],
    ['~', null],
    ['', null],
    ['NULL', null],
    ['0777', 511],
    ['0o17', 15],
    ['0o8', '0o8'],
    ['08', 8],
    ['0x1F', 31],
    ['0b11', 3],
    ['-0b11', -3],
    ['1_000', 1000],
    ['0x_1', 1],
    ['_1', '_1'],
    ['+5', 5],
    ['1:30', '1:30'],
    ['190:20:30', '190:20:30'],
    ['2026-01-01', '2026-01-01'],
    ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'],
    ['1e3', 1000],
    ['1.5e', '1.5e'],
    ['.5', 0.5],
    ['5.', 5],
    ['.', '.'],
    ['.e3', '.e3'],
    ["'5'", '5'],
    ['!!str 5', '5'],
    ['!!binary aGk=', 'hi'],
    ['"\\xe9"', 'é'],
  ])('reads %s as kubectl does', (text, value) => {
    expect(parseManifests(`a: ${text}\n`)).toMatchObject({ problems: [] });
    expect(valueOf(`a: ${text}\n`)).toEqual({ a: value });
  });

  it('takes keys as text and honours anchors and merge keys', () => {
    expect(valueOf('yes: 1\n1: x\n')).toEqual({ true: 1, 1: 'x' });
    expect(valueOf('a: &x {b: c}\nd:\n  <<: *x\n  e: f\n')).toEqual({ a: { b: 'c' }, d: { b: 'c', e: 'f' } });
  });

  it('reads each document and each item of a List, and leaves out what is empty', () => {
    const text = '\ufeffkind: A\n...\n---\n# nothing\n---\nnull\n---\nkind: BList\nitems: [{kind: B}, {kind: C}]\n';
    expect(parseManifests(text).documents.map(({ value }) => value)).toEqual([
      { kind: 'A' },
      { kind: 'B' },
      { kind: 'C' },
    ]);
  });

  it('knows the line of a field, also in an item of a List, and of the nearest thing around what is missing', () => {
    const text =
      '# one\nkind: A\nspec:\n  routes:\n  - match: x\n  - match: y\n---\nkind: List\nitems:\n- kind: B\n  a:\n    b: 1\n';
    const [first, second] = parseManifests(text).documents;
    expect(first?.placeOf([]).line).toBe(2);
    expect(first?.placeOf(['spec', 'routes', 1, 'match']).line).toBe(6);
    expect(first?.placeOf(['spec', 'routes', 1, 'services', 0]).line).toBe(6);
    expect(second?.placeOf([]).line).toBe(10);
    expect(second?.placeOf(['a', 'b']).line).toBe(12);
  });

  it.each([
    ['a: 1\nb: 2\na: 3\n', 3, /unique/],
    ['a: 1\nb: [1, 2\nc: 3\n', 3, /./],
    ['a: .inf\n', 1, /no number/],
    ['a: 1\n---\nb: *x\n', 3, /alias/i],
  ])('names the line of what it cannot read in %j', (text, line, message) => {
    const { problems } = parseManifests(text);
    expect(problems).toMatchObject([{ line, message: expect.stringMatching(message) as string }]);
  });

  it('gives the documents that it can read beside one that it cannot', () => {
    expect(parseManifests('a: 1\n---\nb: [\n---\nc: 3\n').documents.map(({ value }) => value)).toEqual([
      { a: 1 },
      { c: 3 },
    ]);
  });

  it.each([
    '*Secret1',
    '!Secret1!',
    '!<Secret1',
    '|Secret1',
    '>Secret1',
    '"\\xSecret1',
    '"\\uSecret1"',
    '"a" Secret1',
    '}Secret1',
    '@Secret1',
    '%Secret1',
    '&Secret1 &b',
    '[Secret1',
    'Secret1: 1',
    'a\nSecret1',
    '1\n  a: Secret1',
  ])('does not quote %s, which may be a password', (text) => {
    const { problems } = parseManifests(`kind: Secret\ndata:\n  a: ${text}\n`);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).not.toMatch(/Secret1|Secr/);
  });

  it('refuses aliases that unfold to more than anybody writes', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 9; i += 1)
      lines.push(
        `a${i}: &a${i} [${Array(9)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      );
    expect(parseManifests(lines.join('\n')).problems).toHaveLength(1);
  });
});
