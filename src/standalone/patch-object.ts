/** Applies a JSON Patch to an object as an API server does. */
import jsonPatch, { deepClone } from 'fast-json-patch';
import type { KubernetesObject } from '../api/kubernetes.ts';
import type { JsonPatchOperation } from '../api/object-store.ts';
import { SluiceError } from '../errors.ts';

/** What of fast-json-patch means that the object is another one than the patch was made for; the rest is no JSON Patch. */
const conflicts = new Set([
  'TEST_OPERATION_FAILED',
  'OPERATION_PATH_UNRESOLVABLE',
  'OPERATION_PATH_CANNOT_ADD',
  'OPERATION_PATH_MISSING_PARENT',
  'OPERATION_FROM_UNRESOLVABLE',
  'OPERATION_VALUE_OUT_OF_BOUNDS',
  'OPERATION_PATH_ILLEGAL_ARRAY_INDEX',
]);

/** patchObject returns the patched copy, or the Conflict of a test that fails or a place that is not there; ApiInvalid for what is no JSON Patch. */
export function patchObject(
  object: KubernetesObject,
  operations: readonly JsonPatchOperation[],
): { readonly patched: KubernetesObject } | { readonly conflict: string } {
  try {
    const document = deepClone(object) as KubernetesObject;
    return { patched: jsonPatch.applyPatch(document, deepClone([...operations]), true).newDocument };
  } catch (error) {
    const { name, operation } = error as { readonly name?: string; readonly operation?: JsonPatchOperation };
    const at = `${operation?.op ?? 'an operation'} ${operation?.path ?? ''}`;
    const target = `${object.kind ?? ''} ${object.metadata.namespace ?? ''}/${object.metadata.name}`;
    if (conflicts.has(name ?? '')) return { conflict: `The patch of ${target} does not apply: ${at}.` };
    throw new SluiceError('ApiInvalid', `The patch of ${target} is no JSON Patch: ${at} (${name ?? 'unknown'}).`);
  }
}
