/** `sluice lint`: checks Rollouts and what they refer to in files, with the rules of the API server and of the controller. */
import type { FieldPath } from './api/field-path.ts';
import { keyOf, resources, type KubernetesObject, type ResourceKind } from './api/kubernetes.ts';
import type { Rollout } from './api/rollout.ts';
import { lintJson, lintNotes, lintText, type LintReport } from './cli/lint-text.ts';
import { findingAt, nameOf, readManifests, type Finding, type ReadObject } from './cli/read-manifests.ts';
import { parseSettings } from './config.ts';
import { SluiceError } from './errors.ts';
import { readManifestFiles, readManifestSchema } from './manifest-files.ts';
import type { Caches } from './reconciler/caches.ts';
import { readScene, routeIdOf, type Scene } from './reconciler/observe.ts';
import { cachesOf, type KnownObject } from './reconciler/stores.ts';
import type { Problem } from './rollout/observation.ts';
import type { UserQueryMode } from './source/user-query.ts';
import type { ManifestSchema } from './standalone/manifest-schema.ts';
import { routeResources } from './traffic/route-object.ts';
import { listsPair } from './traffic/split.ts';

/** LintCall is the command line. */
export interface LintCall {
  /** files are files, folders, or `-` for standard input. */
  readonly files: readonly string[];
  readonly namespace?: string | undefined;
  readonly strict?: boolean | undefined;
  readonly userQueries?: string | undefined;
  readonly output?: string | undefined;
}

/** LintResult is what to print; `notes` are for people only. */
export interface LintResult {
  readonly text: string;
  readonly notes: readonly string[];
  readonly isClean: boolean;
}

/** LintHost is what only the process knows; `schema` is prepared anew where it is left out. */
export interface LintHost {
  readonly readInput: () => Promise<string>;
  readonly schema?: ManifestSchema;
}

/** runLint throws ConfigInvalid for a call that cannot be meant, and for files that cannot be read. */
export async function runLint(call: LintCall, host: LintHost): Promise<LintResult> {
  const { output, namespace = 'default', strict = false, userQueries } = call;
  if (output !== undefined && output !== 'json')
    throw new SluiceError('ConfigInvalid', `-o is "${output}"; it must be json.`);
  const settings = parseSettings(userQueries === undefined ? {} : { userQueries });
  const files = await readManifestFiles(call.files, host.readInput);
  const { objects, findings } = readManifests(files, {
    schema: host.schema ?? (await readManifestSchema()),
    namespace,
  });
  const referred = lintReferences(objects, { isStrict: strict, userQueries: settings.userQueries });
  const rollouts = objects.filter(isRollout).length;
  const report: LintReport = {
    problems: inOrder(
      [...findings, ...referred.problems],
      files.map(({ name }) => name),
    ),
    absent: referred.absent,
    rollouts,
    others: objects.length - rollouts,
  };
  const isJson = output === 'json';
  return {
    text: isJson ? lintJson(report) : lintText(report),
    notes: isJson ? [] : lintNotes(report),
    isClean: report.problems.length === 0,
  };
}

function inOrder(findings: readonly Finding[], files: readonly string[]): readonly Finding[] {
  return findings.toSorted(
    (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}

function isRollout({ object }: ReadObject): boolean {
  return isOf(resources.rollouts, object);
}

function isOf({ group, version, kind }: ResourceKind, object: KubernetesObject): boolean {
  return object.kind === kind && object.apiVersion === (group === '' ? version : `${group}/${version}`);
}

/** knownObjects are those of the kinds that the controller reads. Of two Rollouts the one that stands first is the older one. */
export function knownObjects(objects: readonly ReadObject[]): readonly KnownObject[] {
  const kinds: readonly ResourceKind[] = Object.values(resources);
  return objects.flatMap(({ object }, index) => {
    const kind = kinds.find((kind) => isOf(kind, object));
    if (kind === undefined) return [];
    const uid = `file-${String(index).padStart(6, '0')}`;
    return [{ kind, object: { ...object, metadata: { ...object.metadata, uid } } }];
  });
}

interface LintOptions {
  readonly isStrict: boolean;
  readonly userQueries: UserQueryMode;
}

/** lintReferences looks at the Rollouts as a controller would that knows the objects of the files only. */
function lintReferences(
  objects: readonly ReadObject[],
  { isStrict, userQueries }: LintOptions,
): Pick<LintReport, 'problems' | 'absent'> {
  const caches = cachesOf(knownObjects(objects));
  const read = objects.filter(isRollout).map((one) => {
    const rollout = caches.rollout(keyOf(one.object)) as Rollout;
    const scene = readScene(rollout, caches, userQueries);
    const absent = isStrict ? [] : scene.problems.filter((problem) => isElsewhere(problem, scene, caches));
    const found = scene.problems.filter((problem) => !absent.includes(problem));
    return {
      problems: found.map((problem) => findingOf(one, rollout, problem)),
      absent: { rollout: nameOf(one.object), objects: absent.flatMap(nameAbsent) },
    };
  });
  return {
    problems: read.flatMap(({ problems }) => problems),
    absent: read.map(({ absent }) => absent).filter((one) => one.objects.length > 0),
  };
}

const absentReasons: readonly string[] = ['RouteNotFound', 'ServiceNotFound', 'WorkloadNotFound', 'MiddlewareNotFound'];

/** isElsewhere: what is not in the files may be in the cluster, and what rests on it cannot be said. */
function isElsewhere({ reason }: Problem, scene: Scene, caches: Caches): boolean {
  const { key } = routeIdOf(scene.stored);
  if (reason === 'RouteNotFound')
    return routeResources.every((resource) => caches.route({ resource, key }) === undefined);
  if (reason === 'ServiceNotInRoute') return isListedByName(scene);
  return absentReasons.includes(reason);
}

/** A Service that is not in the files may call the port of the route as the Rollout does not. */
function isListedByName({ stable, canary, pair, routeObject }: Scene): boolean {
  if (stable.exists && canary.exists) return false;
  const anyPort = { ...pair, stable: { ...pair.stable, ports: [] }, canary: { ...pair.canary, ports: [] } };
  return (routeObject?.routes ?? []).some((route) => listsPair(route, anyPort));
}

/** nameAbsent reads the object out of the sentence about it. */
function nameAbsent({ message }: Problem): readonly string[] {
  return [/: (.+) does not exist/.exec(message)?.[1] ?? message];
}

/** These reasons have no field in front of their sentence. */
const blamed: Readonly<Record<string, FieldPath>> = {
  Conflict: ['spec', 'route', 'name'],
  RouteNotWeighted: ['spec', 'route', 'name'],
  ServiceNotInRoute: ['spec', 'route', 'name'],
  SharedEndpoints: ['spec', 'canary', 'service'],
};

function findingOf(one: ReadObject, rollout: Rollout, { reason, message }: Problem): Finding {
  const path = blamed[reason] ?? pathIn(message, rollout);
  const finding = findingAt(one, { path, message });
  const { field } = finding;
  return message.startsWith(`${field}: `) ? { ...finding, message: message.slice(field.length + 2) } : finding;
}

/** pathIn reads the field that a sentence begins with; checks are named instead of counted. */
function pathIn(message: string, { spec }: Rollout): FieldPath {
  const check = /^spec\.analysis\.checks "([^"]*)"/.exec(message)?.[1];
  if (check !== undefined) {
    const index = (spec.analysis.checks ?? []).findIndex(({ name }) => name === check);
    return ['spec', 'analysis', 'checks', index, 'query'];
  }
  const field = /^spec[^\s:]*/.exec(message)?.[0] ?? 'spec';
  return field.split(/[.[\]]+/).flatMap((part) => (part === '' ? [] : [/^[0-9]+$/.test(part) ? Number(part) : part]));
}
