/** How evidence begins: with what stable did in the ten minutes before the rollout. */
import { historyMs, startEvidence, watermarkMs, type Evidence } from '../analysis/evidence.ts';
import type { SampleOutcome, SampleQuery } from '../analysis/metric-source.ts';
import type { AnalysisSpec } from '../analysis/spec.ts';
import { needsDurations } from '../analysis/latency-trials.ts';

/** emptyEvidence is what there is until stable's past is known: without trials, so that a restart asks for it again. */
export function emptyEvidence(id: string, sinceMs: number, spec: AnalysisSpec): Evidence {
  const { trials: _unread, ...empty } = startEvidence(id, sinceMs, spec, { blocks: [] });
  return empty;
}

/** isBegun tells whether evidence knows stable's past; what was counted before does not stay. */
export function isBegun({ trials }: Evidence): boolean {
  return trials !== undefined;
}

/** historyQuery asks for stable alone, under the names that it had before the rollout touched the route. */
export function historyQuery(before: readonly string[], spec: AnalysisSpec, evidence: Evidence): SampleQuery {
  const untilMs = watermarkMs(evidence);
  const query = { stable: before, canary: [], sinceMs: untilMs - historyMs, untilMs };
  return needsDurations(spec) ? { ...query, bounds: 'All' } : query;
}

/**
 * beginWith starts evidence that has counted nothing anew with a history, also with one that is empty; undefined where it
 * could not be read. That nothing was scraped then will not change any more: it would be asked for ever.
 */
export function beginWith(evidence: Evidence, spec: AnalysisSpec, outcome: SampleOutcome): Evidence | undefined {
  const isEmpty = outcome.kind === 'NoData' && ['SeriesAbsent', 'TargetDown'].includes(outcome.reason);
  if (outcome.kind === 'NoData' && !isEmpty) return undefined;
  const history = outcome.kind === 'Samples' ? outcome : { blocks: [] };
  const { checks } = evidence;
  const begun = startEvidence(evidence.id, watermarkMs(evidence), spec, history);
  return checks === undefined ? begun : { ...begun, checks };
}
