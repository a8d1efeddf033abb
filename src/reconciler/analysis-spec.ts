/** From the analysis a user wrote to what the judge and the sampler need. */
import type { CheckSpec } from '../analysis/check.ts';
import { parsePercent, parsePoints } from '../analysis/margin.ts';
import type { AnalysisSpec, Slo } from '../analysis/spec.ts';
import { renderQuery, type TemplateValues } from '../analysis/template.ts';
import { parseDuration } from '../api/duration.ts';
import type {
  Rollout,
  RolloutSpec,
  AnalysisSpec as WrittenAnalysis,
  CheckSpec as WrittenCheck,
} from '../api/rollout.ts';
import type { Pair } from '../traffic/split.ts';
import type { Problem } from '../rollout/observation.ts';
import { planSteps } from '../rollout/steps.ts';
import { scopeUserQuery, type UserQueryMode } from '../source/user-query.ts';

/** PreparedAnalysis is the analysis in machine units, and what is wrong with the user's queries. */
export interface PreparedAnalysis {
  readonly spec: AnalysisSpec;
  readonly problems: readonly Problem[];
}

/** A spec in the caches stays the same object until it is edited; what is judged by it is remembered by this one in turn. */
const unchecked = new WeakMap<RolloutSpec, AnalysisSpec>();

/** prepareAnalysis renders and scopes the queries of a Rollout; a query with a problem is left out. */
export function prepareAnalysis(rollout: Rollout, pair: Pair, userQueries: UserQueryMode): PreparedAnalysis {
  const { analysis } = rollout.spec;
  const problems: Problem[] = [];
  const values = templateValues(rollout, pair);
  const checks = (analysis.checks ?? []).flatMap((check) => {
    const prepared = prepareCheck(check, values, { namespace: pair.namespace, userQueries });
    if (typeof prepared !== 'string') return [prepared];
    problems.push({ reason: 'CheckInvalid', message: `spec.analysis.checks "${check.name}": ${prepared}` });
    return [];
  });
  const spec = unchecked.get(rollout.spec) ?? withoutChecks(rollout.spec);
  unchecked.set(rollout.spec, spec);
  return { spec: checks.length === 0 ? spec : { ...spec, checks }, problems };
}

function withoutChecks(spec: RolloutSpec): AnalysisSpec {
  const { analysis } = spec;
  return {
    ...limitsOf(analysis),
    minRequests: analysis.minRequests,
    warmupMs: parseDuration(analysis.warmup),
    plannedMs: planSteps(spec).reduce((sum, { durationMs = 0 }) => sum + durationMs, 0),
    checks: [],
    onNoData: analysis.onNoData,
    noDataAfterMs: parseDuration(analysis.noDataAfter),
  };
}

/** Without a comparison and without a limit nobody would be judged; these 5 % are what the documentation promises. */
const defaultErrorRatio = 0.05;

function limitsOf(analysis: WrittenAnalysis): Pick<AnalysisSpec, 'compare' | 'margin' | 'latency' | 'slo' | 'alpha'> {
  const { compare, errorRatio, latency, confidence } = analysis;
  const slo = sloOf(analysis);
  return {
    compare,
    margin: { factor: 1 + parsePercent(errorRatio.maxIncreaseRelative), points: parsePoints(errorRatio.maxIncrease) },
    latency: {
      maxIncrease: parsePercent(latency.maxIncrease),
      quantile: latency.quantile === 'All' ? 'All' : Number(latency.quantile),
    },
    slo: compare === 'None' ? limited(slo) : slo,
    alpha: 1 - parsePercent(confidence),
  };
}

function limited(slo: Slo): Slo {
  return slo.errorRatio === undefined && slo.latency === undefined ? { errorRatio: defaultErrorRatio } : slo;
}

/** absoluteOnly is the analysis of a canary that has all traffic without having been compared: its limits and checks. */
export function absoluteOnly(spec: AnalysisSpec): AnalysisSpec {
  return { ...spec, compare: 'None', slo: limited(spec.slo) };
}

function sloOf({ slo = {} }: WrittenAnalysis): Slo {
  const { errorRatio, latency } = slo;
  return {
    ...(errorRatio === undefined ? {} : { errorRatio: parsePercent(errorRatio) }),
    ...(latency === undefined
      ? {}
      : { latency: { underSeconds: parseDuration(latency.under) / 1000, share: parsePercent(latency.share) } }),
  };
}

function templateValues(rollout: Rollout, pair: Pair): TemplateValues {
  const revision = rollout.status?.revision ?? rollout.spec.revision;
  const [stablePort] = pair.stable.ports;
  const [canaryPort] = pair.canary.ports;
  return {
    rollout: rollout.metadata.name,
    namespace: pair.namespace,
    'stable.service': pair.stable.service,
    'canary.service': pair.canary.service,
    ...(revision === undefined ? {} : { revision }),
    ...(stablePort === undefined ? {} : { 'stable.port': stablePort }),
    ...(canaryPort === undefined ? {} : { 'canary.port': canaryPort }),
  };
}

function prepareCheck(
  check: WrittenCheck,
  values: TemplateValues,
  scope: { namespace: string; userQueries: UserQueryMode },
): CheckSpec | string {
  const rendered = renderQuery(check.query, values);
  if (rendered.kind === 'Problem') return rendered.message;
  const scoped = scopeUserQuery(scope.userQueries, scope.namespace, rendered.promql);
  if (scoped.kind === 'Problem') return scoped.message;
  return {
    name: check.name,
    query: scoped.promql,
    ...(check.min === undefined ? {} : { min: Number(check.min) }),
    ...(check.max === undefined ? {} : { max: Number(check.max) }),
    intervalMs: parseDuration(check.interval),
    consecutiveFailureLimit: check.consecutiveFailureLimit,
    consecutiveErrorLimit: check.consecutiveErrorLimit,
    onNoData: check.onNoData,
  };
}
