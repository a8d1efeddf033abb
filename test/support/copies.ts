/** Two Deployments of a shop as people make them, for rollouts that copy from one to the other. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type KubernetesObject, resources } from '../../src/api/kubernetes.ts';
import { readObject, rollOutDeployment } from './objects.ts';
import type { Shop } from './shop.ts';
import { shopNamespace, type Stage } from './stage.ts';

/** Template is what a test says of a pod template; the labels are always those of its Deployment. */
export interface Template {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec: Readonly<Record<string, unknown>> & { readonly containers: readonly object[] };
}

/** StoredTemplate is a pod template as the API server has it, with all its defaults. */
export interface StoredTemplate {
  readonly metadata: { readonly labels: object; readonly annotations?: object };
  readonly spec: { readonly containers: readonly { readonly name: string; readonly image: string }[] };
}

interface Stored extends KubernetesObject {
  readonly spec: { readonly selector: object; readonly template: StoredTemplate };
}

/** app is a pod with one container. */
export function app(image: string): Template {
  return { spec: { containers: [{ name: 'app', image }] } };
}

/** deploy applies a Deployment as a person with kubectl, or as `manager` on the server's side; `track` is a label of its pods. */
export async function deploy(
  { cluster }: Stage,
  deployment: { readonly name: string; readonly track: string; readonly template: Template; readonly manager?: string },
): Promise<void> {
  const { name, track, template, manager } = deployment;
  const labels = { app: name, track };
  const object = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: shopNamespace, name },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: { metadata: { labels, annotations: template.annotations ?? {} }, spec: template.spec },
    },
  };
  const how = manager === undefined ? [] : ['--server-side', `--field-manager=${manager}`, '--force-conflicts'];
  await cluster.kubectl(['apply', ...how, '-f', '-'], { input: JSON.stringify(object) });
}

/** rollOut deploys and makes the pods ready. */
export async function rollOut(stage: Stage, deployment: Parameters<typeof deploy>[1]): Promise<void> {
  await deploy(stage, deployment);
  await becomeReady(stage, deployment.name);
}

/** becomeReady makes the pods of a Deployment ready until it is rolled out. */
export async function becomeReady({ cluster }: Stage, name: string): Promise<void> {
  await rollOutDeployment(cluster, { namespace: shopNamespace, name });
}

/** readDeployment reads a Deployment with its pod template. */
export async function readDeployment({ cluster }: Stage, name: string): Promise<Stored> {
  const found = await readObject<Stored>(cluster, resources.deployments, { namespace: shopNamespace, name });
  if (found === undefined) throw new Error(`Deployment ${name} is gone`);
  return found;
}

/** images are what the containers of a Deployment run. */
export async function images(stage: Stage, name: string): Promise<readonly string[]> {
  return (await readDeployment(stage, name)).spec.template.spec.containers.map(({ image }) => image);
}

/** pair is what the spec of a Rollout says of the two versions. */
export function pair(shop: Shop): { readonly stable: object; readonly canary: object } {
  const arm = (version: string) => ({
    service: `${shop.name}-${version}`,
    port: 80,
    workload: { kind: 'Deployment', name: `${shop.name}-${version}` },
  });
  return { stable: arm('stable'), canary: arm('canary') };
}

/** grantCopy applies the overlay with the rights for a Copy. */
export async function grantCopy({ cluster }: Stage): Promise<void> {
  const overlay = fileURLToPath(new URL('../../manifests/overlays/copy', import.meta.url));
  await cluster.kubectl(['apply', '--server-side', '-k', path.normalize(overlay)]);
}
