/** The two stories of the demo as data: what their versions do, and the manifests that a person would write. */

/** StoryName is a host, an IngressRoute and a Rollout. */
export type StoryName = 'good' | 'bad';

/** Arm is one version behind a host. */
export type Arm = 'stable' | 'canary';

/** Behaviour is how a version answers. */
export interface Behaviour {
  /** errorRatio is the share of requests, 0 to 1, that get a 500. */
  readonly errorRatio: number;
  /** medianMs is how long half of the answers take at most. */
  readonly medianMs: number;
}

/** Story is one release and how it has to end. */
export interface Story {
  readonly name: StoryName;
  readonly title: string;
  readonly versions: Readonly<Record<Arm, Behaviour>>;
  readonly ending: 'Succeeded' | 'Failed';
}

const usual: Behaviour = { errorRatio: 0.003, medianMs: 90 };

/** stories are told side by side. */
export const stories: readonly Story[] = [
  {
    name: 'good',
    title: 'v2 is like v1',
    versions: { stable: usual, canary: usual },
    ending: 'Succeeded',
  },
  {
    name: 'bad',
    title: 'v2 answers 15% with 500, takes 50% longer',
    versions: { stable: usual, canary: { errorRatio: 0.15, medianMs: 135 } },
    ending: 'Failed',
  },
];

/** requestsPerSecond go to each host. */
export const requestsPerSecond = 300;

/** namespace is that of all objects. */
export const namespace = 'demo';

/** hostOf returns a name that curl and browsers resolve to the loopback by themselves (RFC 6761, 6.3). */
export function hostOf(name: StoryName): string {
  return `${name}.localhost`;
}

/** serviceOf is the name of a Service, and what its backend calls itself in its answers. */
export function serviceOf(name: StoryName, arm: Arm): string {
  return `${name}-${arm}`;
}

/** Difference is a value that is not the default of Sluice. */
export interface Difference {
  readonly field: string;
  readonly value: string;
  readonly default: string;
}

const steps = [
  { weight: 20, duration: '10s' },
  { weight: 50, duration: '6s' },
] as const;
const analysis = {
  errorRatio: { maxIncrease: '2pp' },
  latency: { maxIncrease: '100%' },
  warmup: '2s',
  minStep: '4s',
} as const;

/** scrapeInterval is how often the judge gets new counts: the length of a block of evidence. */
export const scrapeInterval = '1s';

/**
 * differences lists all of them. With these margins and 300 requests a second a canary like stable is proven within 3 to
 * 9 s at 50 %, and one that fails 15 % is refuted within 2 to 5 s at 20 %: replayed by the code in `analysis/`, 300 each,
 * none was misjudged. Durations may double: both versions are on a machine that may be busy, and errors are enough here.
 */
export const differences: readonly Difference[] = [
  {
    field: 'steps',
    value: steps.map(({ weight, duration }) => `${weight}% ${duration}`).join(', '),
    default: '5% 5m, 25% 10m, 50% 10m',
  },
  { field: 'errorRatio.maxIncrease', value: analysis.errorRatio.maxIncrease, default: '0.5pp' },
  { field: 'latency.maxIncrease', value: analysis.latency.maxIncrease, default: '20%' },
  { field: 'warmup', value: analysis.warmup, default: '60s' },
  { field: 'minStep', value: analysis.minStep, default: '60s' },
  { field: 'scrape interval', value: scrapeInterval, default: '2s' },
];

/** rolloutSpec is what the Rollout of a story says; the rest is default. */
export function rolloutSpec(name: StoryName) {
  return {
    route: { name },
    stable: { service: serviceOf(name, 'stable') },
    canary: { service: serviceOf(name, 'canary') },
    revision: 'v2',
    steps,
    analysis,
  };
}

/** rolloutManifest is the release of a story: a file that appears while standalone runs. */
export function rolloutManifest(name: StoryName): string {
  const { route, stable, canary, revision, steps, analysis } = rolloutSpec(name);
  return `# Another revision starts another rollout; sluice notices when this file is saved.
apiVersion: sluice.dev/v1alpha1
kind: Rollout
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  route: ${flow(route)}
  stable: ${flow(stable)}
  canary: ${flow(canary)}
  revision: ${revision}
  steps:                            # 100 follows
${steps.map((step) => `  - ${flow(step)}`).join('\n')}
  analysis:
${Object.entries(analysis)
  .map(([field, value]) => `    ${field}: ${typeof value === 'string' ? value : flow(value)}`)
  .join('\n')}
`;
}

/** routeManifest is what a story has before its release: a route to stable, and both versions with their `ports`. */
export function routeManifest(name: StoryName, ports: Readonly<Record<Arm, number>>): string {
  const arms = ['stable', 'canary'] as const;
  return `# sluice never writes to this file: the weights of a rollout are laid over it.
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  entryPoints: [web]
  routes:
  - kind: Rule
    match: Host(\`${hostOf(name)}\`)
    services:
    - {name: ${serviceOf(name, 'stable')}, port: 80}
${arms.map((arm) => serviceManifest(serviceOf(name, arm), ports[arm])).join('')}`;
}

function serviceManifest(service: string, port: number): string {
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${service}, namespace: ${namespace}}
spec:
  ports:
  - {name: http, port: 80}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${service}
  namespace: ${namespace}
  labels: {kubernetes.io/service-name: ${service}}
addressType: IPv4
endpoints:
- {addresses: [127.0.0.1]}
ports:
- {name: http, port: ${port}}
`;
}

/** flow writes a flat object as YAML in one line; no value here needs quotes. */
function flow(value: object): string {
  const fields = Object.entries(value).map(([field, inner]) => `${field}: ${String(inner)}`);
  return `{${fields.join(', ')}}`;
}
