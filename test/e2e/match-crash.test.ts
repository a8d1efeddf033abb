/**
 * The controller is killed by SIGKILL before and after each write of a rollout with spec.canary.match, and of the deletion
 * of its Rollout. What is stored in the end must be what is stored without, and nobody who asks for the canary may notice.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type KubernetesObject, resources } from '../../src/api/kubernetes.ts';
import {
  type Act,
  killAtAct,
  openPlayers,
  type Outcome,
  type Part,
  type Player,
  startTheatre,
  type Story,
  type Theatre,
  untilAsCalm,
} from '../support/crash-stories.ts';
import { eventually } from '../support/eventually.ts';
import { type Load, startLoad } from '../support/load.ts';
import { apiPathOf, applyObject, deleteObject } from '../support/objects.ts';
import { openShop, type Shop } from '../support/shop.ts';
import { shopNamespace } from '../support/stage.ts';
import { readStates } from '../support/stored-state.ts';

let theatre: Theatre;
const open: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  theatre = await startTheatre({ controllerManager: false });
  await applyObject(theatre.stage.cluster, resources.middlewares, {
    metadata: { namespace: shopNamespace, name: 'mark' },
    spec: { headers: { customResponseHeaders: { 'x-mark': 'yes' } } },
  } as KubernetesObject);
});
afterAll(async () => {
  await Promise.all(open.splice(0).map((part) => part.stop()));
  await theatre?.stop();
});

function start(onDelete: 'Keep' | 'Restore'): Act {
  const perform = ({ name }: Shop): Promise<unknown> => {
    const match = [{ headers: { 'X-Canary': { exact: 'always' } } }];
    const spec = {
      route: { name },
      stable: { service: `${name}-stable`, port: 80 },
      canary: { service: `${name}-canary`, port: 80, match, middlewares: [{ name: 'mark' }] },
      steps: [{ weight: 20, duration: '0s' }, { pause: {} }, { weight: 100, duration: '0s' }],
      analysis: { mode: 'Disabled' },
      revision: 'r1',
      onDelete,
    };
    const object = { metadata: { namespace: shopNamespace, name }, spec };
    return applyObject(theatre.stage.cluster, resources.rollouts, object as KubernetesObject);
  };
  const rise = ['status StepStarted', 'route', 'status StepStarted', 'match POST', 'status PauseStep'];
  return { writes: ['status NewRevision', 'finalizer', ...rise], perform };
}

async function editRoute({ name }: Shop): Promise<void> {
  const path = `${apiPathOf(resources.ingressRoutes, { namespace: shopNamespace, name })}?fieldManager=helm`;
  const patch = [{ op: 'add', path: '/spec/routes/0/priority', value: 50 }];
  const { status } = await theatre.stage.cluster.api('PATCH', path, patch, 'application/json-patch+json');
  expect(status).toBe(200);
}

const remove = ({ name }: Shop): Promise<void> =>
  deleteObject(theatre.stage.cluster, resources.rollouts, { namespace: shopNamespace, name });

const starts = { Keep: start('Keep'), Restore: start('Restore') };
const edit: Act = { writes: ['match PATCH'], perform: editRoute };
const promote: Act = {
  writes: ['status Promoted', 'command', 'status StepStarted', 'route', 'status Holding', 'match DELETE'],
  perform: (shop) => shop.command('promote'),
};
const abort: Act = {
  writes: ['route', 'match DELETE', 'status Aborted', 'command', 'finalizer'],
  perform: (shop) => shop.command('abort'),
};
const undo: Act = { writes: ['route', 'match DELETE', 'status Deleted', 'finalizer'], perform: remove };
const keep: Act = { writes: ['finalizer'], perform: remove };
const restore: Act = { writes: ['route', 'status Deleted', 'finalizer'], perform: remove };

/** The Rollouts of these are deleted while there is no controller, after their last act was cut off. */
const deletedAtStart: Story = { acts: [starts.Keep], shops: 14, hasCalm: false };
const deletedAtPromote: Story = { acts: [starts.Keep, edit, promote], shops: 12, hasCalm: false };

const stories: readonly Story[] = [
  { acts: [starts.Keep, edit, promote, keep], shops: 12 },
  { acts: [starts.Restore, edit, promote, restore], shops: 6 },
  { acts: [starts.Keep, edit, abort], shops: 10 },
  { acts: [starts.Keep, edit, undo], shops: 8 },
  deletedAtStart,
  deletedAtPromote,
];

function asking({ name }: Shop): Load {
  const headers = { 'X-Canary': 'always' };
  const load = startLoad({ url: theatre.stage.traefik.webUrl, host: `${name}.test`, requestsPerSecond: 3, headers });
  open.push(load);
  return load;
}

/** Fate is what a deletion that comes while there is no controller has to lead to. */
type Fate = 'Kept' | 'Undone';

/** deleteSome deletes the Rollouts of the stories that end so: what was promoted by then is kept. */
async function deleteSome(parts: readonly Part[]): Promise<ReadonlyMap<Player, Fate>> {
  const fates = new Map<Player, Fate>();
  const isDeleted = ({ player: { story }, act }: Part): boolean =>
    [deletedAtStart, deletedAtPromote].includes(story) && act === story.acts.at(-1);
  await Promise.all(
    parts.filter(isDeleted).map(async ({ player }) => {
      fates.set(player, (await player.shop.status()).reason === 'Holding' ? 'Kept' : 'Undone');
      await remove(player.shop);
    }),
  );
  return fates;
}

/** untilAnswered waits until those who ask for the canary get it, or do not where the route has been put back. */
async function untilAnswered(outcomes: readonly Outcome[], loads: ReadonlyMap<Player, Load>): Promise<void> {
  const isAnswered = ({ part: { player }, expected }: Outcome): boolean => {
    const load = loads.get(player);
    const { total = 0, byVersion = {} } = load?.since(load.mark() - 1_500) ?? {};
    return total > 1 && byVersion[expected.route?.includes('NAME-canary') === true ? 'v2' : 'v1'] === total;
  };
  await eventually(() => outcomes.every(isAnswered), {
    timeoutMs: 30_000,
    describe: 'all requests to be answered by the version that the route says',
  });
}

test(
  'at each write of a rollout with a match route and of a deletion, the end is the same',
  { timeout: 300_000 },
  async () => {
    const { stage } = theatre;
    const first = await openShop(stage, { name: 'first', number: 1 });
    open.push(first);
    const players = await openPlayers(stories, (name) => openShop(stage, { name, number: 1, behind: first }));
    const loads = new Map(players.map((player) => [player, asking(player.shop)]));
    const before = (await readStates(stage.cluster))(players[0]?.shop.name ?? '');
    for (let index = 0; index < 4; index += 1) {
      const parts = await killAtAct(theatre, players, index);
      const fates = await deleteSome(parts);
      const outcomes = await untilAsCalm(theatre, parts, ({ player, act }, stateOf) => {
        const fate = fates.get(player);
        const like = parts.find(
          ({ player: { isCalm }, act: other }) => isCalm && other === (fate === 'Kept' ? act : undo),
        );
        if (fate === undefined) return undefined;
        return like === undefined ? before : { ...stateOf(like.player.shop.name), rollout: undefined };
      });
      await untilAnswered(outcomes, loads);
    }
    for (const load of loads.values()) {
      const { total, byStatus } = load.since(0);
      expect(byStatus).toEqual({ 200: total });
    }
  },
);
