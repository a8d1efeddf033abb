import { anyLabelSuffix } from './host-pattern.ts';
import { normalHost } from './matcher.ts';
import type { MatcherNode, Rule, RuleNode, RuleSyntax } from './rule.ts';
import { literalPrefix } from './template.ts';

/**
 * Narrowing is what a request needs for a rule to have a chance. It never excludes a request that matches; one that it
 * does not exclude may still not match.
 */
export interface Narrowing {
  /** hosts the request's host has to be one of, or, written `*.x`, become one of when its first label is replaced; undefined: any. */
  readonly hosts: readonly string[] | undefined;
  /** prefixes the path has to begin with one of; undefined: any. */
  readonly prefixes: readonly string[] | undefined;
}

const anything: Narrowing = { hosts: undefined, prefixes: undefined };

// What an index holds of one rule is the product of both; of a rule with more of them it gets the hosts only.
const maxPairs = 256;

/** narrow returns the hosts and path prefixes of a rule. */
export function narrow(rule: Rule): Narrowing {
  const { hosts, prefixes } = narrowNode(rule.root, rule.syntax);
  const pairs = (hosts?.length ?? 1) * (prefixes?.length ?? 1);
  return { hosts, prefixes: pairs > maxPairs ? undefined : prefixes };
}

function narrowNode(node: RuleNode, syntax: RuleSyntax): Narrowing {
  if (node.kind === 'Matcher') return node.isNegated ? anything : narrowMatcher(node, syntax);
  const parts = node.operands.map((operand) => narrowNode(operand, syntax));
  return parts.reduce(node.kind === 'And' ? intersect : unite);
}

function narrowMatcher({ name, args }: MatcherNode, syntax: RuleSyntax): Narrowing {
  switch (name) {
    case 'Host':
    case 'HostHeader':
      return { hosts: narrowHosts(args, syntax), prefixes: undefined };
    case 'HostRegexp':
      return { hosts: narrowPatterns(args, syntax), prefixes: undefined };
    case 'Path':
    case 'PathPrefix':
      return { hosts: undefined, prefixes: unique(syntax === 'v2' ? args.map(literalPrefix) : args) };
    default:
      return anything;
  }
}

function narrowHosts(args: readonly string[], syntax: RuleSyntax): readonly string[] | undefined {
  return syntax === 'v3' && args[0] === '*' ? undefined : unique(args.map(normalHost));
}

function narrowPatterns(args: readonly string[], syntax: RuleSyntax): readonly string[] | undefined {
  if (syntax === 'v2') return undefined;
  const suffix = anyLabelSuffix(args[0] ?? '');
  return suffix === undefined ? undefined : [`*${suffix}`];
}

function unite(a: Narrowing, b: Narrowing): Narrowing {
  return {
    hosts: a.hosts && b.hosts && unique([...a.hosts, ...b.hosts]),
    prefixes: a.prefixes && b.prefixes && unique([...a.prefixes, ...b.prefixes]),
  };
}

function intersect(a: Narrowing, b: Narrowing): Narrowing {
  return { hosts: intersectHosts(a.hosts, b.hosts), prefixes: intersectPrefixes(a.prefixes, b.prefixes) };
}

/** A wildcard and a host that it covers leave the host; the rest is for the rule itself to find out. */
function intersectHosts(
  a: readonly string[] | undefined,
  b: readonly string[] | undefined,
): readonly string[] | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.some(isWildcard) ? b : b.some(isWildcard) ? a : a.filter((host) => b.includes(host));
}

function isWildcard(host: string): boolean {
  return host.startsWith('*');
}

/** Of each pair where one begins with the other, the longer. */
function intersectPrefixes(
  a: readonly string[] | undefined,
  b: readonly string[] | undefined,
): readonly string[] | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const both = a.flatMap((x) => b.flatMap((y) => (x.startsWith(y) ? [x] : y.startsWith(x) ? [y] : [])));
  return unique(both);
}

function unique(list: readonly string[]): readonly string[] {
  return [...new Set(list)];
}
