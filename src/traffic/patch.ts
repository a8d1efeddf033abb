/** The JSON Patch (RFC 6902) that turns a route into what a merge has computed. */
import jsonPatch, { deepClone } from 'fast-json-patch';
import type { JsonPatchOperation } from '../api/object-store.ts';
import type { Route } from '../api/traefik.ts';
import { SluiceError } from '../errors.ts';
import { placeTests, servicesPath, withRoutes, type RouteObject, type RouteSource } from './route-object.ts';
import { diffServices, isEqual, pointerTo } from './service-diff.ts';

/**
 * Insistence says on what a patch insists, so that it is refused where somebody else was faster, or it arrives late and
 * another replica has gone on: on the Version of the object that was read, on the Entries of the rules that it changes,
 * or on the Names of these only. A writer of other fields that never stops can hold up the first (measured: a p97 of
 * 1.9 s instead of 152 ms), a writer of weights the second, nobody the third.
 */
export type Insistence = 'Version' | 'Entries' | 'Names';

/**
 * buildPatch returns the operations that give `current` the `services` of `desired`, with the tests before them; none where
 * nothing differs. It throws Internal where they would not give exactly that: `desired` has to be the routes of `current`
 * with nothing but services changed, and never an empty list of them.
 */
export function buildPatch(
  current: RouteObject,
  desired: readonly Route[],
  insistence: Insistence,
): readonly JsonPatchOperation[] {
  const changes = current.routes
    .map((route, index) => ({ route, path: servicesPath(current, index), index }))
    .map((place) => ({ ...place, operations: changesOf(place.route, desired[place.index], place.path) }))
    .filter(({ operations }) => operations.length > 0);
  const tests = changes.flatMap(({ route, path, index }) => [
    ...placeTests(current, route, index),
    ...serviceTests(route, path, insistence),
  ]);
  const operations = changes.flatMap((change) => change.operations);
  const patch = changes.length === 0 ? [] : [...versionTests(current, insistence), ...tests, ...operations];
  assertGives(current, desired, patch);
  return patch;
}

type Path = readonly (string | number)[];

function changesOf(route: Route, desired: Route | undefined, path: Path): readonly JsonPatchOperation[] {
  if (desired === undefined || desired === route) return [];
  return diffServices(path, route.services ?? [], desired.services ?? []);
}

function versionTests(current: RouteObject, insistence: Insistence): readonly JsonPatchOperation[] {
  if (insistence !== 'Version') return [];
  const value = current.object.metadata.resourceVersion;
  if (value === undefined) throw defect(current, 'it was read without a metadata.resourceVersion');
  return [{ op: 'test', path: pointerTo('metadata', 'resourceVersion'), value }];
}

/** serviceTests pin the name behind every index that the patch counts on, or the entries as they were read. */
function serviceTests({ services = [] }: Route, path: Path, insistence: Insistence): readonly JsonPatchOperation[] {
  if (insistence === 'Entries') return [{ op: 'test', path: pointerTo(...path), value: services }];
  return services.map(({ name }, place) => ({ op: 'test', path: pointerTo(...path, place, 'name'), value: name }));
}

function assertGives(current: RouteObject, desired: readonly Route[], patch: readonly JsonPatchOperation[]): void {
  const { routes } = current;
  if (desired.some(({ services }, index) => services?.length === 0 && routes[index]?.services?.length !== 0)) {
    throw defect(current, 'a route would be left without services');
  }
  if (!isEqual(applied(current, patch), withRoutes(current, desired))) {
    throw defect(current, 'the patch does not give the routes that were computed');
  }
}

function applied(current: RouteObject, patch: readonly JsonPatchOperation[]): RouteSource {
  try {
    return jsonPatch.applyPatch(deepClone(current.object) as RouteSource, deepClone(patch), true).newDocument;
  } catch (cause) {
    throw defect(current, 'the patch cannot be applied to the object it was made for', cause);
  }
}

function defect({ resource, key }: RouteObject, found: string, cause?: unknown): SluiceError {
  return new SluiceError('Internal', `Patch of ${resource.kind} ${key}: ${found}; please report this.`, { cause });
}
