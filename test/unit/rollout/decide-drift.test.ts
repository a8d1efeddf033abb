import { describe, expect, it } from 'vitest';
import { shopRoutes } from '../../support/rollout-builders.ts';
import { World } from '../../support/world.ts';

const steps = [
  { weight: 20, duration: '5m' },
  { weight: 50, duration: '5m' },
];

function inStep(): World {
  const world = new World({ spec: { steps } });
  world.settle();
  world.run(10_000);
  return world;
}

describe('a weight that a program took away', () => {
  it('begins its step anew when it is given again', () => {
    const analysis = { pace: 'Time', warmup: '0s' } as const;
    const world = new World({ spec: { steps: [{ weight: 20, duration: '1m' }, ...steps.slice(1)], analysis } });
    world.run(5_000);
    expect(world.percent).toBe(20);
    // Without data it stays away until there are samples again.
    world.verdict = 'NoData';
    world.writeWeight('argocd-controller', 0);
    world.run(70_000);
    expect(world.percent).toBe(0);
    world.verdict = 'Pass';
    world.run(30_000);
    expect(world.percent).toBe(20);
    world.run(60_000);
    expect(world.percent).toBe(50);
  });
});

describe('a weight that somebody else raised', () => {
  it('is put back at once, also while paused, and counted', () => {
    const world = inStep();
    world.edit({ paused: true });
    world.writeWeight('argocd-controller', 60);
    expect(world.step().decision.kind).toBe('Lower');
    expect(world.percent).toBe(20);
    expect(world.notices.at(-1)?.message).toContain('argocd-controller raised the canary to 60%');
    expect(world.status.target?.corrections).toHaveLength(1);
  });

  it('is put back for ever, but after three times nothing is raised any more', () => {
    const world = inStep();
    for (let round = 0; round < 6; round += 1) {
      world.run(10_000);
      world.writeWeight('argocd-controller', 60);
      world.settle();
      expect(world.percent).toBe(20);
    }
    expect(world.state).toBe('Paused/Contested 20% route 20%');
    expect(world.status.message).toContain('argocd-controller keeps changing the weights');
    world.run(3_600_000);
    expect(world.percent).toBe(20);
    world.command('promote');
    world.settle();
    expect(world.percent).toBe(50);
  });

  it('is not counted while it cannot be put back', () => {
    const world = inStep();
    world.isRouteForbidden = true;
    world.writeWeight('argocd-controller', 60);
    for (let round = 0; round < 5; round += 1) expect(world.step().acted).toBe('Again');
    expect(world.status.target).not.toHaveProperty('corrections');
  });
});

describe('a weight that somebody else lowered', () => {
  it.each(['kubectl-edit', 'file'])('by %s is left there, LoweredByHand, until promoted', (manager) => {
    const world = inStep();
    world.writeWeight(manager, 5);
    world.run(3_600_000);
    expect(world.state).toBe('Paused/LoweredByHand 5% route 5%');
    world.command('promote');
    world.run(10_000);
    expect(world.percent).toBe(20);
  });

  it('by kubectl to 0 goes on from the first step when promoted, without data too', () => {
    const world = inStep();
    world.writeWeight('kubectl-patch', 0);
    world.verdict = 'NoData';
    world.settle();
    expect(world.state).toBe('Paused/LoweredByHand 0% route 0%');
    world.command('promote');
    world.run(10_000);
    expect(world.percent).toBe(20);
  });

  it('by kubectl is not fought, even when it came just before a raise was decided', () => {
    const world = inStep();
    world.advance(400_000);
    world.beforeRouteWrite = () => {
      world.nowMs -= 2_000;
      world.writeWeight('kubectl-edit', 1);
      world.nowMs += 2_000;
    };
    world.settle();
    expect(world.state).toBe('Paused/LoweredByHand 1% route 1%');
  });

  it('is rolled back on a Fail all the same', () => {
    const world = inStep();
    world.writeWeight('kubectl-edit', 5);
    world.settle();
    world.advance(10_000);
    world.verdict = 'Fail';
    world.settle();
    expect(world.state).toBe('Failed/MoreErrors 0% route 0%');
  });

  it.each([
    ['NoData', 5],
    ['Inconclusive', 20],
    ['Pass', 20],
  ] as const)('by another manager is raised again, but not blindly: after %s the canary has %i%%', (kind, percent) => {
    const world = inStep();
    world.verdict = kind;
    world.writeWeight('argocd-controller', 5);
    world.run(50_000);
    expect(world.percent).toBe(percent);
  });

  it('by another manager four times in ten minutes is left there, Contested', () => {
    const world = inStep();
    for (let round = 0; round < 4; round += 1) {
      world.writeWeight('argocd-controller', 5);
      world.run(10_000);
      expect(world.percent).toBe(round < 3 ? 20 : 5);
    }
    expect(world.state).toBe('Paused/Contested 5% route 5%');
  });

  it('by another manager is forgotten when somebody promotes: the next time is the first again', () => {
    const world = inStep();
    for (let round = 0; round < 4; round += 1) {
      world.writeWeight('argocd-controller', 5);
      world.run(10_000);
    }
    world.command('promote');
    world.run(10_000);
    expect(world.status.target).not.toHaveProperty('corrections');
    const { percent } = world;
    world.writeWeight('argocd-controller', 5);
    world.run(10_000);
    expect(world.percent).toBe(percent);
    expect(world.status.target?.corrections).toHaveLength(1);
  });

  it.each([
    [
      'argocd-controller',
      'Add to its Application: spec.ignoreDifferences: [{group: traefik.io, kind: IngressRoute, namespace: web, name: shop, ' +
        `jqPathExpressions: ['.spec.routes[]?.services[]? | select(.name == "shop-stable" or .name == "shop-canary")']}] ` +
        'and spec.syncPolicy.syncOptions: [ApplyOutOfSyncOnly=true].',
    ],
    ['kustomize-controller', 'Annotate the IngressRoute in Git: kustomize.toolkit.fluxcd.io/ssa: IfNotPresent.'],
    [
      'helm-controller',
      'Add to its HelmRelease: spec.driftDetection.ignore: [{paths: [/spec/routes], target: {kind: IngressRoute, name: shop}}].',
    ],
    ['deployer', 'Make deployer ignore spec.routes[].services[].'],
  ])('by %s says what to tell it', (manager, advice) => {
    const world = inStep();
    for (let round = 0; round < 4; round += 1) {
      world.writeWeight(manager, 5);
      world.run(10_000);
    }
    expect(world.status.message).toBe(
      `${manager} keeps changing the weights of IngressRoute shop; the canary stays at 5%. ${advice} Then promote or abort.`,
    );
  });

  it('in a Hold stops at what the route gives', () => {
    const world = inStep();
    world.run(3_600_000);
    world.writeWeight('helm', 40);
    world.settle();
    expect(world.state).toBe('Paused/Contested 40% route 40%');
  });

  it.each([0, 40])('in a Hold at %i percent stops there also under a pause, and says so', (percent) => {
    const world = inStep();
    world.run(3_600_000);
    world.edit({ paused: true });
    world.writeWeight('helm', percent);
    world.settle();
    expect(world.state).toBe(`Paused/Contested ${percent}% route ${percent}%`);
  });

  it('counts in whole percent, rounded up, so that status never says less than the route gives', () => {
    const world = inStep();
    const services = [
      { name: 'shop-stable', port: 80, weight: 997 },
      { name: 'shop-canary', port: 80, weight: 3 },
    ];
    world.writeRoutes('kubectl-edit', [{ match: 'Host(`shop.example`)', services }]);
    world.settle();
    expect(world.state).toBe('Paused/LoweredByHand 1% route 0.3%');
    world.endpoints.canary = 0;
    world.settle();
    expect(world.state).toBe('Failed/CanaryLost 0% route 0%');
  });
});

describe('a rule that came to list stable', () => {
  it('gets the same split as the others, and its own weights back in the end', () => {
    const world = inStep();
    const added = { match: 'Host(`new.example`)', services: [{ name: 'shop-stable', port: 80 }] };
    world.writeRoutes('helm', [...world.routes, added]);
    world.run(10_000);
    expect(JSON.stringify(world.routes[1])).toContain('"weight":20');
    world.command('abort');
    world.settle();
    expect(world.routes[1]).toEqual(added);
  });
});

describe('a route that goes away', () => {
  it('leaves the rollout Degraded, and holds when it comes back without the canary', () => {
    const world = inStep();
    world.deleteRoute();
    world.run(60_000);
    expect(world.state).toBe('Degraded/RouteMissing 20% route 0%');
    world.recreateRoute();
    world.run(3_600_000);
    expect(world.state).toBe('Paused/RouteRecreated 0% route 0%');
    world.command('promote');
    world.run(10_000);
    expect(world.percent).toBe(20);
    world.command('abort');
    world.settle();
    expect(JSON.stringify(world.routes)).toBe(JSON.stringify(shopRoutes));
  });

  it('takes abort as the end', () => {
    const world = inStep();
    world.deleteRoute();
    world.command('abort');
    world.settle();
    expect(world.status).toMatchObject({
      phase: 'Failed',
      reason: 'Aborted',
      weight: 0,
      failedRevisions: ['canary-2'],
    });
    expect(world.rollout?.metadata.finalizers).toEqual([]);
  });

  it('does not keep a promote for the route that comes back', () => {
    const world = inStep();
    world.deleteRoute();
    world.command('promote');
    world.settle();
    expect(world.rollout?.metadata.annotations).toEqual({});
    expect(world.notices.at(-1)?.reason).toBe('CommandIgnored');
    world.recreateRoute();
    world.run(60_000);
    expect(world.state).toBe('Paused/RouteRecreated 0% route 0%');
  });

  it('is the same as one that lists neither service any more, until it does again', () => {
    const world = inStep();
    const before = world.routes;
    world.writeRoutes('helm', [{ match: 'Host(`a`)', services: [{ name: 'maintenance', port: 80 }] }]);
    world.settle();
    expect(world.state).toBe('Degraded/ServiceNotInRoute 20% route 0%');
    world.writeRoutes('helm', before);
    world.settle();
    expect(world.state).toBe('Progressing/StepStarted 20% route 20%');
  });
});
