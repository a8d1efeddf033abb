import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resources } from '../../../src/api/kubernetes.ts';
import { systemClock } from '../../../src/clock.ts';
import { findEffect } from '../../../src/source/replica-effect.ts';
import { createTraefikApi, type TraefikApi } from '../../../src/source/traefik-api.ts';
import { effectQuestion } from '../../../src/traffic/effect.ts';
import { shopPair } from '../../support/rollout-builders.ts';
import { startTraefikStandIn, type TraefikStandIn } from './traefik-stand-in.ts';

const services = [
  { name: 'shop-stable', port: 80, weight: 90 },
  { name: 'shop-canary', port: 80, weight: 10 },
];
const routes = [{ match: 'Host(`shop.example`)', services }];
const question = effectQuestion({ resource: resources.ingressRoutes, key: 'web/shop', routes }, shopPair, {
  stable: [],
  canary: [],
});
const there = { 'web-shop-stable-80': 90, 'web-shop-canary-80': 10 };

describe('what a replica says', () => {
  let traefik: TraefikStandIn;
  let api: TraefikApi;

  beforeEach(async () => {
    traefik = await startTraefikStandIn();
    api = createTraefikApi(traefik.endpoint, { clock: systemClock });
  });
  afterEach(async () => {
    await api.close();
    await traefik.close();
  });

  it('is InEffect when the service has the weights and the router that uses it serves', async () => {
    traefik.weights = there;
    expect(await findEffect(api, question)).toEqual({ kind: 'InEffect', message: 'has the weight' });
    const name = encodeURIComponent(question.routes[0]?.router ?? '');
    expect(traefik.requests).toEqual([`/api/http/services/${name}`, `/api/http/routers/${name}`]);
  });

  it('of a TraefikService asks for that, and for whichever routers use it', async () => {
    traefik.weights = there;
    const service = effectQuestion(
      { resource: resources.traefikServices, key: 'web/shop', routes: [{ match: '', services }] },
      shopPair,
      { stable: [], canary: [] },
    );
    expect(await findEffect(api, service)).toMatchObject({ kind: 'InEffect' });
    expect(traefik.requests).toContain('/api/http/services/web-shop%40kubernetescrd');
    traefik.weights = undefined;
    expect(await findEffect(api, service)).toMatchObject({ kind: 'Missing' });
  });

  it('is NotYet, with what it has, and costs one request', async () => {
    traefik.weights = { ...there, 'web-shop-canary-80': 5 };
    expect(await findEffect(api, question)).toEqual({
      kind: 'NotYet',
      message: 'still has web-shop-stable-80 90, web-shop-canary-80 5',
    });
    expect(traefik.requests).toHaveLength(1);
  });

  it('is Missing where it knows neither service nor router', async () => {
    traefik.weights = undefined;
    expect(await findEffect(api, question)).toMatchObject({ kind: 'Missing' });
  });

  it('is Invalid with its own words on one line where the router is off', async () => {
    traefik.weights = there;
    traefik.error = 'middleware "none"\n does not exist';
    expect(await findEffect(api, question)).toEqual({
      kind: 'Invalid',
      message: 'has switched the route off: middleware "none" does not exist',
    });
  });

  it('asks the routers that use the service, whose names may have an entry point in front', async () => {
    const used = { status: 'enabled', usedBy: ['web-x@kubernetescrd', 'websecure-x@kubernetescrd'] };
    const weighted = { services: Object.entries(there).map(([name, weight]) => ({ name, weight })) };
    traefik.reply = (response, { url = '' }) => {
      const isOff = url.includes('websecure');
      response.end(
        JSON.stringify(url.includes('/services/') ? { ...used, weighted } : { status: isOff ? 'disabled' : 'warning' }),
      );
    };
    expect(await findEffect(api, question)).toEqual({
      kind: 'Invalid',
      message: 'has switched the route off: without a reason',
    });
    expect(traefik.requests.at(-1)).toContain('websecure-x');
  });

  it('of a TraefikService is InEffect where any router serves it, however broken those of others are', async () => {
    const service = effectQuestion(
      { resource: resources.traefikServices, key: 'web/shop', routes: [{ match: '', services }] },
      shopPair,
      { stable: [], canary: [] },
    );
    const weighted = { services: Object.entries(there).map(([name, weight]) => ({ name, weight })) };
    const off = new Set(['a@kubernetescrd']);
    traefik.reply = (response, { url = '' }) => {
      const name = decodeURIComponent(url.split('/').at(-1) ?? '');
      const router = { status: off.has(name) ? 'disabled' : 'enabled' };
      const shown = { status: 'enabled', usedBy: ['a@kubernetescrd', 'b@kubernetescrd'], weighted };
      response.end(JSON.stringify(url.includes('/services/') ? shown : router));
    };
    expect(await findEffect(api, service)).toMatchObject({ kind: 'InEffect' });
    off.add('b@kubernetescrd');
    expect(await findEffect(api, service)).toMatchObject({ kind: 'Invalid' });
  });

  it.each<[string, NonNullable<TraefikStandIn['reply']>, string]>([
    ['500', (response) => void response.writeHead(500).end('boom'), 'answered 500'],
    ['a redirect', (response) => void response.writeHead(302, { location: '/login' }).end(), 'answered 302'],
    ['401', (response) => void response.writeHead(401).end(), 'answered 401'],
    [
      'the 404 of a Traefik without an API',
      (response) => void response.writeHead(404).end('404 page not found\n'),
      'answered 404: has it an API there?',
    ],
    ['garbage', (response) => void response.end('<html>'), "answered something other than Traefik's API does"],
    ['other JSON', (response) => void response.end('[{}]'), "answered something other than Traefik's API does"],
    ['10 MB', (response) => void response.end(Buffer.alloc(10_000_000, ' ')), 'answered more than 1048576 bytes'],
    [
      'half an answer',
      (response) => void response.writeHead(200, { 'content-length': '99' }).end('{'),
      'did not answer',
    ],
    ['nothing', (response) => void response.socket?.destroy(), 'did not answer (UND_ERR_SOCKET)'],
  ])('is Unreachable for %s', async (_name, reply, message) => {
    traefik.reply = reply;
    const found = await findEffect(api, question);
    expect(found.kind).toBe('Unreachable');
    expect(found.message).toContain(message);
  });

  it('is Unreachable within two seconds where it hangs, before its head or within its body', async () => {
    traefik.reply = () => undefined;
    const startMs = performance.now();
    expect(await findEffect(api, question)).toEqual({ kind: 'Unreachable', message: 'did not answer within 2000 ms' });
    expect(performance.now() - startMs).toBeGreaterThan(1_900);
    traefik.reply = (response) => void response.write('{');
    expect(await findEffect(api, question)).toMatchObject({ message: 'did not answer within 2000 ms' });
  });

  it('sends what authenticates, and looks for it again when it is refused', async () => {
    let refused = 0;
    const access = {
      current: () => Promise.resolve({ headers: { authorization: 'Basic eA==' } }),
      onRefused: () => void (refused += 1),
    };
    const url = `${traefik.endpoint.url}/prefix/api/`;
    const authorized = createTraefikApi({ name: 'a', url }, { clock: systemClock, access });
    traefik.reply = (response) => void response.writeHead(401).end();
    await authorized.service('x@kubernetescrd');
    expect(traefik.headers.authorization).toBe('Basic eA==');
    expect(traefik.requests).toEqual(['/prefix/api/http/services/x%40kubernetescrd']);
    expect(refused).toBe(1);
    await authorized.close();
  });
});
