/** The alerts of manifests/overlays/prometheus: a real Prometheus loads them, and fires each for what it is there for. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { request } from 'undici';
import { parse } from 'yaml';
import { anchorOf } from '../../scripts/reference-words.ts';
import { eventually } from '../support/eventually.ts';
import { type Prometheus, startPrometheus } from '../support/prometheus.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook_url: string };
}

interface Alert {
  readonly state: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: { readonly summary: string };
}

const read = (file: string): string => readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8');
const { groups } = (
  parse(read('manifests/overlays/prometheus/alerts.yaml')) as {
    readonly spec: { readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[] };
  }
).spec;
const rules = groups.flatMap((group) => group.rules);

/** A controller in trouble: each look finds the counters higher. */
function inTrouble(looks: number): string {
  return [
    'sluice_rollout_phase{namespace="web",name="shop",phase="Degraded"} 1',
    'sluice_rollout_phase{namespace="web",name="cart",phase="Failed"} 1',
    'sluice_rollout_phase{namespace="web",name="till",phase="RollingBack"} 1',
    'sluice_rollout_phase{namespace="web",name="desk",phase="Paused"} 1',
    'sluice_leader{shard="0"} 1',
    'sluice_leader{shard="1"} 0',
    `sluice_samples_total{result="SourceUnreachable"} ${looks}`,
    'sluice_samples_total{result="Samples"} 7',
    'sluice_api_last_contact_seconds{kind="Rollout"} 240',
    `sluice_reconcile_errors_total{code="ApiForbidden"} ${looks}`,
    `sluice_event_loop_stalls_total ${looks}`,
    `sluice_audit_repairs_total{kind="Rollout",repair="Missing"} ${looks}`,
    `sluice_resource_version_rollbacks_total{kind="Rollout"} ${looks}`,
  ].join('\n');
}

const calm = [
  'sluice_rollout_phase{namespace="web",name="shop",phase="Progressing"} 1',
  'sluice_leader{shard="0"} 1',
  'sluice_api_last_contact_seconds{kind="Rollout"} 2',
  'sluice_reconcile_errors_total{code="ApiForbidden"} 3',
  'sluice_event_loop_stalls_total 0',
  'sluice_audit_repairs_total{kind="Rollout",repair="Missing"} 0',
  'sluice_resource_version_rollbacks_total{kind="Rollout"} 0',
].join('\n');

const started: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const stop of started) await stop();
});

/** watch starts a Prometheus that reads what `page` returns; an alert fires at once, however long it should wait. */
async function watch(page: (looks: number) => string): Promise<Prometheus> {
  let looks = 0;
  const server = createServer((_incoming, answer) => {
    looks += 1;
    answer.setHeader('content-type', 'text/plain; version=0.0.4');
    answer.end(`${page(looks)}\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const at = groups.map((group) => ({ ...group, rules: group.rules.map((rule) => ({ ...rule, for: '0s' })) }));
  const targets = [`127.0.0.1:${(server.address() as AddressInfo).port}`];
  const prometheus = await startPrometheus({ targets, groups: at });
  started.push(async () => {
    await prometheus.stop();
    server.close();
  });
  return prometheus;
}

async function ask<T>({ url }: Prometheus, page: string): Promise<T> {
  const { data } = (await (await request(`${url}${page}`)).body.json()) as { readonly data: T };
  return data;
}

async function firing(prometheus: Prometheus): Promise<readonly Alert[]> {
  const { alerts } = await ask<{ readonly alerts: readonly Alert[] }>(prometheus, '/api/v1/alerts');
  return alerts.filter(({ state }) => state === 'firing');
}

const namesOf = (alerts: readonly Alert[]): readonly string[] =>
  [...new Set(alerts.map(({ labels }) => labels['alertname'] ?? ''))].toSorted();

describe('the alerts', () => {
  let troubled: Prometheus;
  let quiet: Prometheus;
  beforeAll(async () => {
    [troubled, quiet] = await Promise.all([watch(inTrouble), watch(() => calm)]);
  });

  test('each fire for what they are there for, and say where', async () => {
    const alerts = await eventually(
      async () => {
        const present = await firing(troubled);
        return namesOf(present).length === rules.length ? present : undefined;
      },
      { timeoutMs: 60_000, describe: 'all alerts' },
    );
    const summaries = alerts.map(({ annotations }) => annotations.summary);
    expect(summaries).toEqual(
      expect.arrayContaining([
        'Rollout web/shop is degraded; users may be affected.',
        'No replica of Sluice works on the Rollouts of shard 1; nothing is rolled back.',
        'Sluice has heard nothing of Rollout from the API server for 4m 0s.',
      ]),
    );
    expect(summaries.filter((summary) => summary.includes('<'))).toEqual([]);
  });

  test('are silent while all is well, and one of them is not where there is no controller', async () => {
    await eventually(
      async () => {
        const { groups: loaded } = await ask<{
          readonly groups: readonly { readonly rules: readonly { readonly health: string }[] }[];
        }>(quiet, '/api/v1/rules');
        const health = loaded.flatMap((group) => group.rules.map((rule) => rule.health));
        return health.length === rules.length && health.every((state) => state === 'ok');
      },
      { timeoutMs: 30_000 },
    );
    // Before the first scrape there was none; since then each rule has been looked at with the calm values.
    await eventually(async () => namesOf(await firing(quiet)).length === 0, { timeoutMs: 30_000 });
    const nothing = await watch(() => '');
    const alerts = await eventually(
      async () => {
        const present = await firing(nothing);
        return present.length > 0 ? present : undefined;
      },
      { timeoutMs: 30_000 },
    );
    expect(namesOf(alerts)).toEqual(['SluiceNoLeader']);
  });

  test('each have a paragraph, and the paragraphs an alert', () => {
    const page = read('docs/operations.md');
    const headings = [...page.matchAll(/^### (Sluice\w+)$/gm)].map(([, name = '']) => name);
    expect(headings.toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
    for (const { alert, annotations } of rules) {
      expect(annotations.runbook_url).toBe(`docs/operations.md#${anchorOf(alert)}`);
    }
  });
});
