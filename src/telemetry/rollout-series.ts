import { splitKey, type ObjectKey } from '../api/kubernetes.ts';

/** RolloutGauges is what `/metrics` shows of one rollout. */
export interface RolloutGauges {
  readonly namespace: string;
  readonly name: string;
  readonly phase: string;
  readonly weight: number;
  /** observed is the share that the canary answered as the status prints it, e.g. `12.3%`; undefined while unknown. */
  readonly observed?: string | undefined;
}

/** SeriesOf is the part of a gauge of prom-client that is used here. */
interface SeriesOf<L extends string> {
  set(labels: Record<L, string>, value: number): void;
  remove(labels: Record<L, string>): void;
}

/** CreateGauge makes a gauge named `sluice_<name>`. */
type CreateGauge = <L extends string>(name: string, help: string, ...labelNames: readonly L[]) => SeriesOf<L>;

/** RolloutSeries keeps the gauges of rollouts; Metrics has both methods. */
export interface RolloutSeries {
  rollout(gauges: RolloutGauges): void;
  forget(namespace: string, name: string): void;
}

interface Known {
  readonly phase: string;
  /** isShown: there are series of the rollout itself. */
  readonly isShown: boolean;
}

/**
 * createRolloutSeries counts rollouts by phase, and shows by themselves those that somebody may want to look at. Series
 * of 10,000 rollouts at rest would block the event loop for 60 to 100 ms a scrape and leave 100 MiB of garbage.
 */
export function createRolloutSeries(gauge: CreateGauge): RolloutSeries {
  const count = gauge('rollouts', 'Rollouts by phase.', 'phase');
  const phase = gauge('rollout_phase', 'The series of the present phase is 1.', 'namespace', 'name', 'phase');
  const weight = gauge('rollout_weight_percent', 'Weight that the route may give the canary.', 'namespace', 'name');
  const observed = gauge('rollout_observed_percent', 'Share that the canary answered.', 'namespace', 'name');
  const known = new Map<ObjectKey, Known>();
  const counts = new Map<string, number>();
  const tally = (name: string, change: 1 | -1): void => {
    const next = (counts.get(name) ?? 0) + change;
    counts.set(name, next);
    count.set({ phase: name }, next);
  };
  const drop = (key: ObjectKey, { phase: last, isShown }: Known): void => {
    const { namespace, name } = splitKey(key);
    tally(last, -1);
    known.delete(key);
    if (!isShown) return;
    phase.remove({ namespace, name, phase: last });
    weight.remove({ namespace, name });
    observed.remove({ namespace, name });
  };
  return {
    rollout: (now) => {
      const { namespace, name } = now;
      const key: ObjectKey = `${namespace}/${name}`;
      const before = known.get(key);
      const isShown = isWorthSeries(now);
      if (before?.phase !== now.phase || before.isShown !== isShown) {
        if (before !== undefined) drop(key, before);
        tally(now.phase, 1);
        known.set(key, { phase: now.phase, isShown });
      }
      if (!isShown) return;
      phase.set({ namespace, name, phase: now.phase }, 1);
      weight.set({ namespace, name }, now.weight);
      const share = Number.parseFloat(now.observed ?? '');
      if (Number.isNaN(share)) observed.remove({ namespace, name });
      else observed.set({ namespace, name }, share);
    },
    forget: (namespace, name) => {
      const last = known.get(`${namespace}/${name}`);
      if (last !== undefined) drop(`${namespace}/${name}`, last);
    },
  };
}

/** isWorthSeries: what has not begun or has ended well, and leaves the canary nothing, is at rest. */
function isWorthSeries({ phase, weight }: RolloutGauges): boolean {
  return weight > 0 || (phase !== 'Pending' && phase !== 'Succeeded');
}
