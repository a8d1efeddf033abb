/** Evidence that the real judge calls what a test wants, made from blocks by the code of the product. */
import { addSamples, startEvidence, type Evidence, type Stage } from '../../src/analysis/evidence.ts';
import type { NoDataOutcome, SamplesOutcome } from '../../src/analysis/metric-source.ts';
import type { AnalysisSpec } from '../../src/analysis/spec.ts';
import { judge, type Verdict } from '../../src/analysis/verdict.ts';

/** Subject is what the evidence is about: a spec, and the weight above 0 at which the canary is judged. */
interface Subject {
  readonly spec: AnalysisSpec;
  readonly weightPercent: number;
}

/** Traffic is what the canary answers in each of some blocks, and its share of the pair. */
interface Traffic {
  readonly canary: number;
  readonly share: number;
  readonly errorRatio: number;
}

const blockMs = 5_000;
const count = 40;
/** spacingMs is between two blocks, so that any usual warm-up is over after a few. */
const spacingMs = 60_000;
/** The step begins at the epoch, and what was before it an hour earlier. */
const present = 0;
const earlier = -3_600_000;
const stableErrorRatio = 0.001;

const made = new Map<string, Evidence>();

/**
 * evidenceOf returns evidence of a step that began at the epoch, which `judge` calls `kind`; it throws where the spec does
 * not let it be called so. Each is made once, because property tests want the same ones again and again.
 */
export function evidenceOf(kind: Verdict['kind'], subject: Subject): Evidence {
  const name = JSON.stringify([kind, subject]);
  const evidence = made.get(name) ?? confirmed(kind, subject, make(kind, subject));
  made.set(name, evidence);
  return evidence;
}

/** 160 requests in all are enough to be judged by, and prove nothing; at 100 %, where nothing is compared, 80 are too few. */
const fewRequests = 4;
const tooFewRequests = 1;
const manyRequests = 10_000;

function trafficOf(kind: Verdict['kind'], share: number): Traffic {
  if (kind === 'Inconclusive') return { canary: share >= 1 ? tooFewRequests : fewRequests, share, errorRatio: 0 };
  return { canary: manyRequests, share, errorRatio: kind === 'Fail' ? 1 : stableErrorRatio };
}

function make(kind: Verdict['kind'], { spec, weightPercent }: Subject): Evidence {
  const share = weightPercent / 100;
  const stage: Stage = { sinceMs: present, isAlone: share >= 1 };
  const context = { spec, stage, blockMs };
  const history = samples(earlier - 3_600_000, { canary: manyRequests, share: 0.01, errorRatio: 0 });
  const begun = startEvidence('', stage.isAlone ? earlier : present, spec, history);
  // Before 100 % there was a weight at which it was compared.
  const before = { ...trafficOf(kind === 'Inconclusive' ? kind : 'Pass', share), share: 0.5 };
  const compared = stage.isAlone
    ? addSamples(begun, samples(earlier, before), { ...context, stage: { sinceMs: earlier, isAlone: false } }, present)
    : begun;
  const evidence = addSamples(compared, samples(present, trafficOf(kind, share)), context, present);
  return kind === 'NoData' ? addSamples(evidence, unreachable, context, present) : evidence;
}

const unreachable: NoDataOutcome = {
  kind: 'NoData',
  reason: 'SourceUnreachable',
  message: 'Prometheus does not answer.',
};

function samples(fromMs: number, { canary, share, errorRatio }: Traffic): SamplesOutcome {
  // Where stable has a share at all it answers something: without it nothing could be compared.
  const stable = Math.max(share < 1 ? 1 : 0, Math.round((canary * (1 - share)) / share));
  const arms = {
    stable: { requests: stable, errors: Math.round(stable * stableErrorRatio) },
    canary: { requests: canary, errors: Math.round(canary * errorRatio) },
  };
  const blocks = Array.from({ length: count }, (_none, index) => ({
    endMs: fromMs + index * spacingMs + blockMs,
    arms,
  }));
  const untilMs = blocks.at(-1)?.endMs ?? fromMs;
  return { kind: 'Samples', blocks, untilMs, seen: { stable: true, canary: true }, discarded: 0 };
}

function confirmed(kind: Verdict['kind'], { spec, weightPercent }: Subject, evidence: Evidence): Evidence {
  const verdict = judge({ ...spec, checks: [] }, evidence, { weightPercent, isComparable: true }, present);
  if (verdict.kind !== kind) throw new Error(`meant as ${kind}, but it is ${verdict.reason}: ${verdict.message}`);
  return evidence;
}
