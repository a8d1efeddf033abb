/** Worlds in each phase, for tests that ask what follows from it. */
import { World } from './world.ts';

const hourMs = 3_600_000;
const steps = [{ weight: 20, duration: '1m' }, { pause: {} }, { weight: 50, duration: '1m' }];

/** promoted returns a world at rest, whose canary runs revision canary-2 as stable does. */
export function promoted(spec: object = {}): World {
  const world = new World({ spec: { steps, ...spec }, sameImages: true });
  world.settle();
  return world;
}

function released(spec: object = {}): World {
  const world = promoted(spec);
  world.release('canary', 3);
  world.settle();
  return world;
}

/** phases are worlds in a phase, with what put them there. */
export const phases: Readonly<Record<string, () => World>> = {
  Pending: () => {
    const world = promoted();
    world.endpoints.canary = 0;
    world.release('canary', 3);
    world.settle();
    return world;
  },
  'Pending, window closed': () =>
    released({ schedule: { windows: [{ cron: '0 12 * * *', duration: '2h', timeZone: 'UTC' }] } }),
  Progressing: () => {
    const world = released();
    world.run(10_000);
    return world;
  },
  'Paused, at a pause': () => {
    const world = released();
    world.run(100_000);
    return world;
  },
  'Paused, held': () => {
    const world = released();
    world.run(10_000);
    world.writeWeight('kubectl-edit', 5);
    world.settle();
    return world;
  },
  'Succeeded, holding': () => held(),
  Promoting: () => {
    const world = held();
    world.release('stable', 2);
    world.settle();
    return world;
  },
  'RollingBack, waiting': () => {
    const world = released();
    world.run(10_000);
    world.endpoints.stable = 0;
    world.settle();
    world.command('abort');
    world.settle();
    return world;
  },
  'Succeeded, returned': () => {
    const world = held();
    world.release('stable', 2);
    world.run(hourMs);
    return world;
  },
  Failed: () => {
    const world = released();
    world.run(10_000);
    world.command('abort');
    world.settle();
    return world;
  },
};

function held(): World {
  const world = released();
  world.run(100_000);
  world.command('promote');
  world.run(hourMs);
  return world;
}
