import { type AddressRange, parseRange, rangeContains } from './client-ip.ts';
import type { Regexp, RegexpCache } from './regexp.ts';
import type { RuleRequest } from './request.ts';

/** RequestTest answers one question about a request. */
export type RequestTest = (request: RuleRequest) => boolean;

/** BuiltTest is a test, or what is wrong with the arguments. */
export type BuiltTest =
  | { readonly kind: 'Test'; readonly test: RequestTest }
  | { readonly kind: 'Invalid'; readonly message: string };

/** BuildMatcher turns arguments (byte strings, none empty) into a test. */
export type BuildMatcher = (args: readonly string[], regexps: RegexpCache) => BuiltTest;

/** built makes a BuiltTest. */
export function built(test: RequestTest): BuiltTest {
  return { kind: 'Test', test };
}

/** invalid makes a BuiltTest of a problem. */
export function invalid(message: string): BuiltTest {
  return { kind: 'Invalid', message };
}

/** buildClientIp is true for requests from one of the ranges. */
export function buildClientIp(args: readonly string[]): BuiltTest {
  const ranges = args.map(parseRange);
  const wrong = ranges.indexOf(undefined);
  if (wrong !== -1) return invalid(`${JSON.stringify(args[wrong])} is neither an address nor a CIDR`);
  return built(({ clientIp }) => ranges.some((range) => rangeContains(range as AddressRange, clientIp)));
}

/** normalHost returns a host as requests have theirs: in lower case, without a trailing dot. */
export function normalHost(host: string): string {
  const lower = host.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/** headerName returns the name to ask a request for; Go keeps Host apart from the headers, so no rule sees it. */
export function headerName(name: string): string | undefined {
  const lower = name.toLowerCase();
  return lower === 'host' ? undefined : lower;
}

/** notAscii is the problem that Traefik finds in hosts that are not in punycode. */
export const notAscii = invalid('hosts are ASCII; write international names in punycode');

/** wildcardOf returns a host with its first label replaced by `*`. */
export function wildcardOf(host: string): string {
  const dot = host.indexOf('.');
  return dot === -1 ? '*' : `*${host.slice(dot)}`;
}

/** withRegexp builds a test with a compiled regular expression. */
export function withRegexp(pattern: string, regexps: RegexpCache, build: (regexp: Regexp) => RequestTest): BuiltTest {
  const regexp = regexps.get(pattern);
  return regexp.kind === 'Invalid' ? regexp : built(build(regexp));
}
