/** In which order the objects of an installation are removed, and which of them are not Sluice's to remove. */
import type { KubernetesObject, ResourceKind } from '../api/kubernetes.ts';

const label = 'app.kubernetes.io/name';

/**
 * removalOrder returns stages, each of which has to be gone before the next: who works on the objects, what it may do,
 * the CRD, the namespace.
 */
export function removalOrder(objects: readonly KubernetesObject[]): readonly (readonly KubernetesObject[])[] {
  const stageOf = ({ kind = '' }: KubernetesObject): number => {
    if (kind === 'Deployment' || kind === 'DaemonSet') return 0;
    if (kind === 'CustomResourceDefinition') return 2;
    return kind === 'Namespace' ? 3 : 1;
  };
  const own = objects.filter((object) => !leftInPlace(object));
  return [0, 1, 2, 3].map((stage) => own.filter((object) => stageOf(object) === stage));
}

/** leftInPlace tells whether an object stays: with the CRDs of Traefik all routes of the cluster would be deleted. */
export function leftInPlace({ kind, metadata }: KubernetesObject): boolean {
  return kind === 'CustomResourceDefinition' && !metadata.name.endsWith('.sluice.dev');
}

/** isRemovable tells whether what was found is what was installed: another's object of the same name stays. */
export function isRemovable(found: KubernetesObject, wanted: KubernetesObject): boolean {
  const expected = wanted.metadata.labels?.[label];
  return expected === undefined || found.metadata.labels?.[label] === expected;
}

/** resourceOf names the resource of a manifest of an installation; the plurals of all its kinds are regular. */
export function resourceOf({ apiVersion = '', kind = '' }: KubernetesObject): ResourceKind {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  const plural = `${kind.toLowerCase()}s`.replace(/ys$/, 'ies').replace(/sss$/, 'sses');
  return { group: group ?? '', version: version ?? '', plural, kind };
}

/** describeObject names an object as kubectl does, e.g. `deployment.apps/sluice`. */
export function describeObject(object: KubernetesObject): string {
  const { group, kind } = resourceOf(object);
  return `${kind.toLowerCase()}${group === '' ? '' : `.${group}`}/${object.metadata.name}`;
}
