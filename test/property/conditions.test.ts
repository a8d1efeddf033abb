import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toBytes } from '../../src/rule/bytes.ts';
import { compileRule } from '../../src/rule/compile.ts';
import { narrowRule, type RequestCondition } from '../../src/rule/conditions.ts';
import { parseRule } from '../../src/rule/parse.ts';
import type { RuleRequest } from '../../src/rule/request.ts';
import { createRuleRequest } from '../../src/rule/rule-request.ts';
import type { MatcherNode, Rule, RuleNode, RuleSyntax } from '../../src/rule/rule.ts';

const baseRules: readonly (readonly [RuleSyntax, string])[] = [
  ['v3', 'Host(`a.test`)'],
  ['v3', 'Host(`a.test`) || PathPrefix(`/x`)'],
  ['v3', '!Host(`a.test`) && (Method(`GET`) || Path(`/x/y`))\n'],
  ['v3', 'Host("a.test") &&\n  HeaderRegexp("X-A", "^[ab]")'],
  ['v2', 'Host(`a.test`, `b.test`)'],
  ['v2', 'HostRegexp(`{name:[ab]}.test`) || Path(`/{id:[0-9]+}`)'],
];

/** hostile are texts that would end a string, a rule or a regular expression, if anything could. */
const hostile = [
  '`) || PathPrefix(`/',
  '") || PathPrefix("/',
  '\\") || PathPrefix(`/`) || Header("x", "\\',
  '\\',
  '"',
  '`',
  '$',
  '^',
  '.*',
  '(?i)a|b',
  '[^;]*',
  '\\E.*\\Q',
  'a\nb',
  '\r\n',
  '\0',
  '\u{feff}',
  '\ufffd',
  'ü😀',
  '/* */',
  '// a',
  '%22',
  '{{ a }}',
  'a,b',
  ')',
];

const value = fc.oneof(
  fc.constantFrom(...hostile, 'a', 'ab', 'always'),
  fc.string({ minLength: 1, maxLength: 12, unit: 'binary' }),
  fc.tuple(fc.constantFrom(...hostile), fc.constantFrom(...hostile)).map((pair) => pair.join('')),
);
const name = fc.constantFrom('X-A', 'x_b', 'C.d', 'canary');
const comparison = fc.constantFrom('Exact' as const, 'Prefix' as const);
const headerCondition = fc.record({ on: fc.constant('Header' as const), name, comparison, value });
/** A cookie's value ends at a semicolon, and has no spaces around it (RFC 6265, section 4.1.1). */
const cookieCondition = fc.record({
  on: fc.constant('Cookie' as const),
  name,
  comparison,
  value: value.filter((text) => !/;|^ | $/.test(text)),
});
const condition: fc.Arbitrary<RequestCondition> = fc.oneof(headerCondition, cookieCondition);
const alternatives = fc.array(fc.array(condition, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 });

function parsed(text: string, syntax: RuleSyntax): Rule {
  const rule = parseRule(text, syntax);
  if (rule.kind === 'Invalid') throw new Error(`${JSON.stringify(text)}: ${rule.message}`);
  return rule;
}

function narrowed(text: string, syntax: RuleSyntax, wanted: readonly (readonly RequestCondition[])[]): string {
  const rule = narrowRule(text, syntax, wanted);
  if (rule.kind === 'Invalid') throw new Error(`${JSON.stringify(text)}: ${rule.message}`);
  return rule.text;
}

/** holds compares as the words of the spec say, without regular expressions and rules. */
function holds({ on, name, comparison, value }: RequestCondition, request: RuleRequest): boolean {
  const wanted = toBytes(value);
  const isEqual = (found: string): boolean => (comparison === 'Exact' ? found === wanted : found.startsWith(wanted));
  if (on === 'Header') return request.headerValues(name.toLowerCase()).some(isEqual);
  const cookies = request.headerValues('cookie').flatMap((header) => header.split(/; */));
  return cookies.some((cookie) => cookie.startsWith(`${name}=`) && isEqual(cookie.slice(name.length + 1)));
}

function asHeader({ on, name, value }: RequestCondition, before: string): readonly string[] {
  return on === 'Header' ? [name, toBytes(value)] : ['Cookie', `${before}${name}=${toBytes(value)}; z=1`];
}

describe('a rule with conditions', () => {
  test('is true where the rule is and all conditions of one alternative are, whatever stands in their values', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...baseRules),
        alternatives,
        fc.record({
          host: fc.constantFrom('a.test', 'b.test', 'c.test'),
          path: fc.constantFrom('/', '/x', '/x/y', '/7'),
          method: fc.constantFrom('GET', 'POST'),
          present: fc.array(fc.tuple(fc.nat(8), fc.constantFrom('', 'b=2; ', 'x', 'xcanary=1; '), value)),
        }),
        ([syntax, text], wanted, { host, path, method, present }) => {
          const all = wanted.flat();
          const headers = present.flatMap(([index, before, other]) => {
            const chosen = all[index % (all.length + 1)];
            return chosen === undefined ? ['X-A', toBytes(other)] : asHeader(chosen, before);
          });
          const line = { authority: host, method, path, query: '', clientIp: '192.0.2.1', headers };
          const request = createRuleRequest(line);
          const matches = compileRule(parsed(narrowed(text, syntax, wanted), syntax))(request);
          const isBase = compileRule(parsed(text, syntax))(request);
          const isOne = wanted.some((conditions) => conditions.every((one) => holds(one, request)));
          expect(matches).toBe(isBase && isOne);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('has the matchers of the rule and one for each condition, with the very values, and no others', () => {
    fc.assert(
      fc.property(fc.constantFrom(...baseRules), alternatives, ([syntax, text], wanted) => {
        const base = matchersIn(parsed(text, syntax).root);
        const found = matchersIn(parsed(narrowed(text, syntax, wanted), syntax).root);
        expect(found.slice(0, base.length)).toEqual(base);
        const added = found.slice(base.length);
        expect(added).toHaveLength(wanted.flat().length);
        for (const [index, { on, name, comparison, value }] of wanted.flat().entries()) {
          const [matcher, regexp] = syntax === 'v2' ? ['Headers', 'HeadersRegexp'] : ['Header', 'HeaderRegexp'];
          const isExact = on === 'Header' && comparison === 'Exact';
          expect(added[index]).toMatchObject({ name: isExact ? matcher : regexp, isNegated: false });
          if (isExact) expect(added[index]?.args).toEqual([name, toBytes(value)]);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('is printable ASCII in what it adds, so that no editor and no YAML changes it', () => {
    fc.assert(
      fc.property(alternatives, (wanted) => {
        expect(narrowed('Host(`a.test`)', 'v3', wanted)).toMatch(/^[ -~]*$/);
      }),
    );
  });
});

function matchersIn(node: RuleNode): readonly MatcherNode[] {
  return node.kind === 'Matcher' ? [node] : node.operands.flatMap(matchersIn);
}
