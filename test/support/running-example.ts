/** One file of manifests/examples, applied as a reader would, in a namespace and with a host of its own. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { type KubernetesObject, resources } from '../../src/api/kubernetes.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import type { RolloutStatus } from '../../src/api/rollout-status.ts';
import type { Cluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { type Load, startLoad } from './load.ts';
import { putNamespace, readObject } from './objects.ts';
import type { Stage } from './stage.ts';

type Labels = Readonly<Record<string, string>>;

interface ExampleObject extends KubernetesObject {
  readonly spec: {
    readonly selector?: Labels;
    readonly template?: { readonly metadata?: { readonly labels?: Labels } };
    readonly canary?: { readonly service: string };
  };
}

/** ExampleFile is what a reader would apply, for a namespace and a host of its own: Traefik is one for all of them. */
export interface ExampleFile {
  readonly name: string;
  readonly namespace: string;
  readonly host: string;
  readonly text: string;
  readonly objects: readonly ExampleObject[];
  /** canary is its Service, and the labels of its pods. */
  readonly canary: { readonly service: string; readonly labels: Labels };
}

const folder = fileURLToPath(new URL('../../manifests/examples', import.meta.url));

/** readExampleFile reads a file of manifests/examples; without a route of its own it is for the application of app.yaml. */
export function readExampleFile(file: string): ExampleFile {
  const name = path.basename(file, '.yaml');
  const own = readFileSync(path.join(folder, file), 'utf8');
  const isWhole = /^kind: IngressRoute$/m.test(own);
  const app = isWhole ? '' : `${readFileSync(path.join(folder, 'app.yaml'), 'utf8')}---\n`;
  // Those with several hosts keep them apart.
  const text = `${app}${own}`.replaceAll('Host(`', `Host(\`${name}.`);
  const objects = parseAllDocuments(text).map((document) => document.toJS() as ExampleObject);
  const service = objects.find(({ kind }) => kind === 'Rollout')?.spec.canary?.service ?? '';
  const canary = objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === service);
  return {
    name,
    namespace: `example-${name}`,
    host: /Host\(`([^`]*)`/.exec(text)?.[1] ?? '',
    text,
    objects,
    canary: { service, labels: canary?.spec.selector ?? {} },
  };
}

/** selects tells whether a selector selects what has these labels; an empty one selects nothing. */
export function selects(selector: Labels, labels: Labels = {}): boolean {
  const wanted = Object.entries(selector);
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value);
}

/** RunningExample is an example with traffic from a client of Traefik. */
export interface RunningExample {
  readonly file: ExampleFile;
  readonly load: Load;
  readonly status: () => Promise<RolloutStatus>;
  /** until waits for a status, and returns it. */
  readonly until: (description: string, check: (status: RolloutStatus) => boolean) => Promise<RolloutStatus>;
  /** untilAt waits until status says this weight and the client gets answers from whom that lets answer, and no one else. */
  readonly untilAt: (weight: number) => Promise<RolloutStatus>;
  /** kubectl runs it in the namespace of the example. */
  readonly kubectl: (...args: readonly string[]) => Promise<string>;
  /** command gives a command to the rollout, as a person would by annotation. */
  readonly command: (verb: string) => Promise<void>;
}

/** The slowest thing that is waited for is a machine that does a dozen other things. */
const patienceMs = 90_000;

/** runExample applies a file with kubectl and starts its pods and its traffic. */
export async function runExample(
  { cluster, traefik }: Stage,
  file: ExampleFile,
  requestsPerSecond: number,
): Promise<RunningExample> {
  const { namespace, host, text, objects } = file;
  await putNamespace(cluster, namespace);
  await cluster.kubectl(['-n', namespace, 'apply', '--validate=strict', '-f', '-'], { input: text });
  await runLoosePods(cluster, file);
  const load = startLoad({ url: traefik.webUrl, host, requestsPerSecond });
  const rolloutName = objects.find(({ kind }) => kind === 'Rollout')?.metadata.name ?? '';
  const rollout = async (): Promise<Rollout | undefined> =>
    readObject<Rollout>(cluster, resources.rollouts, { namespace, name: rolloutName });
  const status = async (): Promise<RolloutStatus> => (await rollout())?.status ?? {};
  const until: RunningExample['until'] = (description, check) =>
    eventually(
      async () => {
        const now = await status();
        if (check(now)) return now;
        throw new Error(`status is ${now.phase}/${now.reason} at ${now.weight}% step ${now.step}: ${now.message}`);
      },
      { timeoutMs: patienceMs, intervalMs: 200, describe: `${file.name}: ${description}` },
    );
  const kubectl: RunningExample['kubectl'] = (...args) => cluster.kubectl(['-n', namespace, ...args]);
  return {
    file,
    load,
    status,
    until,
    untilAt: async (weight) => {
      const reached = await until(`${weight}%`, (now) => now.weight === weight);
      const versions = weight === 0 ? ['v1'] : weight === 100 ? ['v2'] : ['v1', 'v2'];
      await untilAnswered(load, versions, `${file.name}: answers of ${versions.join(' and ')} alone`);
      return reached;
    },
    kubectl,
    command: async (verb) => {
      const now = await rollout();
      const text = `${verb} ${Math.random().toString(36).slice(2)} ${now?.metadata.uid} ${now?.status?.revision ?? ''}`;
      const signed = ['sluice.dev/command-by=tester', '--as=tester', '--as-group=system:masters'];
      await kubectl('annotate', 'slr', rolloutName, '--overwrite', `sluice.dev/command=${text}`, ...signed);
    },
  };
}

/**
 * untilAnswered waits until each of these versions has answered for three seconds, and no other: a change takes Traefik up
 * to two seconds, and what was answered before it is not looked at.
 */
export async function untilAnswered(load: Load, versions: readonly string[], describe: string): Promise<void> {
  let mark = load.mark();
  await eventually(
    () => {
      const { byVersion } = load.since(mark);
      const seen = Object.keys(byVersion).toSorted();
      if (seen.some((version) => !versions.includes(version))) mark = load.mark();
      const isEnough = versions.every((version) => (byVersion[version] ?? 0) > 0) && load.mark() - mark > 3_000;
      if (!isEnough || seen.join(' ') !== versions.join(' ')) throw new Error(JSON.stringify(byVersion));
      return true;
    },
    { timeoutMs: patienceMs, intervalMs: 200, describe },
  );
}

/** runLoosePods makes a pod for each Service of an example that leaves its workloads to the reader. */
async function runLoosePods(cluster: Cluster, { namespace, objects }: ExampleFile): Promise<void> {
  const labels = objects.map(({ spec }) => spec.template?.metadata?.labels ?? {});
  const loose = objects.filter(
    ({ kind, spec }) => kind === 'Service' && !labels.some((one) => selects(spec.selector ?? {}, one)),
  );
  for (const { metadata, spec } of loose) {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: metadata.name, labels: spec.selector },
      spec: { containers: [{ name: 'app', image: 'registry.example/app:1' }] },
    };
    // A namespace has its ServiceAccount a moment after itself.
    await eventually(async () => {
      const { status, body } = await cluster.api('POST', `/api/v1/namespaces/${namespace}/pods`, pod);
      if (status !== 201) throw new Error(JSON.stringify(body));
      return true;
    });
  }
}
