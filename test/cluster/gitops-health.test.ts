/** What Argo CD and Flux make of a Rollout, by the health check of docs/gitops.md and by kstatus, in each phase. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readCrd } from '../../scripts/crd-schema.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import { toolPath } from '../support/build-tools.ts';
import { phases, promoted } from '../support/phases.ts';
import { rollout } from '../support/rollout-builders.ts';
import type { World } from '../support/world.ts';

const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
const page = read('docs/gitops.md');

/** health is the Lua of the page, as a person pastes it. */
const health = (() => {
  const blocks = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text = '']) => parse(text) as object);
  const config = blocks.find((block): block is { data: Record<string, string> } => 'data' in block);
  return config?.data['resource.customizations.health.sluice.dev_Rollout'] ?? '';
})();

interface Answer {
  readonly argo: { readonly status: string; readonly message: string };
  readonly flux: string;
  readonly error?: string;
}

/** settled returns what a world stores after something has happened to it. */
function settled(make: (() => World) | undefined, happen: (world: World) => unknown = () => undefined): Rollout {
  const world = make?.();
  if (world === undefined) throw new Error('no such phase');
  happen(world);
  world.settle();
  if (world.rollout === undefined) throw new Error('the Rollout is gone');
  return world.rollout;
}

/** states are the rows of the page. */
const states: Readonly<Record<string, () => Rollout>> = {
  'applied, not seen yet': () => rollout(),
  'edited, not seen yet': () => {
    const { metadata, ...rest } = settled(promoted);
    return { ...rest, metadata: { ...metadata, generation: 2 } };
  },
  'waits for canary pods': () => settled(phases['Pending']),
  'waits for canary pods for too long': () => settled(phases['Pending'], (world) => world.run(3_600_000)),
  'waits for its window': () => settled(phases['Pending, window closed']),
  'the route does not exist': () => settled(phases['Pending'], (world) => world.deleteRoute()),
  'in a step': () => settled(phases['Progressing']),
  'in a pause': () => settled(phases['Paused, at a pause']),
  'held by a person': () => settled(phases['Paused, held']),
  'promoted, in a Hold': () => settled(phases['Succeeded, holding']),
  'traffic returns to stable': () => settled(phases['Promoting']),
  'promoted, traffic is back': () => settled(phases['Succeeded, returned']),
  'a rollback waits for stable': () => settled(phases['RollingBack, waiting']),
  'a rollback that the API server refuses': () => {
    const world = phases['Progressing']?.();
    Object.assign(world ?? {}, { isRouteForbidden: true, verdict: 'Fail' });
    world?.step();
    return world?.rollout ?? rollout();
  },
  'rolled back': () => settled(phases['Failed']),
  'the route was deleted mid-rollout': () => settled(phases['Progressing'], (world) => world.deleteRoute()),
  'an unproven canary has everything': () =>
    settled(phases['Succeeded, holding'], (world) => world.release('canary', 4)),
};

const found = new Map<string, { readonly rollout: Rollout; readonly answer: Answer }>();

beforeAll(async () => {
  const rollouts = Object.entries(states).map(([name, make]) => ({ name, rollout: make() }));
  const judge = promisify(execFile)(await toolPath('gitops-judge'), { maxBuffer: 1e8 });
  judge.child.stdin?.end(rollouts.map(({ rollout: object }) => JSON.stringify({ health, object })).join('\n'));
  const answers = (await judge).stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer);
  for (const [index, { name, rollout: object }] of rollouts.entries()) {
    const answer = answers[index];
    if (answer !== undefined) found.set(name, { rollout: object, answer });
  }
});

function rowOf(name: string): string {
  const { rollout: object, answer } = found.get(name) ?? {};
  expect(answer?.error).toBeUndefined();
  const { phase, reason } = object?.status ?? {};
  const shown = phase === undefined ? '' : `\`${phase}\`, \`${reason}\``;
  return `| ${name} | ${shown} | ${answer?.argo.status} | ${answer?.flux} |`;
}

describe('docs/gitops.md', () => {
  test.each(Object.keys(states))('has what both make of a Rollout that is %s', (name) => {
    expect(page).toContain(rowOf(name));
  });

  test('has a row for each phase', () => {
    const status = readCrd(read('crds/rollouts.yaml')).schema.properties?.['status'];
    const seen = new Set([...found.values()].map(({ rollout: object }) => object.status?.phase));
    expect(status?.properties?.['phase']?.enum?.filter((phase) => !seen.has(phase as never))).toEqual([]);
  });

  test('shows the message of the status to whoever looks at Argo CD', () => {
    const { rollout: object, answer } = found.get('rolled back') ?? {};
    expect(answer?.argo.message).toBe(object?.status?.message);
    expect(found.get('edited, not seen yet')?.answer.argo.message).toBe('The controller has not seen this yet.');
  });
});
