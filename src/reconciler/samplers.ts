/** The samplers of the sources that are configured, as one: each Rollout is sampled by that of its source. */
import type { ObjectKey } from '../api/kubernetes.ts';
import type { AnalysisEvidence } from '../api/rollout-evidence.ts';
import type { Rollout } from '../api/rollout.ts';
import type { Evidence } from '../analysis/evidence.ts';
import type { SourceObservation } from '../rollout/observation.ts';
import type { SamplePlan, Sampler } from './sampler.ts';

/** sourceNames are the values of `spec.analysis.source`. */
export const sourceNames = ['Prometheus', 'Scrape'] as const;

/** SourceName names a metric source. */
export type SourceName = (typeof sourceNames)[number];

/** Samplers answers as a Sampler does, for the source that a Rollout names. */
export class Samplers {
  readonly #byName: ReadonlyMap<SourceName, Sampler>;
  readonly #preferred: SourceName;

  /** `preferred` is the source of Rollouts that name none. */
  constructor(byName: ReadonlyMap<SourceName, Sampler>, preferred: SourceName) {
    this.#byName = byName;
    this.#preferred = preferred;
  }

  /** follow samples by the source of the Rollout, and no more by another one that it had before. */
  follow(rollout: Rollout, key: ObjectKey, plan: SamplePlan, stored: AnalysisEvidence | undefined): void {
    const wanted = this.#of(rollout);
    for (const sampler of this.#byName.values()) if (sampler !== wanted) sampler.unfollow(key);
    wanted?.follow(key, plan, stored);
  }

  /** unfollow ends the sampling of a Rollout. */
  unfollow(key: ObjectKey): void {
    for (const sampler of this.#byName.values()) sampler.unfollow(key);
  }

  /** evidence returns what the Rollout's source has shown under `id`, or undefined where that is nothing. */
  evidence(rollout: Rollout, key: ObjectKey, id: string): Evidence | undefined {
    return this.#of(rollout)?.evidence(key, id);
  }

  /** knows tells whether the Rollout's source answers and has series of a service; see Sampler. */
  knows(rollout: Rollout, key: ObjectKey, names: readonly string[], service: string): SourceObservation | undefined {
    const sampler = this.#of(rollout);
    return sampler === undefined ? this.#notConfigured(rollout) : sampler.knows(key, names, service);
  }

  #of(rollout: Rollout): Sampler | undefined {
    return this.#byName.get(rollout.spec.analysis.source ?? this.#preferred);
  }

  #notConfigured({ spec }: Rollout): SourceObservation {
    const name = spec.analysis.source ?? this.#preferred;
    const message = `spec.analysis.source is ${name}, which this controller has no settings for; it has ${[...this.#byName.keys()].join(' and ')}.`;
    return { kind: 'NotReady', reason: 'NoEvidenceSource', message };
  }
}
