/** Validation of manifests as the API server does it for `kubectl apply`, for those who have none. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import type { FieldProblem } from '../api/field-path.ts';
import { resources } from '../api/kubernetes.ts';
import type { Rollout } from '../api/rollout.ts';
import { validateRollout } from '../api/validate.ts';
import { SluiceError } from '../errors.ts';
import { coreKinds } from './core-kinds.ts';
import { findUnstorable } from './json-value.ts';
import { checkMetadata, type NameForm, storedMetadata } from './object-meta.ts';
import { compileSchema, type SchemaCheck, typeName } from './schema-check.ts';
import {
  findDuplicates,
  findUnknownFields,
  isFields,
  type StructuralSchema,
  withDefaults,
  withoutNulls,
} from './structural-schema.ts';

/**
 * ValidationResult: `object` is what the API server would store, with defaults and without status; `why` is a sentence
 * about a kind that nothing here reads.
 */
export type ValidationResult =
  | { readonly kind: 'Valid'; readonly object: object }
  | { readonly kind: 'Invalid'; readonly problems: readonly FieldProblem[] }
  | { readonly kind: 'Ignored'; readonly why: string };

/**
 * ManifestSchema validates one document; it throws nothing and changes nothing. `stored` is the object with its status
 * before this change: some fields cannot change at any time.
 */
export type ManifestSchema = (document: unknown, stored?: object) => ValidationResult;

/** KnownKind is one kind in one version. */
interface KnownKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly nameForm: NameForm;
  readonly schema: StructuralSchema;
  readonly check: SchemaCheck;
  readonly hasStatus: boolean;
  readonly rules: (object: object, before: object | undefined) => readonly FieldProblem[];
  readonly stored: (object: object) => object;
}

/** createManifestSchema compiles the schemas of CustomResourceDefinitions; it throws where one is none. */
export function createManifestSchema(crds: readonly object[]): ManifestSchema {
  const core = coreKinds.map((kind): KnownKind => ({
    stored: (object) => object,
    ...kind,
    check: compileSchema(kind.schema),
    hasStatus: false,
  }));
  const kinds = [...crds.flatMap(kindsOf), ...core];
  const byKind = new Map(kinds.map((known) => [`${known.apiVersion} ${known.kind}`, known]));
  return (document, stored) => {
    const unstorable = findUnstorable(document);
    if (unstorable !== undefined) return { kind: 'Invalid', problems: [unstorable] };
    if (!isFields(document)) {
      // Not the value: it may be a Secret with a slip in its indentation.
      return invalid([], `Invalid value: "${typeName(document)}": write an object with apiVersion, kind and metadata`);
    }
    const { apiVersion, kind } = document;
    if (typeof apiVersion !== 'string' || apiVersion === '') return invalid(['apiVersion'], 'Required value');
    if (typeof kind !== 'string' || kind === '') return invalid(['kind'], 'Required value');
    const known = byKind.get(`${apiVersion} ${kind}`);
    return known === undefined ? judgeUnknown(apiVersion, kind, kinds) : judge(known, document, stored);
  };
}

/** readCrds reads the CustomResourceDefinitions of a folder and of those in it; kustomizations are left out. It throws ConfigInvalid. */
export async function readCrds(directory: string): Promise<readonly object[]> {
  const files = await readdir(directory, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    throw new SluiceError('ConfigInvalid', `The CRDs in ${directory} cannot be read (${error.code ?? 'unknown'}).`);
  });
  const names = files.filter((name) => name.endsWith('.yaml')).sort();
  const documents = await Promise.all(
    names.map(async (name): Promise<unknown> => parse(await readFile(path.join(directory, name), 'utf8'))),
  );
  return documents.filter(
    (document) => isFields(document) && document['kind'] === 'CustomResourceDefinition',
  ) as object[];
}

interface Crd {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly {
      readonly name: string;
      readonly served: boolean;
      readonly subresources?: { readonly status?: object };
      readonly schema: { readonly openAPIV3Schema: StructuralSchema };
    }[];
  };
}

function kindsOf(crd: object): readonly KnownKind[] {
  const { group, names, versions } = (crd as Crd).spec;
  return versions
    .filter(({ served }) => served)
    .map(({ name, subresources, schema }): KnownKind => ({
      apiVersion: `${group}/${name}`,
      kind: names.kind,
      nameForm: 'Subdomain',
      schema: schema.openAPIV3Schema,
      check: compileSchema(withoutMetadata(schema.openAPIV3Schema)),
      hasStatus: subresources?.status !== undefined,
      rules: isRollout(group, names.kind)
        ? (object, before) => validateRollout(object as Rollout, before as Rollout | undefined)
        : () => [],
      stored: (object) => object,
    }));
}

/** metadata is checked apart, as the API server does; some CRDs require it by name. */
function withoutMetadata(schema: StructuralSchema): StructuralSchema {
  return { ...schema, required: (schema.required ?? []).filter((name) => name !== 'metadata') };
}

function isRollout(group: string, kind: string): boolean {
  return group === resources.rollouts.group && kind === resources.rollouts.kind;
}

function judge(
  known: KnownKind,
  document: Readonly<Record<string, unknown>>,
  stored: object | undefined,
): ValidationResult {
  const { apiVersion: _version, kind: _kind, metadata, ...own } = document;
  const unknown = findUnknownFields(known.schema, own).map((path): FieldProblem => ({
    path,
    message: 'unknown field',
  }));
  const given = { ...document, metadata: storedMetadata(metadata) };
  const defaulted = withDefaults(known.schema, withoutNulls(known.schema, given));
  const object = known.hasStatus ? withoutStatus(defaulted as object) : (defaulted as object);
  // A version of Sluice with other defaults may have stored it: that is no change.
  const before = stored === undefined ? undefined : (withDefaults(known.schema, stored) as object);
  const problems = [...unknown, ...checkMetadata(metadata, known.nameForm), ...valueProblems(known, object, before)];
  if (problems.length > 0) return { kind: 'Invalid', problems: distinct(problems) };
  return { kind: 'Valid', object: known.stored(object) };
}

/** The API server asks the rules once the types are right. A rule says in words what a pattern says in signs. */
function valueProblems(known: KnownKind, object: object, before: object | undefined): readonly FieldProblem[] {
  // checkMetadata looks at the metadata, which the schema may ask for.
  const wrong = known.check({ ...object, metadata: {} });
  const repeated = findDuplicates(known.schema, object);
  if (wrong.some(({ isBlocking }) => isBlocking)) return [...wrong, ...repeated];
  const rules = known.rules(object, before);
  const worded = new Set(rules.map(({ path }) => JSON.stringify(path)));
  const rest = wrong.filter(
    ({ path, message }) => !(/ should match '/.test(message) && worded.has(JSON.stringify(path))),
  );
  return [...rest, ...repeated, ...rules];
}

function withoutStatus(object: object): object {
  const { status: _status, ...rest } = object as { readonly status?: unknown };
  return rest;
}

function distinct(problems: readonly FieldProblem[]): readonly FieldProblem[] {
  const byText = new Map(problems.map(({ path, message }) => [JSON.stringify([path, message]), { path, message }]));
  return [...byText.values()];
}

function invalid(path: FieldProblem['path'], message: string): ValidationResult {
  return { kind: 'Invalid', problems: [{ path, message }] };
}

/** These stand beside what is read, in the groups of which something is read, and are nothing to Sluice. */
const others: Readonly<Record<string, readonly string[]>> = {
  '': [
    'Endpoints',
    'LimitRange',
    'Namespace',
    'Node',
    'PersistentVolume',
    'PersistentVolumeClaim',
    'Pod',
    'PodTemplate',
    'ReplicationController',
    'ResourceQuota',
    'ServiceAccount',
  ],
  'traefik.io': ['IngressRouteTCP', 'IngressRouteUDP', 'MiddlewareTCP', 'ServersTransportTCP', 'TLSOption', 'TLSStore'],
};

/** A kind of a foreign group is none of Sluice's; one of its own groups that it does not know is a slip of the pen. */
function judgeUnknown(apiVersion: string, kind: string, kinds: readonly KnownKind[]): ValidationResult {
  const sameKind = kinds.filter((known) => known.kind === kind);
  if (sameKind.length > 0) {
    const supported = sameKind.map((known) => JSON.stringify(known.apiVersion)).join(', ');
    return invalid(['apiVersion'], `Unsupported value: ${JSON.stringify(apiVersion)}: ${kind} is read of ${supported}`);
  }
  const group = groupOf(apiVersion);
  const isOurs = kinds.some((known) => groupOf(known.apiVersion) === group);
  if (!isOurs || others[group]?.includes(kind) === true) {
    return { kind: 'Ignored', why: `Nothing here reads ${kind} of ${apiVersion}.` };
  }
  const supported = kinds.map((known) => JSON.stringify(known.kind)).join(', ');
  return invalid(['kind'], `Unsupported value: ${JSON.stringify(kind)}: supported values: ${supported}`);
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}
