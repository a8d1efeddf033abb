import type { Breaker } from './breaker.ts';
import type { PrometheusApi } from './prometheus-api.ts';

/** guardApi returns an API that does not ask while the source is unreachable, and by which the breaker learns whether it is. */
export function guardApi(api: PrometheusApi, breaker: Breaker): PrometheusApi {
  return {
    query: (promql, atMs, signal) => breaker.run(() => api.query(promql, atMs, signal)),
    queryGrid: (promql, grid, signal) => breaker.run(() => api.queryGrid(promql, grid, signal)),
    close: () => api.close(),
  };
}
