import { isAscii } from './bytes.ts';
import { anyLabelSuffix, isLabelBefore } from './host-pattern.ts';
import {
  buildClientIp,
  type BuildMatcher,
  built,
  type BuiltTest,
  headerName,
  invalid,
  normalHost,
  notAscii,
  wildcardOf,
  withRegexp,
} from './matcher.ts';
import type { RegexpCache } from './regexp.ts';

function buildHost([host = '']: readonly string[]): BuiltTest {
  if (!isAscii(host)) return notAscii;
  if (host === '*') return built(() => true);
  const wanted = normalHost(host);
  if (wanted.startsWith('*')) return built((request) => request.host !== '' && wildcardOf(request.host) === wanted);
  return built((request) => request.host === wanted && wanted !== '');
}

function buildHostRegexp([pattern = '']: readonly string[], regexps: RegexpCache): BuiltTest {
  if (!isAscii(pattern)) return notAscii;
  const suffix = anyLabelSuffix(pattern);
  if (suffix !== undefined) return built((request) => isLabelBefore(request.host, suffix));
  return withRegexp(pattern, regexps, (regexp) => {
    // Traefik also asks about the canonical name in the DNS, which is empty unless it is told to look it up.
    if (regexp.test('')) return () => true;
    return (request) => regexp.test(request.host);
  });
}

const noSlash = invalid('the path does not begin with a slash');

function buildPath([path = '']: readonly string[]): BuiltTest {
  return path.startsWith('/') ? built((request) => request.path === path) : noSlash;
}

function buildPathPrefix([prefix = '']: readonly string[]): BuiltTest {
  return prefix.startsWith('/') ? built((request) => request.path.startsWith(prefix)) : noSlash;
}

function buildPathRegexp([pattern = '']: readonly string[], regexps: RegexpCache): BuiltTest {
  return withRegexp(pattern, regexps, (regexp) => (request) => regexp.test(request.path));
}

function buildMethod([method = '']: readonly string[]): BuiltTest {
  const wanted = method.toUpperCase();
  return built((request) => request.method === wanted);
}

function buildHeader([written = '', value = '']: readonly string[]): BuiltTest {
  const name = headerName(written);
  if (name === undefined) return built(() => false);
  return built((request) => request.headerValues(name).includes(value));
}

function buildHeaderRegexp([written = '', pattern = '']: readonly string[], regexps: RegexpCache): BuiltTest {
  const name = headerName(written);
  return withRegexp(pattern, regexps, (regexp) => {
    if (name === undefined) return () => false;
    return (request) => request.headerValues(name).some((value) => regexp.test(value));
  });
}

/** Without a value it asks for an empty one: `?name` or `?name=`. */
function buildQuery([name = '', value = '']: readonly string[]): BuiltTest {
  return built((request) => request.queryValues(name).includes(value));
}

function buildQueryRegexp(args: readonly string[], regexps: RegexpCache): BuiltTest {
  const [name = '', pattern] = args;
  if (pattern === undefined) return buildQuery(args);
  return withRegexp(
    pattern,
    regexps,
    (regexp) => (request) => request.queryValues(name).some((value) => regexp.test(value)),
  );
}

/** Version 3 takes fixed numbers of arguments, version 2 lists. */
function taking(counts: readonly number[], build: BuildMatcher): BuildMatcher {
  return (args, regexps) => {
    if (counts.includes(args.length)) return build(args, regexps);
    return invalid(`takes ${counts.join(' or ')} argument${counts.at(-1) === 1 ? '' : 's'}, not ${args.length}`);
  };
}

/** matchersV3 are the matchers of Traefik 3 (https://doc.traefik.io/traefik/routing/routers/#rule), `Host(`*.x`)` as from 3.7. */
export const matchersV3: ReadonlyMap<string, BuildMatcher> = new Map([
  ['ClientIP', taking([1], buildClientIp)],
  ['Header', taking([2], buildHeader)],
  ['HeaderRegexp', taking([2], buildHeaderRegexp)],
  ['Host', taking([1], buildHost)],
  ['HostRegexp', taking([1], buildHostRegexp)],
  ['Method', taking([1], buildMethod)],
  ['Path', taking([1], buildPath)],
  ['PathPrefix', taking([1], buildPathPrefix)],
  ['PathRegexp', taking([1], buildPathRegexp)],
  ['Query', taking([1, 2], buildQuery)],
  ['QueryRegexp', taking([1, 2], buildQueryRegexp)],
]);
