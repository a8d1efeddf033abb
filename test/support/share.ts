/** What the clients get of a canary, once Traefik has loaded the route. */
import { eventually } from './eventually.ts';
import type { Load } from './load.ts';

const forMs = 4_000;
const enough = 150;

/**
 * expectShare looks at the answers of 4 s, or more until there are 150 of them, and expects the canary to have given
 * `percent`, with nothing tolerated at 0 and 100. Where it has not, Traefik may not have loaded the route, which takes it
 * 2 s, and on a busy machine longer: it looks at the next ones.
 */
export async function expectShare(load: Load, percent: number, tolerated = percent % 100 === 0 ? 0 : 7): Promise<void> {
  let from = load.mark();
  let last = 'too few answers';
  const look = (): true => {
    const { total, byVersion } = load.since(from);
    if (load.mark() - from < forMs || total < enough) throw new Error(last);
    const seen = (100 * (byVersion['v2'] ?? 0)) / total;
    last = `${seen.toFixed(1)}% of ${total}`;
    from = load.mark();
    if (Math.abs(seen - percent) > tolerated) throw new Error(last);
    return true;
  };
  await eventually(look, { timeoutMs: 90_000, describe: `${percent}% of the answers` });
}
