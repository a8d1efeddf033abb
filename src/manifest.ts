/** Reads a Rollout, and what it refers to, from a file as kubectl would apply it. */
import { readFile } from 'node:fs/promises';
import type { V1CustomResourceDefinition, V1JSONSchemaProps } from '@kubernetes/client-node';
import { keyOf, type KubernetesObject, type ObjectKey, type Service } from './api/kubernetes.ts';
import type { Rollout } from './api/rollout.ts';
import { isSluiceError, SluiceError } from './errors.ts';
import { apiVersionOf, asRoute, routeResources, type RouteObject } from './traffic/route-object.ts';

/** ReadObjects is a Rollout with those of its route and Services that are known. */
export interface ReadObjects {
  readonly rollout: Rollout;
  readonly routes: readonly RouteObject[];
  readonly services: ReadonlyMap<ObjectKey, Service>;
}

const crdUrl = new URL('../crds/rollouts.yaml', import.meta.url);

/**
 * readRolloutFile reads the Rollout `name` of a file, or the only one, with the defaults that the API server fills in.
 * Objects without a namespace get `namespace`. It throws ConfigInvalid with a sentence that names the file and the field.
 */
export async function readRolloutFile(
  file: string,
  { name, namespace }: { readonly name: string | undefined; readonly namespace: string },
): Promise<ReadObjects> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new SluiceError('ConfigInvalid', `${file} cannot be read (${error.code ?? 'unknown'}).`);
  });
  const objects = (await parseObjects(file, text)).map((object) => withNamespace(object, namespace));
  const rollouts = objects.filter(({ kind, metadata }) => {
    return kind === 'Rollout' && (name === undefined || metadata.name === name);
  });
  const [rollout] = rollouts;
  if (rollout === undefined || rollouts.length > 1) {
    const which = name === undefined ? 'Rollouts' : `Rollouts of the name ${name}`;
    throw new SluiceError(
      'ConfigInvalid',
      `${file} has ${rollouts.length} ${which}; name the one of it that is meant.`,
    );
  }
  const ofKind = <T extends KubernetesObject>(kind: string): ReadonlyMap<ObjectKey, T> =>
    new Map(objects.filter((object) => object.kind === kind).map((object) => [keyOf(object), object as T]));
  return {
    rollout: await stored(file, rollout),
    routes: objects.flatMap((object) => {
      const resource = routeResources.find(
        (resource) => resource.kind === object.kind && apiVersionOf(resource) === object.apiVersion,
      );
      return resource === undefined ? [] : [asRoute(resource, object)];
    }),
    services: ofKind('Service'),
  };
}

/** Documents are separated by lines of `---`; those that are empty, as after a last `---`, are none. */
async function parseObjects(file: string, text: string): Promise<readonly KubernetesObject[]> {
  const { loadYaml } = await import('@kubernetes/client-node');
  let line = 1;
  return text.split(/^---[ \t]*(?:#.*)?$/m).flatMap((part) => {
    const firstLine = line;
    line += part.split('\n').length - 1;
    if (part.split('\n').every((text) => /^\s*(?:#.*)?$/.test(text))) return [];
    try {
      return [named(file, loadYaml<Partial<KubernetesObject>>(part))];
    } catch (error) {
      if (isSluiceError(error)) throw error;
      const { mark, reason = 'cannot be read' } = error as { mark?: { line?: number }; reason?: string };
      const at = firstLine + (mark?.line ?? 0);
      throw new SluiceError('ConfigInvalid', `${file} is no YAML at line ${at}: ${reason}.`);
    }
  });
}

function named(file: string, document: Partial<KubernetesObject>): KubernetesObject {
  if (typeof document.metadata?.name === 'string') return document as KubernetesObject;
  throw new SluiceError('ConfigInvalid', `${file} has an object without metadata.name.`);
}

function withNamespace<T extends KubernetesObject>(object: T, namespace: string): T {
  return { ...object, metadata: { ...object.metadata, namespace: object.metadata.namespace ?? namespace } };
}

/** stored fills in what the API server would; the full check is `kubectl apply --dry-run=server`. */
async function stored(file: string, object: KubernetesObject): Promise<Rollout> {
  const { loadYaml } = await import('@kubernetes/client-node');
  const crd = loadYaml<V1CustomResourceDefinition>(await readFile(crdUrl, 'utf8'));
  const schema = crd.spec.versions[0]?.schema?.openAPIV3Schema ?? {};
  const missing = findMissing(schema, object, '');
  if (missing !== undefined) {
    throw new SluiceError('ConfigInvalid', `${file}: Rollout ${object.metadata.name} has no ${missing}; set it.`);
  }
  return withDefaults(schema, object) as Rollout;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** withDefaults fills in the structural defaults of a schema, level by level. */
function withDefaults(schema: V1JSONSchemaProps, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => withDefaults((schema.items ?? {}) as V1JSONSchemaProps, item));
  if (!isRecord(value)) return value;
  const filled: Record<string, unknown> = { ...value };
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const given = filled[name] ?? structuredClone(inner._default);
    if (given !== undefined) filled[name] = withDefaults(inner, given);
  }
  return filled;
}

/** findMissing returns the path of the first field that is required and not there. */
function findMissing(schema: V1JSONSchemaProps, value: unknown, path: string): string | undefined {
  if (!isRecord(value)) return undefined;
  const absent = schema.required?.find((name) => value[name] === undefined);
  if (absent !== undefined) return `${path}${absent}`;
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const found = findMissing(inner, value[name], `${path}${name}.`);
    if (found !== undefined) return found;
  }
  return undefined;
}
