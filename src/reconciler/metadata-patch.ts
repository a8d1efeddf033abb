/** What is written into the metadata of a Rollout: the finalizer, and a command that was handled. */
import type { JsonPatchOperation } from '../api/object-store.ts';
import type { Rollout } from '../api/rollout.ts';
import { finalizer } from '../rollout/decision.ts';
import { commandAnnotation, commandByAnnotation } from '../rollout/verbs.ts';

/** metadataPatch is the JSON Patch of a decision about annotations or the finalizer; it tests the resourceVersion that was read. */
export function metadataPatch(
  { metadata }: Rollout,
  kind: 'Claim' | 'Release' | 'Acknowledge',
): readonly JsonPatchOperation[] {
  const test = { op: 'test', path: '/metadata/resourceVersion', value: metadata.resourceVersion } as const;
  if (kind === 'Acknowledge') {
    const present = [commandAnnotation, commandByAnnotation].filter(
      (name) => metadata.annotations?.[name] !== undefined,
    );
    const removals = present.map(
      (name) => ({ op: 'remove', path: `/metadata/annotations/${name.replaceAll('/', '~1')}` }) as const,
    );
    return [test, ...removals];
  }
  const others = (metadata.finalizers ?? []).filter((other) => other !== finalizer);
  return [test, { op: 'add', path: '/metadata/finalizers', value: kind === 'Claim' ? [...others, finalizer] : others }];
}
