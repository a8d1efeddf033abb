import { quoted } from '../../rule/conditions.ts';
import type { IngressEntry } from './ingress-entries.ts';

/** IngressRule is the rule of an entry, and what it wins over. */
export interface IngressRule {
  readonly rule: string;
  readonly priority: number;
  readonly precedence: number;
}

/**
 * ruleOf returns the rule of an entry as Traefik writes it with `strictPrefixMatching`. Of all that match, the exact host wins over
 * the wildcard and that over none; then the longest path, and with the same path Exact over Prefix
 * (https://kubernetes.io/docs/concepts/services-networking/ingress/#multiple-matches). Against IngressRoutes, which win by the
 * length of their rule, an exact host counts as long as it is; others count little, as they would there if they were short.
 */
export function ruleOf(entry: IngressEntry): IngressRule {
  const rule = [hostRule(entry.host), pathRule(entry)].filter((part) => part !== '').join(' && ');
  const length = pathLength(entry);
  const precedence = length * paces + (entry.kind === 'Exact' ? exactPace : 0);
  return { rule, priority: priorityOf(entry, length), precedence };
}

/** variantPrecedence is what a rule of a canary has besides: the first of `count` choices wins over the second, and all over the weight. */
export function variantPrecedence(index: number, count: number): number {
  return count - index;
}

/** For each length of a path: Exact or not, and up to seven choices of a canary. */
const paces = 16;
const exactPace = 8;

/** Below every other priority: Traefik's math.MinInt32. */
const last = -2_147_483_648;
const anyHost = 'PathPrefix("/")'.length;

function priorityOf({ host, kind }: IngressEntry, length: number): number {
  if (host === '') return kind === 'Default' ? last : anyHost;
  if (host.startsWith('*')) return anyHost + 1;
  return `Host("${host}") && PathPrefix("")`.length + length;
}

/** The path of everything is `/`. */
function pathLength({ kind, path }: IngressEntry): number {
  return kind === 'Default' ? 0 : Math.max(1, path.length);
}

function hostRule(host: string): string {
  if (host === '') return '';
  if (!host.startsWith('*.')) return `Host(${quoted(host)})`;
  return `HostRegexp(${quoted(`^[a-zA-Z0-9-]+\\.${host.slice(2).replaceAll('.', '\\.')}$`)})`;
}

function pathRule({ host, kind, path }: IngressEntry): string {
  if (kind === 'Exact') return `Path(${quoted(path)})`;
  if (kind === 'Default') return host === '' ? 'PathPrefix("/")' : '';
  if (path === '') return 'PathPrefix("/")';
  return `(Path(${quoted(path)}) || PathPrefix(${quoted(`${path}/`)}))`;
}
