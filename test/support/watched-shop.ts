/** A shop with traffic, of which every write is recorded. */
import type { Load } from './load.ts';
import { openShop, type Shop } from './shop.ts';
import { shopNamespace, type Stage } from './stage.ts';
import { recordTimeline, type Timeline } from './timeline.ts';

/** WatchedShop is a shop with its load, and the writes of its Rollout and route. */
export interface WatchedShop {
  readonly shop: Shop;
  readonly load: Load;
  readonly timeline: Timeline;
}

/** openWatchedShop opens a shop with `rps` requests a second; all that is to be stopped is added to `opened`. */
export async function openWatchedShop(
  stage: Stage,
  options: { readonly name: string; readonly number: number; readonly rps: number },
  opened: { stop(): Promise<void> }[],
): Promise<WatchedShop> {
  const { name, number, rps } = options;
  const shop = await openShop(stage, { name, number });
  const load = shop.load(rps);
  const timeline = await recordTimeline(stage.cluster, { namespace: shopNamespace, name });
  opened.push(shop, load, timeline);
  return { shop, load, timeline };
}
