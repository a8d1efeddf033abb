const decimal = /^[1-9]\d*$/;

/**
 * compareResourceVersions returns a number below, at or above 0 as `a` is older than, the same as or newer than `b`,
 * within one resource type; undefined where they cannot be compared. Decimal numbers without a leading zero compare by
 * length and then as text (KEP-5504, official since Kubernetes 1.35), since they may exceed what a double holds.
 */
export function compareResourceVersions(a: string | undefined, b: string | undefined): number | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a === b) return 0;
  if (!decimal.test(a) || !decimal.test(b)) return undefined;
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : 1;
}

/** isOlder tells whether `a` is surely older than `b`. */
export function isOlder(a: string | undefined, b: string | undefined): boolean {
  const order = compareResourceVersions(a, b);
  return order !== undefined && order < 0;
}
