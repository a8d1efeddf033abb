/** Paths of fields as the API server writes them, and what is wrong with a field. */

/** FieldPath leads from an object to one of its fields: names, indexes of lists, and keys of maps in brackets, which stay. */
export type FieldPath = readonly (string | number)[];

/** FieldProblem is what is wrong with a field, in the words of the API server; an empty path means the whole object. */
export interface FieldProblem {
  readonly path: FieldPath;
  readonly message: string;
}

/** formatFieldPath writes a path as `spec.steps[1].weight`, and names that are not plain as `data[tls.crt]`. */
export function formatFieldPath(path: FieldPath): string {
  return path.map((part, index) => formatPart(part, index === 0)).join('');
}

function formatPart(part: string | number, isFirst: boolean): string {
  if (typeof part === 'string' && /^\[.*\]$/.test(part)) return part;
  if (typeof part === 'number' || !/^[A-Za-z0-9_-]+$/.test(part)) return `[${part}]`;
  return isFirst ? part : `.${part}`;
}
