import { describe, expect, it } from 'vitest';
import { statusSchema } from '../../../src/rollout/status.ts';
import { World, type WorldOptions } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '1m' },
  { weight: 50, duration: '1m' },
];
const hour = 3_600_000;

/** promoted returns a world that has just judged the last step; `copy` makes it carry out what follows. */
function promoted({ spec, ...rest }: WorldOptions = {}): World {
  const world = new World({ ...rest, spec: { steps, promotion: { mode: 'Copy' }, ...spec } });
  world.settle();
  world.run(180_000);
  expect(world.state).toBe('Progressing/StepStarted 100% route 100%');
  return world;
}

function copied(options: WorldOptions = {}): World {
  const world = promoted(options);
  world.run(70_000);
  expect(world.state).toBe('Promoting/Copied 100% route 100%');
  return world;
}

/** refused returns a world in which the API server does not let the template be written. */
function refused(): World {
  const world = promoted();
  world.isTemplateForbidden = true;
  world.run(100_000);
  expect(world.state).toBe('Degraded/CopyFailed 100% route 100%');
  return world;
}

function reasons(world: World): readonly string[] {
  return (world.status.history ?? []).map(({ reason }) => reason);
}

describe('a Copy', () => {
  it('gives stable the judged template once, and sends traffic back in steps when stable has rolled out', () => {
    const world = copied();
    world.run(600_000);
    expect(world.templateWrites).toEqual(['shop:2']);
    expect(world.percent).toBe(100);
    world.rollOutStable();
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
    world.run(hour);
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
    expect(world.templateWrites).toEqual(['shop:2']);
    expect(world.status.copy).toBeUndefined();
    expect(reasons(world).slice(-5)).toEqual([
      'Copying',
      'Copied',
      'ReturningToStable',
      'ReturningToStable',
      'Returned',
    ]);
  });

  it('writes nothing where stable has the template already', () => {
    const world = promoted();
    world.release('stable', 2);
    world.run(hour);
    expect(world.templateWrites).toEqual([]);
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
  });

  it('takes the template that was judged, although the canary has another revision by now', () => {
    const world = refused();
    world.release('canary', 3);
    world.settle();
    world.isTemplateForbidden = false;
    world.run(60_000);
    expect(world.templateWrites).toEqual(['shop:2']);
    expect(world.state).toBe('Degraded/UnprovenRevision 100% route 100%');
  });

  it('goes on under a revision that nobody has judged, which is rolled out when traffic is back', () => {
    const world = copied();
    world.release('canary', 3);
    world.settle();
    expect(world.state).toBe('Degraded/UnprovenRevision 100% route 100%');
    expect(world.status.message).toContain('Revision canary-2 is copied. Deployment shop-stable is rolling out');
    world.rollOutStable();
    world.run(300_000);
    expect(world.stableImage).toBe('shop:2');
    expect(reasons(world)).toContain('Returned');
    expect(world.status).toMatchObject({ revision: 'canary-3', phase: 'Progressing' });
  });

  it('does not begin under a pause, nor in a freeze, and says until when', () => {
    const world = refused();
    world.edit({ paused: true });
    world.isTemplateForbidden = false;
    world.run(600_000);
    expect(world.state).toBe('Promoting/PausedBySpec 100% route 100%');
    world.freezes = [{ fromMs: world.nowMs, toMs: world.nowMs + hour, reason: undefined }];
    world.edit({ paused: false });
    world.run(600_000);
    expect(world.status).toMatchObject({
      reason: 'Frozen',
      opensAt: new Date(world.nowMs + hour - 600_000).toISOString(),
    });
    expect(world.templateWrites).toEqual([]);
    world.run(hour);
    expect(world.templateWrites).toEqual(['shop:2']);
  });

  it('holds the way back under a pause', () => {
    const world = copied();
    world.command('pause');
    world.rollOutStable();
    world.run(600_000);
    expect(world.state).toBe('Promoting/PausedByCommand 100% route 100%');
    world.command('resume');
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
  });

  it('fails after progressDeadline with everything at the canary, and goes on when stable is ready after all', () => {
    const world = copied({ spec: { steps, promotion: { mode: 'Copy' }, progressDeadline: '10m' } });
    world.run(605_000);
    expect(world.state).toBe('Degraded/CopyFailed 100% route 100%');
    expect(world.status.message).toContain('Deployment shop-stable is not ready 10m after it got the pod template');
    world.rollOutStable();
    world.run(hour);
    expect(world.state).toBe('Succeeded/Returned 0% route 0%');
  });

  it('fails where the API server refuses the template, and tries again by itself', () => {
    const world = refused();
    world.isTemplateForbidden = false;
    world.run(30_000);
    expect(world.state).toBe('Promoting/Copied 100% route 100%');
  });

  it('waits for the endpoints of a stable that says it has rolled out', () => {
    const world = copied();
    world.endpoints.stable = 0;
    world.rollOutStable();
    world.run(60_000);
    expect(world.state).toBe('Promoting/Copied 100% route 100%');
    expect(world.status.message).toContain('Service shop-stable has 0 ready endpoints');
    world.endpoints.stable = 2;
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
  });

  it('is a Hold where somebody applies the template of stable, who is named', () => {
    const world = promoted();
    world.applier = 'argocd-controller';
    world.run(hour);
    expect(world.state).toBe('Succeeded/StableIsManaged 100% route 100%');
    expect(world.status.message).toContain('argocd-controller applies the pod template of Deployment shop-stable');
    expect(world.status.conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'False' }));
    world.release('stable', 5);
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
    expect(world.templateWrites).toEqual([]);
  });

  it('stops where somebody changes the template of stable meanwhile, until retry or promote', () => {
    const world = copied();
    world.release('stable', 7);
    world.run(hour);
    expect(world.state).toBe('Degraded/StableChanged 100% route 100%');
    world.command('retry');
    world.run(10_000);
    expect(world.state).toBe('Promoting/Copied 100% route 100%');
    expect(world.templateWrites).toEqual(['shop:2', 'shop:2']);
    world.release('stable', 7);
    world.settle();
    world.command('promote');
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
  });

  it('survives the loss of the canary: stable gets everything, and nothing has failed', () => {
    const world = copied();
    world.endpoints.canary = 0;
    world.settle();
    expect(world.state).toBe('Succeeded/Reverted 0% route 0%');
    expect(world.status.failedRevisions).toBeUndefined();
    expect(world.status.copy).toBeUndefined();
  });

  it('is neither begun nor continued by an older controller', () => {
    const world = promoted();
    world.setStatus({ schema: statusSchema + 1 });
    world.run(600_000);
    expect(world.templateWrites).toEqual([]);
  });
});

describe('a command during a Copy', () => {
  it('abort before the template was written takes everything back to stable', () => {
    const world = refused();
    world.command('abort');
    world.settle();
    expect(world.state).toBe('Failed/Aborted 0% route 0%');
    expect(world.stableImage).toBe('shop:1');
  });

  it.each(['promote', 'retry'])('%s before that is refused', (verb) => {
    const world = refused();
    world.freezes = [{ fromMs: world.nowMs, toMs: world.nowMs + hour, reason: undefined }];
    world.isTemplateForbidden = false;
    world.settle();
    const before = world.state;
    expect(before).toBe('Promoting/Frozen 100% route 100%');
    world.command(verb);
    world.settle();
    expect(world.state).toBe(before);
    expect(world.notices.at(-1)?.reason).toBe('CommandIgnored');
  });

  it('is forgotten by a rollout that somebody has taken out of its hands: what the canary has then is judged and copied anew', () => {
    const world = copied();
    world.writeWeight('kubectl-edit', 30);
    world.settle();
    expect(world.state).toBe('Paused/LoweredByHand 30% route 30%');
    expect(world.status.copy).toBeUndefined();
    world.command('abort');
    world.settle();
    expect(world.percent).toBe(0);
  });

  it('abort afterwards is refused, also on the way back, and where a crash took the status', () => {
    const world = promoted();
    while (world.templateWrites.length === 0) {
      world.advance(1_000);
      for (let write = 0; write < 4 && world.templateWrites.length === 0; write += 1) world.step({ crashAfter: 1 });
    }
    expect([world.templateWrites, world.status.copy?.template]).toEqual([['shop:2'], undefined]);
    world.command('abort');
    world.settle();
    expect(world.notices.at(-1)?.message).toContain('has the pod template of revision canary-2 already');
    expect(world.state).toBe('Promoting/Copied 100% route 100%');
    world.rollOutStable();
    world.settle();
    world.command('abort');
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
  });

  it.each([
    [0, 'Unread'],
    [0, 'Refused'],
    [1, 'Unread'],
    [1, 'Refused'],
  ] as const)(
    'abort after a crash %i writes into the copy is refused while the template is %s, and decided when it can be read',
    (crashAfter, reading) => {
      const world = promoted();
      while (world.status.copy === undefined) {
        world.advance(1_000);
        world.step();
      }
      expect(world.templateWrites).toEqual([]);
      world.step({ crashAfter });
      expect(world.templateWrites).toHaveLength(crashAfter);
      world.copyReading = reading;
      world.command('abort');
      world.settle();
      expect(world.percent).toBe(100);
      expect(world.notices.at(-1)?.message).toContain('may have the pod template of revision canary-2 already');
      world.copyReading = 'Read';
      world.command('abort');
      world.settle();
      expect(world.percent).toBe(crashAfter === 0 ? 0 : 100);
      expect(world.templateWrites).toHaveLength(crashAfter);
    },
  );

  it.each(['promote', 'promote-full'])('%s is refused while the workloads cannot be read for now', (verb) => {
    const world = promoted();
    world.copyReading = 'Unread';
    world.run(100_000);
    expect(world.state).toBe('Promoting/Copying 100% route 100%');
    expect(world.status.message).toBe('The canary keeps everything: the workloads cannot be read. No.');
    expect(world.step().decision).toMatchObject({ requeueAfterMs: 5_000 });
    world.command(verb);
    world.settle();
    expect(world.percent).toBe(100);
    expect(world.notices.at(-1)?.reason).toBe('CommandIgnored');
    world.copyReading = 'Read';
    world.run(5_000);
    expect(world.state).toBe('Promoting/Copied 100% route 100%');
  });

  it('promote goes on where what failed cannot be read for now', () => {
    const world = copied({ spec: { steps, promotion: { mode: 'Copy' }, progressDeadline: '10m' } });
    world.run(700_000);
    expect(world.state).toBe('Degraded/CopyFailed 100% route 100%');
    world.copyReading = 'Unread';
    world.run(60_000);
    expect(world.state).toBe('Degraded/CopyFailed 100% route 100%');
    world.command('promote');
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
  });

  it('abort is refused also while a retry has not looked at the template yet', () => {
    const world = copied({ spec: { steps, promotion: { mode: 'Copy' }, progressDeadline: '10m' } });
    world.run(700_000);
    world.copyReading = 'Unread';
    world.command('retry');
    world.settle();
    world.command('abort');
    world.settle();
    expect(world.state).toBe('Promoting/Copying 100% route 100%');
    expect(world.notices.at(-1)?.reason).toBe('CommandIgnored');
  });

  it('retry after CopyFailed counts the deadline anew, and writes nothing twice', () => {
    const world = copied({ spec: { steps, promotion: { mode: 'Copy' }, progressDeadline: '10m' } });
    world.run(700_000);
    world.command('retry');
    world.run(10_000);
    expect(world.state).toBe('Promoting/Copied 100% route 100%');
    world.run(500_000);
    expect(world.state).toBe('Promoting/Copied 100% route 100%');
    world.run(100_000);
    expect(world.state).toBe('Degraded/CopyFailed 100% route 100%');
    expect(world.templateWrites).toEqual(['shop:2']);
  });

  it('promote after CopyFailed sends traffic to what stable has ready', () => {
    const world = copied({ spec: { steps, promotion: { mode: 'Copy' }, progressDeadline: '10m' } });
    world.run(700_000);
    world.command('promote');
    world.settle();
    expect(world.state).toBe('Promoting/ReturningToStable 80% route 80%');
  });
});
