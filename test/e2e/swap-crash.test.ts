/**
 * The controller is killed by SIGKILL before and after each write of a Swap, and of the deletion that gives the traffic back.
 * What is stored in the end must be what is stored without, and no client may notice.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type KubernetesObject, resources } from '../../src/api/kubernetes.ts';
import {
  type Act,
  killAtAct,
  openPlayers,
  startTheatre,
  type Story,
  type Theatre,
  untilAsCalm,
} from '../support/crash-stories.ts';
import { eventually } from '../support/eventually.ts';
import type { Load } from '../support/load.ts';
import { applyObject, deleteObject, putDeployment, setDeploymentStatus } from '../support/objects.ts';
import { openShop, type Shop } from '../support/shop.ts';
import { shopNamespace } from '../support/stage.ts';

let theatre: Theatre;
const open: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  theatre = await startTheatre({ controllerManager: false });
});
afterAll(async () => {
  await Promise.all(open.splice(0).map((part) => part.stop()));
  await theatre?.stop();
});

const idOf = ({ name }: Pick<Shop, 'name'>) => ({ namespace: shopNamespace, name });

async function applyRollout({ name }: Shop): Promise<unknown> {
  const member = (arm: string) => ({
    service: `${name}-${arm}`,
    port: 80,
    workload: { kind: 'Deployment', name: `${name}-${arm}` },
  });
  const spec = {
    route: { name },
    stable: member('stable'),
    canary: member('canary'),
    steps: [20, 100].map((weight) => ({ weight, duration: '0s' })),
    analysis: { mode: 'Disabled' },
    promotion: { mode: 'Swap' },
    onDelete: 'Restore',
    revision: 'r1',
  };
  return applyObject(theatre.stage.cluster, resources.rollouts, { metadata: idOf({ name }), spec } as KubernetesObject);
}

const rise = ['status StepStarted', 'route', 'status StepStarted'];
/** The finalizer stays: a deletion has to give the traffic back. */
const release: Act = {
  writes: [
    'status NewRevision',
    'finalizer',
    ...rise,
    'status StepStarted',
    'route',
    'status Swapped',
    'route',
    'status Swapped',
  ],
  perform: applyRollout,
};
const giveBack: Act = {
  writes: ['status Deleted', 'route', 'status Deleted', 'finalizer'],
  perform: (shop) => deleteObject(theatre.stage.cluster, resources.rollouts, idOf(shop)),
};

const story: Story = { acts: [release, giveBack], shops: 2 * release.writes.length };

/** openPair opens a shop whose workloads run two releases. */
async function openPair(name: string, behind: Shop): Promise<Shop> {
  const { cluster } = theatre.stage;
  for (const [arm, revision] of [
    ['stable', '1'],
    ['canary', '2'],
  ] as const) {
    const id = { namespace: shopNamespace, name: `${name}-${arm}` };
    await putDeployment(cluster, { ...id, image: `app:${revision}` });
    const counts = { replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 };
    await setDeploymentStatus(cluster, { ...id, revision }, counts);
  }
  return openShop(theatre.stage, { name, number: 1, behind });
}

async function untilAnswered(loads: readonly Load[], version: string): Promise<void> {
  const isAnswered = (load: Load): boolean => {
    const { total, byVersion } = load.since(load.mark() - 1_500);
    return total > 1 && byVersion[version] === total;
  };
  const describe = `all requests to be answered by ${version}`;
  await eventually(() => loads.every(isAnswered), { timeoutMs: 30_000, describe });
}

test(
  'at each write of a Swap and of what gives the traffic back, the end is the same',
  { timeout: 300_000 },
  async () => {
    const first = await openShop(theatre.stage, { name: 'first', number: 1 });
    open.push(first);
    const players = await openPlayers([story], (name) => openPair(name, first));
    const loads = players.map(({ shop }) => shop.load(3));
    open.push(...loads);
    for (const [index, version] of ['v2', 'v1'].entries()) {
      const outcomes = await untilAsCalm(theatre, await killAtAct(theatre, players, index));
      await untilAnswered(loads, version);
      const listed = outcomes[0]?.found.route?.match(/NAME-(stable|canary)/g);
      expect(listed).toEqual([version === 'v1' ? 'NAME-stable' : 'NAME-canary']);
    }
    for (const load of loads) {
      const { total, byStatus } = load.since(0);
      expect(byStatus).toEqual({ 200: total });
    }
  },
);
