/** Asks whether the source knows a service, for all rollouts that want to start at about the same time together. */
import type { MetricSource, SampleOutcome } from '../analysis/metric-source.ts';
import type { ObjectKey } from '../api/kubernetes.ts';
import type { Clock } from '../clock.ts';
import type { SourceObservation } from '../rollout/observation.ts';
import { sampleAll } from './ask-source.ts';

/** SourceProbeOptions are the collaborators; onKnown is told of every rollout that has waited for an answer. */
export interface SourceProbeOptions {
  readonly source: MetricSource;
  readonly clock: Clock;
  readonly nowMs: () => number;
  readonly onKnown: (key: ObjectKey) => void;
  readonly signal: AbortSignal;
}

/** Ask is what rollouts wait for; `waiting` are those to be told. */
interface Ask {
  readonly names: readonly string[];
  readonly waiting: Set<ObjectKey>;
  isUnderWay: boolean;
}

interface Known {
  readonly names: readonly string[];
  readonly outcome: SampleOutcome;
  readonly atMs: number;
  /** told are those who waited, and have not been back for the answer. */
  readonly told: Set<ObjectKey>;
  wantedAtMs: number;
}

const historyMs = 240_000;
const minAnswerMs = 5_000;
/** Who has waited takes the answer also when the queue was long: it would wait for ever if each answer were too old by then. */
const maxAnswerMs = 60_000;
/** The first who asks does not wait; who comes within this time afterwards is asked for together. */
const gatherMs = 500;
const maxAnswers = 10_000;

/** SourceProbe keeps answers for as long as nothing new can be there, and holds no timer while nobody waits. */
export class SourceProbe {
  readonly #options: SourceProbeOptions;
  readonly #answerMs: number;
  readonly #asks = new Map<string, Ask>();
  readonly #known = new Map<string, Known>();
  #cancel: (() => void) | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: SourceProbeOptions) {
    this.#options = options;
    this.#answerMs = Math.max(minAnswerMs, options.source.resolutionMs);
    options.signal.addEventListener('abort', () => this.#cancel?.(), { once: true });
  }

  /** knows returns whether the source answers and has series of one of `names`; undefined while that is being asked: onKnown tells `key` when to come back. */
  knows(key: ObjectKey, names: readonly string[], service: string): SourceObservation | undefined {
    const { clock, signal } = this.#options;
    const id = JSON.stringify(names);
    const nowMs = clock.monotonicMs();
    const known = this.#known.get(id);
    if (known !== undefined) {
      known.wantedAtMs = nowMs;
      const wasTold = known.told.delete(key);
      const maxAgeMs = wasTold ? maxAnswerMs : this.#answerMs;
      if (nowMs - known.atMs < maxAgeMs) return toObservation(known.outcome, service);
    }
    const ask = this.#asks.get(id) ?? { names, waiting: new Set<ObjectKey>(), isUnderWay: false };
    this.#asks.set(id, ask);
    ask.waiting.add(key);
    if (!ask.isUnderWay && !signal.aborted) this.#askSoon();
    return undefined;
  }

  #askSoon(): void {
    const { clock } = this.#options;
    if (this.#cancel !== undefined) return;
    const inMs = this.#askedAtMs + gatherMs - clock.monotonicMs();
    if (inMs <= 0) void this.#askAll();
    else
      this.#cancel = clock.schedule(inMs, () => {
        this.#cancel = undefined;
        void this.#askAll();
      });
  }

  async #askAll(): Promise<void> {
    const { source, nowMs, signal, clock } = this.#options;
    this.#askedAtMs = clock.monotonicMs();
    this.#forgetOld();
    this.#refresh();
    const untilMs = nowMs() - source.latenessMs;
    const askers = [...this.#asks]
      .filter(([, ask]) => !ask.isUnderWay)
      .map(([id, ask]) => {
        ask.isUnderWay = true;
        const query = { stable: ask.names, canary: [], sinceMs: untilMs - historyMs, untilMs };
        return { of: id, query };
      });
    for await (const answers of sampleAll(source, askers, signal)) {
      if (signal.aborted) return;
      for (const { of: id, outcome } of answers) this.#keep(id, outcome);
    }
  }

  #keep(id: string, outcome: SampleOutcome): void {
    const ask = this.#asks.get(id);
    if (ask === undefined) return;
    this.#asks.delete(id);
    const atMs = this.#options.clock.monotonicMs();
    const wantedAtMs = this.#known.get(id)?.wantedAtMs ?? atMs;
    this.#known.delete(id);
    // Nobody asks for the counts: of a thousand rollouts that have started they would be 3 MiB.
    const kept = outcome.kind === 'Samples' ? { ...outcome, blocks: [] } : outcome;
    this.#known.set(id, { names: ask.names, outcome: kept, atMs, told: ask.waiting, wantedAtMs });
    const [oldest] = this.#known.keys();
    if (this.#known.size > maxAnswers && oldest !== undefined) this.#known.delete(oldest);
    for (const key of ask.waiting) this.#options.onKnown(key);
  }

  #forgetOld(): void {
    for (const [id, { atMs, wantedAtMs, told }] of this.#known) {
      const usedAtMs = Math.max(atMs, wantedAtMs);
      if (this.#askedAtMs - usedAtMs >= (told.size > 0 ? maxAnswerMs : this.#answerMs)) this.#known.delete(id);
    }
  }

  /** Who waits for the source to know them comes again and again: they are asked for together, however they are spread. */
  #refresh(): void {
    for (const [id, { names, outcome, atMs, wantedAtMs }] of this.#known) {
      const isWanted = this.#askedAtMs - wantedAtMs < this.#answerMs && !isReady(outcome);
      if (!isWanted || this.#askedAtMs - atMs < this.#answerMs / 2 || this.#asks.has(id)) continue;
      this.#asks.set(id, { names, waiting: new Set(), isUnderWay: false });
    }
  }
}

function isReady(outcome: SampleOutcome): boolean {
  return outcome.kind === 'Samples' && outcome.seen.stable;
}

function toObservation(outcome: SampleOutcome, service: string): SourceObservation {
  if (isReady(outcome)) return { kind: 'Ready' };
  const message =
    outcome.kind === 'NoData'
      ? outcome.message
      : `The metric source has no series of Service ${service}; is traefik.metrics.prometheus.addServicesLabels on, and has the service had a request in the last five minutes?`;
  return { kind: 'NotReady', reason: 'NoEvidenceSource', message };
}
