/** Objects as -o json and -o yaml print them. */
import { stringify } from 'yaml';
import type { KubernetesObject } from '../api/kubernetes.ts';
import { SluiceError } from '../errors.ts';

/** parseOutput returns the format that -o asks for, one of `formats`; ConfigInvalid otherwise. */
export function parseOutput<const F extends string>(output: string | undefined, formats: readonly F[]): F | undefined {
  const found = formats.find((format) => format === output);
  if (found !== undefined || output === undefined) return found;
  throw new SluiceError('ConfigInvalid', `-o is "${output}"; it must be one of ${formats.join(', ')}.`);
}

/** printData prints a value without a line end. */
export function printData(value: unknown, format: 'json' | 'yaml'): string {
  return format === 'json' ? JSON.stringify(value, undefined, 2) : stringify(value, { lineWidth: 0 }).trimEnd();
}

/** withoutManagers leaves out managedFields, which kubectl does not print either. */
export function withoutManagers<T extends KubernetesObject>(object: T): T {
  const { managedFields: _managedFields, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** listOf is what kubectl prints of several objects. */
export function listOf(items: readonly KubernetesObject[]): object {
  return { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items };
}
