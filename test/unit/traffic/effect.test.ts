import { describe, expect, it } from 'vitest';
import { resources } from '../../../src/api/kubernetes.ts';
import { effectQuestion, missesEffect, type ExpectedRoute, type ShownService } from '../../../src/traffic/effect.ts';
import type { Route } from '../../../src/api/traefik.ts';
import { shopPair } from '../../support/rollout-builders.ts';

const match = 'Host(`shop.example`)';
const sockets = { stable: ['10.0.1.1:8080'], canary: ['10.0.2.1:8080', '[fd00::2]:8080'] };

function expectedFor(...services: NonNullable<Route['services']>[number][]): ExpectedRoute {
  const question = effectQuestion(
    { resource: resources.ingressRoutes, key: 'web/shop', routes: [{ match, services }] },
    shopPair,
    sockets,
  );
  const [route] = question.routes;
  if (route === undefined) throw new Error('no rule lists the pair');
  return route;
}

function weighted(...weights: readonly (readonly [string, number])[]): ShownService {
  return { weights: weights.map(([name, weight]) => ({ name, weight })), servers: [] };
}

const stable = { name: 'shop-stable', port: 80 };
const canary = { name: 'shop-canary', port: 80 };

describe('the effect of a route', () => {
  it('is looked up under the name that Traefik gives the router', () => {
    // echo -n 'Host(`shop.example`)' | sha256sum
    expect(expectedFor(stable).router).toMatch(/^web-shop-[0-9a-f]{20}@kubernetescrd$/);
    expect(expectedFor(stable).service).toBe(expectedFor(stable).router);
  });

  it('is there when both services have just their weights, whatever others have', () => {
    const expected = expectedFor({ ...stable, weight: 90 }, { ...canary, weight: 10 }, { name: 'legacy', port: 80 });
    const [both, other] = [
      [
        ['web-shop-stable-80', 90],
        ['web-shop-canary-80', 10],
      ],
      ['web-legacy-80', 7],
    ] as const;
    expect(missesEffect(expected, weighted(...both, other))).toBeUndefined();
    expect(missesEffect(expected, weighted(...both))).toBeUndefined();
    expect(missesEffect(expected, weighted(['web-shop-stable-80', 95], ['web-shop-canary-80', 5]))).toBe(
      'web-shop-stable-80 95, web-shop-canary-80 5',
    );
    expect(missesEffect(expected, weighted(['web-shop-stable-80', 90]))).toBe('web-shop-stable-80 90');
    expect(missesEffect(expected, { weights: undefined, servers: ['http://10.0.1.1:8080'] })).toBe('one service only');
  });

  it('counts a Service that is listed twice, or under the name of its port, and a missing weight as 1', () => {
    const expected = expectedFor({ ...stable, weight: 2 }, stable, { ...canary, port: 'http' });
    expect(missesEffect(expected, weighted(['web-shop-stable-80', 3], ['web-shop-canary-http', 1]))).toBeUndefined();
    expect(missesEffect(expected, weighted(['web-shop-stable-80', 2], ['web-shop-canary-http', 1]))).toBeDefined();
  });

  it('misses a service that is still shown although the rule lists it no more', () => {
    const expected = expectedFor({ ...canary, weight: 100 }, { name: 'legacy', port: 80 });
    expect(missesEffect(expected, weighted(['web-shop-canary-80', 100], ['web-legacy-80', 1]))).toBeUndefined();
    expect(missesEffect(expected, weighted(['web-shop-canary-80', 100], ['web-shop-stable-http', 1]))).toBeDefined();
  });

  it("of the only service is told by its servers: none may be the other one's", () => {
    const only = (url: string): ShownService => ({ weights: undefined, servers: [url] });
    const expected = expectedFor(canary);
    expect(missesEffect(expected, weighted(['web-shop-stable-80', 50], ['web-shop-canary-80', 50]))).toBeDefined();
    expect(missesEffect(expected, only('http://10.0.2.1:8080'))).toBeUndefined();
    expect(missesEffect(expected, only('http://10.0.1.1:8080'))).toBe('only http://10.0.1.1:8080');
    // The address of a Service (nativeLB) belongs to no pod.
    expect(missesEffect(expected, only('http://10.96.0.7:80'))).toBeUndefined();
    expect(missesEffect(expectedFor(stable), only('http://[fd00::2]:8080'))).toBeDefined();
  });

  it('takes a socket without a port for every port of its address', () => {
    const expected = { ...expectedFor(canary), strangers: ['10.0.1.1'] };
    expect(missesEffect(expected, { weights: undefined, servers: ['http://10.0.1.1:9999'] })).toBeDefined();
    expect(missesEffect(expected, { weights: undefined, servers: ['http://10.0.1.10:9999'] })).toBeUndefined();
  });

  it('of a TraefikService is told by weights also where it has one service left', () => {
    const shown = { resource: resources.traefikServices, key: 'web/shop' } as const;
    const { routes } = effectQuestion({ ...shown, routes: [{ match: '', services: [canary] }] }, shopPair, sockets);
    expect(routes).toMatchObject([{ service: 'web-shop@kubernetescrd', router: undefined }]);
    const [expected] = routes as readonly [ExpectedRoute];
    expect(missesEffect(expected, weighted(['web-shop-canary-80', 1]))).toBeUndefined();
    expect(missesEffect(expected, weighted(['web-shop-stable-80', 1], ['web-shop-canary-80', 1]))).toBeDefined();
  });

  it('is another question for other weights, and the same one for other pods', () => {
    const ask = (weight: number, of: typeof sockets): string =>
      effectQuestion(
        {
          resource: resources.ingressRoutes,
          key: 'web/shop',
          routes: [
            {
              match,
              services: [
                { ...stable, weight: 100 - weight },
                { ...canary, weight },
              ],
            },
          ],
        },
        shopPair,
        of,
      ).id;
    expect(ask(10, sockets)).toBe(ask(10, { stable: ['10.9.9.9:1'], canary: [] }));
    expect(ask(10, sockets)).not.toBe(ask(20, sockets));
  });
});
