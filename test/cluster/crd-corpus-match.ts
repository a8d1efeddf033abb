/** Rows of the corpus about spec.canary.match and spec.canary.middlewares. */
import type { OddRow } from './crd-corpus-odd.ts';

function canary(sentence: string, fields: string, ...says: readonly string[]): OddRow {
  const yaml = [
    'route: {name: shop}',
    'stable: {service: shop-stable}',
    `canary: {service: shop-canary, ${fields}}`,
    'revision: "1"',
  ].join('\n');
  return { sentence, yaml, says };
}

const match = (sentence: string, entry: string, ...says: readonly string[]): OddRow =>
  canary(sentence, `match: [${entry}]`, ...says);
const header = (sentence: string, headers: string, ...says: readonly string[]): OddRow =>
  match(sentence, `{headers: {${headers}}}`, ...says);
const cookie = (sentence: string, cookies: string, ...says: readonly string[]): OddRow =>
  match(sentence, `{cookies: {${cookies}}}`, ...says);

const times = (count: number, text: (index: number) => string): string =>
  Array.from({ length: count }, (_unused, index) => text(index)).join(', ');
const entries = (count: number): string => times(count, (index) => `{headers: {x: {exact: "${index}"}}}`);
const comparisons = (count: number): string => times(count, (index) => `x-${index}: {exact: a}`);
const middlewares = (count: number): string =>
  `match: [{headers: {x: {exact: a}}}], middlewares: [${times(count, (index) => `{name: m${index}}`)}]`;

const at = 'spec.canary.match[0]';
const one = 'set exactly one of exact, prefix and regex';
const cookieRegex = "a cookie's regex is compared with the whole value; leave ^ and $ out";
const headerName = 'write the names of headers in letters, digits, dot, _ and -, at most 64';
const cookieName = 'write the names of cookies in letters, digits, dot, _ and -, at most 64';
const host = "Host is no header to Traefik's rules; put it in the rule of the IngressRoute";
const alone = 'spec.canary: Invalid value: middlewares are for the requests of match; set match, or leave them out';

/** matchRows are the rows. */
export const matchRows: readonly OddRow[] = [
  match(
    'a match by header and one by cookie',
    '{headers: {X-Canary: {exact: always}}}, {cookies: {canary: {prefix: al}}}',
  ),
  match('a header and a cookie together', '{headers: {x_y.z: {regex: "^a$"}}, cookies: {__Host-c: {regex: "[ab]+"}}}'),
  header('a header value that would end a rule', 'X-Canary: {exact: "`) || PathPrefix(`/"}'),
  match('a match of nothing', '{}', `${at}: Invalid value: name headers, cookies or both`),
  match('headers without any', '{headers: {}}', `${at}.headers in body should have at least 1 properties`),
  match('cookies without any', '{cookies: {}}', `${at}.cookies in body should have at least 1 properties`),
  canary('a match without entries', 'match: []', 'spec.canary.match in body should have at least 1 items'),
  canary('8 matches', `match: [${entries(8)}]`),
  canary('9 matches', `match: [${entries(9)}]`, 'spec.canary.match: Too many: 9: must have at most 8 items'),
  header('8 headers', comparisons(8)),
  header('9 headers', comparisons(9), `${at}.headers: Too many: 9: must have at most 8 items`),
  cookie('8 cookies', comparisons(8)),
  cookie('9 cookies', comparisons(9), `${at}.cookies: Too many: 9: must have at most 8 items`),
  header('a header without a comparison', 'x: {}', `${at}.headers[x]: Invalid value: ${one}`),
  header('a header with two comparisons', 'x: {exact: a, regex: a}', `${at}.headers[x]: Invalid value: ${one}`),
  cookie('a cookie without a comparison', 'x: {}', `${at}.cookies[x]: Invalid value: ${one}`),
  cookie(
    'a cookie with three comparisons',
    'x: {exact: a, prefix: a, regex: a}',
    `${at}.cookies[x]: Invalid value: ${one}`,
  ),
  header('a header as text', 'x: always', `${at}.headers.x: Invalid value: "string"`),
  header('a header that contains', 'x: {contains: a}', `unknown field "${at}.headers.x.contains"`),
  header('an exact header that is true', 'x: {exact: true}', `${at}.headers.x.exact: Invalid value: "boolean"`),
  ...['exact', 'prefix', 'regex'].flatMap((kind) => [
    header(
      `an empty ${kind} of a header`,
      `x: {${kind}: ""}`,
      `${at}.headers.x.${kind} in body should be at least 1 chars long`,
    ),
    header(`a header's ${kind} of 256 letters`, `x: {${kind}: ${'a'.repeat(256)}}`),
    header(
      `a header's ${kind} of 257 letters`,
      `x: {${kind}: ${'a'.repeat(257)}}`,
      `${at}.headers.x.${kind}: Too long: may not be more than 256 bytes`,
    ),
    cookie(
      `an empty ${kind} of a cookie`,
      `x: {${kind}: ""}`,
      `${at}.cookies.x.${kind} in body should be at least 1 chars long`,
    ),
    cookie(`a cookie's ${kind} of 256 letters`, `x: {${kind}: ${'a'.repeat(256)}}`),
    cookie(
      `a cookie's ${kind} of 257 letters`,
      `x: {${kind}: ${'a'.repeat(257)}}`,
      `${at}.cookies.x.${kind}: Too long: may not be more than 256 bytes`,
    ),
  ]),
  header('a header name of 64 letters', `${'x'.repeat(64)}: {exact: a}`),
  header('a header name of 65 letters', `${'x'.repeat(65)}: {exact: a}`, `${at}.headers: Invalid value: ${headerName}`),
  header('a header name with a backtick', '"X`": {exact: a}', `${at}.headers: Invalid value: ${headerName}`),
  header('an empty header name', '"": {exact: a}', `${at}.headers: Invalid value: ${headerName}`),
  header('the header Host', 'HoSt: {exact: a}', `${at}.headers: Invalid value: ${host}`),
  header('the header Hostname', 'Hostname: {exact: a}'),
  cookie('a cookie name with an equals sign', '"a=b": {exact: a}', `${at}.cookies: Invalid value: ${cookieName}`),
  cookie('a cookie name of 65 letters', `${'x'.repeat(65)}: {exact: a}`, `${at}.cookies: Invalid value: ${cookieName}`),
  cookie('a cookie regex with ^', 'x: {regex: "^a"}', `${at}.cookies[x]: Invalid value: ${cookieRegex}`),
  cookie('a cookie regex with $', 'x: {regex: "a$"}', `${at}.cookies[x]: Invalid value: ${cookieRegex}`),
  canary('10 middlewares', middlewares(10)),
  canary('11 middlewares', middlewares(11), 'spec.canary.middlewares: Too many: 11: must have at most 10 items'),
  canary('middlewares without a match', 'middlewares: [{name: a}]', alone),
  canary(
    'no middlewares in the list',
    'match: [{headers: {x: {exact: a}}}], middlewares: []',
    'spec.canary.middlewares in body should have at least 1 items',
  ),
  canary(
    'a middleware without a name',
    'match: [{headers: {x: {exact: a}}}], middlewares: [{}]',
    'spec.canary.middlewares[0].name: Required value',
  ),
  canary(
    'a middleware of another namespace',
    'match: [{headers: {x: {exact: a}}}], middlewares: [{name: a, namespace: b}]',
    'unknown field "spec.canary.middlewares[0].namespace"',
  ),
  canary(
    'a middleware name with a capital',
    'match: [{headers: {x: {exact: a}}}], middlewares: [{name: Auth}]',
    'spec.canary.middlewares[0].name: Invalid value: "Auth": write the name of a Middleware: lower-case letters, digits, - and .',
  ),
  canary(
    'an empty middleware name',
    'match: [{headers: {x: {exact: a}}}], middlewares: [{name: ""}]',
    'spec.canary.middlewares[0].name in body should be at least 1 chars long',
  ),
  canary(
    'a middleware name of 254 letters',
    `match: [{headers: {x: {exact: a}}}], middlewares: [{name: ${'m'.repeat(254)}}]`,
    'spec.canary.middlewares[0].name: Too long: may not be more than 253 bytes',
  ),
];
