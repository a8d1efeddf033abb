import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../src/analysis/verdict.ts';
import type { RolloutStatus } from '../../src/api/rollout-status.ts';
import type { Route } from '../../src/api/traefik.ts';
import { isStuck } from '../../src/rollout/copy.ts';
import { decide } from '../../src/rollout/decide.ts';
import type { ReplicaFinding } from '../../src/rollout/observation.ts';
import { hasUnprovenRevision } from '../../src/rollout/promoted.ts';
import { isAtRest, isHolding, statusSchema } from '../../src/rollout/status.ts';
import type { PlannedStep } from '../../src/rollout/steps.ts';
import { roleOf } from '../../src/traffic/split.ts';
import { rolloutSpec, shopPair, shopRoutes, type WrittenSpec } from '../support/rollout-builders.ts';
import { World, type Stepped } from '../support/world.ts';

type Kind = Verdict['kind'];

/** Event is something that happens to a world between two reconciles. */
type Event =
  | { readonly type: 'Advance'; readonly ms: number }
  | { readonly type: 'Verdict'; readonly kind: World['verdict'] }
  | { readonly type: 'Endpoints'; readonly arm: 'stable' | 'canary'; readonly count: number }
  | { readonly type: 'Command'; readonly verb: string }
  | {
      readonly type: 'Release';
      readonly arm: 'stable' | 'canary';
      readonly number: number;
      readonly settled: boolean;
      /** image is the number of its image: that of an older release where somebody goes back, or only restarts. */
      readonly image: number;
    }
  | { readonly type: 'Steps'; readonly weights: readonly number[] }
  | { readonly type: 'Paused'; readonly paused: boolean }
  | { readonly type: 'Freeze' | 'Thaw'; readonly minutes: number }
  | { readonly type: 'OnFailure'; readonly onFailure: 'Pause' | 'Rollback' }
  | { readonly type: 'Drift'; readonly manager: string; readonly percent: number }
  | { readonly type: 'Replicas'; readonly kinds: readonly ReplicaFinding['kind'][] | undefined }
  | { readonly type: 'Conflict' }
  | { readonly type: 'AddRule' }
  | { readonly type: 'DropRule' }
  | { readonly type: 'MatchRoute'; readonly change: 'Deleted' | 'Edited' }
  | { readonly type: 'Middleware'; readonly isThere: boolean }
  | { readonly type: 'Forbid'; readonly isForbidden: boolean }
  | { readonly type: 'ForbidCopy'; readonly isForbidden: boolean }
  | { readonly type: 'Manage'; readonly applier: string | undefined }
  | { readonly type: 'Reading'; readonly reading: World['copyReading'] }
  | { readonly type: 'RollOut' }
  | { readonly type: 'LoseStatus' }
  | { readonly type: 'NewerSchema' }
  | { readonly type: 'DeleteRoute' }
  | { readonly type: 'RecreateRoute' }
  | { readonly type: 'Delete' };

const advance = fc
  .constantFrom(300, 3_000, 6_000, 70_000, 400_000, 900_000)
  .map((ms) => ({ type: 'Advance', ms }) as const);
const verdict = fc
  .constantFrom<World['verdict']>('Pass', 'Pass', 'Inconclusive', 'Silence', 'NoData', 'Fail')
  .map((kind) => ({ type: 'Verdict', kind }) as const);
const endpoints = fc.record({
  type: fc.constant('Endpoints' as const),
  arm: fc.constantFrom('stable' as const, 'canary' as const),
  count: fc.constantFrom(0, 1, 2, 2, 5),
});
const command = fc
  .constantFrom('promote', 'promote', 'promote-full', 'abort', 'retry', 'pause', 'resume', 'resume', 'fly')
  .map((verb) => ({ type: 'Command', verb }) as const);
const release = fc
  .record({
    arm: fc.constantFrom('stable' as const, 'canary' as const),
    number: fc.integer({ min: 1, max: 4 }),
    settled: fc.boolean(),
    back: fc.constantFrom(0, 0, 1),
  })
  .map(({ back, ...one }) => ({ type: 'Release', ...one, image: Math.max(1, one.number - back) }) as const);
const edit = fc.oneof(
  fc
    .uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 4 })
    .map((weights) => ({ type: 'Steps', weights: weights.toSorted((a, b) => a - b) }) as const),
  fc.boolean().map((paused) => ({ type: 'Paused', paused }) as const),
  fc.constantFrom(0, 1, 30).map((minutes) => ({ type: 'Freeze', minutes }) as const),
  fc.constant({ type: 'Thaw', minutes: 0 } as const),
  fc.constantFrom('Pause', 'Rollback').map((onFailure) => ({ type: 'OnFailure', onFailure }) as const),
);
const replicas = fc
  .option(
    fc.array(
      fc.constantFrom('InEffect', 'InEffect', 'InEffect', 'NotYet', 'Missing', 'Invalid', 'Unreachable', 'Unasked'),
      { maxLength: 3 },
    ),
    { nil: undefined },
  )
  .map((kinds) => ({ type: 'Replicas', kinds }) as const);
const conflict = fc.constant({ type: 'Conflict' } as const);
/** own are the events in which nobody else writes the route and nothing is lost. */
const own: readonly fc.WeightedArbitrary<Event>[] = [
  { weight: 8, arbitrary: advance },
  { weight: 2, arbitrary: verdict },
  { weight: 2, arbitrary: endpoints },
  { weight: 2, arbitrary: command },
  { weight: 2, arbitrary: release },
  { weight: 1, arbitrary: edit },
  { weight: 1, arbitrary: replicas },
  { weight: 1, arbitrary: fc.constant({ type: 'RollOut' } as const) },
];
const ownEvents = fc.array(fc.oneof(...own), { minLength: 1, maxLength: 30 });
const addRule = fc.constant({ type: 'AddRule' } as const);
const ownAndNewRules = fc.array(fc.oneof(...own, { weight: 1, arbitrary: addRule }), { minLength: 1, maxLength: 30 });
const dropRule = fc.constant({ type: 'DropRule' } as const);
const ownAndNoRules = fc.array(fc.oneof(...own, { weight: 1, arbitrary: dropRule }), { minLength: 1, maxLength: 30 });
const anyEvents = fc.array(
  fc.oneof(
    ...own,
    { weight: 1, arbitrary: conflict },
    { weight: 1, arbitrary: addRule },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('Drift' as const),
        manager: fc.constantFrom('kubectl-edit', 'argocd-controller'),
        percent: fc.integer({ min: 0, max: 100 }),
      }),
    },
    { weight: 1, arbitrary: fc.boolean().map((isForbidden) => ({ type: 'Forbid', isForbidden }) as const) },
    { weight: 1, arbitrary: fc.boolean().map((isForbidden) => ({ type: 'ForbidCopy', isForbidden }) as const) },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom(undefined, 'argocd-controller')
        .map((applier) => ({ type: 'Manage', applier }) as const),
    },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom<World['copyReading']>('Read', 'Read', 'Unread', 'Refused')
        .map((reading) => ({ type: 'Reading', reading }) as const),
    },
    { weight: 1, arbitrary: fc.boolean().map((isThere) => ({ type: 'Middleware', isThere }) as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('Deleted', 'Edited').map((change) => ({ type: 'MatchRoute', change }) as const),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Event>(
        { type: 'LoseStatus' },
        { type: 'NewerSchema' },
        { type: 'DeleteRoute' },
        { type: 'RecreateRoute' },
        { type: 'Delete' },
      ),
    },
  ),
  { minLength: 1, maxLength: 30 },
);

const listingCanary: readonly Route[] = [
  {
    match: 'Host(`shop.example`)',
    services: [
      { name: 'shop-canary', port: 80, weight: 0 },
      { name: 'shop-stable', port: 'http', weight: 3 },
    ],
  },
  { match: 'Host(`other.example`)', services: [{ name: 'other', port: 80 }] },
];
const shopRule = 'Host(`shop.example`)';
const addedRule: Route = { match: 'Host(`added.example`)', services: [{ name: 'shop-stable', port: 80 }] };

/** Beginning is the route of the user, and how long the rollout has run undisturbed when the first event happens. */
interface Beginning {
  readonly routes: readonly Route[];
  readonly ranMs: number;
  readonly mode: 'Hold' | 'Copy' | 'Swap';
  /** isMatched: some requests always reach the canary. */
  readonly isMatched: boolean;
}

/** beginnings are before the start, in the first, second and last step, in the Hold or swapped, and on the way back to stable. */
const beginnings: fc.Arbitrary<Beginning> = fc.record({
  routes: fc.constantFrom(shopRoutes, listingCanary),
  ranMs: fc.constantFrom(0, 10_000, 100_000, 180_000, 400_000, 450_000),
  mode: fc.constantFrom('Hold', 'Copy', 'Swap'),
  isMatched: fc.boolean(),
});
const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];

const matching = {
  ...rolloutSpec().canary,
  match: [{ headers: { 'X-Canary': { exact: 'always' } } }],
  middlewares: [{ name: 'mark' }],
};

function begin({ routes, ranMs, mode, isMatched }: Beginning, spec: WrittenSpec = {}): World {
  const canary = isMatched ? { canary: matching } : {};
  const world = new World({ routes, spec: { steps, promotion: { mode }, ...canary, ...spec } });
  world.middlewares = ['mark'];
  if (ranMs > 0) world.run(Math.min(ranMs, 400_000));
  if (ranMs > 400_000) {
    if (mode === 'Copy') world.rollOutStable();
    else world.release('stable', 2);
    world.settle();
  }
  return world;
}

/** RUNS=5000 searches longer than a check has time for, with SLUICE_SEED=$RANDOM among other cases. */
const runs = { numRuns: Number(process.env['RUNS'] ?? 120) };

type Happenings = { readonly [T in Event['type']]: (world: World, event: Event & { readonly type: T }) => void };

const happenings: Happenings = {
  Advance: (world, { ms }) => world.advance(ms),
  Verdict: (world, { kind }) => {
    world.verdict = kind;
  },
  Endpoints: (world, { arm, count }) => {
    world.endpoints[arm] = count;
  },
  Command: (world, { verb }) => void world.command(verb),
  Release: (world, { arm, number, settled, image }) => world.release(arm, number, settled, `shop:${image}`),
  Steps: (world, { weights }) => world.edit({ steps: weights.map((weight) => ({ weight, duration: '1m' })) }),
  Paused: (world, { paused }) => world.edit({ paused }),
  Freeze: (world, { minutes }) => {
    world.freezes = [{ fromMs: world.nowMs, toMs: world.nowMs + minutes * 60_000, reason: undefined }];
  },
  Thaw: (world) => {
    world.freezes = [];
  },
  OnFailure: (world, { onFailure }) => world.edit({ onFailure }),
  Drift: (world, { manager, percent }) => world.writeWeight(manager, percent),
  AddRule: (world) => {
    const isThere = world.routes.some(({ match }) => match === addedRule.match);
    if (!isThere) world.writeRoutes('helm', [...world.routes, addedRule]);
  },
  DropRule: (world) =>
    world.writeRoutes(
      'helm',
      world.routes.filter(({ match }) => match !== shopRule),
    ),
  Replicas: (world, { kinds }) => {
    const sinceMs = world.nowMs;
    world.replicas = kinds?.map((kind, index) => ({ name: `t${index}`, kind, message: `is ${kind}`, sinceMs }));
  },
  Conflict: (world) => {
    world.beforeRouteWrite = () => world.touchRoute();
  },
  MatchRoute: (world, { change }) => {
    world.matchRoute =
      world.matchRoute && change === 'Edited' ? { ...world.matchRoute, spec: { routes: [] } } : undefined;
  },
  Middleware: (world, { isThere }) => {
    world.middlewares = isThere ? ['mark'] : [];
  },
  Forbid: (world, { isForbidden }) => {
    world.isRouteForbidden = isForbidden;
  },
  ForbidCopy: (world, { isForbidden }) => {
    world.isTemplateForbidden = isForbidden;
  },
  Manage: (world, { applier }) => {
    world.applier = applier;
  },
  Reading: (world, { reading }) => {
    world.copyReading = reading;
  },
  RollOut: (world) => world.rollOutStable(),
  LoseStatus: (world) => world.loseStatus(),
  NewerSchema: (world) => world.setStatus({ schema: statusSchema + 1 }),
  DeleteRoute: (world) => world.deleteRoute(),
  RecreateRoute: (world) => world.recreateRoute(),
  Delete: (world) => world.deleteRollout(),
};

function happen(world: World, event: Event): void {
  (happenings[event.type] as (world: World, event: Event) => void)(world, event);
}

/** checked reconciles until nothing is written any more, and calls `check` after every step; more than 12 steps is a livelock. */
function checked(world: World, check: (stepped: Stepped, before: Snapshot) => void): void {
  for (let round = 0; round < 12; round += 1) {
    if (world.rollout === undefined) return;
    const before = snapshot(world);
    const stepped = world.step();
    expect(decide(structuredClone(stepped.observation))).toEqual(stepped.decision);
    check(stepped, before);
    if (stepped.decision.kind === 'Wait' && stepped.writes === 0) return;
    // Every write fails: the controller backs off, and nothing more will change.
    if ((world.isRouteForbidden || world.isTemplateForbidden) && stepped.writes === 0) return;
  }
  throw new Error(`livelock: ${world.state} ${world.status.message ?? ''}`);
}

interface Snapshot {
  readonly weight: number;
  readonly percent: number;
  readonly wasAtRest: boolean;
  readonly progressWeight: number | undefined;
}

function snapshot(world: World): Snapshot {
  const { status } = world;
  return {
    weight: status.weight ?? 0,
    percent: world.share,
    wasAtRest: isAtRest(status),
    progressWeight: status.progress?.weight,
  };
}

describe('decide, acted out in a world where anything may happen', { timeout: 90_000 }, () => {
  it('never lets the route give the canary more than the stored weight', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin(beginning);
        for (const event of events) {
          happen(world, event);
          // What somebody else wrote, or what nothing can be done about, is let be until it can.
          checked(world, ({ acted, decision }, before) => {
            if (isAtRest(world.status) || isHelpless(world)) return;
            if (acted === 'Again' || decision.kind === 'Acknowledge' || decision.kind === 'Claim') return;
            const isOurs = world.share !== before.percent || before.percent <= before.weight;
            if (isOurs) expect(world.share, world.state).toBeLessThanOrEqual(world.status.weight ?? 0);
          });
          if (world.rollout !== undefined && !isAtRest(world.status) && !isHelpless(world) && world.ingressRoute)
            expect(world.share, world.state).toBeLessThanOrEqual(world.status.weight ?? 0);
        }
      }),
      runs,
    );
  });

  it('leaves nothing with the canary when a rollout comes to rest', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin(beginning);
        for (const event of events) {
          happen(world, event);
          checked(world, (_stepped, before) => {
            if (before.wasAtRest || !isAtRest(world.status) || world.ingressRoute === undefined) return;
            if (world.status.progress === undefined && world.rollout !== undefined)
              expect(world.share, world.state).toBe(0);
          });
        }
      }),
      runs,
    );
  });

  it('leaves no match route where the canary has no part of the route, no endpoint, or is not on its way', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin({ ...beginning, isMatched: true });
        for (const event of events) {
          happen(world, event);
          checked(world, ({ decision, acted }) => {
            // Whoever reads that it is over finds it so.
            const isOver =
              'status' in decision && acted === 'Done' && decision.status.progress?.direction !== 'Forward';
            if (isOver && decision.kind === 'Lower') expect(world.matchRoute, world.state).toBeUndefined();
          });
          expectMatchRouteInPlace(world);
        }
      }),
      runs,
    );
  });

  it('never raises on missing data or on a Fail, but for the first step and while stable has no endpoint', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin(beginning);
        world.verdict = 'NoData';
        for (const event of events) {
          // Mostly blind, or hardly a run would come to a raise that must not be.
          happen(world, event.type === 'Verdict' && event.kind !== 'Pass' ? { ...event, kind: 'NoData' } : event);
          checked(world, ({ observation, decision }, before) => {
            const isBlind = observation.verdict.kind === 'NoData' || observation.verdict.kind === 'Fail';
            if (!isBlind || decision.kind !== 'Raise' || observation.stable.readyEndpoints === 0) return;
            if (before.wasAtRest || before.progressWeight === 0 || before.progressWeight === undefined) return;
            // Who promotes all the way takes the word of nobody else.
            if (observation.rollout.status?.progress?.full === true && observation.verdict.kind === 'NoData') return;
            expect(world.share, world.state).toBeLessThanOrEqual(before.percent);
          });
        }
      }),
      runs,
    );
  });

  it('never goes to 100 unproven, nor leaves a step at which nothing was counted, but by the word of a person', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin(beginning);
        world.verdict = 'Inconclusive';
        for (const event of events) {
          // Mostly unproven, or hardly a run would come to a raise that must not be.
          const isOther = event.type === 'Verdict' && event.kind !== 'Pass' && event.kind !== 'Silence';
          happen(world, isOther ? { ...event, kind: 'Inconclusive' } : event);
          checked(world, ({ observation, decision }) => {
            const { status = {} } = observation.rollout;
            const { progress: before } = status;
            const after = decision.kind === 'Raise' ? decision.status.progress : undefined;
            if (after === undefined || before === undefined || after.weight <= before.weight) return;
            // What was promoted gets everything again where stable turns out to be the old version.
            const isProven = before.direction === 'Return' && !hasUnprovenRevision(status);
            if (isProven || before.weight === 0 || before.promoted === true || before.full === true) return;
            if (observation.verdict.kind === 'Pass') return;
            expect(after.weight, world.state).toBeLessThan(100);
            expect(observation.verdict, world.state).toMatchObject({ kind: 'Inconclusive', mayRaise: true });
          });
        }
      }),
      runs,
    );
  });

  it('goes on to no greater weight while a replica that answers has not got the present one', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin(beginning);
        happenings.Replicas(world, { type: 'Replicas', kinds: ['InEffect', 'NotYet'] });
        for (const event of events) {
          happen(world, event);
          checked(world, ({ observation, decision }) => {
            const isLacking = observation.replicas?.some(({ kind }) => ['NotYet', 'Missing', 'Invalid'].includes(kind));
            const before = observation.rollout.status?.progress;
            if (isLacking !== true || decision.kind !== 'Raise' || before?.appliedAt === undefined) return;
            // A return that is taken back goes on to nothing: who has not got it yet gives the canary more already.
            if (before.direction === 'Return') return;
            expect(decision.status.progress?.weight, world.state).toBe(before.weight);
          });
        }
      }),
      runs,
    );
  });

  it('raises nothing in a freeze, but what stable cannot serve', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin(beginning);
        world.freezes = [{ fromMs: world.nowMs, toMs: world.nowMs + 3_600_000, reason: undefined }];
        for (const event of events) {
          happen(world, event);
          checked(world, ({ observation, decision }) => {
            const isFrozen = observation.calendar.kind === 'Closed' && observation.stable.readyEndpoints > 0;
            if (isFrozen && decision.kind === 'Raise') expect.fail(`raised in a freeze: ${world.state}`);
          });
        }
      }),
      runs,
    );
  });

  it('raises nothing under a pause, but what stable cannot serve', () => {
    fc.assert(
      fc.property(beginnings, fc.boolean(), anyEvents, (beginning, isBySpec, events) => {
        const world = begin(beginning);
        if (isBySpec) world.edit({ paused: true });
        else world.command('pause');
        for (const event of [{ type: 'Advance', ms: 300 } as const, ...events]) {
          if (event.type === 'Command' && event.verb === 'resume') continue;
          happen(world, event.type === 'Paused' ? { ...event, paused: isBySpec } : event);
          checked(world, ({ observation, decision }) => {
            const isPaused = observation.rollout.spec.paused || observation.rollout.status?.pause !== undefined;
            if (isPaused && decision.kind === 'Raise' && observation.stable.readyEndpoints > 0)
              expect.fail(`raised under a pause: ${world.state}`);
          });
        }
      }),
      runs,
    );
  });

  it('gives nobody a greater share who has not the endpoints for the present one', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin(beginning);
        Object.assign(world.endpoints, { stable: 5, canary: 2 });
        for (const event of events) {
          // Mostly proven, or hardly a run would come to a raise that must not be.
          happen(world, event.type === 'Verdict' && event.kind !== 'Fail' ? { ...event, kind: 'Pass' } : event);
          checked(world, ({ observation: { rollout, stable, canary }, decision }) => {
            const [before, after] = [
              rollout.status?.progress,
              'status' in decision ? decision.status.progress : undefined,
            ];
            if (before === undefined || after === undefined || after.direction !== before.direction) return;
            const isRaised = decision.kind === 'Raise' && after.weight > before.weight && stable.readyEndpoints > 0;
            // Whoever gets everything again has shown how many it takes.
            const needed =
              before.direction === 'Return'
                ? (before.mostReady ?? 0)
                : Math.ceil((before.weight * stable.readyEndpoints) / 100);
            if (isRaised) expect(canary.readyEndpoints, world.state).toBeGreaterThanOrEqual(needed);
          });
        }
      }),
      runs,
    );
  });

  it('carries out or refuses each command, whatever it waits for', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin(beginning);
        for (const event of events) {
          happen(world, event);
          checked(world, () => undefined);
          // Where the route cannot be written the controller backs off, and tries again.
          if (world.isRouteForbidden)
            for (let round = 0; round < 4 && world.rollout !== undefined; round += 1) world.step();
          if (world.rollout === undefined) continue;
          expect(world.rollout.metadata.annotations ?? {}, world.state).toEqual({});
        }
      }),
      runs,
    );
  });

  it('says until when something holds it only as long as that does', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin(beginning);
        world.freezes = [{ fromMs: world.nowMs, toMs: world.nowMs + 60_000, reason: undefined }];
        for (const event of events) {
          happen(world, event);
          let again: number | undefined;
          checked(world, ({ decision }) => {
            again = 'requeueAfterMs' in decision ? decision.requeueAfterMs : undefined;
            expect(again ?? 1, world.state).toBeGreaterThan(0);
          });
          expectLateRaiseLookedFor(world, again);
          const { opensAt, waitingSince, phase, progress } = world.status;
          if (world.rollout === undefined || world.isRouteForbidden) continue;
          if (opensAt !== undefined) expect(Date.parse(opensAt), world.state).toBeGreaterThan(world.nowMs);
          if (waitingSince !== undefined) expect([phase, progress], world.state).toEqual(['Pending', undefined]);
        }
      }),
      runs,
    );
  });

  it('ends once everything is in place, although traffic may rise in few hours only', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, fc.integer({ min: 0, max: 59 }), (beginning, events, minute) => {
        const world = begin(beginning);
        for (const event of events) {
          happen(world, event);
          checked(world, () => undefined);
        }
        if (world.rollout?.metadata.deletionTimestamp !== undefined || (world.status.schema ?? 1) > statusSchema)
          return;
        calm(world, minute);
        if (world.rollout === undefined) return;
        expect(isEnded(world), `${world.state} ${world.status.message ?? ''}`).toBe(true);
      }),
      { numRuns: Math.ceil(runs.numRuns / 10) },
    );
  });

  it('never lowers upwards, and raises nothing that a newer controller has begun', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin(beginning);
        for (const event of events) {
          happen(world, event);
          checked(world, ({ observation, decision }, before) => {
            if (decision.kind === 'Raise')
              expect(observation.rollout.status?.schema ?? 1).toBeLessThanOrEqual(statusSchema);
            if (decision.kind === 'Lower') expect(world.share, world.state).toBeLessThanOrEqual(before.percent);
          });
        }
      }),
      runs,
    );
  });

  it('never raises a revision again that has failed, until somebody says retry', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin(beginning);
        const failed = new Set<string>();
        for (const event of events) {
          if (['Command', 'LoseStatus', 'Drift', 'RecreateRoute'].includes(event.type)) failed.clear();
          happen(world, event);
          checked(world, ({ observation, decision }) => {
            const { status } = observation.rollout;
            if (observation.verdict.kind === 'Fail' && status?.progress?.direction === 'Forward')
              failed.add(status.revision ?? '');
            const isStandIn = observation.stable.readyEndpoints === 0;
            if (decision.kind === 'Raise' && !isStandIn)
              expect([...failed], world.state).not.toContain(decision.status.revision);
          });
        }
      }),
      runs,
    );
  });

  it('leaves no traffic with a promoted canary that has changed and fails, while stable has an endpoint', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin(beginning);
        world.run(400_000);
        for (const event of events) {
          happen(world, event);
          checked(world, () => undefined);
          if (world.rollout === undefined || isHelpless(world) || world.ingressRoute === undefined) continue;
          const isLeft = world.verdict === 'Fail' && world.rollout.spec.onFailure === 'Rollback';
          if (isLeft && hasUnprovenRevision(world.status) && world.endpoints.stable > 0)
            expect(world.percent, world.state).toBe(0);
        }
      }),
      runs,
    );
  });

  it('sees at once what a promoted canary runs, whatever else is waited for', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin(beginning);
        world.run(400_000);
        for (const event of events) {
          happen(world, event);
          checked(world, () => undefined);
          const { status, rollout } = world;
          const isPromoted = isHolding(status) || status.progress?.direction === 'Return';
          if (rollout === undefined || rollout.metadata.deletionTimestamp !== undefined || !isPromoted) continue;
          expect(status.revision, world.state).toBe(world.revisionOf('canary'));
          expect(status.unprovenSince !== undefined, world.state).toBe(status.revision !== status.promotedRevision);
        }
      }),
      runs,
    );
  });

  it('returns traffic to the version of before only on the word of a person', () => {
    fc.assert(
      fc.property(beginnings, ownEvents, (beginning, events) => {
        const world = begin(beginning);
        world.run(400_000);
        let isAsked = false;
        for (const event of events) {
          isAsked ||= event.type === 'Command' && event.verb.startsWith('promote');
          happen(world, event);
          checked(world, ({ observation, decision }, before) => {
            if (before.wasAtRest) isAsked = false;
            if (decision.kind !== 'Lower' || isAsked || world.percent === before.percent) return;
            if (!['ReturningToStable', 'Returned'].includes(decision.status.reason ?? '')) return;
            const { stableRevision, stableImages, rollout } = observation;
            const { status = {} } = rollout;
            expect(stableRevision?.value, world.state).not.toBe(status.stableRevision);
            if (stableImages !== undefined) expect(stableImages, world.state).not.toBe(status.stableImages);
          });
        }
      }),
      runs,
    );
  });

  it('takes traffic back from the version that it returns to only where that has changed itself', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin(beginning);
        let stable = stableOf(world);
        for (const event of events) {
          happen(world, event);
          checked(world, ({ observation, decision }) => {
            if (decision.kind === 'Lower' && decision.status.progress?.renewed === true) stable = stableOf(world);
            if (decision.kind !== 'Raise' || decision.status.reason !== 'StableReverted') return;
            // In a Hold, where nothing has returned, a rule that is new gets the canary as the others have it.
            const { progress } = observation.rollout.status ?? {};
            if (progress === undefined) return;
            expect(stableOf(world), world.state).not.toEqual(stable);
            expect(progress.renewed).toBe(true);
          });
        }
      }),
      runs,
    );
  });

  it('lists no entry of the pair at weight 0 or without ready endpoints while a rollout runs', () => {
    fc.assert(
      fc.property(beginnings, ownAndNewRules, (beginning, events) => {
        const world = begin(beginning);
        for (const event of events) {
          happen(world, event);
          checked(world, () => undefined);
          expectUsable(world);
        }
      }),
      runs,
    );
  });

  it('writes into no other rule than the one that it names, whatever becomes of that', () => {
    fc.assert(
      fc.property(beginnings, ownAndNoRules, (beginning, events) => {
        const routes = [...beginning.routes, addedRule];
        const world = begin({ ...beginning, routes }, { route: { name: 'shop', match: shopRule } });
        for (const event of events) {
          happen(world, event);
          checked(world, () => undefined);
          const others = world.routes.filter(({ match }) => match !== shopRule);
          expect(others, world.state).toEqual(routes.filter(({ match }) => match !== shopRule));
        }
      }),
      runs,
    );
  });

  it('has put the route back byte for byte when it rests', () => {
    fc.assert(
      fc.property(beginnings, ownAndNewRules, fc.boolean(), (beginning, events, isDeleted) => {
        const world = begin(beginning);
        for (const event of [...events, ...(isDeleted ? ([{ type: 'Delete' }] as const) : [])]) {
          const wasHolding = world.rollout !== undefined && isHolding(world.status);
          happen(world, event);
          checked(world, () => undefined);
          const { routes } = beginning;
          const isWithheld = routes === listingCanary && world.ready.canary === 0;
          const isKept = world.rollout === undefined && (wasHolding || world.ready.stable === 0);
          if (isWithheld || isKept) continue;
          if (world.rollout === undefined || (isAtRest(world.status) && world.status.target === undefined))
            expectAtRest(world, beginning);
        }
      }),
      runs,
    );
  });

  /** A promote that sends traffic back to a stable that went back itself, killed between its two writes. */
  const promotedToAnOldStable: readonly [Beginning, Event[], (number | undefined)[]] = [
    { routes: shopRoutes, ranMs: 450_000, mode: 'Hold', isMatched: false },
    [
      { type: 'Release', arm: 'stable', number: 1, settled: false, image: 1 },
      { type: 'Command', verb: 'promote' },
      { type: 'RollOut' },
    ],
    [1],
  ];

  it('ends the same after crashes between any two writes as without them', () => {
    const crashes = fc.array(fc.constantFrom<(number | undefined)[]>(undefined, 0, 1), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(beginnings, ownEvents, crashes, (beginning, events, plan) => {
        const [calm, torn] = [begin(beginning), begin(beginning)];
        let turn = 0;
        for (const event of events) {
          happen(calm, event);
          happen(torn, event);
          checked(calm, () => undefined);
          for (let round = 0; round < 6 && torn.rollout !== undefined; round += 1) {
            const crashAfter = plan[turn % plan.length];
            torn.step(crashAfter === undefined ? {} : { crashAfter });
            turn += 1;
          }
          checked(torn, () => undefined);
          // A Fail under `onFailure: Pause` holds the weight there is: less where a crash came before the raise.
          const [held, higher] = [torn.status, calm.status];
          if (held.reason === 'AnalysisFailed' && higher.reason === held.reason && torn.percent < calm.percent) return;
          expect(durable(torn)).toEqual(durable(calm));
        }
      }),
      { ...runs, examples: [[...promotedToAnOldStable]] },
    );
  });

  it('copies only what was promoted, each time for the first time, and nothing while it is held', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin({ ...beginning, mode: 'Copy' });
        for (const event of events) {
          happen(world, event);
          const { stableImage: before, isTemplateForbidden, applier } = world;
          world.templateWrites.length = 0;
          checked(world, ({ observation, decision }) => {
            if (decision.kind !== 'Copy') return;
            const { status, spec } = observation.rollout;
            expect([status?.weight, status?.progress, status?.copy?.template], world.state).toEqual([
              100,
              undefined,
              undefined,
            ]);
            // What it was is known before it is written.
            expect(status?.copy?.before, world.state).toBeDefined();
            expect([spec.paused, status?.pause, observation.calendar.kind, applier]).toEqual([
              false,
              undefined,
              'Open',
              undefined,
            ]);
          });
          if (world.templateWrites.length === 0) continue;
          expect(isTemplateForbidden).toBe(false);
          expect(world.templateWrites).toEqual([`shop:${world.status.promotedRevision?.split('-')[1]}`]);
          expect(before, world.state).not.toBe(world.stableImage);
        }
      }),
      runs,
    );
  });

  it('takes no traffic back to stable by abort once that has the new template, after a crash neither', () => {
    const crashes = fc.array(fc.constantFrom<(number | undefined)[]>(undefined, 0, 1), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(beginnings, anyEvents, crashes, (beginning, events, plan) => {
        const world = begin({ ...beginning, mode: 'Copy' });
        const expectNotAborted = ({ observation, decision }: Stepped): void => {
          const { status = {} } = observation.rollout;
          if (decision.kind === 'Raise' && status.progress === undefined) world.templateWrites.length = 0;
          // Of a route that is gone, or gives stable everything by somebody's hand, there is nothing to take.
          if ((observation.route?.split.canaryPercent ?? 0) === 0) return;
          if (!('status' in decision) || !hasCopied(world, status)) return;
          const { reason, progress } = decision.status;
          expect([reason, progress?.cause?.reason], world.state).not.toContain('Aborted');
        };
        for (const [index, event] of events.entries()) {
          happen(world, event);
          const crashAfter = plan[index % plan.length];
          if (crashAfter !== undefined && world.rollout !== undefined) expectNotAborted(world.step({ crashAfter }));
          checked(world, expectNotAborted);
        }
      }),
      runs,
    );
  });

  it('begins each turn of two services at the first step, and takes nobody for live who has not everything', () => {
    fc.assert(
      fc.property(beginnings, anyEvents, (beginning, events) => {
        const world = begin({ ...beginning, mode: 'Swap' });
        for (const event of events) {
          happen(world, event);
          checked(world, ({ observation, decision }, before) => {
            const { status } = observation.rollout;
            if (world.rollout?.metadata.deletionTimestamp !== undefined) return;
            if (decision.kind === 'Raise' && before.wasAtRest)
              expect(decision.status.weight, world.state).toBe(firstWeight(observation.steps));
            const live = 'status' in decision ? decision.status.liveService : undefined;
            if (live === undefined || status?.liveService === undefined || live === status.liveService) return;
            expect(world.percent, world.state).toBe(live === 'shop-canary' ? 100 : 0);
          });
        }
      }),
      runs,
    );
  });

  it('gives the route back as it was after two turns, whatever the steps', () => {
    const weights = fc.uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 4, minLength: 1 });
    fc.assert(
      fc.property(fc.array(weights, { minLength: 2, maxLength: 4 }), fc.boolean(), (plans, isCut) => {
        const world = new World({ spec: { promotion: { mode: 'Swap' } } });
        for (const [index, plan] of plans.entries()) {
          world.edit({ steps: plan.toSorted((a, b) => a - b).map((weight) => ({ weight, duration: '1m' })) });
          if (index > 0) world.release(index % 2 === 0 ? 'canary' : 'stable', 10 + index);
          for (let round = isCut ? 0 : 30; round < 30; round += 1) {
            world.step({ crashAfter: round % 2 });
            world.advance(5_000);
          }
          world.run(3_600_000);
          expect(world.state).toBe(`Succeeded/Swapped 0% route ${index % 2 === 0 ? 100 : 0}%`);
          if (index % 2 === 1) expect(JSON.stringify(world.routes)).toBe(JSON.stringify(shopRoutes));
        }
      }),
      { numRuns: Math.ceil(runs.numRuns / 10) },
    );
  });

  it('moves no traffic while it has no status of its own, whatever the route gives the canary', () => {
    const percents = fc.integer({ min: 0, max: 100 });
    const kinds = fc.constantFrom<Kind>('Pass', 'Inconclusive', 'NoData');
    const modes = fc.constantFrom('Hold', 'Swap');
    const worlds = fc.record({ sameImages: fc.boolean(), isReady: fc.boolean() });
    fc.assert(
      fc.property(modes, percents, kinds, worlds, (mode, percent, kind, { sameImages, isReady }) => {
        const world = new World({ sameImages: sameImages || percent === 0, spec: { promotion: { mode } } });
        world.writeWeight('helm', percent);
        world.verdict = kind;
        if (!isReady && percent === 0) world.endpoints.canary = 0;
        const before = JSON.stringify(world.routes);
        checked(world, () => undefined);
        world.run(3_600_000);
        expect(JSON.stringify(world.routes), world.state).toBe(before);
      }),
      runs,
    );
  });
});

/** stableOf is what the workload that the spec calls stable runs. */
function stableOf(world: World): readonly string[] {
  return [world.revisionOf('stable'), world.stableImage];
}

function firstWeight([first]: readonly PlannedStep[]): number {
  return first?.kind === 'Weight' ? first.weight : 100;
}

/** calm puts everything in place and lets ten hours pass, in which there is a window of 40 minutes every two. */
function calm(world: World, minute: number): void {
  if (world.ingressRoute === undefined) world.recreateRoute();
  Object.assign(world.endpoints, { stable: 5, canary: 5 });
  Object.assign(world, { verdict: 'Pass', isRouteForbidden: false, freezes: [], replicas: undefined });
  Object.assign(world, { isTemplateForbidden: false, applier: undefined, copyReading: 'Read' });
  world.middlewares = ['mark'];
  for (const arm of ['stable', 'canary'] as const) world.release(arm, 9);
  world.edit({
    paused: false,
    schedule: { windows: [{ cron: `${minute} */2 * * *`, duration: '40m', timeZone: 'UTC' }] },
  });
  world.settle(20);
  world.command('resume');
  for (let passed = 0; passed < 60 && world.rollout !== undefined; passed += 1) {
    world.settle(20);
    if (isEnded(world)) return;
    // Someone who sees what is held lets it go on.
    if (world.status.progress?.hold !== undefined) world.command('promote');
    if (isStuck(world.status)) world.command('retry');
    world.rollOutStable();
    world.run(600_000);
  }
}

function isEnded({ status }: World): boolean {
  return status.progress === undefined && (status.phase === 'Succeeded' || status.phase === 'Failed');
}

function expectMatchRouteInPlace(world: World): void {
  const { matchRoute, rollout, status } = world;
  if (world.isRouteForbidden || matchRoute === undefined || rollout === undefined) return;
  expect(status.progress?.direction, world.state).toBe('Forward');
  expect(world.share, world.state).toBeGreaterThan(0);
  expect(world.ready.canary, world.state).toBeGreaterThan(0);
  expect(rollout.metadata.deletionTimestamp, world.state).toBeUndefined();
  // A newer controller may have meant something else by it.
  if ((status.schema ?? 1) > statusSchema) return;
  expect(matchRoute, world.state).toMatchObject({ spec: world.observe().observation.matchRoute.wanted?.spec });
}

/** isHelpless is where the canary may have more than it should, because there is nowhere else to send the traffic. */
function isHelpless(world: World): boolean {
  return world.ready.stable === 0 || world.isRouteForbidden;
}

/** expectLateRaiseLookedFor: a raise that was sent before the rollout came to rest may still be made for 70 s. */
function expectLateRaiseLookedFor(world: World, againMs: number | undefined): void {
  if (world.rollout?.metadata.deletionTimestamp !== undefined || !isAtRest(world.status) || world.isRouteForbidden)
    return;
  const leftMs = Date.parse(world.status.target?.raisedAt ?? '') + 70_000 - world.nowMs;
  if (leftMs > 0) expect(againMs, world.state).toBeLessThanOrEqual(leftMs);
}

/** hasCopied tells whether stable has a template that Sluice gave it, while that is all there is to go back to. */
function hasCopied(world: World, { progress, promotedRevision = '', copy }: RolloutStatus): boolean {
  const judged = `shop:${promotedRevision.split('-')[1]}`;
  if (progress?.direction === 'Back') return false;
  if (progress?.direction === 'Forward') return copy?.template !== undefined;
  return world.templateWrites.includes(judged) && world.stableImage === judged;
}

/** expectAtRest: as it was before the first touch; where the services take turns, with the live one in the place of stable. */
function expectAtRest(world: World, { routes, mode }: Beginning): void {
  if (mode !== 'Swap') return expect(JSON.stringify(world.routes)).toBe(JSON.stringify(original(world, routes)));
  const first = world.routes.slice(0, routes.length);
  const untouched = original(world, routes).slice(0, routes.length);
  if (JSON.stringify(first) !== JSON.stringify(untouched))
    expect(first, world.state).toEqual(routes.map(turned(world)));
  const added = world.routes.slice(routes.length).flatMap(({ services = [] }) => services);
  if (added.length > 0) expect(added, world.state).toHaveLength(1);
}

function turned(world: World): (route: Route) => Route {
  return (route) => {
    const { services = [] } = route;
    const stable = services.find(({ name }) => name === 'shop-stable');
    if (stable === undefined) return route;
    const live = world.isSwapped ? { ...stable, name: 'shop-canary', port: 80 } : stable;
    const others = services.filter((entry) => roleOf(entry, shopPair) === undefined || entry === stable);
    return { ...route, services: others.map((entry) => (entry === stable ? live : entry)) };
  };
}

/** original is the user's route, with the rule that was added since. */
function original(world: World, routes: readonly Route[]): readonly Route[] {
  return world.routes.some(({ match }) => match === addedRule.match) ? [...routes, addedRule] : routes;
}

function expectUsable(world: World): void {
  const { progress } = world.status;
  if (world.rollout === undefined || progress === undefined || progress.weight === 0) return;
  if (world.ready.stable === 0 && (world.ready.canary === 0 || world.share === 0)) return;
  for (const entry of world.routes.flatMap((route) => route.services ?? [])) {
    const role = roleOf(entry, shopPair);
    if (role === undefined) continue;
    expect(world.endpoints[role], `${role} of the spec in ${world.state}`).toBeGreaterThan(0);
    if (world.share > 0) expect(entry.weight, world.state).not.toBe(0);
  }
}

/** durable is what must not depend on crashes. */
function durable(world: World): object {
  if (world.rollout === undefined) return { routes: world.routes };
  const { phase, weight, revision, promotedRevision, failedRevisions, handledCommand, history = [] } = world.status;
  const { stableImage } = world;
  const { liveService, stableRevision, idle } = world.status;
  // When a weight came into the route is read from there until it is stored with some other write (rollout/applied.ts).
  const { progress } = world.observe().observation.rollout.status ?? {};
  return {
    routes: world.routes,
    annotations: world.rollout.metadata.annotations,
    phase,
    weight,
    revision,
    promotedRevision,
    failedRevisions,
    turn: liveService === undefined ? undefined : { liveService, stableRevision, idle },
    progress,
    copy: world.status.copy,
    stableImage,
    handledCommand,
    matchRoute: world.matchRoute?.spec,
    weights: history.map((entry) => entry.weight).filter((weight, index, all) => weight !== all[index - 1]),
  };
}
