/** Where rules and request targets differ from Traefik 3.6.12 on purpose. The test shows that each entry is true. */
import type { RawRequest } from '../../support/raw-http.ts';
import type { RuleCase, Verdict } from './cases.ts';

/** Difference is one request with both answers. */
export interface Difference {
  readonly name: string;
  readonly reason: string;
  readonly rules: RuleCase['rules'];
  readonly request: RawRequest;
  readonly traefik: Verdict;
  readonly sluice: Verdict;
  /** covers tells which other cases the difference explains. */
  covers(rules: RuleCase['rules'], request: RawRequest): boolean;
}

const never = (): boolean => false;
const all = v3('PathPrefix(`/`)');

/** differences is the table. */
export const differences: readonly Difference[] = [
  {
    name: 'HostRegexp does not see the dot at the end of a host',
    reason: '`a.test.` and `a.test` are one host; a dot must not get a request past a rule.',
    rules: [v3('HostRegexp(`^a\\.test$`)')],
    request: get('/', 'a.test.'),
    traefik: { status: 404 },
    sluice: { status: 200, rule: 0, target: '/' },
    covers: (rules, request) => asksHostRegexp(rules) && /\.(?::\d*)?$/.test(authorityOf(request)),
  },
  {
    name: 'HostRegexp of version 2 does not see brackets around an IPv6 address without port',
    reason: 'Traefik takes them off for every other matcher, and for this one where a port follows.',
    rules: [v2('HostRegexp(`::1`)')],
    request: get('/', '[::1]'),
    traefik: { status: 404 },
    sluice: { status: 200, rule: 0, target: '/' },
    covers: (rules, request) => asksHostRegexp(rules) && authorityOf(request).endsWith(']'),
  },
  {
    name: 'Host takes a wildcard for the first label',
    reason: 'Traefik does so from 3.7 on; 3.6 compares the text.',
    rules: [v3('Host(`*.a.test`)')],
    request: get('/', 'x.a.test'),
    traefik: { status: 404 },
    sluice: { status: 200, rule: 0, target: '/' },
    covers: never,
  },
  {
    name: 'Host(`*`) is any host',
    reason: 'Traefik does so from 3.7.7 on; 3.6 compares the text.',
    rules: [v3('Host(`*`)')],
    request: get('/', 'x.a.test'),
    traefik: { status: 404 },
    sluice: { status: 200, rule: 0, target: '/' },
    covers: never,
  },
  {
    name: '# within a query is refused',
    reason:
      'No client sends it, and the next server may take what follows for a fragment. Traefik refuses it in paths only.',
    rules: [all],
    request: get('/?a=1#b', 'a.test'),
    traefik: { status: 200, rule: 0, target: '/?a=1#b' },
    sluice: { status: 400 },
    covers: (_, { target }) => target.includes('#'),
  },
  {
    name: 'a URL with user information is refused as request target',
    reason: 'RFC 9110, 4.2.4: it serves to obscure the authority. Traefik drops it.',
    rules: [all],
    request: get('http://me@a.test/', 'a.test'),
    traefik: { status: 200, rule: 0, target: '/' },
    sluice: { status: 400 },
    covers: never,
  },
  {
    name: 'a URL of another scheme than http and https is refused as request target',
    reason: 'It asks for something that no HTTP server has.',
    rules: [all],
    request: get('ftp://a.test/', 'a.test'),
    traefik: { status: 200, rule: 0, target: '/' },
    sluice: { status: 400 },
    covers: never,
  },
  {
    name: 'a URL without authority is refused as request target',
    reason: 'RFC 9110, 4.2.1: an http URL has a host. Traefik takes that of the Host header.',
    rules: [all],
    request: get('http:///a', 'a.test'),
    traefik: { status: 200, rule: 0, target: '/a' },
    sluice: { status: 400 },
    covers: never,
  },
  {
    name: 'Pragma is not taken for Cache-Control',
    reason: 'Go adds `Cache-Control: no-cache` to requests with `Pragma: no-cache`; rules see what the client sent.',
    rules: [v3('Header(`Cache-Control`, `no-cache`)')],
    request: { ...get('/', 'a.test'), headers: ['Host', 'a.test', 'Pragma', 'no-cache'] },
    traefik: { status: 200, rule: 0, target: '/' },
    sluice: { status: 404 },
    covers: never,
  },
  {
    name: 'a regular expression cannot have two groups of one name',
    reason: 'RE2 and re2js refuse it; nothing could tell the groups apart.',
    rules: [v3('PathRegexp(`(?P<n>a)(?P<n>b)`)')],
    request: get('/ab', 'a.test'),
    traefik: { status: 200, rule: 0, target: '/ab' },
    sluice: { status: 404 },
    covers: never,
  },
  {
    name: 'classes of characters have only their short names',
    reason:
      'Go takes `\\p{Letter}`, `\\p{greek}` and `\\p{ASCII}` from 1.25 on, re2js `\\p{L}` and `\\p{Greek}`. The error names the class.',
    rules: [v3('PathRegexp(`^/\\p{Letter}$`)')],
    request: get('/a', 'a.test'),
    traefik: { status: 200, rule: 0, target: '/a' },
    sluice: { status: 404 },
    covers: never,
  },
  {
    name: 'more than 200 parentheses within each other are refused',
    reason: 'Nobody writes them, and reading them takes the stack.',
    rules: [v3(`${'('.repeat(201)}PathPrefix(\`/\`)${')'.repeat(201)}`)],
    request: get('/', 'a.test'),
    traefik: { status: 200, rule: 0, target: '/' },
    sluice: { status: 404 },
    covers: never,
  },
  {
    name: 'an argument cannot be followed by dots',
    reason: "Go's parser takes ``Host(`a.test`...)`` as a call with a list, and Traefik never looks.",
    rules: [v3('Host(`a.test`...)')],
    request: get('/', 'a.test'),
    traefik: { status: 200, rule: 0, target: '/' },
    sluice: { status: 404 },
    covers: never,
  },
];

/** isKnown tells whether a difference covers a request. */
export function isKnown(rules: RuleCase['rules'], request: RawRequest): boolean {
  return differences.some((difference) => difference.covers(rules, request));
}

function v3(text: string): RuleCase['rules'][number] {
  return { text, syntax: 'v3' };
}

function v2(text: string): RuleCase['rules'][number] {
  return { text, syntax: 'v2' };
}

function get(target: string, host: string): RawRequest {
  return { method: 'GET', target, headers: ['Host', host] };
}

function asksHostRegexp(rules: RuleCase['rules']): boolean {
  return rules.some(({ text }) => /hostregexp/i.test(text));
}

function authorityOf({ target, headers }: RawRequest): string {
  const [, authority] = /^https?:\/\/([^/?]*)/i.exec(target) ?? [];
  return authority ?? headers[headers.indexOf('Host') + 1] ?? '';
}
