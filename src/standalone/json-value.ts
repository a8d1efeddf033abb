/** What JSON cannot hold, and what nobody means: YAML can make both. */
import type { FieldPath, FieldProblem } from '../api/field-path.ts';

/** The API server reads 10,000 levels; an anchor that contains itself has no end. */
const deepest = 100;

/** findUnstorable returns the first value that is no JSON, undefined where all of it is. */
export function findUnstorable(value: unknown, path: FieldPath = []): FieldProblem | undefined {
  if (path.length > deepest) {
    return { path: path.slice(0, 3), message: `Invalid value: nested more than ${deepest} levels deep` };
  }
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined;
  if (typeof value === 'number' && Number.isFinite(value)) return undefined;
  if (Array.isArray(value)) return firstOf(value.entries(), path);
  if (typeof value === 'object' && isPlain(value)) return firstOf(Object.entries(value), path);
  const found = typeof value === 'number' ? String(value) : typeof value;
  return { path, message: `Invalid value: ${found}: write text, a number, true, false, a list or a mapping` };
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function firstOf(entries: Iterable<readonly [string | number, unknown]>, path: FieldPath): FieldProblem | undefined {
  for (const [part, inner] of entries) {
    const found = findUnstorable(inner, [...path, part]);
    if (found !== undefined) return found;
  }
  return undefined;
}
