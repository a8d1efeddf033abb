/** The metrics of controller and proxy, from what each writes once everything has happened. */
import { createCounters } from '../src/proxy/metrics/counters.ts';
import { exposition } from '../src/proxy/metrics/exposition.ts';
import { createTotals } from '../src/proxy/metrics/totals.ts';
import { createMetrics } from '../src/telemetry/metrics.ts';
import { record } from '../test/unit/proxy/metrics/counted.ts';
import { cell } from './reference-words.ts';

/** MetricText is what `/metrics` says of a metric; a histogram has the suffixes _bucket, _sum and _count. */
export interface MetricText {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

/** readMetrics returns the metrics of an exposition whose names match, in the order of the text; labels are those of a first series. */
export function readMetrics(text: string, names = /^/): readonly MetricText[] {
  const headers = [...text.matchAll(/^# HELP (\w+) (.*)\n# TYPE \w+ (\w+)$/gm)];
  return headers
    .map(([, name = '', help = '', type = '']) => {
      const series = new RegExp(String.raw`^${name}(?:_count)?(?:\{(.*)\})? [0-9]`, 'm').exec(text);
      const labels = [...(series?.[1] ?? '').matchAll(/(\w+)="/g)].map(([, label = '']) => label);
      return { name, type, labels, help };
    })
    .filter(({ name }) => names.test(name));
}

/** controllerMetrics returns those of the controller, without what prom-client says of the process. */
export async function controllerMetrics(): Promise<readonly MetricText[]> {
  const metrics = createMetrics({ process: true });
  metrics.reconciled('Success', 1);
  metrics.failed('Internal');
  metrics.queueDepth(() => 0);
  metrics.queueState(() => ({ delayed: 0, running: 0, longestRunningMs: 0 }));
  metrics.apiRequest('get', 200, 1);
  metrics.watchEnded('Rollout', 'Closed');
  metrics.relisted('Rollout');
  metrics.rolledBack('Rollout');
  metrics.lastContact(() => [{ kind: 'Rollout', silentMs: 1 }]);
  metrics.leader('0', true);
  metrics.fenced('patch');
  metrics.write('Route', 'Written');
  metrics.sample('Samples');
  metrics.replicaAsked('InEffect');
  metrics.transition('StepStarted');
  metrics.audited('Rollout', 'Completed');
  metrics.auditRepaired('Rollout', 'Missing');
  metrics.rollout({ namespace: 'web', name: 'shop', phase: 'Progressing', weight: 5, observed: '4.9%' });
  return readMetrics(await metrics.text(), /^sluice_/);
}

/** proxyMetrics returns those of the proxy, of standalone mode too. */
export function proxyMetrics(): readonly MetricText[] {
  const counters = createCounters({ bucketsSeconds: [1], hasRouterLabels: true });
  counters.observe(record({ tls: { version: '1.3', cipher: 'TLS_AES_128_GCM_SHA256' } }));
  counters.retried('a@k');
  const totals = createTotals();
  totals.add(counters.takeDelta());
  totals.setOpen('1', { connections: [['web', 1]], streams: [['a@k', 1]] });
  const pieces = exposition({
    totals,
    bucketsSeconds: [1],
    configReloads: 1,
    lastReloadMs: 1,
    configAgeMs: 1,
    invalidObjects: [{ kind: 'IngressRoute', namespace: 'web', name: 'shop' }],
    servers: [{ service: 'a@k', url: 'http://10.0.0.1:80', isUp: true }],
    workers: { serving: 1, died: 0 },
  });
  return readMetrics([...pieces].join(''));
}

/** metricsPage returns the text of docs/reference/metrics.md. */
export async function metricsPage(notice: string): Promise<string> {
  return [
    `${notice}\n# Metrics\n`,
    'Prometheus reads them at `/metrics`: of the controller at `--health-address`, of the proxy at `--admin-address`.',
    '`process_*` and `nodejs_*` of prom-client stand beside them: CPU, memory, file descriptors, garbage collection.\n',
    `## Of the controller\n\n[Operations](../operations.md#metrics) says what to look at, and what is worth an alert.\n\n${table(await controllerMetrics())}`,
    `## Of the proxy\n\nNames and labels that begin with \`traefik_\` are Traefik's, so that one query serves both. [The proxy](../proxy.md) says more.\n\n${table(proxyMetrics())}`,
  ].join('\n');
}

function table(metrics: readonly MetricText[]): string {
  const rows = metrics
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .map(({ name, type, labels, help }) => {
      const own = labels.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${type} | ${own} | ${cell(help)} |\n`;
    });
  return `| name | type | labels | |\n|---|---|---|---|\n${rows.join('')}`;
}
