/**
 * Renders the kustomizations of `manifests/`, so that `sluice install` needs no kubectl. It knows what those use and refuses
 * everything else; test/unit/cli/kustomization.test.ts compares it with the real `kubectl kustomize`.
 */
import type { KubernetesObject } from '../api/kubernetes.ts';
import { SluiceError } from '../errors.ts';
import { parseManifests } from '../standalone/manifest-text.ts';

/** ReadText returns the text of a file of the package, named by its path from the root of the package. */
export type ReadText = (file: string) => Promise<string>;

/** Kustomization is what this file knows of kustomize.config.k8s.io. */
export interface Kustomization {
  readonly resources?: readonly string[];
  readonly components?: readonly string[];
  readonly patches?: readonly { readonly path: string }[];
  readonly images?: readonly { readonly name: string; readonly newTag: string }[];
}

type Json = Readonly<Record<string, unknown>>;

const known = ['apiVersion', 'kind', 'resources', 'components', 'patches', 'images'];

/**
 * renderFolder returns the objects of the kustomization in `folder`, or what it makes of `before` where it is a component.
 * It throws ConfigInvalid where a file cannot be read as what it has to be: the package is damaged then.
 */
export async function renderFolder(
  folder: string,
  read: ReadText,
  before: readonly KubernetesObject[] = [],
): Promise<readonly KubernetesObject[]> {
  const [found] = await readObjects(`${folder}/kustomization.yaml`, read);
  const unknown = Object.keys(found ?? {}).filter((field) => !known.includes(field));
  if (found === undefined || unknown.length > 0) throw damaged(`${folder}/kustomization.yaml`, unknown.join(', '));
  return renderKustomization(found as Kustomization, { folder, read, before });
}

/** renderKustomization renders one that stands in no file; its paths start at `folder`. */
export async function renderKustomization(
  kustomization: Kustomization,
  { folder, read, before = [] }: KustomizationPlace,
): Promise<readonly KubernetesObject[]> {
  const { resources = [], components = [], patches = [], images = [] } = kustomization;
  let objects: readonly KubernetesObject[] = before;
  for (const resource of resources) {
    const file = joinPath(folder, resource);
    objects = [...objects, ...(await (file.endsWith('.yaml') ? readObjects(file, read) : renderFolder(file, read)))];
  }
  for (const component of components) objects = await renderFolder(joinPath(folder, component), read, objects);
  for (const { path } of patches) {
    const file = joinPath(folder, path);
    for (const patch of await readObjects(file, read)) objects = applyPatch(objects, patch, file);
  }
  return objects.map((object) => withImages(object, images));
}

/** KustomizationPlace is where its paths start, and what it is a component of. */
export interface KustomizationPlace {
  readonly folder: string;
  readonly read: ReadText;
  readonly before?: readonly KubernetesObject[];
}

/** identityOf is equal for two manifests of one object. */
export function identityOf({ apiVersion, kind, metadata }: KubernetesObject): string {
  return [apiVersion, kind, metadata.namespace ?? '', metadata.name].join(' ');
}

/** mapStrings returns a copy of a JSON value in which `change` has been asked for each text, keys left out. */
export function mapStrings<T>(value: T, change: (text: string) => string): T {
  if (typeof value === 'string') return change(value) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => mapStrings(item, change)) as T;
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mapStrings(inner, change)])) as T;
}

async function readObjects(file: string, read: ReadText): Promise<readonly KubernetesObject[]> {
  const { documents, problems } = parseManifests(await read(file));
  if (problems.length > 0 || documents.length === 0) throw damaged(file, problems[0]?.message ?? 'no object');
  return documents.map(({ value }) => value as KubernetesObject);
}

function damaged(file: string, what: string): SluiceError {
  return new SluiceError('ConfigInvalid', `${file} of the package cannot be rendered (${what}); install Sluice again.`);
}

function joinPath(folder: string, path: string): string {
  const parts: string[] = [];
  for (const part of `${folder}/${path}`.split('/')) {
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return parts.join('/');
}

/** A patch of the whole object `$patch: delete` takes it out. */
function applyPatch(
  objects: readonly KubernetesObject[],
  patch: KubernetesObject,
  file: string,
): readonly KubernetesObject[] {
  const identity = identityOf(patch);
  if (!objects.some((object) => identityOf(object) === identity)) throw damaged(file, `there is no ${identity}`);
  return objects.flatMap((object) => {
    if (identityOf(object) !== identity) return [object];
    return '$patch' in patch ? [] : [mergeStrategic(object, patch) as KubernetesObject];
  });
}

/** mergeStrategic merges lists of named items by their names, the new ones first, as kustomize does; others are replaced. */
export function mergeStrategic(value: unknown, patch: unknown): unknown {
  if (isMap(value) && isMap(patch)) {
    const merged = Object.entries(patch).map(([key, inner]) => [key, mergeStrategic(value[key], inner)]);
    return { ...value, ...Object.fromEntries(merged) };
  }
  if (!isNamedList(value) || !isNamedList(patch)) return patch;
  const changed = value.map((item) => {
    const change = patch.find(({ name }) => name === item['name']);
    return change === undefined ? item : mergeStrategic(item, change);
  });
  const added = patch.filter(({ name }) => !value.some((item) => item['name'] === name));
  return [...added, ...changed];
}

function withImages<T>(value: T, images: NonNullable<Kustomization['images']>): T {
  if (Array.isArray(value)) return value.map((item: unknown) => withImages(item, images)) as T;
  if (!isMap(value)) return value;
  const entries = Object.entries(value).map(([key, inner]) => {
    const image = key === 'image' ? images.find(({ name }) => name === inner) : undefined;
    return [key, image === undefined ? withImages(inner, images) : `${image.name}:${image.newTag}`];
  });
  return Object.fromEntries(entries) as T;
}

function isMap(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNamedList(value: unknown): value is readonly Json[] {
  return Array.isArray(value) && value.every((item) => isMap(item) && typeof item['name'] === 'string');
}
