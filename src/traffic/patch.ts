/** The JSON Patch (RFC 6902) that turns an IngressRoute into what a merge has computed. */
import jsonPatch, { deepClone } from 'fast-json-patch';
import type { JsonPatchOperation } from '../api/object-store.ts';
import type { IngressRoute, Route } from '../api/traefik.ts';
import { SluiceError } from '../errors.ts';
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
  current: IngressRoute,
  desired: readonly Route[],
  insistence: Insistence,
): readonly JsonPatchOperation[] {
  const routes = current.spec.routes ?? [];
  const changes = routes
    .map((route, index) => ({ route, index, operations: changesOf(route, desired[index], index) }))
    .filter(({ operations }) => operations.length > 0);
  const tests = changes.flatMap(({ route, index }) => routeTests(route, index, insistence));
  const operations = changes.flatMap((change) => change.operations);
  const patch = changes.length === 0 ? [] : [...versionTests(current, insistence), ...tests, ...operations];
  assertGives(current, desired, patch);
  return patch;
}

function changesOf(route: Route, desired: Route | undefined, index: number): readonly JsonPatchOperation[] {
  if (desired === undefined || desired === route) return [];
  return diffServices(['spec', 'routes', index, 'services'], route.services ?? [], desired.services ?? []);
}

function versionTests(current: IngressRoute, insistence: Insistence): readonly JsonPatchOperation[] {
  if (insistence !== 'Version') return [];
  const value = current.metadata.resourceVersion;
  if (value === undefined) throw defect(current, 'it was read without a metadata.resourceVersion');
  return [{ op: 'test', path: pointerTo('metadata', 'resourceVersion'), value }];
}

/** routeTests pin the rule and the name behind every index that the patch counts on, or the entries as they were read. */
function routeTests(route: Route, index: number, insistence: Insistence): readonly JsonPatchOperation[] {
  const services = route.services ?? [];
  const at = (...parts: readonly (string | number)[]): string => pointerTo('spec', 'routes', index, ...parts);
  const match = { op: 'test' as const, path: at('match'), value: route.match };
  if (insistence === 'Entries') return [match, { op: 'test', path: at('services'), value: services }];
  const names = services.map(({ name }, place) => ({
    op: 'test' as const,
    path: at('services', place, 'name'),
    value: name,
  }));
  return [match, ...names];
}

function assertGives(current: IngressRoute, desired: readonly Route[], patch: readonly JsonPatchOperation[]): void {
  const routes = current.spec.routes ?? [];
  if (desired.some(({ services }, index) => services?.length === 0 && routes[index]?.services?.length !== 0)) {
    throw defect(current, 'a route would be left without services');
  }
  const wanted = current.spec.routes === undefined ? current.spec : { ...current.spec, routes: desired };
  if (!isEqual(applied(current, patch), { ...current, spec: wanted })) {
    throw defect(current, 'the patch does not give the routes that were computed');
  }
}

function applied(current: IngressRoute, patch: readonly JsonPatchOperation[]): IngressRoute {
  try {
    return jsonPatch.applyPatch(deepClone(current) as IngressRoute, deepClone(patch), true).newDocument;
  } catch (cause) {
    throw defect(current, 'the patch cannot be applied to the object it was made for', cause);
  }
}

function defect({ metadata }: IngressRoute, found: string, cause?: unknown): SluiceError {
  const name = `${metadata.namespace ?? ''}/${metadata.name}`;
  return new SluiceError('Internal', `Patch of IngressRoute ${name}: ${found}; please report this.`, { cause });
}
