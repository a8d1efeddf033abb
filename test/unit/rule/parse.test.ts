import { expect, test } from 'vitest';
import { parseRule } from '../../../src/rule/parse.ts';
import { defaultPriority, rulesEqual, type RuleSyntax } from '../../../src/rule/rule.ts';

function problem(text: string, syntax: RuleSyntax = 'v3'): string {
  const parsed = parseRule(text, syntax);
  return parsed.kind === 'Invalid' ? parsed.message : 'none';
}

test.each([
  ['', 'at character 1: expected a matcher, ! or (, found the end'],
  ['Host(`a`) &&', 'at character 13: expected a matcher, ! or (, found the end'],
  ['Host(`a`) Path(`/`)', 'at character 11: expected &&, || or the end, found Path'],
  ['Host(`a`)\n&& Path(`/`)', 'at character 11: expected &&, || or the end, found &&'],
  ['(Host(`a`)', 'at character 11: expected &&, || or ), found the end'],
  ['(Host(`a`)\n)', 'at character 11: expected &&, || or ), found the end of the line'],
  ['Host', 'at character 5: expected ( after Host, found the end'],
  ['Host(a)', 'at character 6: expected a string, found a'],
  ['Host(`a` `b`)', 'at character 10: expected , or ), found a string'],
  ["Host('a')", 'at character 6: strings stand in backticks or double quotes, not in single quotes'],
  ['Host(`a)', 'at character 6: the string has no closing backtick'],
  ['Host("a)', 'at character 6: the string has no closing double quote on its line'],
  [String.raw`Host("a\.b")`, 'at character 8: this escape is none of Go (write a backslash as \\\\, or use backticks)'],
  ['Host(`a`) & Path(`/`)', 'at character 11: "&" means nothing in a rule'],
  ['Hosts(`a`)', 'at character 1: Hosts is no matcher of syntax v3'],
  ['Path(`/`) && Host()', 'at character 14: Host: there are no arguments'],
  ['Host(``)', 'at character 1: Host: an argument is empty'],
  ['Host(`a`, `b`)', 'at character 1: Host: takes 1 argument, not 2'],
  ['Query(`a`, `b`, `c`)', 'at character 1: Query: takes 1 or 2 arguments, not 3'],
  ['Host(`é`)', 'at character 1: Host: hosts are ASCII; write international names in punycode'],
  ['Path(`a`)', 'at character 1: Path: the path does not begin with a slash'],
  ['ClientIP(`10.0.0.0/33`)', 'at character 1: ClientIP: "10.0.0.0/33" is neither an address nor a CIDR'],
  ['PathRegexp(`(`)', 'at character 1: PathRegexp: error parsing regexp: missing closing ): `(`'],
  ['PathRegexp("\\xff")', 'at character 1: PathRegexp: the regular expression is not UTF-8'],
])('%j: %s', (text, message) => {
  expect(problem(text)).toBe(message);
});

test.each([
  ['Header(`a`, `b`)', 'at character 1: Header is no matcher of syntax v2'],
  ['Headers(`a`)', 'at character 1: Headers: takes pairs of a name and a value'],
  ['Query(`a`)', 'at character 1: Query: takes parameters as name=value'],
  ['Query(`a={x}`, `b={x}`)', 'at character 1: Query: a variable appears in more than one parameter'],
  ['Path(`/{a`)', 'at character 1: Path: the braces are not balanced'],
  ['Path(`/{:a}`)', 'at character 1: Path: a variable in braces has no name or no pattern'],
])('version 2, %j: %s', (text, message) => {
  expect(problem(text, 'v2')).toBe(message);
});

test('a rule nested too deep is refused, not a stack overflow', () => {
  expect(problem(`${'('.repeat(100_000)}Host(\`a\`)${')'.repeat(100_000)}`)).toBe(
    'at character 201: more than 200 parentheses are open',
  );
  expect(problem(`${'!'.repeat(100_001)}Host(\`a\`)`)).toBe('none');
  expect(problem(Array(20_000).fill('Host(`a`)').join('||'))).toBe('none');
});

test('negations move to the matchers, and groups of one kind become one', () => {
  expect(parseRule('!(Host(`a`) && (Path(`/b`) || !Method(`C`))) || (Path(`/d`) || Path(`/e`))', 'v3')).toEqual({
    kind: 'Rule',
    syntax: 'v3',
    root: {
      kind: 'Or',
      operands: [
        { kind: 'Matcher', name: 'Host', args: ['a'], isNegated: true },
        {
          kind: 'And',
          operands: [
            { kind: 'Matcher', name: 'Path', args: ['/b'], isNegated: true },
            { kind: 'Matcher', name: 'Method', args: ['C'], isNegated: false },
          ],
        },
        { kind: 'Matcher', name: 'Path', args: ['/d'], isNegated: false },
        { kind: 'Matcher', name: 'Path', args: ['/e'], isNegated: false },
      ],
    },
  });
});

test('rules are equal whatever their writing, but not in another order or syntax', () => {
  const rule = parseRule('Host(`a`) && Path(`/é`)', 'v3');
  expect(rulesEqual(rule, parseRule(' (HOST("a") &&\n path("/\\u00e9"))', 'v3'))).toBe(true);
  expect(rulesEqual(rule, parseRule('Path(`/é`) && Host(`a`)', 'v3'))).toBe(false);
  expect(rulesEqual(rule, parseRule('Host(`a`) || Path(`/é`)', 'v3'))).toBe(false);
  expect(rulesEqual(rule, parseRule('Host(`a`) && !Path(`/é`)', 'v3'))).toBe(false);
  expect(rulesEqual(rule, parseRule('Host(`a`) && Path(`/e`)', 'v3'))).toBe(false);
  expect(rulesEqual(rule, parseRule('Host(`a`) && Path(`/é`) && Path(`/é`)', 'v3'))).toBe(false);
  expect(rulesEqual(rule, parseRule('Host(`a`) && Path(`/é`)', 'v2'))).toBe(false);
  expect(rulesEqual(parseRule('', 'v3'), parseRule('', 'v3'))).toBe(false);
});

test('the default priority is the length in bytes', () => {
  expect(defaultPriority('Path(`/é`)')).toBe(11);
});
