/** Durations as Kubernetes writes them (GEP-2257: `1h30m`, `10s`, `500ms`), in milliseconds inside. */

const unitMs = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;

/** parseDuration returns the milliseconds of a duration; the schema has checked its form, anything else is 0. */
export function parseDuration(text: string): number {
  if (!/^(?:[0-9]+(?:h|ms|m|s))+$/.test(text)) return 0;
  let totalMs = 0;
  for (const [, digits, unit] of text.matchAll(/([0-9]+)(h|ms|m|s)/g)) {
    totalMs += Number(digits) * unitMs[unit as keyof typeof unitMs];
  }
  return totalMs;
}

/** formatDuration returns the shortest duration of whole seconds (rounded up) for people, e.g. `1h5m`, `45s`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'm'],
    [seconds % 60, 's'],
  ];
  const text = parts.map(([value, unit]) => (value > 0 ? `${value}${unit}` : '')).join('');
  return text === '' ? '0s' : text;
}
