/** From the analysis a user wrote to what the judge and the sampler need. */
import type { AnalysisSpec } from '../analysis/verdict.ts';
import type { CheckSpec } from '../analysis/check.ts';
import { renderQuery, type TemplateValues } from '../analysis/template.ts';
import { parseDuration } from '../api/duration.ts';
import type { Rollout, CheckSpec as WrittenCheck } from '../api/rollout.ts';
import type { Pair } from '../traffic/split.ts';
import type { Problem } from '../rollout/observation.ts';
import { scopeUserQuery, type UserQueryMode } from '../source/user-query.ts';

/** PreparedAnalysis is the analysis in machine units, and what is wrong with the user's queries. */
export interface PreparedAnalysis {
  readonly spec: AnalysisSpec;
  readonly problems: readonly Problem[];
}

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
  const limit = analysis.slo.errorRatio;
  const spec: AnalysisSpec = {
    ...(limit === undefined ? {} : { slo: { errorRatio: Number.parseFloat(limit) / 100 } }),
    minRequests: analysis.minRequests,
    checks,
    onNoData: analysis.onNoData,
    noDataAfterMs: parseDuration(analysis.noDataAfter),
  };
  return { spec, problems };
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
