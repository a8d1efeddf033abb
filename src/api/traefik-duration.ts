const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * parseTraefikDuration returns the milliseconds of a duration as Traefik reads it: a whole number of seconds, with or
 * without quotes, or one of Go (`1m30s`, `-1s`, `1.5h`). Anything else is undefined.
 */
export function parseTraefikDuration(value: number | string): number | undefined {
  const text = String(value);
  if (/^[+-]?[0-9]+$/.test(text)) return Number(text) * 1000;
  if (!/^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(text)) return undefined;
  let totalMs = 0;
  for (const [, number, unit] of text.matchAll(/([0-9.]+)([a-zµμ]+)/g)) {
    totalMs += Number(number) * (unitMs[unit ?? ''] ?? 0);
  }
  return text.startsWith('-') ? -totalMs : totalMs;
}
