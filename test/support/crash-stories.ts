/**
 * Rollouts that are killed at each of their writes, all side by side: of each shop the writes are cut off at one of them,
 * while those of the others go on. The controller is killed by SIGKILL when all shops are there, so that one kill is one
 * for each write. What is stored in the end has to be what is stored of a calm shop, to which the same has happened.
 */
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import { eventually } from './eventually.ts';
import { type Cut, type CutPoint, type Gate, type Passage, startGate } from './gate.ts';
import type { Shop } from './shop.ts';
import { type Controller, type Stage, type StageOptions, startStage } from './stage.ts';
import { readStates, type StoredState } from './stored-state.ts';

/** Act is what a person does, and the writes of the controller that follow, in order, as `nameOf` names them. */
export interface Act {
  readonly writes: readonly string[];
  readonly perform: (shop: Shop) => Promise<unknown>;
}

/** Story is what happens to as many shops, one act after the other; two shops for each write of an act are enough. */
export interface Story {
  readonly acts: readonly Act[];
  readonly shops: number;
  /** hasCalm: false where another story begins in the same way, and shows how it has to be. */
  readonly hasCalm?: false;
}

/** Player is one shop of a story; the calm one is never cut off. */
export interface Player {
  readonly shop: Shop;
  readonly story: Story;
  readonly isCalm: boolean;
  /** number is which of the writes is the last one: two for each, before and after it, and then from the first again. */
  readonly number: number;
}

/** Part is what one player has in one act; `where` says where it is cut off. */
export interface Part {
  readonly player: Player;
  readonly act: Act;
  readonly cut: Cut;
  readonly where: string;
}

/** Outcome is what is stored of a shop, and what it has to be. */
export interface Outcome {
  readonly part: Part;
  readonly found: StoredState;
  readonly expected: StoredState;
}

/** Theatre is a stage with a controller behind a gate. */
export interface Theatre {
  readonly stage: Stage;
  readonly gate: Gate;
  /** restart starts a controller, which was killed. */
  restart(): Promise<void>;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** startTheatre starts all of it. */
export async function startTheatre(options: StageOptions): Promise<Theatre> {
  const stage = await startStage(options);
  const gate = await startGate(stage.cluster);
  const kubeconfig = await gate.kubeconfig(await stage.cluster.serviceAccountToken('sluice-system', 'sluice'));
  let controller: Controller | undefined;
  const restart = async (): Promise<void> => {
    controller = await stage.startController({ kubeconfig });
  };
  await restart();
  return {
    stage,
    gate,
    restart,
    kill: async () => controller?.kill(),
    stop: async () => {
      await gate.stop();
      await stage.stop();
    },
  };
}

/** openPlayers opens the shops of all stories by `open`, which gets names of one length: the same then happens to all. */
export async function openPlayers(
  stories: readonly Story[],
  open: (name: string) => Promise<Shop>,
): Promise<readonly Player[]> {
  const roles = stories.flatMap((story) => [
    ...(story.hasCalm === false ? [] : [{ story, isCalm: true }]),
    ...Array.from({ length: story.shops }, () => ({ story, isCalm: false })),
  ]);
  return Promise.all(roles.map(async (role, number) => ({ ...role, number, shop: await open(`shop-${10 + number}`) })));
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
function cutOff(gate: Gate, { shop, isCalm, number }: Player, { writes }: Act): Pick<Part, 'cut' | 'where'> {
  if (isCalm) return { cut: gate.cutAt(isOf(shop)), where: 'nowhere' };
  const index = Math.floor(number / 2) % writes.length;
  const name = writes[index] ?? '';
  const countIn = (list: readonly string[]): number => list.filter((each) => each === name).length;
  const side = number % 2 === 0 ? 'Before' : 'After';
  const last: CutPoint['last'] = (passage) =>
    nameOf(passage) === name && countIn(cut.made.map(nameOf)) === countIn(writes.slice(0, index));
  const cut: Cut = gate.cutAt(isOf(shop), { last, side });
  return { cut, where: `${side} ${name} (${index + 1} of ${writes.join(', ')})` };
}

/** killAtAct performs one act of each story, and kills the controller when all have come to where they are cut off. */
export async function killAtAct(theatre: Theatre, players: readonly Player[], index: number): Promise<readonly Part[]> {
  const parts = players.flatMap((player) => {
    const act = player.story.acts[index];
    return act === undefined ? [] : [{ player, act, ...cutOff(theatre.gate, player, act) }];
  });
  await Promise.all(parts.map(({ player, act }) => act.perform(player.shop)));
  const isThere = ({ player, act, cut }: Part): boolean =>
    player.isCalm ? cut.made.length >= act.writes.length : cut.isReached;
  const describe = 'all shops to be cut off';
  await eventually(
    () => {
      const late = parts.filter((each) => !isThere(each));
      const told = late.map(
        ({ player, where, cut }) => `${player.shop.name}, ${where}: ${cut.made.map(nameOf).join()}`,
      );
      if (late.length > 0) throw new Error(told.join('; '));
      return true;
    },
    { timeoutMs: 90_000, describe },
  );
  await theatre.kill();
  for (const { player, cut } of parts) if (!player.isCalm) cut.lift();
  return parts;
}

/** Exception says what a shop has to be that is not to be as the calm one; undefined where it is. */
type Exception = (part: Part, stateOf: (name: string) => StoredState) => StoredState | undefined;

/** untilAsCalm starts the controller again, and waits until all shops are as the calm ones, which it must not have touched. */
export async function untilAsCalm(
  theatre: Theatre,
  parts: readonly Part[],
  except: Exception = () => undefined,
): Promise<readonly Outcome[]> {
  await theatre.restart();
  let outcomes: readonly Outcome[] = [];
  const others = (): readonly Outcome[] =>
    outcomes.filter(({ found, expected }) => !isDeepStrictEqual(found, expected));
  const isSame = async (): Promise<boolean> => {
    const stateOf = await readStates(theatre.stage.cluster);
    outcomes = parts.map((part) => ({
      part,
      found: stateOf(part.player.shop.name),
      expected: except(part, stateOf) ?? stateOf(calmOf(parts, part)),
    }));
    return others().length === 0;
  };
  // What differs in the end says more than that somebody has waited for it.
  await eventually(isSame, { timeoutMs: 60_000, intervalMs: 500 }).catch(() => undefined);
  expect(others().map(({ part, found }) => ({ where: part.where, ...found }))).toEqual(
    others().map(({ part, expected }) => ({ where: part.where, ...expected })),
  );
  for (const { player, act, cut } of parts) {
    if (player.isCalm) expect(cut.made.map(nameOf)).toEqual(act.writes);
    cut.lift();
  }
  return outcomes;
}

/** calmOf is the calm shop to which the same has happened until now. */
function calmOf(parts: readonly Part[], { player: { story }, act }: Part): string {
  const past = ({ acts }: Story): readonly Act[] => acts.slice(0, acts.indexOf(act) + 1);
  const isLike = ({ player: { isCalm, story: other } }: Part): boolean =>
    isCalm && past(other).length > 0 && past(story).every((each, index) => each === past(other)[index]);
  return parts.find(isLike)?.player.shop.name ?? '';
}
