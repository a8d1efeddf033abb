import jsonPatch, { deepClone } from 'fast-json-patch';
import { describe, expect, it } from 'vitest';
import { resources } from '../../../src/api/kubernetes.ts';
import type { RouteService, TraefikService } from '../../../src/api/traefik.ts';
import { buildPatch } from '../../../src/traffic/patch.ts';
import { asRoute, ownsServices, routeIn, servicesField } from '../../../src/traffic/route-object.ts';

const s = (weight?: number): RouteService => ({ name: 's', port: 80, ...(weight === undefined ? {} : { weight }) });
const c = (weight?: number): RouteService => ({ name: 'c', port: 80, ...(weight === undefined ? {} : { weight }) });
const sticky = { cookie: { name: 'lvl1', secure: true } };

const object = (services: readonly RouteService[]): TraefikService => ({
  metadata: { name: 'shop', namespace: 'web', resourceVersion: '42' },
  spec: { weighted: { services, sticky } },
});
const route = (services: readonly RouteService[]) => asRoute(resources.traefikServices, object(services));

describe('a TraefikService as a route', () => {
  it('has its weighted services as one list without a rule', () => {
    expect(route([s(), c(5)]).routes).toEqual([{ match: '', services: [s(), c(5)] }]);
  });

  it.each([
    ['nothing', undefined],
    ['mirroring', { mirroring: { name: 's', port: 80 } }],
  ])('has no list where its spec has %s', (_name, spec) => {
    const read = asRoute(resources.traefikServices, { metadata: { name: 'shop' }, ...(spec && { spec }) });
    expect(read.routes).toEqual([]);
    expect(buildPatch(read, [], 'Version')).toEqual([]);
  });

  it('is changed in its services alone, and insists on what was read', () => {
    const current = route([s()]);
    const desired = [{ match: '', services: [s(95), c(5)] }];
    const patch = buildPatch(current, desired, 'Version');
    expect(patch).toEqual([
      { op: 'test', path: '/metadata/resourceVersion', value: '42' },
      { op: 'test', path: '/spec/weighted/services/0/name', value: 's' },
      { op: 'add', path: '/spec/weighted/services/0/weight', value: 95 },
      { op: 'add', path: '/spec/weighted/services/1', value: c(5) },
    ]);
    const applied = jsonPatch.applyPatch(
      deepClone(current.object) as TraefikService,
      deepClone([...patch]),
    ).newDocument;
    expect(applied).toEqual(object([s(95), c(5)]));
    const entries = buildPatch(route([s(95), c(5)]), [{ match: '', services: [s()] }], 'Entries');
    expect(entries[0]).toEqual({ op: 'test', path: '/spec/weighted/services', value: [s(95), c(5)] });
  });

  it('is refused with Internal where no service would be left', () => {
    expect(() => buildPatch(route([s()]), [{ match: '', services: [] }], 'Names')).toThrow(
      'Patch of TraefikService web/shop: a route would be left without services',
    );
  });
});

describe('who owns the services', () => {
  it.each([
    ['an IngressRoute', resources.ingressRoutes, { 'f:spec': { 'f:routes': {} } }, true],
    ['an IngressRoute', resources.ingressRoutes, { 'f:spec': { 'f:entryPoints': {} } }, false],
    ['a TraefikService', resources.traefikServices, { 'f:spec': { 'f:weighted': { 'f:services': {} } } }, true],
    ['a TraefikService', resources.traefikServices, { 'f:spec': { 'f:weighted': { 'f:sticky': {} } } }, false],
    ['a TraefikService', resources.traefikServices, undefined, false],
  ])('of %s of %s with %j: %s', (_name, resource, fieldsV1, isOwner) => {
    expect(ownsServices(resource, fieldsV1 === undefined ? {} : { fieldsV1 })).toBe(isOwner);
    expect(ownsServices(resource, { fieldsV1: servicesField(resource) })).toBe(true);
  });
});

describe('the route that a Rollout names', () => {
  it.each([
    [{ name: 'shop' }, resources.ingressRoutes],
    [{ name: 'shop', kind: 'TraefikService' }, resources.traefikServices],
    [{ name: 'shop', apiVersion: 'traefik.containo.us/v1alpha1' }, resources.oldIngressRoutes],
    [
      { name: 'shop', apiVersion: 'traefik.containo.us/v1alpha1', kind: 'TraefikService' },
      resources.oldTraefikServices,
    ],
  ])('%j is found where it is', (name, resource) => {
    expect(routeIn('web', name)).toEqual({ resource, key: 'web/shop' });
  });
});
