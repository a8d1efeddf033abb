/** What missing data means: samples that the source does not have, and requests that nobody sends. It is never health. */
import { formatDuration } from '../api/duration.ts';
import { parseTime } from '../clock.ts';
import type { CheckVerdict } from './check-verdict.ts';
import { watermarkMs, type Evidence } from './evidence.ts';
import type { AnalysisSpec } from './spec.ts';

/** Gap is what is missing, and for how long. */
interface Gap {
  readonly reason: string;
  readonly message: string;
  readonly lastedMs: number;
}

/** judgeNoData judges what is missing at a weight, as the spec says; undefined where nothing is, or it is to be ignored. */
export function judgeNoData(
  spec: AnalysisSpec,
  evidence: Evidence,
  weightPercent: number,
  nowMs: number,
): CheckVerdict | undefined {
  if (spec.onNoData === 'Ignore') return undefined;
  const gap = missingSamples(evidence, nowMs) ?? missingRequests(spec, evidence, weightPercent);
  if (gap === undefined) return undefined;
  const { reason, message, lastedMs } = gap;
  if (spec.onNoData === 'Rollback' && lastedMs >= spec.noDataAfterMs) {
    return { kind: 'Fail', reason: 'NoDataTooLong', message };
  }
  return { kind: 'NoData', reason, message };
}

function missingSamples({ noData }: Evidence, nowMs: number): Gap | undefined {
  if (noData === undefined) return undefined;
  const lastedMs = Math.max(0, nowMs - (parseTime(noData.since) ?? nowMs));
  return { reason: noData.reason, message: `No samples for ${formatDuration(lastedMs)}: ${noData.message}`, lastedMs };
}

/** A minute without any request is worth saying so; a service with one in ten seconds has such pauses of half a minute. */
const quietMs = 60_000;

/** A step in which samples came, and no request: there is nothing to judge, and without stable nothing to compare with. */
function missingRequests({ compare }: AnalysisSpec, evidence: Evidence, weightPercent: number): Gap | undefined {
  const { step } = evidence;
  const lastedMs = watermarkMs(evidence) - (parseTime(step.since) ?? 0);
  if (lastedMs < quietMs || weightPercent <= 0) return undefined;
  const isAlone = weightPercent >= 100;
  const lasted = formatDuration(lastedMs);
  if (step.canary === 0 && (step.stable === 0 || isAlone)) {
    const message = `No request for ${lasted}, since this step began: Traefik is scraped, and nobody calls the service.`;
    return { reason: 'NoRequests', message, lastedMs };
  }
  if (step.stable === 0 && step.canary > 0 && compare === 'Stable' && !isAlone) {
    const message = `Stable has answered no request for ${lasted}, since this step began, and the canary ${step.canary}: there is nothing to compare with.`;
    return { reason: 'StableIdle', message, lastedMs };
  }
  return undefined;
}
