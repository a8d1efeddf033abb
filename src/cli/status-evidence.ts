/** The evidence of a rollout, test by test, as lines for people. */
import { decodeChecks } from '../analysis/check-text.ts';
import type { CheckState } from '../analysis/check.ts';
import type { Finding, TrialName } from '../analysis/finding.ts';
import { parsePercent } from '../analysis/margin.ts';
import { evidencePercent } from '../analysis/sentence.ts';
import { safetyOf } from '../analysis/summary.ts';
import { findingsOf } from '../analysis/trials.ts';
import type { AnalysisEvidence, ArmCounts } from '../api/rollout-evidence.ts';
import type { Rollout } from '../api/rollout.ts';
import { percent } from './text.ts';
import type { Node } from './tree.ts';

const names: Readonly<Record<TrialName, string>> = {
  errors: 'errors',
  guard: 'broken',
  alone: 'errors at 100%',
  slo: 'slo.errorRatio',
  latency: 'latency',
  latencySlo: 'slo.latency',
};

/** evidenceNodes are what was counted, what each test has shown and what each check says; none before there is anything. */
export function evidenceNodes({ spec, status = {} }: Rollout): readonly Node[] {
  const { analysis, weight = 0 } = status;
  if (analysis === undefined) return [];
  const alpha = 1 - parsePercent(spec.analysis.confidence);
  const findings = findingsOf(analysis.trials ?? {}).filter(
    ({ name, rollback }) => name !== 'guard' || evidencePercent(rollback, alpha) > 0,
  );
  return [
    { label: 'requests', text: countsText(analysis) },
    ...findings.map((finding) => findingNode(finding, alpha, weight >= 100)),
    ...checkNodes(spec, analysis),
    ...(analysis.noData === undefined ? [] : [noDataNode(analysis.noData)]),
  ];
}

function countsText({ canary, stable }: AnalysisEvidence): string {
  return `canary ${countText(canary)}, stable ${countText(stable)}`;
}

function countText({ requests, errors }: ArmCounts): string {
  return requests === 0 ? 'none' : `${errors} bad of ${requests} (${percent(errors / requests)})`;
}

function findingNode(finding: Finding, alpha: number, isAlone: boolean): Node {
  const rollback = evidencePercent(finding.rollback, alpha);
  const lnSafe = safetyOf(finding, isAlone);
  const safe = lnSafe === Infinity ? undefined : evidencePercent(lnSafe, alpha);
  const parts = [...(safe === undefined ? [] : [`proof that it is safe ${safe}%`]), `that it is worse ${rollback}%`];
  const style = rollback >= 100 ? 'red' : safe === 100 ? 'green' : undefined;
  return { label: names[finding.name], text: parts.join(', '), style };
}

function checkNodes({ analysis }: Rollout['spec'], { checks: text }: AnalysisEvidence): readonly Node[] {
  const checks = analysis.checks ?? [];
  return decodeChecks(checks, text).map((state, index) => {
    const name = checks[index]?.name ?? '';
    return { label: `check ${name}`, text: checkText(state), style: state?.state === 'Failing' ? 'red' : undefined };
  });
}

function checkText(state: CheckState | undefined): string {
  if (state === undefined) return 'not asked yet';
  if (state.state === 'NoData') return 'its query returned nothing';
  if (state.state === 'Error') return `could not be asked: ${state.reason}, ${state.errors} in a row`;
  const result = state.state === 'Passing' ? 'passes' : `fails, ${state.failures} in a row`;
  return `${state.value}: ${result}`;
}

function noDataNode({ reason, message, since }: NonNullable<AnalysisEvidence['noData']>): Node {
  return { label: 'no data', text: `since ${since.slice(11, 19)}Z, ${reason}: ${message}`, style: 'yellow' };
}
