/** Tries the metric source: whether Prometheus answers, what it has of a service, and its buckets. */
import { lastBlockEnd } from '../analysis/block.ts';
import type { SampleOutcome } from '../analysis/metric-source.ts';
import type { Tried } from '../cli/check-report.ts';
import type { PrometheusSource } from '../source/prometheus.ts';

/** With Traefik's own four a latency that is 50 % worse takes a strong stable minutes longer to be seen (docs/analysis.md). */
const fewBounds = 8;
const spanMs = 300_000;

/** SourceQuestion: `names` are the values of the service label that stable has in Traefik's metrics. */
export interface SourceQuestion {
  readonly source: PrometheusSource;
  readonly url: string;
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

/** tryPrometheus asks something that every Prometheus can answer, and whether Traefik is scraped by it. */
export async function tryPrometheus({ source, url, nowMs, signal }: SourceQuestion): Promise<readonly Tried[]> {
  const what = `Prometheus ${url}`;
  const docs = 'troubleshooting.md#noevidencesource';
  const up = await source.query('count(traefik_config_reloads_total) or vector(0)', nowMs, signal);
  if (up.kind !== 'Value') {
    const advice =
      'Set --prometheus-url and its credentials as for the controller; the address has to be one that is reached from here.';
    return [{ state: 'Wrong', what, message: up.message, advice, docs }];
  }
  if (up.value > 0) return [{ state: 'Right', what, message: `it answers, and scrapes ${up.value} of Traefik` }];
  return [
    {
      state: 'Wrong',
      what,
      message: 'it answers, and has no metrics of Traefik',
      advice: 'Let it scrape every Traefik, and look at --metrics.prometheus of Traefik and at --prometheus-matchers.',
      docs,
    },
  ];
}

/** trySeries asks for the requests of stable in the last five minutes, and for the buckets of their durations. */
export async function trySeries(
  { source, nowMs, signal }: SourceQuestion,
  {
    rollout,
    service,
    names,
  }: { readonly rollout: string; readonly service: string; readonly names: readonly string[] },
): Promise<readonly Tried[]> {
  const what = `Samples of Rollout ${rollout}`;
  const untilMs = lastBlockEnd(nowMs - source.latenessMs, source.blockMs);
  const query = { stable: names, canary: [], sinceMs: untilMs - spanMs, untilMs, bounds: 'All' } as const;
  let outcome: SampleOutcome | undefined;
  for await (const answers of source.sample([query], signal)) outcome = answers.at(-1)?.outcome ?? outcome;
  const docs = 'troubleshooting.md#noevidencesource';
  if (outcome?.kind !== 'Samples') return [{ state: 'Wrong', what, message: outcome?.message ?? 'no answer', docs }];
  if (!outcome.seen.stable) {
    const advice = `Has ${service} had a request since Traefik started? Else look at addServicesLabels and --prometheus-service-label.`;
    return [{ state: 'Wrong', what, message: `Prometheus has no series of ${names.join(' or ')}`, advice, docs }];
  }
  const requests = outcome.blocks.reduce((sum, { arms }) => sum + arms.stable.requests, 0);
  const seen: Tried = {
    state: 'Right',
    what,
    message: `${Math.round(requests)} requests of ${service} in five minutes`,
  };
  return [seen, bucketsOf(rollout, outcome.bounds ?? [])];
}

function bucketsOf(rollout: string, bounds: readonly number[]): Tried {
  const what = `Buckets of Rollout ${rollout}`;
  const message = `${bounds.length} bounds of durations${bounds.length === 0 ? '' : `: ${bounds.join(', ')} s`}`;
  if (bounds.length >= fewBounds) return { state: 'Right', what, message };
  return {
    state: 'Unsure',
    what,
    message,
    advice: 'With more of them a slower canary is found sooner: set --metrics.prometheus.buckets of Traefik.',
    docs: 'analysis.md#durations',
  };
}
