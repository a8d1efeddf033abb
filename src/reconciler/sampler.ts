/** Gathers evidence for the rollouts that run, on one grid for all of them; it ticks only while there is one. */
import type { AnalysisEvidence } from '../api/rollout-evidence.ts';
import type { ObjectKey } from '../api/kubernetes.ts';
import { checkDueAtMs, type CheckSpec } from '../analysis/check.ts';
import { decodeChecks } from '../analysis/check-text.ts';
import { lastBlockEnd } from '../analysis/block.ts';
import { addCheck, addSamples, watermarkMs, type Evidence, type Stage } from '../analysis/evidence.ts';
import type { MetricSource, SampleOutcome } from '../analysis/metric-source.ts';
import type { AnalysisSpec } from '../analysis/spec.ts';
import { boundsFor } from '../analysis/latency-trials.ts';
import { judge, urgencyOf, type Share } from '../analysis/verdict.ts';
import { parseTime, type Clock } from '../clock.ts';
import type { SourceObservation } from '../rollout/observation.ts';
import { sampleAll, type Answered, type Asker } from './ask-source.ts';
import { createCheckAsker, type CheckAsker, type CheckedCheck } from './check-asker.ts';
import { beginWith, emptyEvidence, historyQuery, isBegun } from './history.ts';
import { SourceProbe } from './source-probe.ts';
import { Ticker } from './ticker.ts';

/** SamplePlan says what to sample for a rollout; another `id` starts the evidence anew. */
export interface SamplePlan {
  readonly id: string;
  readonly stage: Stage;
  readonly share: Share;
  readonly stable: readonly string[];
  readonly canary: readonly string[];
  /** before are the names that stable had before the rollout. */
  readonly before: readonly string[];
  readonly spec: AnalysisSpec;
}

/** SamplerOptions are the collaborators; `nowMs` is the API server's time. */
export interface SamplerOptions {
  readonly source: MetricSource;
  readonly clock: Clock;
  readonly nowMs: () => number;
  /** intervalMs is how often checks are looked at; samples are asked for when a block is complete. */
  readonly intervalMs: number;
  /** onEvidence is called when there is something new for a rollout, of those in one answer for the most urgent first; see urgencyOf. */
  readonly onEvidence: (key: ObjectKey, urgency: number) => void;
  readonly onSample: (result: string) => void;
  readonly signal: AbortSignal;
}

/** Followed is a rollout that is sampled; another object means that what was asked for the former one is not wanted any more. */
interface Followed {
  readonly key: ObjectKey;
  plan: SamplePlan;
  evidence: Evidence;
  /** isAsked is true while its samples are under way. */
  isAsked: boolean;
}

/** Nobody is judged more often than this, however short the blocks are. */
const minPeriodMs = 1_000;

/** Sampler holds the evidence of running rollouts; what it holds can be had again from status and the source. */
export class Sampler {
  readonly #options: SamplerOptions;
  readonly #followed = new Map<ObjectKey, Followed>();
  readonly #samples: Ticker;
  readonly #checks: Ticker;
  readonly #asker: CheckAsker<Followed>;
  readonly #probe: SourceProbe;

  constructor(options: SamplerOptions) {
    const { clock, intervalMs, source, signal, onEvidence } = options;
    this.#options = options;
    this.#samples = new Ticker({
      clock,
      periodMs: Math.ceil(minPeriodMs / source.blockMs) * source.blockMs,
      // A block is asked for when it is complete, and not up to a period later.
      elapsedMs: () => options.nowMs() - source.latenessMs,
      onTick: () => this.#sampleAll(),
    });
    this.#checks = new Ticker({ clock, periodMs: intervalMs, onTick: () => this.#askChecks() });
    this.#asker = createCheckAsker({ ...options, onChecked: (checked) => this.#addChecks(checked) });
    this.#probe = new SourceProbe({ ...options, onKnown: (key) => onEvidence(key, 0) });
    signal.addEventListener('abort', () => this.#stopTicking(), { once: true });
  }

  /** follow samples for a rollout from now on; `stored` evidence of the same id is continued. */
  follow(key: ObjectKey, plan: SamplePlan, stored: AnalysisEvidence | undefined): void {
    const known = this.#followed.get(key);
    if (known?.plan.id === plan.id) {
      known.plan = plan;
    } else if (stored?.id === plan.id) {
      this.#followed.set(key, { key, plan, evidence: stored, isAsked: false });
    } else {
      const { id, stage, spec } = plan;
      if (stage.sinceMs === undefined) return this.unfollow(key);
      this.#followed.set(key, { key, plan, evidence: emptyEvidence(id, stage.sinceMs, spec), isAsked: false });
    }
    if (this.#options.signal.aborted) return;
    this.#samples.start();
    if (plan.spec.checks.length > 0) this.#checks.start();
  }

  /** unfollow ends the sampling for a rollout. */
  unfollow(key: ObjectKey): void {
    this.#followed.delete(key);
    if (this.#followed.size === 0) this.#stopTicking();
  }

  /** evidence returns what is known under `id`, or undefined where nothing is. */
  evidence(key: ObjectKey, id: string): Evidence | undefined {
    const known = this.#followed.get(key);
    return known?.plan.id === id ? known.evidence : undefined;
  }

  /**
   * knows tells whether the source answers and has series of a service. It never waits: undefined means that it is
   * being asked, together with what others want to know, and onEvidence tells `key` when to ask again.
   */
  knows(key: ObjectKey, names: readonly string[], service: string): SourceObservation | undefined {
    return this.#probe.knows(key, names, service);
  }

  #stopTicking(): void {
    this.#samples.stop();
    this.#checks.stop();
  }

  /** Whoever's samples are still under way is left out, so that a slow chunk never holds up a tick. */
  #sampleAll(): void {
    const { source, nowMs } = this.#options;
    const untilMs = lastBlockEnd(nowMs() - source.latenessMs, source.blockMs);
    const due = [...this.#followed.values()].filter(
      ({ isAsked, evidence }) => !isAsked && untilMs > watermarkMs(evidence),
    );
    void this.#ask(
      due.filter(({ evidence }) => isBegun(evidence)),
      untilMs,
    );
    void this.#ask(
      due.filter(({ evidence }) => !isBegun(evidence)),
      untilMs,
    );
  }

  /** Who has just begun counts at once, whoever's past is still read: a tick more would be a tick more with a bad canary. */
  async #ask(entries: readonly Followed[], untilMs: number): Promise<void> {
    if (entries.length === 0 || this.#options.signal.aborted) return;
    for (const entry of entries) entry.isAsked = true;
    const beginning = new Set(entries.filter(({ evidence }) => !isBegun(evidence)));
    const askers = entries.map((entry): Asker<Followed> => ({ of: entry, query: queryOf(entry, untilMs) }));
    for await (const answers of sampleAll(this.#options.source, askers, this.#options.signal)) {
      this.#addEarly(answers.filter(({ isEarly }) => isEarly));
      const whole = answers.filter(({ isEarly }) => !isEarly);
      this.#addSamples(whole);
      const begun = whole.map(({ of }) => of).filter((entry) => beginning.has(entry) && isBegun(entry.evidence));
      void this.#ask(begun, untilMs);
    }
  }

  /** An early answer counts only where it is certain by itself that the canary fails: what comes with it later would be lost. */
  #addEarly(answers: readonly Answered<Followed>[]): void {
    if (this.#options.signal.aborted) return;
    const failing = answers.flatMap(({ of: entry, outcome }) => {
      if (!isBegun(entry.evidence)) return [];
      const evidence = this.#withSamples(entry, outcome);
      if (judge(entry.plan.spec, evidence, entry.plan.share, this.#options.nowMs()).kind !== 'Fail') return [];
      entry.evidence = evidence;
      return [entry];
    });
    this.#tell(failing);
  }

  #addSamples(answers: readonly Answered<Followed>[]): void {
    const { onSample, signal } = this.#options;
    if (signal.aborted) return;
    for (const { of: entry, outcome } of answers) {
      entry.isAsked = false;
      onSample(outcome.kind === 'Samples' ? 'Samples' : outcome.reason);
      const begun = isBegun(entry.evidence) ? undefined : beginWith(entry.evidence, entry.plan.spec, outcome);
      entry.evidence = begun ?? this.#withSamples(entry, outcome);
    }
    this.#tell(answers.map(({ of }) => of));
  }

  #withSamples({ plan, evidence }: Followed, outcome: SampleOutcome): Evidence {
    const { source, nowMs } = this.#options;
    return addSamples(evidence, outcome, { spec: plan.spec, stage: plan.stage, blockMs: source.blockMs }, nowMs());
  }

  #askChecks(): void {
    const nowMs = this.#options.nowMs();
    // The answer before came a little after its tick: at the nearest tick the check is due again, not at the one after.
    const dueMs = nowMs + this.#options.intervalMs / 2;
    const checked = [...this.#followed.values()].filter(({ plan }) => plan.spec.checks.length > 0);
    if (checked.length === 0) this.#checks.stop();
    const due = checked.flatMap((entry) => {
      const { plan, evidence } = entry;
      if (nowMs < (parseTime(evidence.since) ?? 0)) return [];
      const { checks } = plan.spec;
      const states = decodeChecks(checks, evidence.checks);
      const isDue = (check: CheckSpec, index: number): boolean => checkDueAtMs(check, states[index], dueMs) <= dueMs;
      return checks.filter(isDue).map((check) => ({ of: entry, check }));
    });
    this.#asker.ask(due);
  }

  #addChecks(checked: readonly CheckedCheck<Followed>[]): void {
    const nowMs = this.#options.nowMs();
    for (const one of checked) one.of.evidence = addCheck(one.of.evidence, one.of.plan.spec.checks, one, nowMs);
    this.#tell(new Set(checked.map(({ of }) => of)));
  }

  #tell(entries: Iterable<Followed>): void {
    const nowMs = this.#options.nowMs();
    const wanted = [...entries].filter((entry) => this.#followed.get(entry.key) === entry);
    const judged = wanted.map(({ key, plan, evidence }) => ({
      key,
      urgency: urgencyOf(judge(plan.spec, evidence, plan.share, nowMs)),
    }));
    for (const { key, urgency } of judged.sort((left, right) => right.urgency - left.urgency)) {
      this.#options.onEvidence(key, urgency);
    }
  }
}

/** queryOf asks for what comes after the watermark, or first for stable's past. */
function queryOf({ plan, evidence }: Followed, untilMs: number): Asker<Followed>['query'] {
  const { stable, canary, before, spec } = plan;
  if (!isBegun(evidence)) return historyQuery(before, spec, evidence);
  const bounds = boundsFor(spec, evidence.trials ?? {});
  const query = { stable, canary, sinceMs: watermarkMs(evidence), untilMs };
  return bounds === undefined ? query : { ...query, bounds };
}
