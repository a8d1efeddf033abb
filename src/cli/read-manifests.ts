/** Reads manifests as `kubectl apply` and the API server would, and says what is wrong with them and where. */
import { formatFieldPath, type FieldPath } from '../api/field-path.ts';
import type { KubernetesObject } from '../api/kubernetes.ts';
import type { ManifestSchema } from '../standalone/manifest-schema.ts';
import { parseManifests, type ManifestDocument, type Place } from '../standalone/manifest-text.ts';
import { recordId } from '../standalone/object-record.ts';

/** ManifestFile is a text with the name by which people know it. */
export interface ManifestFile {
  readonly name: string;
  readonly text: string;
  /** isNamed: somebody has named this very file, so that what is no object in it is a slip. */
  readonly isNamed: boolean;
}

/** ReadObject is an object as the API server would store it, and where it stands. */
export interface ReadObject {
  readonly file: string;
  readonly object: KubernetesObject;
  readonly placeOf: (path: FieldPath) => Place;
}

/** Finding is something wrong; `object` is like `Rollout web/shop`, and as `field` empty where it is nothing of an object. */
export interface Finding extends Place {
  readonly file: string;
  readonly object: string;
  readonly field: string;
  readonly message: string;
}

/** ReadManifests: `objects` are those without findings, in the order of the files. */
export interface ReadManifests {
  readonly objects: readonly ReadObject[];
  readonly findings: readonly Finding[];
}

/** ReadOptions: objects without a namespace get `namespace`. */
export interface ReadOptions {
  readonly schema: ManifestSchema;
  readonly namespace: string;
}

/** readManifests throws nothing. An object that stands there twice is the first one. */
export function readManifests(files: readonly ManifestFile[], options: ReadOptions): ReadManifests {
  const read = files.map((file) => readFile(file, options));
  const findings = read.flatMap((one) => one.findings);
  const first = new Map<string, ReadObject>();
  const twice = read
    .flatMap(({ objects }) => objects)
    .flatMap((one) => {
      const id = recordId(one.object);
      const other = first.get(id);
      if (other === undefined) first.set(id, one);
      return other === undefined ? [] : [standsTwice(one, other)];
    });
  return { objects: [...first.values()], findings: [...findings, ...twice] };
}

/** findingAt is a finding about a field of an object. */
export function findingAt(
  { file, object, placeOf }: ReadObject,
  { path, message }: { readonly path: FieldPath; readonly message: string },
): Finding {
  return { file, ...placeOf(path), object: nameOf(object), field: formatFieldPath(path), message };
}

/** nameOf is like `Rollout web/shop`, or as much of it as is there. */
export function nameOf({ kind = '', metadata }: KubernetesObject): string {
  return metadata.name === '' ? kind : `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
}

function standsTwice(one: ReadObject, other: ReadObject): Finding {
  const { line } = other.placeOf([]);
  const message = `It stands in ${other.file} at line ${line} too; leave one of them out, or give this one another name.`;
  return findingAt(one, { path: ['metadata', 'name'], message });
}

function readFile(file: ManifestFile, options: ReadOptions): ReadManifests {
  const { documents, problems } = parseManifests(file.text);
  const read = documents.map((document) => readDocument(file, document, options));
  const unreadable = problems.map((problem): Finding => ({ file: file.name, ...problem, object: '', field: '' }));
  return {
    objects: read.flatMap(({ objects }) => objects),
    findings: [...unreadable, ...read.flatMap(({ findings }) => findings)],
  };
}

const nothing: ReadManifests = { objects: [], findings: [] };

function readDocument(file: ManifestFile, document: ManifestDocument, options: ReadOptions): ReadManifests {
  const { apiVersion, kind } = fieldsOf(document.value);
  // Values of a chart, a kustomization and the like lie beside manifests.
  if (!file.isNamed && apiVersion === undefined && kind === undefined) return nothing;
  // What runs a version is looked for by its name alone.
  if (typeof apiVersion === 'string' && isForeign(apiVersion)) return one(asRead({ apiVersion, kind }));
  const result = judge(document.value, options.schema);
  if (result.kind === 'Ignored') return nothing;
  if (result.kind === 'Valid') return one(asRead(result.object));
  const broken = asRead(fieldsOf(document.value));
  return { objects: [], findings: result.problems.map((problem) => findingAt(broken, problem)) };

  function asRead(object: object): ReadObject {
    const given = fieldsOf(fieldsOf(document.value)['metadata']);
    const { name = '', namespace = options.namespace } = given as Partial<KubernetesObject['metadata']>;
    return {
      file: file.name,
      object: { ...object, metadata: { ...given, name, namespace } },
      placeOf: document.placeOf,
    };
  }
}

function one(read: ReadObject): ReadManifests {
  return { objects: [read], findings: [] };
}

const oldTraefik = 'traefik.containo.us';

/** Kinds of other groups may be called as those that are read, like Argo's Rollout. */
function isForeign(apiVersion: string): boolean {
  const [group = '', version] = apiVersion.split('/');
  return version !== undefined && !['sluice.dev', 'traefik.io', oldTraefik, 'discovery.k8s.io'].includes(group);
}

/** Traefik 2 called its group so; what Sluice reads of its kinds is the same. */
function judge(value: unknown, schema: ManifestSchema): ReturnType<ManifestSchema> {
  const { apiVersion } = fieldsOf(value);
  if (apiVersion !== `${oldTraefik}/v1alpha1`) return schema(value);
  const result = schema({ ...fieldsOf(value), apiVersion: 'traefik.io/v1alpha1' });
  return result.kind === 'Valid' ? { kind: 'Valid', object: { ...result.object, apiVersion } } : result;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
