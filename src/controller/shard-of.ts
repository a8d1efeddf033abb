import { fnv1a } from '../api/hash.ts';

/** shardOf returns the shard, 0 to `shards - 1`, that the object with this `uid` belongs to, the same in every process and release. */
export function shardOf(uid: string, shards: number): number {
  return shards === 1 ? 0 : fnv1a(uid) % shards;
}
