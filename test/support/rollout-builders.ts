/** Rollouts as the API server would store them, and observations of them: the defaults are those of the real CRD. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { AnalysisSpec } from '../../src/analysis/spec.ts';
import type { Rollout, RolloutSpec } from '../../src/api/rollout.ts';
import type { Route } from '../../src/api/traefik.ts';
import { prepareAnalysis } from '../../src/reconciler/analysis-spec.ts';
import type { Observation, RouteObservation } from '../../src/rollout/observation.ts';
import { planSteps } from '../../src/rollout/steps.ts';
import { readSplit, type Pair } from '../../src/traffic/split.ts';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly default?: unknown;
}

interface Crd {
  readonly spec: { readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[] };
}

const crdUrl = new URL('../../crds/rollouts.yaml', import.meta.url);
const rolloutSchema = (parse(readFileSync(crdUrl, 'utf8')) as Crd).spec.versions[0]?.schema.openAPIV3Schema ?? {};

/** withDefaults returns `value` with the structural defaults of `schema`, level by level as the API server fills them in. */
function withDefaults(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => withDefaults(schema.items ?? {}, item));
  if (typeof value !== 'object' || value === null) return value;
  const filled: Record<string, unknown> = { ...value };
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    if (filled[name] === undefined && inner.default !== undefined) filled[name] = structuredClone(inner.default);
    if (filled[name] !== undefined) filled[name] = withDefaults(inner, filled[name]);
  }
  return filled;
}

/** WrittenSpec is a spec as a user writes it: what has a default may be missing, on every level. */
export type WrittenSpec = {
  readonly [K in keyof RolloutSpec]?: K extends 'analysis' | 'promotion' | 'canary' | 'stable' | 'route'
    ? Partial<RolloutSpec[K]>
    : RolloutSpec[K];
};

const shop = {
  route: { name: 'shop' },
  stable: { service: 'shop-stable', port: 80, workload: { kind: 'Deployment', name: 'shop-stable' } },
  canary: { service: 'shop-canary', port: 80, workload: { kind: 'Deployment', name: 'shop-canary' } },
} as const;

/** rolloutSpec returns the spec of web/shop with `written` over it, stored: every default of the CRD is filled in. */
export function rolloutSpec(written: WrittenSpec = {}): RolloutSpec {
  const properties = rolloutSchema.properties ?? {};
  return withDefaults(properties['spec'] ?? {}, { ...shop, ...written }) as RolloutSpec;
}

/** rollout returns the Rollout web/shop as the API server stores it right after it was applied. */
export function rollout(written: WrittenSpec = {}, rest: Partial<Omit<Rollout, 'spec'>> = {}): Rollout {
  const { metadata, ...others } = rest;
  return {
    apiVersion: 'sluice.dev/v1alpha1',
    kind: 'Rollout',
    metadata: {
      name: 'shop',
      namespace: 'web',
      uid: 'rollout-uid',
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: '2026-11-21T09:00:00Z',
      ...metadata,
    },
    spec: rolloutSpec(written),
    ...others,
  };
}

/** analysisSpec returns what the judge gets of `rolloutSpec()`, with `over` over it. */
export function analysisSpec(over: Partial<AnalysisSpec> = {}): AnalysisSpec {
  return { ...prepareAnalysis(rollout(), shopPair, 'On').spec, ...over };
}

/** shopPair is the pair of `rollout()` with all spellings of its ports. */
export const shopPair: Pair = {
  namespace: 'web',
  stable: { service: 'shop-stable', ports: [80, 'http'] },
  canary: { service: 'shop-canary', ports: [80, 'http'] },
};

/** shopRoutes lists stable alone and, in front of it, a service outside the pair; nothing has a weight but the other one. */
export const shopRoutes: readonly Route[] = [
  {
    match: 'Host(`shop.example`)',
    kind: 'Rule',
    services: [
      { name: 'legacy', port: 80, weight: 2 },
      { name: 'shop-stable', port: 80, passHostHeader: true },
    ],
  },
];

/** routeObservation returns the IngressRoute `shop` with `routes`, last written by Helm. */
export function routeObservation(
  routes: readonly Route[] = shopRoutes,
  rest: Partial<RouteObservation> = {},
): RouteObservation {
  return {
    uid: 'route-uid',
    resourceVersion: '7',
    routes,
    split: readSplit(routes, shopPair),
    writer: { manager: 'helm', timeMs: 0 },
    ...rest,
  };
}

/** observation returns what is seen of a Rollout with everything in place: two ready endpoints each, evidence that passes. */
export function observation(over: Partial<Observation> = {}): Observation {
  const subject = over.rollout ?? rollout();
  return {
    nowMs: Date.UTC(2026, 10, 21, 9, 30),
    rollout: subject,
    isSwapped: false,
    calendar: { kind: 'Open', openedMs: undefined },
    steps: planSteps(subject.spec),
    problems: [],
    advice: [],
    route: routeObservation(),
    pair: shopPair,
    matchRoute: { present: undefined, wanted: undefined },
    stable: { service: 'shop-stable', readyEndpoints: 2 },
    canary: { service: 'shop-canary', readyEndpoints: 2 },
    canaryRevision: { value: 'canary-2', settled: true, message: '' },
    stableRevision: { value: 'stable-1', settled: true, message: '' },
    stableImages: 'images-1',
    imagesDiffer: true,
    source: { kind: 'Ready' },
    evidence: undefined,
    verdict: { kind: 'Pass', reason: 'ProvenSafe', message: 'Canary 0/400 bad.' },
    command: undefined,
    copy: undefined,
    ...over,
  };
}
