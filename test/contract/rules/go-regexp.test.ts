import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRegexpCache } from '../../../src/rule/regexp.ts';
import { toBytes } from '../../../src/rule/bytes.ts';

// Other seeds find other patterns: SLUICE_SEED=$RANDOM.
const seed = Number(process.env['SLUICE_SEED'] ?? 20_261_121);

/** Question is a pattern with inputs, all byte strings. */
interface Question {
  readonly pattern: string;
  readonly inputs: readonly string[];
}

/** Patterns that one of the two refuses, with the reason. */
const refusedByOne: readonly { readonly pattern: string; readonly go: string; readonly reason: string }[] = [
  { pattern: '(?P<n>a)(?P<n>b)', go: '1', reason: 'Go takes two groups of one name' },
  { pattern: '\\p{ASCII}', go: '1', reason: 'Go knows this class since 1.25' },
  { pattern: '\\p{Letter}', go: '1', reason: 'Go knows long names of classes since 1.25' },
  { pattern: '\\p{greek}', go: '0', reason: 'Go knows names of classes in any case since 1.25' },
];

test('Go and the rules agree about 8,000 patterns on 25 inputs each', { timeout: 120_000 }, async () => {
  const questions = fc.sample(question, { numRuns: 8000, seed });
  const expected = await askGo(questions);
  const found = questions.map(answer);
  const differing = questions.flatMap(({ pattern, inputs }, index) =>
    found[index] === expected[index] || refuses(pattern)
      ? []
      : [{ pattern, go: expected[index], found: found[index], inputs }],
  );
  expect(differing.map((difference) => JSON.stringify(difference))).toEqual([]);
  // That they agree says something only if there is much of each.
  expect(expected.filter((line) => line === 'invalid').length).toBeGreaterThan(300);
  expect(expected.filter((line) => line !== 'invalid').length).toBeGreaterThan(4000);
  const matches = expected.join('').replaceAll('invalid', '');
  expect(matches.replaceAll('0', '').length).toBeGreaterThan(10_000);
  expect(matches.replaceAll('1', '').length).toBeGreaterThan(10_000);
});

test.each(refusedByOne)('$pattern: $reason', async ({ pattern, go }) => {
  const asked = { pattern, inputs: ['ab'] };
  expect(await askGo([asked])).toEqual([go]);
  expect(answer(asked)).toBe('invalid');
});

function refuses(pattern: string): boolean {
  const names = [...pattern.matchAll(/\(\?P?<(\w+)>/g)].map(([, name]) => name);
  return new Set(names).size < names.length;
}

function answer({ pattern, inputs }: Question): string {
  const regexp = createRegexpCache().get(pattern);
  if (regexp.kind === 'Invalid') return 'invalid';
  return inputs.map((input) => (regexp.test(input) ? '1' : '0')).join('');
}

/** One line for each question, from the Go program, which needs no module but the standard library. */
async function askGo(questions: readonly Question[]): Promise<readonly string[]> {
  const encode = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('base64');
  const lines = questions.map(({ pattern, inputs }) =>
    JSON.stringify({ pattern: encode(pattern), inputs: inputs.map(encode) }),
  );
  const cwd = fileURLToPath(new URL('../../tools/go-regexp', import.meta.url));
  const running = promisify(execFile)('go', ['run', '.'], { cwd, maxBuffer: 1 << 26 });
  running.child.stdin?.end(lines.join('\n'));
  return (await running).stdout.trimEnd().split('\n');
}

const letters = [
  'a',
  'b',
  'c',
  'A',
  'B',
  '1',
  '9',
  '_',
  '-',
  ' ',
  'é',
  'É',
  'ß',
  'ſ',
  'K',
  'k',
  '日',
  '😀',
  '\n',
  '/',
  '=',
];
const oddEscapes = [
  '\\Z',
  '\\1',
  '\\8',
  '\\e',
  '\\C',
  '\\p{Nope}',
  '\\h',
  '\\k<n>',
  '\\u0041',
  '\\cA',
  '\\E',
  '\\',
  '\\x',
  '\\x{',
  '\\x{110000}',
  '\\p',
  '\\é',
  '\\p{L',
  '\\pé',
];
const escapes = [
  '\\d',
  '\\D',
  '\\w',
  '\\W',
  '\\s',
  '\\S',
  '\\b',
  '\\B',
  '\\A',
  '\\z',
  '\\.',
  '\\-',
  '\\/',
  '\\_',
  '\\n',
  '\\t',
  '\\x41',
  '\\x{e9}',
  '\\x{1F600}',
  '\\101',
  '\\0',
  '\\a',
  '\\Q',
  '\\Qa.b\\E',
  '\\pL',
  '\\p{Greek}',
  '\\P{Lu}',
  '\\p{^L}',
  '\\pN',
  '\\v',
  '\\f',
  '\\r',
];
const classItems = [
  'a',
  'b',
  'a-c',
  '0-9',
  'A-Z',
  '\\d',
  '\\W',
  '\\s',
  '-',
  '^',
  'é',
  'à-ü',
  '[:alpha:]',
  '[:^digit:]',
  '[:word:]',
  '[:nope:]',
  ']',
  '\\]',
  '\\x41-\\x43',
  'z-a',
  '\\pL',
  '日',
  '&',
  '.',
  '\\n',
  '😀-😎',
];
const quantifiers = ['*', '+', '?', '*?', '+?', '??', '{2}', '{1,2}', '{0,}', '{,2}', '{0}', '{a}', '{1,2}?'];
const oddQuantifiers = ['{2,1}', '{1001}', '**', '*+', '{2}{2}', '{', '{1', '{-1}', '{1,2,3}', '{1000}'];
const groups = ['(?:', '(?i)(', '(?i:', '(?s:', '(?m:', '(?U:', '(?-i:', '(?im-s:', '(?P<n>', '(?<m>'];
const oddGroups = [
  '(?=',
  '(?!',
  '(?<=',
  '(?<!',
  '(?>',
  '(?#',
  '(?x:',
  '(?P=n)',
  '(?',
  '(?P<>',
  '(?P<a-b>',
  '(?P<é>',
  '(?P<n',
  '(?i-:',
  '(?--i:',
  '(?i',
  '(*',
  '((',
  ')(',
  '(?ii:',
];

const atom = fc.oneof(
  { weight: 80, arbitrary: fc.constantFrom(...letters) },
  { weight: 30, arbitrary: fc.constantFrom(...escapes) },
  { weight: 1, arbitrary: fc.constantFrom(...oddEscapes) },
  { weight: 20, arbitrary: fc.constantFrom('.', '^', '$', '.', '^', '$', '|', '') },
  {
    weight: 30,
    arbitrary: fc
      .tuple(fc.constantFrom('[', '[^'), fc.array(fc.constantFrom(...classItems), { maxLength: 3 }))
      .map(([open, items]) => `${open}${items.join('')}]`),
  },
);

const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    { weight: 30, arbitrary: atom },
    { weight: 40, arbitrary: fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `${a}${b}`) },
    {
      weight: 20,
      arbitrary: fc
        .tuple(tie('expression'), fc.constantFrom(...quantifiers))
        .map(([a, quantifier]) => `${a}${quantifier}`),
    },
    { weight: 10, arbitrary: fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `${a}|${b}`) },
    { weight: 20, arbitrary: tie('expression').map((a) => `(${a})`) },
    {
      weight: 10,
      arbitrary: fc.tuple(fc.constantFrom(...groups), tie('expression')).map(([open, a]) => `${open}${a})`),
    },
    { weight: 10, arbitrary: tie('expression').map((a) => `^${a}$`) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(tie('expression'), fc.constantFrom(...oddQuantifiers))
        .map(([a, quantifier]) => `${a}${quantifier}`),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.constantFrom(...oddGroups), tie('expression')).map(([open, a]) => `${open}${a})`),
    },
  ),
}));

const brokenBytes = ['\xff', '\xc3', '\xed\xa0\x80', '\xf0\x9f\x98', '\xc0\x80', '\xe2\x82', '\x80'];

const input = fc
  .array(
    fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...letters, 'ab', 'abc', '\t', '.', 'Z', '0', 'Ω', 'à').map(toBytes) },
      { weight: 1, arbitrary: fc.constantFrom(...brokenBytes) },
    ),
    { maxLength: 6 },
  )
  .map((pieces) => pieces.join(''));

const question: fc.Arbitrary<Question> = fc.record({
  pattern: fc.oneof(
    { weight: 30, arbitrary: expression.map(toBytes) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(expression.map(toBytes), fc.constantFrom(...brokenBytes))
        .map(([pattern, bytes]) => pattern + bytes),
    },
  ),
  inputs: fc.array(input, { minLength: 25, maxLength: 25 }),
});
