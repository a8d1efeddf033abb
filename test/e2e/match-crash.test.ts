/**
 * The controller is killed by SIGKILL before and after each write of a rollout with spec.canary.match, and of the deletion
 * of its Rollout. What is stored in the end must be what is stored without, and nobody who asks for the canary may notice.
 *
 * Of each shop the writes are cut off at one of them, while those of the others go on. The controller is killed when all
 * shops are there. So one kill is one for each write.
 */
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type KubernetesObject, resources } from '../../src/api/kubernetes.ts';
import { eventually } from '../support/eventually.ts';
import { type Cut, type CutPoint, type Gate, type Passage, startGate } from '../support/gate.ts';
import { type Load, startLoad } from '../support/load.ts';
import { apiPathOf, applyObject, deleteObject } from '../support/objects.ts';
import { openShop, type Shop } from '../support/shop.ts';
import { type Controller, shopNamespace, type Stage, startStage } from '../support/stage.ts';
import { readStates, type StoredState } from '../support/stored-state.ts';

/** writesOf are the writes of each act, in order. */
const writesOf = {
  start: [
    'status NewRevision',
    'finalizer',
    'status StepStarted',
    'route',
    'status StepStarted',
    'match POST',
    'status PauseStep',
  ],
  edit: ['match PATCH'],
  promote: ['status Promoted', 'command', 'status StepStarted', 'route', 'status Holding', 'match DELETE'],
  abort: ['route', 'match DELETE', 'status Aborted', 'command', 'finalizer'],
  undo: ['route', 'match DELETE', 'status Deleted', 'finalizer'],
  keep: ['finalizer'],
  restore: ['route', 'status Deleted', 'finalizer'],
} as const satisfies Record<string, readonly string[]>;
type Act = keyof typeof writesOf;

/** Story is what happens to as many shops as it takes to be killed at each write of its last two acts. */
interface Story {
  readonly acts: readonly Act[];
  readonly onDelete: 'Keep' | 'Restore';
  readonly shops: number;
  /** isDeleted: while there is no controller, after the last act was cut off, the Rollout is deleted. */
  readonly isDeleted?: true;
}

const stories: readonly Story[] = [
  { acts: ['start', 'edit', 'promote', 'keep'], onDelete: 'Keep', shops: 12 },
  { acts: ['start', 'edit', 'promote', 'restore'], onDelete: 'Restore', shops: 6 },
  { acts: ['start', 'edit', 'abort'], onDelete: 'Keep', shops: 10 },
  { acts: ['start', 'edit', 'undo'], onDelete: 'Keep', shops: 8 },
  { acts: ['start'], onDelete: 'Keep', shops: 14, isDeleted: true },
  { acts: ['start', 'edit', 'promote'], onDelete: 'Keep', shops: 12, isDeleted: true },
];

/** Player is one shop of a story; the calm one is never cut off, and shows how it has to be. */
interface Player {
  readonly shop: Shop;
  readonly story: Story;
  readonly isCalm: boolean;
  /** number is which of the writes is the last one: a multiple of them, two for each. */
  readonly number: number;
  /** load are those who ask for the canary. */
  readonly load: Load;
}

let stage: Stage;
let gate: Gate;
let kubeconfig: string;
let controller: Controller;
const open: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  stage = await startStage({ controllerManager: false });
  gate = await startGate(stage.cluster);
  kubeconfig = await gate.kubeconfig(await stage.cluster.serviceAccountToken('sluice-system', 'sluice'));
  controller = await stage.startController({ kubeconfig });
  await applyObject(stage.cluster, resources.middlewares, {
    metadata: { namespace: shopNamespace, name: 'mark' },
    spec: { headers: { customResponseHeaders: { 'x-mark': 'yes' } } },
  } as KubernetesObject);
});
afterAll(async () => {
  await Promise.all(open.splice(0).map((part) => part.stop()));
  await gate?.stop();
  await stage?.stop();
});

/** openPlayers opens a calm shop for each story that has an end of its own, and those that are killed. */
async function openPlayers(): Promise<readonly Player[]> {
  const roles = stories.flatMap((story) => [
    ...(story.isDeleted === true ? [] : [{ story, isCalm: true }]),
    ...Array.from({ length: story.shops }, () => ({ story, isCalm: false })),
  ]);
  // Names of one length: Traefik's default priority is the length of a rule.
  const nameOf = (index: number): string => `shop-${10 + index}`;
  const first = await openShop(stage, { name: nameOf(0), number: 1 });
  const others = roles
    .slice(1)
    .map((_, index) => openShop(stage, { name: nameOf(index + 1), number: 1, behind: first }));
  const shops = [first, ...(await Promise.all(others))];
  open.push(...shops);
  return roles.flatMap((role, number) => {
    const shop = shops[number];
    return shop === undefined ? [] : [{ ...role, shop, number, load: asking(shop) }];
  });
}

function asking({ name }: Shop): Load {
  const headers = { 'X-Canary': 'always' };
  const load = startLoad({ url: stage.traefik.webUrl, host: `${name}.test`, requestsPerSecond: 3, headers });
  open.push(load);
  return load;
}

/** nameOf says what a write changes. */
function nameOf({ method, path, body }: Passage): string {
  if (path.includes('/status')) return `status ${(JSON.parse(body) as { status: { reason: string } }).status.reason}`;
  if (path.includes('/rollouts/')) return body.includes('/metadata/finalizers') ? 'finalizer' : 'command';
  return method === 'POST' || path.includes('-canary-match') ? `match ${method}` : 'route';
}

function isOf({ name }: Shop): (passage: Passage) => boolean {
  const address = new RegExp(`/(rollouts|ingressroutes)/${name}(-canary-match)?(/|\\?|$)`);
  return ({ method, path, body }) =>
    address.test(path) || (method === 'POST' && body.includes(`"name":"${name}-canary-match"`));
}

/** cutOff cuts a shop off at one write of an act. */
function cutOff({ shop, isCalm, number }: Player, act: Act): { readonly cut: Cut; readonly where: string } {
  const names: readonly string[] = writesOf[act];
  if (isCalm) return { cut: gate.cutAt(isOf(shop)), where: `${act}: nowhere` };
  const index = Math.floor(number / 2) % names.length;
  const name = names[index] ?? '';
  const countIn = (list: readonly string[]): number => list.filter((each) => each === name).length;
  const side = number % 2 === 0 ? 'Before' : 'After';
  const last: CutPoint['last'] = (passage) =>
    nameOf(passage) === name && countIn(cut.made.map(nameOf)) === countIn(names.slice(0, index));
  const cut: Cut = gate.cutAt(isOf(shop), { last, side });
  return { cut, where: `${act}: ${side} ${index + 1} ${name}` };
}

async function perform({ shop, story: { onDelete } }: Player, act: Act): Promise<unknown> {
  const named = { namespace: shopNamespace, name: shop.name };
  if (act === 'promote' || act === 'abort') return shop.command(act);
  if (act === 'edit') {
    const path = `${apiPathOf(resources.ingressRoutes, named)}?fieldManager=helm`;
    const patch = [{ op: 'add', path: '/spec/routes/0/priority', value: 50 }];
    return stage.cluster.api('PATCH', path, patch, 'application/json-patch+json');
  }
  if (act !== 'start') return deleteObject(stage.cluster, resources.rollouts, named);
  const match = [{ headers: { 'X-Canary': { exact: 'always' } } }];
  const spec = {
    route: { name: shop.name },
    stable: { service: `${shop.name}-stable`, port: 80 },
    canary: { service: `${shop.name}-canary`, port: 80, match, middlewares: [{ name: 'mark' }] },
    steps: [{ weight: 20, duration: '0s' }, { pause: {} }, { weight: 100, duration: '0s' }],
    analysis: { mode: 'Disabled' },
    revision: 'r1',
    onDelete,
  };
  return applyObject(stage.cluster, resources.rollouts, { metadata: named, spec } as KubernetesObject);
}

/** Part is what one player has in one act. */
interface Part {
  readonly player: Player;
  readonly act: Act;
  readonly cut: Cut;
  readonly where: string;
}

/** cutEverywhere performs one act of each story, and kills the controller when all have come to where they are cut off. */
async function cutEverywhere(players: readonly Player[], index: number): Promise<readonly Part[]> {
  const round = players.flatMap((player) => {
    const act = player.story.acts[index];
    return act === undefined ? [] : [{ player, act, ...cutOff(player, act) }];
  });
  await Promise.all(round.map(({ player, act }) => perform(player, act)));
  const isThere = ({ player, act, cut }: Part): boolean =>
    player.isCalm ? cut.made.length >= writesOf[act].length : cut.isReached;
  await eventually(
    () => {
      const late = round.filter((each) => !isThere(each));
      if (late.length > 0)
        throw new Error(late.map(({ where, cut }) => `${where} (${cut.made.map(nameOf).join()})`).join('; '));
      return true;
    },
    { timeoutMs: 60_000, describe: 'all shops to be cut off' },
  );
  await controller.kill();
  for (const { player, cut } of round) if (!player.isCalm) cut.lift();
  return round;
}

/** Fate is what a deletion that comes while there is no controller has to lead to. */
type Fate = 'Kept' | 'Undone';

/** deleteSome deletes the Rollouts of the stories that end so: what was promoted by then is kept. */
async function deleteSome(round: readonly Part[], index: number): Promise<ReadonlyMap<Player, Fate>> {
  const fates = new Map<Player, Fate>();
  const isLast = ({ player: { story } }: Part): boolean => story.isDeleted === true && story.acts.length === index + 1;
  await Promise.all(
    round.filter(isLast).map(async ({ player }) => {
      fates.set(player, (await player.shop.status()).reason === 'Holding' ? 'Kept' : 'Undone');
      await perform(player, 'undo');
    }),
  );
  return fates;
}

/** Outcome is what is stored of a shop, and what it has to be. */
interface Outcome {
  readonly part: Part;
  readonly found: StoredState;
  readonly expected: StoredState;
}

/** readOutcomes compares each shop with the calm one to which the same has happened; `before` is how all of them began. */
async function readOutcomes(
  round: readonly Part[],
  fates: ReadonlyMap<Player, Fate>,
  before: StoredState,
): Promise<readonly Outcome[]> {
  const stateOf = await readStates(stage.cluster);
  const calm = (act: Act, onDelete: Story['onDelete']): StoredState => {
    const found = round.find(
      ({ player, act: other }) => player.isCalm && other === act && player.story.onDelete === onDelete,
    );
    return stateOf(found?.player.shop.name ?? '');
  };
  return round.map((part) => {
    const { player, act } = part;
    const usual = calm(act, player.story.onDelete);
    const undone = act === 'start' ? before : calm('undo', 'Keep');
    const fate = fates.get(player);
    const expected = { Kept: { ...usual, rollout: undefined }, Undone: undone, None: usual }[fate ?? 'None'];
    return { part, found: stateOf(player.shop.name), expected };
  });
}

/** untilSame waits until all shops are as they have to be. */
async function untilSame(read: () => Promise<readonly Outcome[]>): Promise<readonly Outcome[]> {
  let outcomes: readonly Outcome[] = [];
  const others = (): readonly Outcome[] =>
    outcomes.filter(({ found, expected }) => !isDeepStrictEqual(found, expected));
  const options = { timeoutMs: 60_000, intervalMs: 500, describe: 'all shops to be as without a kill' };
  await eventually(async () => {
    outcomes = await read();
    return others().length === 0;
  }, options).catch(() => undefined);
  const where = ({ part }: Outcome): string => part.where;
  expect(others().map((each) => ({ where: where(each), ...each.found }))).toEqual(
    others().map((each) => ({ where: where(each), ...each.expected })),
  );
  return outcomes;
}

/** untilAnswered waits until those who ask for the canary get it, or do not where the route has been put back. */
async function untilAnswered(outcomes: readonly Outcome[]): Promise<void> {
  const isAnswered = ({ part: { player }, expected }: Outcome): boolean => {
    const { total, byVersion } = player.load.since(player.load.mark() - 1_500);
    return total > 1 && byVersion[expected.route?.includes('NAME-canary') === true ? 'v2' : 'v1'] === total;
  };
  await eventually(() => outcomes.every(isAnswered), {
    timeoutMs: 30_000,
    describe: 'all requests to be answered by one version',
  });
}

test(
  'at each write of a rollout with a match route and of a deletion, the end is the same',
  { timeout: 240_000 },
  async () => {
    const players = await openPlayers();
    const before = (await readStates(stage.cluster))(players[0]?.shop.name ?? '');
    for (let index = 0; index < 4; index += 1) {
      const round = await cutEverywhere(players, index);
      const fates = await deleteSome(round, index);
      controller = await stage.startController({ kubeconfig });
      const outcomes = await untilSame(() => readOutcomes(round, fates, before));
      for (const { player, act, cut } of round) {
        // Neither did the controller write anything again when it was started.
        if (player.isCalm) expect(cut.made.map(nameOf), act).toEqual(writesOf[act]);
        cut.lift();
      }
      await untilAnswered(outcomes);
    }
    for (const { load } of players) {
      const { total, byStatus } = load.since(0);
      expect(byStatus).toEqual({ 200: total });
    }
  },
);
