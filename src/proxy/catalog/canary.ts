import type { Ingress } from '../../api/ingress.ts';
import { findConditionProblem, type RequestCondition } from '../../rule/conditions.ts';

/** CanaryRules is who gets to the Service of a canary Ingress: header before cookie before weight. */
export interface CanaryRules {
  /** choices decide in their order; the first that is true does. */
  readonly choices: readonly CanaryChoice[];
  /** weight of weightTotal requests that no choice decides. */
  readonly weight: number;
  readonly weightTotal: number;
}

/** CanaryChoice sends requests to the canary, or never there. */
export interface CanaryChoice {
  /** name is a part of the name of a router. */
  readonly name: 'header-always' | 'header-never' | 'header-value' | 'cookie-always' | 'cookie-never';
  readonly condition: RequestCondition;
  readonly isCanary: boolean;
}

const prefixes = ['sluice.dev/', 'nginx.ingress.kubernetes.io/'] as const;

/** isCanary tells whether an Ingress takes a part of the requests of another one. */
export function isCanary(ingress: Ingress): boolean {
  return annotationOf(ingress, 'canary')?.value === 'true';
}

/**
 * readCanary reads the annotations of a canary, of our own prefix first, or returns what is wrong with one of them. They mean what
 * ingress-nginx documents (user-guide/nginx-configuration/annotations, "Canary"): a header is `always` or `never`, or has a value
 * of one's own, or a pattern where there is no value; then a cookie is `always` or `never`; then the weight.
 */
export function readCanary(ingress: Ingress): CanaryRules | string {
  const text = (name: string): string => annotationOf(ingress, name)?.value ?? '';
  const weights = readWeights(ingress);
  if (typeof weights === 'string') return weights;
  const [header, value, pattern] = [
    text('canary-by-header'),
    text('canary-by-header-value'),
    text('canary-by-header-pattern'),
  ];
  const cookie = text('canary-by-cookie');
  for (const [name, found] of [
    ['canary-by-header', header],
    ['canary-by-cookie', cookie],
  ] as const) {
    if (found === '' || isToken(found)) continue;
    return `${nameOf(ingress, name)}: found ${JSON.stringify(found)}, which is no name; write one such as X-Canary.`;
  }
  const problem = value === '' && header !== '' ? findConditionProblem(onHeader(header, 'Regex', pattern)) : undefined;
  if (problem !== undefined) {
    return `${nameOf(ingress, 'canary-by-header-pattern')}: found ${JSON.stringify(pattern)}: ${problem}; correct it.`;
  }
  const choices = [
    ...(header === '' ? [] : headerChoices(header, value, pattern)),
    ...(cookie === '' ? [] : cookieChoices(cookie)),
  ];
  return { choices, ...weights };
}

function headerChoices(header: string, value: string, pattern: string): readonly CanaryChoice[] {
  const choice = (name: CanaryChoice['name'], condition: RequestCondition, isCanary = true): CanaryChoice => ({
    name,
    condition,
    isCanary,
  });
  if (value !== '') return [choice('header-value', onHeader(header, 'Exact', value))];
  if (pattern !== '') return [choice('header-value', onHeader(header, 'Regex', pattern))];
  return [
    choice('header-always', onHeader(header, 'Exact', 'always')),
    choice('header-never', onHeader(header, 'Exact', 'never'), false),
  ];
}

function onHeader(name: string, comparison: 'Exact' | 'Regex', value: string): RequestCondition {
  return { on: 'Header', name, comparison, value };
}

function cookieChoices(name: string): readonly CanaryChoice[] {
  const condition = (value: string): RequestCondition => ({ on: 'Cookie', name, comparison: 'Exact', value });
  return [
    { name: 'cookie-always', condition: condition('always'), isCanary: true },
    { name: 'cookie-never', condition: condition('never'), isCanary: false },
  ];
}

function readWeights(ingress: Ingress): Pick<CanaryRules, 'weight' | 'weightTotal'> | string {
  const total = countIn(ingress, 'canary-weight-total', 100);
  if (total.count === undefined || total.count === 0) return `${total.found}; write a number above 0.`;
  const weight = countIn(ingress, 'canary-weight', 0);
  if (weight.count === undefined || weight.count > total.count) {
    return `${weight.found}; write a number from 0 to ${total.count}.`;
  }
  return { weight: weight.count, weightTotal: total.count };
}

interface Count {
  /** count is undefined where it is no number. */
  readonly count: number | undefined;
  readonly found: string;
}

function countIn(ingress: Ingress, name: string, otherwise: number): Count {
  const annotation = annotationOf(ingress, name);
  if (annotation === undefined) return { count: otherwise, found: '' };
  return { count: countOf(annotation.value), found: `${annotation.name}: found ${JSON.stringify(annotation.value)}` };
}

function countOf(text: string): number | undefined {
  return /^[0-9]{1,9}$/.test(text.trim()) ? Number(text) : undefined;
}

interface Annotation {
  readonly name: string;
  readonly value: string;
}

function annotationOf({ metadata: { annotations = {} } }: Ingress, name: string): Annotation | undefined {
  const prefix = prefixes.find((each) => annotations[each + name] !== undefined);
  return prefix === undefined ? undefined : { name: prefix + name, value: annotations[prefix + name] ?? '' };
}

function nameOf(ingress: Ingress, name: string): string {
  return annotationOf(ingress, name)?.name ?? name;
}

/** RFC 9110, 5.6.2: what names of headers and cookies are made of. */
function isToken(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}
