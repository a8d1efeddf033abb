import { expect, test } from 'vitest';
import { createCounters } from '../../../../src/proxy/metrics/counters.ts';
import { exposition, type ProxyState } from '../../../../src/proxy/metrics/exposition.ts';
import { createTotals, type Totals } from '../../../../src/proxy/metrics/totals.ts';
import { SeriesFilter } from '../../../../src/source/exposition-filter.ts';
import { ExpositionReader } from '../../../../src/source/exposition.ts';
import { record } from './counted.ts';

const bucketsSeconds = [0.1, 0.3, 1.2, 5];

function state(totals: Totals, changes: Partial<ProxyState> = {}): ProxyState {
  const none = { configReloads: 0, lastReloadMs: undefined, configAgeMs: undefined, invalidObjects: [], servers: [] };
  return { totals, bucketsSeconds, workers: { serving: 0, died: 0 }, ...none, ...changes };
}

function textOf(state: ProxyState): string {
  return [...exposition(state)].join('');
}

function counted(hasRouterLabels: boolean, ...records: readonly Parameters<typeof record>[0][]): Totals {
  const counters = createCounters({ bucketsSeconds, hasRouterLabels });
  for (const changes of records) counters.observe(record(changes));
  const totals = createTotals();
  totals.add(counters.takeDelta());
  return totals;
}

test('series of a request are written as Traefik writes them', () => {
  // Copied from a Traefik 3.6.12 that had answered the same request; of durations only the sum was another.
  const service = 's1@file';
  const tls = { version: '1.3', cipher: 'TLS_AES_128_GCM_SHA256' };
  const names = { router: 'r1@file', routerService: 'w1@file', service };
  const answer = { code: 501, method: 'POST', requestBytes: 3, responseBytes: 357, durationMs: 62.5, tls };
  const totals = counted(true, { ...names, ...answer });
  const lines = textOf(state(totals)).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      'traefik_entrypoint_requests_total{code="501",entrypoint="web",method="POST",protocol="http"} 1',
      'traefik_entrypoint_requests_bytes_total{code="501",entrypoint="web",method="POST",protocol="http"} 3',
      'traefik_entrypoint_responses_bytes_total{code="501",entrypoint="web",method="POST",protocol="http"} 357',
      'traefik_entrypoint_request_duration_seconds_bucket{code="501",entrypoint="web",method="POST",protocol="http",le="5"} 1',
      'traefik_entrypoint_requests_tls_total{entrypoint="web",tls_cipher="TLS_AES_128_GCM_SHA256",tls_version="1.3"} 1',
      'traefik_router_requests_tls_total{router="r1@file",service="w1@file",tls_cipher="TLS_AES_128_GCM_SHA256",tls_version="1.3"} 1',
      'traefik_service_requests_tls_total{service="s1@file",tls_cipher="TLS_AES_128_GCM_SHA256",tls_version="1.3"} 1',
      'traefik_router_requests_total{code="501",method="POST",protocol="http",router="r1@file",service="w1@file"} 1',
      'traefik_router_request_duration_seconds_bucket{code="501",method="POST",protocol="http",router="r1@file",service="w1@file",le="0.1"} 1',
      'traefik_router_responses_bytes_total{code="501",method="POST",protocol="http",router="r1@file",service="w1@file"} 357',
      'traefik_service_requests_total{code="501",method="POST",protocol="http",service="s1@file"} 1',
      '# TYPE traefik_service_request_duration_seconds histogram',
      'traefik_service_request_duration_seconds_bucket{code="501",method="POST",protocol="http",service="s1@file",le="+Inf"} 1',
      'traefik_service_request_duration_seconds_sum{code="501",method="POST",protocol="http",service="s1@file"} 0.0625',
      'traefik_service_request_duration_seconds_count{code="501",method="POST",protocol="http",service="s1@file"} 1',
    ]),
  );
});

test('buckets are cumulative', () => {
  const durations = [50, 200, 200, 1000, 9000].map((durationMs) => ({ durationMs }));
  const text = textOf(state(counted(false, ...durations)));
  const counts = [...text.matchAll(/traefik_service_request_duration_seconds_bucket\{.*le="(.*)"\} (.*)/g)];
  expect(counts.map(([, bound, count]) => `${bound} ${count}`)).toStrictEqual([
    '0.1 1',
    '0.3 3',
    '1.2 4',
    '5 4',
    '+Inf 5',
  ]);
});

test('what is known of the primary and its workers is there', () => {
  const totals = createTotals();
  totals.setOpen('1', { connections: [['web', 3]], streams: [['a@k', 2]] });
  totals.add({ series: [], retries: [['a@k', 4]], tls: [] });
  const invalidObjects = [{ kind: 'IngressRoute', namespace: 'shop', name: 'we"ird\\\n' }];
  const servers = [
    { service: 'a@k', url: 'http://10.0.0.1:80', isUp: false },
    { service: 'a@k', url: 'http://10.0.0.2:80', isUp: true },
  ];
  const workers = { serving: 2, died: 3 };
  const known = {
    configReloads: 7,
    lastReloadMs: 1_795_280_823_900,
    configAgeMs: 1500,
    invalidObjects,
    servers,
    workers,
  };
  const lines = textOf(state(totals, known))
    .split('\n')
    .filter((line) => !line.startsWith('#'));
  expect(lines).toStrictEqual([
    'traefik_config_reloads_total 7',
    'traefik_config_last_reload_success 1795280823',
    'traefik_open_connections{entrypoint="web",protocol="TCP"} 3',
    'sluice_proxy_open_streams{service="a@k"} 2',
    String.raw`sluice_proxy_invalid_objects{kind="IngressRoute",name="we\"ird\\\n",namespace="shop"} 1`,
    'sluice_proxy_config_age_seconds 1.5',
    'sluice_proxy_workers 2',
    'sluice_proxy_worker_deaths_total 3',
    'traefik_service_retries_total{service="a@k"} 4',
    'traefik_service_server_up{service="a@k",url="http://10.0.0.1:80"} 0',
    'traefik_service_server_up{service="a@k",url="http://10.0.0.2:80"} 1',
    '',
  ]);
});

test('before anything is known there are only the reloads and the workers', () => {
  const lines = textOf(state(createTotals()))
    .split('\n')
    .filter((line) => !line.startsWith('#'));
  expect(lines).toStrictEqual([
    'traefik_config_reloads_total 0',
    'traefik_config_last_reload_success 0',
    'sluice_proxy_workers 0',
    'sluice_proxy_worker_deaths_total 0',
    '',
  ]);
});

test('each metric has one head, and all its series below it', () => {
  const many = Array.from({ length: 1200 }, (_, index) => ({ service: `s${index}@k` }));
  const seen = new Set<string>();
  let present = '';
  for (const line of textOf(state(counted(true, ...many)))
    .trimEnd()
    .split('\n')) {
    const [, name = ''] = /^# TYPE (\S+)/.exec(line) ?? [];
    if (name !== '') {
      expect(seen).not.toContain(name);
      seen.add(name);
      present = name;
    } else if (!line.startsWith('#')) expect(line.replace(/(_bucket|_sum|_count)?[{ ].*/, '')).toBe(present);
  }
  expect(seen).toContain('traefik_service_requests_total');
});

test('our own scraper reads back what was counted', () => {
  const weird = String.raw`we"ird\@k`;
  const totals = counted(false, {}, {}, { service: weird, code: 503, durationMs: 700 });
  const services = new Set(['stable@k', weird]);
  const byService = ['traefik_service_requests_total', 'traefik_service_request_duration_seconds_bucket'];
  const read = new Map<string, number>();
  const filter = new SeriesFilter({ byService, whole: ['traefik_config_reloads_total'], services });
  const reader = new ExpositionReader(filter, (series, value) => read.set(series, value));
  for (const piece of exposition(state(totals, { configReloads: 3 }))) reader.push(Buffer.from(piece));
  expect(reader.end()).toMatchObject({ kind: 'Whole', samples: 13 });
  expect(read.get('traefik_config_reloads_total')).toBe(3);
  expect(read.get('traefik_service_requests_total{code="200",method="GET",protocol="http",service="stable@k"}')).toBe(
    2,
  );
  expect([...read.values()].reduce((sum, value) => sum + value, 0)).toBe(3 + 3 + 5 * 2 + 3);
});
