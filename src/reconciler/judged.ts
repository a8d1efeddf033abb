/** What evidence counts now: the stage of a rollout that is judged, and the name of its evidence. */
import type { Stage } from '../analysis/evidence.ts';
import type { Share } from '../analysis/verdict.ts';
import { fnv1a } from '../api/hash.ts';
import type { Rollout, WorkloadRef } from '../api/rollout.ts';
import { parseTime } from '../clock.ts';
import { effectMs } from '../rollout/step-rules.ts';
import { isSticky, type RouteObject } from '../traffic/route-object.ts';
import type { Pair } from '../traffic/split.ts';
import type { Caches } from './caches.ts';
import type { Member } from './members.ts';
import { findSharers, type Neighbourhood } from './neighbours.ts';
import { revisionOf, type Workload } from './workloads.ts';

/** Judged is the present stage of a rollout that is judged, and the name of its evidence. */
export interface Judged {
  /** id changes with the release, the try, stable's revision and the analysis: what was counted before says nothing then. */
  readonly id: string;
  readonly stage: Stage;
  readonly share: Share;
}

/** judgedOf returns the present stage, or undefined where nothing is judged. */
export function judgedOf(
  rollout: Rollout,
  { route, pair, canary, caches }: { route: RouteObject | undefined; pair: Pair; canary: Member; caches: Caches },
): Judged | undefined {
  const { progress, unprovenSince } = rollout.status ?? {};
  if (unprovenSince !== undefined) return judgedSince(rollout, unprovenSince, canary);
  if (progress?.direction !== 'Forward' || (progress.appliedAt === undefined && progress.from === 0)) return undefined;
  return {
    id: evidenceId(rollout, progress.startedAt, stableRevisionOf(rollout, caches)),
    stage: {
      sinceMs: progress.appliedAt === undefined ? undefined : effectMs(progress),
      isAlone: progress.weight >= 100,
      canaryEndpoints: canary.addresses.length,
    },
    share: {
      weightPercent: progress.weight,
      isComparable: isShareComparable(rollout, { route, pair, caches }),
    },
  };
}

function evidenceId({ spec, status }: Rollout, startedAt: string, stable: string): string {
  return fnv1a(JSON.stringify([status?.revision ?? '', startedAt, stable, spec.analysis])).toString(16);
}

function stableRevisionOf({ metadata, spec }: Rollout, caches: Caches): string {
  return revisionOf(workloadOf(caches, metadata.namespace ?? '', spec.stable.workload))?.value ?? '';
}

/** judgedSince: what came after the promotion has had all traffic from the first request on; nothing is compared. */
function judgedSince(rollout: Rollout, since: string, canary: Member): Judged {
  return {
    id: evidenceId(rollout, since, ''),
    stage: { sinceMs: parseTime(since), isAlone: true, canaryEndpoints: canary.addresses.length },
    share: { weightPercent: 100, isComparable: false },
  };
}

/** Sticky sessions choose by cookie, and the counters of a Service hold what other routes send it. */
function isShareComparable(rollout: Rollout, around: Pick<Neighbourhood, 'route' | 'pair' | 'caches'>): boolean {
  const { route } = around;
  return route === undefined || (!isSticky(route) && findSharers({ ...around, rollout }).length === 0);
}

/** workloadOf returns the workload that a version names, if it names one that exists. */
export function workloadOf(caches: Caches, namespace: string, ref: WorkloadRef | undefined): Workload | undefined {
  return ref && caches.workload(ref.kind, `${namespace}/${ref.name}`);
}
