/** How long ago something was, as kubectl's column AGE says it. */

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** printAge is coarser the longer it was: 45s, 3m20s, 5h12m, 4d. What lies ahead by a difference of clocks is 0s. */
export function printAge(ms: number): string {
  const past = Math.max(0, ms);
  if (past < 2 * minuteMs) return `${Math.floor(past / secondMs)}s`;
  if (past < 10 * minuteMs) return two(past, [minuteMs, 'm'], [secondMs, 's']);
  if (past < 3 * hourMs) return `${Math.floor(past / minuteMs)}m`;
  if (past < 8 * hourMs) return two(past, [hourMs, 'h'], [minuteMs, 'm']);
  if (past < 2 * dayMs) return `${Math.floor(past / hourMs)}h`;
  if (past < 8 * dayMs) return two(past, [dayMs, 'd'], [hourMs, 'h']);
  return `${Math.floor(past / dayMs)}d`;
}

function two(ms: number, large: readonly [number, string], small: readonly [number, string]): string {
  const rest = Math.floor((ms % large[0]) / small[0]);
  return `${Math.floor(ms / large[0])}${large[1]}${rest === 0 ? '' : `${rest}${small[1]}`}`;
}
