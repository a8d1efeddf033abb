import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { resources } from '../../src/api/kubernetes.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import type { RolloutStatus } from '../../src/api/rollout-status.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { putNamespace, readObject } from '../support/objects.ts';
import { type Row, rows } from './crd-corpus.ts';
import {
  readCauses,
  readUnknownFields,
  readVerdicts,
  recordVerdicts,
  rowObject,
  type StatusAnswer,
} from './crd-verdicts.ts';

const crdFile = fileURLToPath(new URL('../../crds/rollouts.yaml', import.meta.url));
const mergePatch = 'application/merge-patch+json';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({ controllerManager: false });
  await cluster.applyCrds([crdFile]);
  await putNamespace(cluster, 'web');
});
afterAll(() => cluster?.stop());

function manifest(name: string, spec: string): string {
  const indented = spec.split('\n').map((line) => `  ${line}`);
  return ['apiVersion: sluice.dev/v1alpha1', 'kind: Rollout', `metadata: {name: ${name}}`, 'spec:', ...indented].join(
    '\n',
  );
}

async function create(name: string, spec: string): Promise<Rollout> {
  await cluster.kubectl(['-n', 'web', 'apply', '-f', '-'], { input: manifest(name, spec) });
  return read(name);
}

async function read(name: string): Promise<Rollout> {
  const rollout = await readObject<Rollout>(cluster, resources.rollouts, { namespace: 'web', name });
  if (rollout === undefined) throw new Error(`there is no Rollout ${name}`);
  return rollout;
}

async function writeStatus(name: string, status: RolloutStatus): Promise<void> {
  const answer = await cluster.api(
    'PATCH',
    `/apis/sluice.dev/v1alpha1/namespaces/web/rollouts/${name}/status?fieldValidation=Strict`,
    { status },
    mergePatch,
  );
  if (answer.status >= 400) throw new Error(JSON.stringify(answer.body));
}

function patchSpec(name: string, spec: object) {
  const patch = JSON.stringify({ spec });
  return cluster.tryKubectl(['-n', 'web', 'patch', 'rollouts.sluice.dev', name, '--type=merge', `--patch=${patch}`]);
}

describe('what kubectl says about a Rollout', () => {
  /** answers holds what kubectl said about each row; one call for all of them, because each start of kubectl costs. */
  const answers = new Map<string, string>();
  const nameOf = (index: number): string => `row-${String(index).padStart(3, '0')}`;

  beforeAll(async () => {
    const folder = path.join(cluster.dataDir, 'corpus');
    await mkdir(folder, { recursive: true });
    await Promise.all(
      rows.map(({ yaml }, index) =>
        writeFile(path.join(folder, `${nameOf(index)}.yaml`), manifest(nameOf(index), yaml)),
      ),
    );
    const { stdout, stderr } = await cluster.tryKubectl(['create', '--dry-run=server', '-f', folder]);
    for (const line of `${stdout}\n${stderr}`.split('\n')) {
      const name = /row-[0-9]{3}/.exec(line)?.[0];
      if (name !== undefined) answers.set(name, line);
    }
  });

  test.each(
    rows.map((row, index) => ({ ...row, name: nameOf(index), verb: row.says.length > 0 ? 'refused' : 'accepted' })),
  )('$verb: $sentence', ({ name, says }) => {
    const answer = answers.get(name) ?? 'nothing';
    if (says.length === 0) expect(answer).toBe(`rollout.sluice.dev/${name} created (server dry run)`);
    for (const text of says) expect(answer).toContain(text);
    expect(answer).not.toContain('evaluation error');
  });

  test('is what is recorded in crd-verdicts.json, by which the validator without a server is judged', async () => {
    const told = await Promise.all(
      rows.map(async (row, index) => [row.sentence, await ask(row, nameOf(index))] as const),
    );
    const verdicts = Object.fromEntries(told);
    expect(Object.keys(verdicts)).toHaveLength(rows.length);
    // SLUICE_RECORD=1 records anew, after the CRD or the corpus changed.
    if (process.env['SLUICE_RECORD'] === '1') recordVerdicts(verdicts);
    expect(verdicts).toEqual(readVerdicts());
  });

  test('every message of a CEL rule is read by somebody in the corpus or in the tests below', async () => {
    const messages = ruleMessages(parse(await readFile(crdFile, 'utf8')));
    expect(messages.length).toBeGreaterThan(20);
    const said = [...answers.values(), immutable].join('\n');
    expect(messages.filter((message) => !said.includes(message))).toEqual([]);
  });
});

/** Unknown fields are told alone, before anything else is looked at: the rest is asked for without them. */
async function ask(row: Row, name: string): Promise<readonly string[]> {
  const post = async (fieldValidation: string): Promise<{ readonly status: number; readonly answer: StatusAnswer }> => {
    const path = `/apis/sluice.dev/v1alpha1/namespaces/web/rollouts?dryRun=All&fieldValidation=${fieldValidation}`;
    const { status, body } = await cluster.api('POST', path, rowObject(row, name));
    return { status, answer: body as StatusAnswer };
  };
  const [strict, lenient] = [await post('Strict'), await post('Ignore')];
  const problems = new Set([...readUnknownFields(strict.answer), ...readCauses(lenient.answer)]);
  expect({ ...row, isCreated: strict.status === 201 }).toEqual({ ...row, isCreated: problems.size === 0 });
  return [...problems].toSorted();
}

test('each pattern of the spec stands in a CEL rule too, which says in words what to write', async () => {
  const crd = parse(await readFile(crdFile, 'utf8')) as { spec: { versions: readonly [{ schema: object }] } };
  const nodes = patternNodes(crd.spec.versions[0].schema);
  expect(nodes.length).toBeGreaterThan(10);
  for (const node of nodes) expect(node['x-kubernetes-validations']?.[0]?.rule).toContain(node.pattern);
});

interface PatternNode {
  readonly pattern: string;
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string }[];
}

function patternNodes(schema: unknown): readonly PatternNode[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const inner = Object.values(schema).flatMap(patternNodes);
  return 'pattern' in schema ? [schema as PatternNode, ...inner] : inner;
}

function ruleMessages(schema: unknown): readonly string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([key, value]) =>
    key === 'x-kubernetes-validations'
      ? (value as readonly { readonly message: string }[]).map(({ message }) => message)
      : ruleMessages(value),
  );
}

const immutable =
  'spec.route, spec.stable, spec.canary and spec.promotion cannot change while a rollout runs; abort it first';

describe('what the API server makes of a Rollout', () => {
  test('the smallest one gets the defaults that the controller reads', async () => {
    const { spec } = await create(
      'small',
      'route: {name: shop}\nstable: {service: a}\ncanary: {service: b}\nrevision: "1"',
    );
    expect(spec).toEqual({
      route: { apiVersion: 'traefik.io/v1alpha1', kind: 'IngressRoute', name: 'shop' },
      stable: { service: 'a' },
      canary: { service: 'b', nativeLB: false },
      revision: '1',
      analysis: {
        mode: 'Enforce',
        compare: 'Stable',
        errorRatio: { maxIncrease: '0.5pp', maxIncreaseRelative: '0%' },
        latency: { maxIncrease: '20%', quantile: 'All' },
        confidence: '95%',
        minRequests: 100,
        warmup: '60s',
        pace: 'Evidence',
        minStep: '60s',
        onInconclusive: 'Hold',
        inconclusiveAfter: '60m',
        onNoData: 'Hold',
        noDataAfter: '5m',
      },
      promotion: { mode: 'Hold' },
      onDelete: 'Keep',
      readiness: { minReady: 1, policy: 'Proportional' },
      onFailure: 'Rollback',
      progressDeadline: '30m',
      paused: false,
    } satisfies Rollout['spec']);
  });

  test('a check gets its defaults, and a ramp gets no steps', async () => {
    const { spec } = await create(
      'checked',
      'route: {name: shop}\nstable: {service: a}\ncanary: {service: b}\nrevision: "1"\nramp: {from: 1, to: 50, add: 5, every: 2m}\nanalysis: {slo: {}, checks: [{name: queue, query: up, max: 5}]}',
    );
    expect(spec.analysis.checks).toEqual([
      {
        name: 'queue',
        query: 'up',
        max: 5,
        interval: '30s',
        consecutiveFailureLimit: 2,
        consecutiveErrorLimit: 4,
        onNoData: 'Hold',
      },
    ]);
    expect(spec.analysis.slo).toEqual({});
    expect(spec.steps).toBeUndefined();
  });

  test('half a margin gets the default of its other half', async () => {
    const { spec } = await create(
      'margins',
      'route: {name: shop}\nstable: {service: a}\ncanary: {service: b}\nrevision: "1"\nanalysis: {errorRatio: {maxIncreaseRelative: 50%}, latency: {quantile: "0.9"}}',
    );
    expect(spec.analysis).toMatchObject({
      errorRatio: { maxIncrease: '0.5pp', maxIncreaseRelative: '50%' },
      latency: { maxIncrease: '20%', quantile: '0.9' },
    });
  });

  test('evidence is stored as it is written, also tests that have not begun', async () => {
    await create('judged', 'route: {name: shop}\nstable: {service: a}\ncanary: {service: b}\nrevision: "1"');
    const since = '2026-11-21T09:00:05.000Z';
    const counts = { requests: 9_007_199_254_740_991, errors: 1 };
    const analysis = {
      id: 'cd24b960',
      since,
      watermark: since,
      stable: counts,
      canary: counts,
      step: { since, stable: 80, canary: 20 },
      warmUntil: since,
      trials: {},
    };
    await writeStatus('judged', { analysis });
    expect((await read('judged')).status?.analysis).toEqual(analysis);
    const trials = {
      errors: 'a',
      guard: 'b',
      alone: 'c',
      slo: 'd',
      latency: 'e',
      latencyPlan: 'f',
      latencyHistory: 'g',
      latencySlo: 'h',
    };
    await writeStatus('judged', { analysis: { ...analysis, trials, checks: 'i' } });
    expect((await read('judged')).status?.analysis).toEqual({ ...analysis, trials, checks: 'i' });
  });

  test('kubectl get slr prints the columns', async () => {
    await create('shown', 'route: {name: shop}\nstable: {service: a}\ncanary: {service: b}\nrevision: "2"');
    await writeStatus('shown', {
      phase: 'Progressing',
      step: '2/4',
      weight: 25,
      observed: '24.8%',
      verdict: 'Pass',
      revision: '2',
    });
    const table = await cluster.kubectl(['-n', 'web', 'get', 'slr', 'shown']);
    const [head = '', line = ''] = table.split('\n').map((text) => text.trim().replaceAll(/ {2,}/g, ' | '));
    expect(head).toBe('NAME | PHASE | STEP | WEIGHT | OBSERVED | VERDICT | REVISION | AGE');
    expect(line).toMatch(/^shown \| Progressing \| 2\/4 \| 25 \| 24\.8% \| Pass \| 2 \| [0-9]+s$/);
    expect(await cluster.kubectl(['-n', 'web', 'get', 'sluice', '--output=name'])).toContain(
      'rollout.sluice.dev/shown',
    );
    expect(await cluster.kubectl(['-n', 'web', 'get', 'rollouts.sluice.dev', '--output=name'])).toContain('/shown');
  });

  test('a status that the schema does not know is refused, and the spec cannot be written through it', async () => {
    await create('strict', 'route: {name: shop}\nstable: {service: a}\ncanary: {service: b}\nrevision: "2"');
    await expect(writeStatus('strict', { phaze: 'Failed' } as RolloutStatus)).rejects.toThrow(
      'unknown field \\"status.phaze\\"',
    );
    await expect(writeStatus('strict', { phase: 'Off' as 'Failed' })).rejects.toThrow('supported values');
    const path = '/apis/sluice.dev/v1alpha1/namespaces/web/rollouts/strict/status';
    await cluster.api('PATCH', path, { spec: { paused: true }, status: { weight: 5 } }, mergePatch);
    expect(await read('strict')).toMatchObject({ spec: { paused: false }, status: { weight: 5 } });
  });
});

describe('route, stable, canary and promotion', () => {
  beforeAll(() =>
    create(
      'moving',
      'route: {name: shop}\nstable: {service: a, workload: {kind: Deployment, name: a}}\ncanary: {service: b, workload: {kind: Deployment, name: b}}\nrevision: "1"',
    ).then(() => undefined),
  );

  const edits = [
    ['route', { route: { name: 'other' } }],
    ['stable', { stable: { service: 'other' } }],
    ['canary', { canary: { service: 'another' } }],
    ['canary.nativeLB', { canary: { nativeLB: true } }],
    ['promotion', { promotion: { mode: 'Copy' } }],
    ['canary.match', { canary: { match: [{ headers: { 'X-Canary': { exact: 'always' } } }] } }],
  ] as const;

  test.each(['Progressing', 'Paused', 'Promoting', 'RollingBack', 'Degraded'] as const)(
    'cannot be edited in phase %s',
    async (phase) => {
      await writeStatus('moving', { phase });
      for (const [field, edit] of edits) {
        const { code, stderr } = await patchSpec('moving', edit);
        expect({ field, code }).toEqual({ field, code: 1 });
        expect(stderr).toContain(`spec: Forbidden: ${immutable}`);
      }
    },
  );

  test('can be left as they are while the rest is edited, in any phase', async () => {
    await writeStatus('moving', { phase: 'Progressing' });
    const { code } = await patchSpec('moving', { revision: '2', paused: true, route: { name: 'shop' } });
    expect(code).toBe(0);
  });

  test.each(['Pending', 'Succeeded', 'Failed'] as const)('can be edited in phase %s', async (phase) => {
    await writeStatus('moving', { phase });
    for (const [field, edit] of edits) {
      expect({ field, ...(await patchSpec('moving', edit)) }).toMatchObject({ field, code: 0 });
    }
    await patchSpec('moving', {
      route: { apiVersion: 'traefik.io/v1alpha1', kind: 'IngressRoute', name: 'shop' },
      stable: { service: 'a' },
      canary: { service: 'b', nativeLB: false },
      promotion: { mode: 'Hold' },
    });
  });

  test('can be edited before there is a status', async () => {
    await create('fresh', 'route: {name: shop}\nstable: {service: a}\ncanary: {service: b}\nrevision: "1"');
    expect((await patchSpec('fresh', { route: { name: 'other' } })).code).toBe(0);
  });
});
