/** The fewest JSON Patch operations between two states of one `services` array. */
import jsonPatch, { escapePathComponent } from 'fast-json-patch';
import type { JsonPatchOperation } from '../api/object-store.ts';
import type { RouteService } from '../api/traefik.ts';
import { withWeight } from './entry.ts';

/** isEqual compares two JSON values; the order of keys does not count. */
export function isEqual(a: object, b: object): boolean {
  return jsonPatch.compare(a, b).length === 0;
}

/** pointerTo returns the JSON Pointer (RFC 6901) to the value behind `parts`. */
export function pointerTo(...parts: readonly (string | number)[]): string {
  return parts.map((part) => `/${escapePathComponent(String(part))}`).join('');
}

/**
 * diffServices returns the operations that turn the array at `parts` from `current` into `desired`: a change of weight where
 * only that differs, else whole entries. Indexes are those at the time of each operation, as RFC 6902 has it.
 */
export function diffServices(
  parts: readonly (string | number)[],
  current: readonly RouteService[],
  desired: readonly RouteService[],
): readonly JsonPatchOperation[] {
  const costs = costTable(current, desired);
  const operations: JsonPatchOperation[] = [];
  let from = 0;
  let to = 0;
  while (from < current.length || to < desired.length) {
    const [before, after] = [current[from], desired[to]];
    const cost = costAt(costs, from, to);
    if (
      before !== undefined &&
      after !== undefined &&
      cost === alignCost(before, after) + costAt(costs, from + 1, to + 1)
    ) {
      operations.push(...weightChange([...parts, to], before, after));
      from += 1;
      to += 1;
    } else if (before !== undefined && cost === 1 + costAt(costs, from + 1, to)) {
      operations.push({ op: 'remove', path: pointerTo(...parts, to) });
      from += 1;
    } else {
      operations.push({ op: 'add', path: pointerTo(...parts, to), value: after });
      to += 1;
    }
  }
  return operations;
}

/** CostTable holds the number of operations that the rest of both arrays needs, by `from` and `to`. */
type CostTable = readonly (readonly number[])[];

function costAt(costs: CostTable, from: number, to: number): number {
  return costs[from]?.[to] ?? Number.POSITIVE_INFINITY;
}

/** costTable is the edit distance, from the ends backwards. */
function costTable(current: readonly RouteService[], desired: readonly RouteService[]): CostTable {
  const costs: number[][] = Array.from({ length: current.length + 1 }, () => []);
  for (let from = current.length; from >= 0; from -= 1) {
    for (let to = desired.length; to >= 0; to -= 1) {
      const [before, after] = [current[from], desired[to]];
      const align =
        before && after ? alignCost(before, after) + costAt(costs, from + 1, to + 1) : Number.POSITIVE_INFINITY;
      const rest = Math.min(align, 1 + costAt(costs, from + 1, to), 1 + costAt(costs, from, to + 1));
      const row = costs[from];
      if (row !== undefined) row[to] = before === undefined && after === undefined ? 0 : rest;
    }
  }
  return costs;
}

/** alignCost is 0 for the same entry, 1 where the weight differs, and out of the question for another one. */
function alignCost(before: RouteService, after: RouteService): number {
  if (before === after) return 0;
  if (!isEqual(withWeight(before, undefined), withWeight(after, undefined))) return Number.POSITIVE_INFINITY;
  return before.weight === after.weight ? 0 : 1;
}

function weightChange(
  parts: readonly (string | number)[],
  before: RouteService,
  after: RouteService,
): readonly JsonPatchOperation[] {
  if (before.weight === after.weight) return [];
  const path = pointerTo(...parts, 'weight');
  if (after.weight === undefined) return [{ op: 'remove', path }];
  return [{ op: before.weight === undefined ? 'add' : 'replace', path, value: after.weight }];
}
