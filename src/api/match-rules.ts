/** The CEL rules of spec.canary.match and of its middlewares, for those who have no API server. */
import type { CanaryRef, CookieComparison, HeaderComparison, MatchEntry, RolloutSpec } from './rollout.ts';
import { matches, objectName, rule, type RolloutRule } from './rollout-rule.ts';

const entry = 'spec.canary.match[]';

function names(field: 'headers' | 'cookies'): RolloutRule {
  const message = `write the names of ${field} in letters, digits, dot, _ and -, at most 64`;
  return rule(`${entry}.${field}`, message, (self: object) =>
    Object.keys(self).every((name) => /^[A-Za-z0-9._-]{1,64}$/.test(name)),
  );
}

function oneComparison(field: 'headers' | 'cookies'): RolloutRule {
  const holds = ({ exact, prefix, regex }: HeaderComparison): boolean =>
    [exact, prefix, regex].filter((value) => value !== undefined).length === 1;
  return rule(`${entry}.${field}{}`, 'set exactly one of exact, prefix and regex', holds);
}

/** matchRules are the rules of spec.canary.match and spec.canary.middlewares. */
export const matchRules: readonly RolloutRule[] = [
  rule(
    'spec',
    'canary.match adds rules to an IngressRoute of traefik.io/v1alpha1; leave it out with any other route',
    ({ route, canary }: RolloutSpec) =>
      canary.match === undefined || (route.kind === 'IngressRoute' && route.apiVersion === 'traefik.io/v1alpha1'),
  ),
  rule(
    'spec.canary',
    'middlewares are for the requests of match; set match, or leave them out',
    ({ match, middlewares }: CanaryRef) => middlewares === undefined || match !== undefined,
  ),
  rule(
    entry,
    'name headers, cookies or both',
    ({ headers, cookies }: MatchEntry) => headers !== undefined || cookies !== undefined,
  ),
  names('headers'),
  rule(
    `${entry}.headers`,
    "Host is no header to Traefik's rules; put it in the rule of the IngressRoute",
    (self: object) => !Object.keys(self).some((name) => name.toLowerCase() === 'host'),
  ),
  oneComparison('headers'),
  names('cookies'),
  oneComparison('cookies'),
  rule(
    `${entry}.cookies{}`,
    "a cookie's regex is compared with the whole value; leave ^ and $ out",
    ({ regex = '' }: CookieComparison) => !regex.startsWith('^') && !regex.endsWith('$'),
  ),
  matches(
    'spec.canary.middlewares[].name',
    objectName,
    'write the name of a Middleware: lower-case letters, digits, - and .',
  ),
];
