/**
 * reuse returns a JSON value equal to `after` that consists of the parts of `before` that have not changed; `before`
 * itself where nothing has. Most of an object is as it was when one field is written: what is kept need not be copied out
 * of the young generation again and again, and who remembers something by a part finds it by its identity.
 */
export function reuse<T>(before: unknown, after: T): T {
  if (Array.isArray(before) && Array.isArray(after)) return reuseItems(before, after) as T;
  if (isObject(before) && isObject(after)) return reuseFields(before, after) as T;
  return after;
}

function reuseItems(before: readonly unknown[], after: readonly unknown[]): readonly unknown[] {
  const items = after.map((item, index) => reuse(before[index], item));
  const isSame = items.length === before.length && items.every((item, index) => item === before[index]);
  return isSame ? before : items;
}

type Fields = Readonly<Record<string, unknown>>;

function reuseFields(before: Fields, after: Fields): Fields {
  const names = Object.keys(after);
  // Assigned to, this name would set the prototype.
  if (names.includes('__proto__')) return after;
  let isSame = names.length === Object.keys(before).length;
  const fields: Record<string, unknown> = {};
  for (const name of names) {
    const known = Object.hasOwn(before, name) ? before[name] : undefined;
    const field = reuse(known, after[name]);
    isSame &&= field === known && Object.hasOwn(before, name);
    fields[name] = field;
  }
  return isSame ? before : fields;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
