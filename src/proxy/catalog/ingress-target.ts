import { defaultBackendNames } from '../../api/traefik-names.ts';
import { narrowRule } from '../../rule/conditions.ts';
import type { WeightedService } from '../configuration.ts';
import type { DraftService, Problem, Reader } from './compiler.ts';
import type { Ingress } from '../../api/ingress.ts';
import type { IngressOptions } from './ingress-annotations.ts';
import { notesOf, resolveBackend } from './ingress-backend.ts';
import { findCanary, type FoundCanary } from './ingress-canary.ts';
import type { IngressEntry } from './ingress-entries.ts';
import { ruleOf, variantPrecedence } from './ingress-rule.ts';
import { emptyLoadBalancer, type ResolvedService } from './resolve-service.ts';
import type { CatalogSettings } from './settings.ts';
import { fatalOf, isFault, problemOf } from './share.ts';

/** IngressTarget is where the requests of an entry go. */
export interface IngressTarget {
  /** service is the name of it, whether it exists or not. */
  readonly service: string;
  readonly services: readonly DraftService[];
  /** problems leave the entry served, reasons do not; hints are what is wrong with its canary. */
  readonly problems: readonly Problem[];
  readonly reasons: readonly Problem[];
  readonly hints: readonly Problem[];
  /** choices are the rules of a canary, which come before that of the entry. */
  readonly choices: readonly TargetChoice[];
}

/** TargetChoice is a router of its own; `precedence` is what it has more than that of the entry. */
export interface TargetChoice {
  readonly suffix: string;
  readonly rule: string;
  readonly service: string;
  readonly precedence: number;
}

/** IngressTargetUse is an entry whose backend is wanted; `name` is that of its router. */
export interface IngressTargetUse {
  readonly ingress: Ingress;
  readonly entry: IngressEntry;
  readonly name: string;
  readonly options: IngressOptions;
  readonly reader: Reader;
  readonly settings: CatalogSettings;
}

/** findIngressTarget finds the Service of an entry, and the canary that takes a part of its requests. */
export function findIngressTarget(use: IngressTargetUse): IngressTarget {
  const { entry, name, settings } = use;
  const own = resolveBackend({ ...use, backend: entry.backend, at: entry.at, ...leafNameOf(use), ...schemeOf(use) });
  const nothing = { services: [], problems: [], reasons: [], hints: [], choices: [] };
  if (isFault(own) && fatalOf([own], settings) !== undefined) {
    return { ...nothing, service: name, reasons: [problemOf(own)] };
  }
  const canary = findCanary(use);
  const problems = isFault(own) ? [problemOf(own)] : notesOf(own);
  const main = leafOf(own, { ...use, problems });
  const found = { ...nothing, problems, hints: canary.hints };
  if (canary.leaf === undefined) return { ...found, service: main.service.name, services: [main] };
  const leaf = leafOf(canary.leaf, { ...use, problems: [] });
  const share = shareOf(use, { main, leaf, isMainBroken: isFault(own), canary });
  const services = [
    main,
    leaf,
    ...(share === undefined ? [] : [{ service: share, identity: sharedBy(use), owner: name }]),
  ];
  const choices = choicesOf(entry, canary, { main: main.service.name, canary: leaf.service.name });
  return { ...found, service: share?.name ?? main.service.name, services, choices };
}

function leafNameOf({ entry }: IngressTargetUse): { readonly leafName?: string } {
  return entry.host === '' && entry.kind === 'Default' ? { leafName: defaultBackendNames.service } : {};
}

function schemeOf({ options }: IngressTargetUse): { readonly scheme: string | undefined } {
  return { scheme: options.scheme };
}

/** What cannot be found has no servers, under the name of the router: requests get a 503. */
function leafOf(
  resolved: ResolvedService,
  { name, problems, ...use }: IngressTargetUse & { readonly problems: readonly Problem[] },
): DraftService {
  if (resolved.kind === 'Leaf') return { service: resolved.service, identity: resolved.identity, owner: name };
  const errors = problems.map(({ message }) => message);
  return { service: emptyLoadBalancer(name, errors), identity: sharedBy({ ...use, name }), owner: name };
}

interface Sharing {
  readonly main: DraftService;
  readonly leaf: DraftService;
  readonly isMainBroken: boolean;
  readonly canary: FoundCanary;
}

/** shareOf is undefined where all requests without a choice go to the main Service. */
function shareOf(
  { name }: IngressTargetUse,
  { main, leaf, isMainBroken, canary }: Sharing,
): WeightedService | undefined {
  const { weight, weightTotal } = canary.rules;
  // A main Service that is not there has the name of the router itself.
  if (weight === 0 || isMainBroken || main.service.name === leaf.service.name) return undefined;
  const services = [
    { name: main.service.name, weight: weightTotal - weight },
    { name: leaf.service.name, weight },
  ];
  const kept = services.filter((service) => service.weight > 0);
  return { kind: 'Weighted', name, services: kept, sticky: undefined, status: 'enabled', errors: [] };
}

function sharedBy({ entry }: Pick<IngressTargetUse, 'entry' | 'name'>): string {
  return `The backend of ${entry.at}`;
}

function choicesOf(
  entry: IngressEntry,
  { rules: { choices } }: FoundCanary,
  names: { readonly main: string; readonly canary: string },
): readonly TargetChoice[] {
  const { rule } = ruleOf(entry);
  return choices.flatMap(({ name, condition, isCanary }, index) => {
    const narrowed = narrowRule(rule, 'v3', [[condition]]);
    if (narrowed.kind !== 'Text') return [];
    const service = isCanary ? names.canary : names.main;
    const precedence = variantPrecedence(index, choices.length);
    return [{ suffix: `canary-${name}`, rule: narrowed.text, service, precedence }];
  });
}
