/** JSON Merge Patch (RFC 7386): the smallest patch that turns one object into another. */

type Json = Readonly<Record<string, unknown>>;

/** mergePatch returns the patch from `before` to `after`; null removes a field, arrays are replaced whole; {} means no difference. */
export function mergePatch(before: object, after: object): Json {
  const changed = Object.entries(after).flatMap(([field, value]) => {
    const known = ownField(before, field);
    if (isSame(known, value)) return [];
    return [[field, isObject(known) && isObject(value) ? mergePatch(known, value) : value] as const];
  });
  const removed = Object.keys(before).filter((field) => !Object.hasOwn(after, field));
  return Object.fromEntries([...changed, ...removed.map((field) => [field, null] as const)]);
}

/** applyMergePatch returns `target` with a patch of RFC 7386 applied, as `mergePatch` makes them. */
export function applyMergePatch(target: object, patch: object): object {
  const merged = new Map<string, unknown>(Object.entries(target));
  for (const [field, value] of Object.entries(patch) as [string, unknown][]) {
    const known = merged.get(field);
    if (value === null) merged.delete(field);
    else merged.set(field, isObject(value) ? applyMergePatch(isObject(known) ? known : {}, value) : value);
  }
  return Object.fromEntries(merged);
}

/** isSame compares by value; the order of an object's fields does not matter. */
export function isSame(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => isSame(item, right[index]));
  }
  if (!isObject(left) || !isObject(right)) return false;
  const fields = Object.keys(left);
  return (
    fields.length === Object.keys(right).length &&
    fields.every((field) => Object.hasOwn(right, field) && isSame(ownField(left, field), ownField(right, field)))
  );
}

/** ownField does not find what every object inherits: `constructor` is a field name like any other. */
function ownField(object: object, field: string): unknown {
  return Object.hasOwn(object, field) ? (object as Json)[field] : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
