/** What an installation consists of: the objects of `manifests/` for what was asked for. */
import type { Deployment, KubernetesObject } from '../api/kubernetes.ts';
import { identityOf, mapStrings, mergeStrategic, renderKustomization, type ReadText } from './kustomization.ts';

/** InstallationChoice is what was asked for; everything left out is as in manifests/base. */
export interface InstallationChoice {
  /** isReplicated adds a replica that stands by. */
  readonly isReplicated?: boolean;
  /** hasMonitoring adds a ServiceMonitor and alerts. */
  readonly hasMonitoring?: boolean;
  /** mayCopy adds the rights for promotion.mode Copy. */
  readonly mayCopy?: boolean;
  /** proxy adds Sluice's own proxy, behind a Service or on every node. */
  readonly proxy?: ProxyKind | undefined;
  /** image is that of the controller, with its tag or digest. */
  readonly image?: string | undefined;
  readonly proxyImage?: string | undefined;
  readonly namespace?: string | undefined;
  /** namespaces are the only ones that the controller watches, and has rights in; none: all. */
  readonly namespaces?: readonly string[];
  /** settings are those of the controller that differ from the base, by the names of their variables. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** ProxyKind is how the proxy runs. */
export type ProxyKind = 'Deployment' | 'DaemonSet';

/** homeNamespace is where Sluice is unless somebody says otherwise; only this one is Sluice's own. */
export const homeNamespace = 'sluice-system';

/** renderInstallation returns the objects in an order in which they can be applied. */
export async function renderInstallation(
  choice: InstallationChoice,
  read: ReadText,
): Promise<readonly KubernetesObject[]> {
  const { isReplicated, hasMonitoring, mayCopy, proxy, namespace = homeNamespace } = choice;
  const kustomization = {
    resources: ['base', ...(mayCopy ? ['overlays/copy'] : []), ...(hasMonitoring ? ['overlays/prometheus'] : [])],
    components: [
      ...(isReplicated ? ['components/ha'] : []),
      ...(proxy === 'Deployment' ? ['components/proxy'] : []),
      ...(proxy === 'DaemonSet' ? ['components/daemonset'] : []),
    ],
  };
  const objects = await renderKustomization(kustomization, { folder: 'manifests', read });
  const changed = objects
    .flatMap((object) => boundIn(object, choice.namespaces ?? []))
    .map((object) => withChoice(object, choice));
  if (namespace === homeNamespace) return changed;
  // The labels of a namespace that others use too are not for us to set.
  const others = changed.filter(({ kind, metadata }) => kind !== 'Namespace' || metadata.name !== homeNamespace);
  return others.map((object) => mapStrings(object, (text) => text.replaceAll(/\bsluice-system\b/g, namespace)));
}

/** allObjects returns each object that any installation may consist of. */
export async function allObjects(namespace: string, read: ReadText): Promise<readonly KubernetesObject[]> {
  const everything = { isReplicated: true, hasMonitoring: true, mayCopy: true, namespace };
  const found = new Map<string, KubernetesObject>();
  for (const proxy of ['Deployment', 'DaemonSet'] as const) {
    for (const object of await renderInstallation({ ...everything, proxy }, read))
      found.set(identityOf(object), object);
  }
  return [...found.values()];
}

/** boundIn makes of a binding for the whole cluster one for each of some namespaces. */
function boundIn(object: KubernetesObject, namespaces: readonly string[]): readonly KubernetesObject[] {
  const isOfController = ['sluice-controller', 'sluice-copy'].includes(object.metadata.name);
  if (namespaces.length === 0 || object.kind !== 'ClusterRoleBinding' || !isOfController) return [object];
  return namespaces.map((namespace) => ({
    ...object,
    kind: 'RoleBinding',
    metadata: { ...object.metadata, namespace },
  }));
}

function withChoice(
  object: KubernetesObject,
  { image, proxyImage, settings = {} }: InstallationChoice,
): KubernetesObject {
  const { kind, metadata } = object;
  if (kind === 'Deployment' && metadata.name === 'sluice') {
    const env = Object.entries(settings).map(([name, value]) => ({ name, value }));
    return withContainer(object, { ...(image === undefined ? {} : { image }), ...(env.length === 0 ? {} : { env }) });
  }
  const isProxy = metadata.name === 'sluice-proxy' && (kind === 'Deployment' || kind === 'DaemonSet');
  return isProxy && proxyImage !== undefined ? withContainer(object, { image: proxyImage }) : object;
}

function withContainer(object: KubernetesObject, change: Readonly<Record<string, unknown>>): KubernetesObject {
  const containers = (object as Deployment).spec?.template?.spec?.containers ?? [];
  const patch = containers.map(({ name }) => ({ name, ...change }));
  return mergeStrategic(object, { spec: { template: { spec: { containers: patch } } } }) as KubernetesObject;
}
