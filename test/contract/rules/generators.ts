/** Generated rules and requests that have much in common, so that many of them match. */
import * as fc from 'fast-check';
import type { RuleSyntax } from '../../../src/rule/rule.ts';
import type { RawRequest } from '../../support/raw-http.ts';
import type { RuleCase } from './cases.ts';

const hosts = ['a.test', 'b.test', 'www.a.test', 'x.y.a.test', 'A.Test', 'b.test.', 'a-b.test', '127.0.0.1', '::1'];
const paths = [
  '/',
  '/a',
  '/a/',
  '/ab',
  '/a/b',
  '/a b',
  '/a/b/c',
  '/é',
  '/a%2Fb',
  '/a+b',
  '/~',
  '/a/1',
  '/b/22/c',
  '/A',
  '/[x]',
  '/"',
];
const methods = ['GET', 'POST', 'DELETE', 'get', 'Put', 'FOO'];
const headerNames = ['X-A', 'x-a', 'X-B', 'Cookie', 'Host', 'X A', 'user-agent'];
const headerValues = ['1', '2', 'always', 'a=1; b=2', 'é', ' 1', 'x'];
const queryNames = ['a', 'b', 'A', 'a b', 'é'];
const queryValues = ['1', '2', 'x y', 'é', '1=2', 'a%b'];
const ranges = [
  '127.0.0.1',
  '127.0.0.0/8',
  '10.0.0.0/8',
  '::1',
  '0.0.0.0/0',
  '::/0',
  '::ffff:127.0.0.0/104',
  '127.0.0.1/33',
  '127.0.0.01',
  'x',
  '127.0.0.9/31',
];
const patterns = [
  '^a',
  'a$',
  '^a\\.test$',
  '.*',
  '[a-z]+',
  '^[a-zA-Z0-9-]+\\.a\\.test$',
  '(?i)A',
  '^/a/[0-9]+$',
  '^/(a|b)(/|$)',
  '1|2',
  '\\d',
  '^$',
  '(^|; )a=1(;|$)',
  'é',
  '.é',
  '[^a]',
  '(',
  'a{2}',
  '^..$',
  '\\bb\\b',
  '(?=a)',
  '\\x{e9}',
  '(?P<n>a)',
];
const templates = [
  ...paths,
  '/{id}',
  '/a/{id:[0-9]+}',
  '/{a}/{b}',
  '/{x:.*}',
  '/{a:b}{c}',
  '/a{',
  '/{:x}',
  '/{a:}',
  '/{a:(b|c)}/c',
  '/b/{n:[0-9]{2}}/c',
  'a',
];
const hostTemplates = [
  ...hosts,
  '{s:[a-z]+}.test',
  '{s}.a.test',
  '{s:.+}.test',
  '{s',
  '{h:(A|b)}.test',
  '{a}.{b}',
  '{any:.*}',
];
const queryTemplates = ['a=1', 'a=', 'b={v}', 'a={v:[0-9]+}', 'b=2', 'a', '1', 'b={w:x.*}', 'é=é', 'a={v'];

/** quoteRaw and quoteInterpreted write a Go string literal. */
function quoteRaw(text: string): string {
  return text.includes('`') ? quoteInterpreted(text) : `\`${text}\``;
}

function quoteInterpreted(text: string): string {
  return JSON.stringify(text).replaceAll(/\\u([0-9a-f]{4})/g, String.raw`\u$1`);
}

/** Each byte as an escape of another kind. */
function quoteEscaped(text: string): string {
  const escapes = [...Buffer.from(text, 'utf8')].map((byte, index) =>
    index % 2 === 0 ? `\\x${byte.toString(16).padStart(2, '0')}` : `\\${byte.toString(8).padStart(3, '0')}`,
  );
  return `"${escapes.join('')}"`;
}

const quote = fc.constantFrom(quoteRaw, quoteRaw, quoteInterpreted, quoteEscaped);
const gap = fc.constantFrom('', '', '', ' ', '  ', '\t', '\n', ' /* x */ ');
const sameLine = fc.constantFrom('', '', ' ', '\t', '/**/');

/** A call of a matcher as text. Its name is written in one of the ways that Traefik takes. */
function call(name: string, ...args: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  const spelling = fc.constantFrom(
    name,
    name,
    name,
    name.toLowerCase(),
    name.toUpperCase(),
    `${name.slice(0, 1)}${name.slice(1).toLowerCase()}`,
  );
  return fc.tuple(spelling, fc.tuple(...args), quote, gap, sameLine).map(([written, values, quoteAs, space, tight]) => {
    return `${written}${tight}(${values.map((value) => `${space}${quoteAs(value)}${tight}`).join(',')})`;
  });
}

function list(values: fc.Arbitrary<string>, max = 3): fc.Arbitrary<readonly string[]> {
  return fc.array(values, { minLength: 1, maxLength: max });
}

function callWith(name: string, values: fc.Arbitrary<readonly string[]>): fc.Arbitrary<string> {
  return fc.tuple(values, quote).map(([args, quoteAs]) => `${name}(${args.map(quoteAs).join(', ')})`);
}

const host = fc.constantFrom(...hosts);
const path = fc.constantFrom(...paths);
const pattern = fc.constantFrom(...patterns);
const headerName = fc.constantFrom(...headerNames);
const headerValue = fc.constantFrom(...headerValues);
const queryName = fc.constantFrom(...queryNames);
const queryValue = fc.constantFrom(...queryValues);

const matcherV3 = fc.oneof(
  { weight: 6, arbitrary: call('Host', host) },
  { weight: 2, arbitrary: call('HostRegexp', pattern) },
  { weight: 3, arbitrary: call('Path', path) },
  { weight: 6, arbitrary: call('PathPrefix', path) },
  { weight: 2, arbitrary: call('PathRegexp', pattern) },
  { weight: 2, arbitrary: call('Method', fc.constantFrom(...methods)) },
  { weight: 3, arbitrary: call('Header', headerName, headerValue) },
  { weight: 2, arbitrary: call('HeaderRegexp', headerName, pattern) },
  { weight: 2, arbitrary: call('Query', queryName, queryValue) },
  { weight: 1, arbitrary: call('Query', queryName) },
  { weight: 2, arbitrary: call('QueryRegexp', queryName, pattern) },
  { weight: 1, arbitrary: call('QueryRegexp', queryName) },
  { weight: 1, arbitrary: call('ClientIP', fc.constantFrom(...ranges)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'Host()',
      'Host(``)',
      'Path(`a`)',
      'Host(`a`, `b`)',
      'Header(`a`)',
      'Hosts(`a`)',
      'Host(a)',
      "Host('a')",
      'Method(`GET`,)',
    ),
  },
);

const headerPairs = fc
  .array(fc.tuple(headerName, headerValue), { minLength: 1, maxLength: 2 })
  .map((pairs) => pairs.flat());
const patternPairs = fc
  .array(fc.tuple(headerName, pattern), { minLength: 1, maxLength: 2 })
  .map((pairs) => pairs.flat());

const matcherV2 = fc.oneof(
  { weight: 4, arbitrary: callWith('Host', list(host)) },
  { weight: 1, arbitrary: callWith('HostHeader', list(host)) },
  { weight: 4, arbitrary: callWith('HostRegexp', list(fc.constantFrom(...hostTemplates))) },
  { weight: 5, arbitrary: callWith('Path', list(fc.constantFrom(...templates))) },
  { weight: 5, arbitrary: callWith('PathPrefix', list(fc.constantFrom(...templates))) },
  { weight: 2, arbitrary: callWith('Method', list(fc.constantFrom(...methods))) },
  { weight: 2, arbitrary: callWith('Headers', headerPairs) },
  { weight: 2, arbitrary: callWith('HeadersRegexp', patternPairs) },
  { weight: 4, arbitrary: callWith('Query', list(fc.constantFrom(...queryTemplates))) },
  { weight: 1, arbitrary: callWith('ClientIP', list(fc.constantFrom(...ranges))) },
  { weight: 1, arbitrary: fc.constantFrom('Headers(`a`)', 'Path(`/a`,)', 'Header(`X-A`, `1`)') },
);

function rule(matcher: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const { node } = fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 3, arbitrary: matcher },
      {
        weight: 3,
        arbitrary: fc
          .tuple(matcher, gap, matcher, sameLine)
          .map(([a, space, b, tight]) => `${a}${tight}&&${space}${b}`),
      },
      {
        weight: 1,
        arbitrary: fc
          .tuple(tie('node'), gap, tie('node'), sameLine)
          .map(([a, space, b, tight]) => `${a}${tight}||${space}${b}`),
      },
      { weight: 1, arbitrary: fc.tuple(tie('node'), gap, tie('node')).map(([a, space, b]) => `${a} &&${space}${b}`) },
      { weight: 1, arbitrary: fc.tuple(gap, tie('node')).map(([space, a]) => `!${space}(${a})`) },
      { weight: 1, arbitrary: matcher.map((a) => `!${a}`) },
      { weight: 1, arbitrary: fc.tuple(gap, tie('node')).map(([space, a]) => `(${space}${a})`) },
    ),
  }));
  return node;
}

/** anyRule is a rule of either syntax, every tenth of them invalid. */
export const anyRule = fc.oneof(
  { weight: 3, arbitrary: rule(matcherV3).map((text) => ({ text, syntax: 'v3' as RuleSyntax })) },
  { weight: 2, arbitrary: rule(matcherV2).map((text) => ({ text, syntax: 'v2' as RuleSyntax })) },
);

const oddPieces = [
  '/',
  '/',
  '/',
  'a',
  'b',
  '.',
  '..',
  '/.',
  '/..',
  '//',
  '%2e',
  '%2E',
  '%2F',
  '%2f',
  '%61',
  '%C3%A9',
  '%c3',
  '%20',
  '%00',
  '+',
  '~',
  '|',
  '"',
  '[',
  ']',
  '!',
  "'",
  '(',
  '*',
  '%25',
  '%',
  '%zz',
  ';',
  '@',
  ':',
  '\u00c3\u00a9',
  '\u00ff',
  '?',
  '=',
  '&',
  '\\',
  '^',
  '{',
  '%7B',
  '%7C',
  '%5B',
  '%2B',
];

const oddTarget = fc.array(fc.constantFrom(...oddPieces), { maxLength: 6 }).map((pieces) => `/${pieces.join('')}`);
const queryPieces = [
  'a=1',
  'a',
  'a=',
  'b=2',
  'a=x+y',
  'a=x%20y',
  '%61=1',
  'A=1',
  'a=%C3%A9',
  '%C3%A9=%C3%A9',
  'a=%',
  'a=1%3D2',
  'a;b=2',
  '',
  'b=2;a=1',
  'a%20b=1',
  'a=1=2',
  'b=x',
];
const query = fc
  .array(fc.constantFrom(...queryPieces), { maxLength: 3 })
  .map((pieces) => (pieces.length === 0 ? '' : `?${pieces.join('&')}`));

function encodePath(text: string): string {
  return encodeURI(text).replaceAll('%25', '%').replaceAll('%5B', '[').replaceAll('%5D', ']');
}

const target = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(path, query).map(([text, rest]) => `${encodePath(text)}${rest}`) },
  { weight: 2, arbitrary: fc.tuple(oddTarget, query).map(([text, rest]) => `${text}${rest}`) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('http://', 'HTTPS://'), host, fc.constantFrom('', '/', '/a', '/a/b?a=1', '?a=1'))
      .map(([scheme, name, rest]) => `${scheme}${bracket(name)}${rest}`),
  },
);

function bracket(name: string): string {
  return name.includes(':') ? `[${name}]` : name;
}

const hostHeader = fc
  .tuple(host, fc.constantFrom('', '', ':80', ':8080', ':'), fc.boolean())
  .map(([name, port, isUpper]) => `${isUpper ? bracket(name).toUpperCase() : bracket(name)}${port}`);

/** A header as bytes; ones that no client may send are left to the hand-written cases. */
const header = fc
  .tuple(fc.constantFrom('X-A', 'x-A', 'X-B', 'Cookie', 'User-Agent'), headerValue)
  .map(([name, value]) => [name, Buffer.from(value.trim(), 'utf8').toString('latin1')]);

/** anyRequest is a request as bytes. */
export const anyRequest: fc.Arbitrary<RawRequest> = fc.record({
  method: fc.constantFrom('GET', 'GET', 'GET', 'DELETE', 'PUT', 'FOO', 'get'),
  target,
  headers: fc
    .tuple(hostHeader, fc.array(header, { maxLength: 3 }))
    .map(([name, headers]) => ['Host', name, ...headers.flat()]),
});

/** anyCase is a few rules that compete for a dozen requests. */
const anyCase: fc.Arbitrary<RuleCase> = fc.record({
  rules: fc.array(anyRule, { minLength: 1, maxLength: 4 }),
  requests: fc.array(anyRequest, { minLength: 6, maxLength: 12 }),
});

/** generateCases returns the same cases for the same seed. */
export function generateCases(count: number, seed: number): readonly RuleCase[] {
  return fc.sample(anyCase, { numRuns: count, seed });
}

/** generateTargets returns request targets, most of them odd. */
export function generateTargets(count: number, seed: number): readonly string[] {
  return fc.sample(fc.oneof(oddTarget, target), { numRuns: count, seed });
}

const scraps = [
  '(',
  ')',
  '!',
  '&&',
  '||',
  ',',
  '`',
  '"',
  ' ',
  '\n',
  '//',
  '/*',
  '*/',
  '\\',
  "'",
  'Host',
  '`a`',
  '/',
  '.',
  '&',
  '|',
  '1',
  'é',
  '{',
  '\\x',
  '\r',
  ';',
];

/** A rule with one or two places cut out or filled with scraps. */
const scratched = fc
  .tuple(
    anyRule,
    fc.array(fc.tuple(fc.nat(), fc.nat({ max: 2 }), fc.constantFrom(...scraps, '', '')), {
      minLength: 1,
      maxLength: 2,
    }),
  )
  .map(([{ text, syntax }, edits]) => ({
    syntax,
    text: edits.reduce((current, [place, length, scrap]) => {
      const at = place % (current.length + 1);
      return current.slice(0, at) + scrap + current.slice(at + length);
    }, text),
  }));

/** generateRuleTexts returns texts near rules, about half of them none. */
export function generateRuleTexts(count: number, seed: number): RuleCase['rules'] {
  return fc.sample(scratched, { numRuns: count, seed });
}
