/** What JSON cannot hold, and what nobody means: YAML can make both. */
import type { FieldPath, FieldProblem } from '../api/field-path.ts';

/** The API server reads 10,000 levels; an anchor that contains itself has no end. */
const deepest = 100;

/** findUnstorable returns the first value that is no JSON, undefined where all of it is. */
export function findUnstorable(value: unknown): FieldProblem | undefined {
  const found = findBelow(value, 0);
  if (found === undefined) return undefined;
  const path = found.path.toReversed();
  // Where there is no end, the way in says enough.
  return { path: path.length > deepest ? path.slice(0, 3) : path, message: `Invalid value: ${found.message}` };
}

/** Found has the path backwards: it is put together on the way back, only where there is something to tell. */
interface Found {
  readonly path: FieldPath;
  readonly message: string;
}

function findBelow(value: unknown, depth: number): Found | undefined {
  if (depth > deepest) return { path: [], message: `nested more than ${deepest} levels deep` };
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined;
  if (typeof value === 'number' && Number.isFinite(value)) return undefined;
  if (Array.isArray(value)) return firstOf(value.entries(), depth);
  if (typeof value === 'object' && isPlain(value)) return firstOf(Object.entries(value), depth);
  const found = typeof value === 'number' ? String(value) : typeof value;
  return { path: [], message: `${found}: write text, a number, true, false, a list or a mapping` };
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function firstOf(entries: Iterable<readonly [string | number, unknown]>, depth: number): Found | undefined {
  for (const [part, inner] of entries) {
    const found = findBelow(inner, depth + 1);
    if (found !== undefined) return { ...found, path: [...found.path, part] };
  }
  return undefined;
}
