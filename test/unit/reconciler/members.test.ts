import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resources, type EndpointSlice, type Service } from '../../../src/api/kubernetes.ts';
import { resolveMember, type Member, type MemberSpec } from '../../../src/reconciler/members.ts';
import { openWorld, service, slice } from './cluster.ts';

let stop: AbortController;
beforeEach(() => {
  stop = new AbortController();
});
afterEach(() => stop.abort(new Error('the test is over')));

/** resolve resolves Service web/shop as a cluster with `found` has it. */
async function resolve(
  spec: Omit<MemberSpec, 'service'>,
  found: { readonly service?: Service; readonly slices?: readonly EndpointSlice[] },
): Promise<Member> {
  const { watches } = await openWorld(stop.signal, (store) => {
    if (found.service !== undefined) store.put(resources.services, found.service);
    for (const one of found.slices ?? []) store.put(resources.endpointSlices, one);
  });
  return resolveMember(watches.caches, 'web', { service: 'shop', ...spec });
}

const two = service('shop', [
  { name: 'http', port: 80 },
  { name: 'admin', port: 9000 },
]);
const ready = [{ addresses: ['10.1.0.1'], conditions: { ready: true } }];

describe('the port of a member', () => {
  it.each<[string, MemberSpec['port'], Service, readonly (number | string)[]]>([
    ['by number', 80, two, [80, 'http']],
    ['by name, which is then written', 'admin', two, ['admin', 9000]],
    ['by a number in quotes, written as the number because Traefik takes a string for a name', '80', two, [80, 'http']],
    ['that is the only one', undefined, service('shop'), [80, 'http']],
    ['that is the only one and has no name', undefined, service('shop', [{ port: 81 }]), [81]],
  ])('is found %s', async (_name, port, found, ports) => {
    const member = await resolve({ port }, { service: found });
    expect(member).toMatchObject({ ports, exists: true, portProblem: undefined });
  });

  it.each<[string, MemberSpec['port'], Service, { readonly says: string; readonly ports: Member['ports'] }]>([
    [
      'not mentioned where there are several',
      undefined,
      two,
      { says: 'Service shop has 2 ports (80 (http), 9000 (admin)); say which one in the Rollout.', ports: [] },
    ],
    [
      'a number it does not have',
      81,
      two,
      { says: 'Service shop has no port 81; it has 80 (http), 9000 (admin).', ports: [81] },
    ],
    [
      'a name it does not have',
      'grpc',
      two,
      { says: 'Service shop has no port grpc; it has 80 (http), 9000 (admin).', ports: ['grpc'] },
    ],
    [
      'not mentioned where there is none',
      undefined,
      service('shop', []),
      { says: 'Service shop has 0 ports (none); say', ports: [] },
    ],
    [
      'on a Service without any',
      80,
      service('shop', []),
      { says: 'Service shop has no port 80; it has none.', ports: [80] },
    ],
  ])('is a problem when it is %s', async (_name, port, found, { says, ports }) => {
    const member = await resolve({ port }, { service: found, slices: [slice('shop', ready)] });
    expect(member.portProblem).toContain(says);
    expect(member).toMatchObject({ ports, exists: true, addresses: [] });
  });

  it('is kept as it was written while the Service is missing, so that its entries in the route are still found', async () => {
    const slices = [slice('shop', ready)];
    expect(await resolve({ port: '80' }, { slices })).toMatchObject({
      exists: false,
      ports: [80],
      addresses: [],
      portProblem: undefined,
    });
    expect((await resolve({}, { slices })).ports).toEqual([]);
  });
});

describe('the ready addresses of a member', () => {
  const found = { service: two };
  const address = (addresses: readonly string[], conditions: object = {}) => ({ addresses, conditions });

  it.each<[string, readonly EndpointSlice[], readonly string[]]>([
    ['are none without slices', [], []],
    ['are none in an empty slice', [slice('shop', [])], []],
    ['count an endpoint without conditions', [slice('shop', [{ addresses: ['10.1.0.1'] }])], ['10.1.0.1']],
    ['leave out what is not ready', [slice('shop', [address(['10.1.0.1'], { ready: false })])], []],
    [
      'leave out what terminates, though it still serves',
      [slice('shop', [address(['10.1.0.1'], { ready: false, serving: true, terminating: true })])],
      [],
    ],
    [
      'leave out what terminates where the Service publishes addresses that are not ready',
      [slice('shop', [address(['10.1.0.1'], { ready: true, serving: true, terminating: true })])],
      [],
    ],
    [
      'are those of all slices, each once',
      [
        slice('shop', [address(['10.1.0.1']), address(['10.1.0.2'])]),
        slice('shop', [address(['10.1.0.2']), address(['10.1.0.3'])], { suffix: '2' }),
      ],
      ['10.1.0.1', '10.1.0.2', '10.1.0.3'],
    ],
    [
      'are not those of a slice with other ports only',
      [slice('shop', ready), slice('shop', [address(['10.1.0.9'])], { suffix: '2', ports: ['admin'] })],
      ['10.1.0.1'],
    ],
    ['are those of a slice with several ports', [slice('shop', ready, { ports: ['admin', 'http'] })], ['10.1.0.1']],
    ['are not those of another Service', [slice('shop-other', ready)], []],
  ])('%s', async (_name, slices, addresses) => {
    const member = await resolve({ port: 80 }, { ...found, slices });
    expect([...member.addresses].toSorted()).toEqual(addresses);
  });

  it('are found by a port without a name', async () => {
    const slices = [slice('shop', ready, { ports: [''] })];
    expect((await resolve({}, { service: service('shop', [{ port: 80 }]), slices })).addresses).toEqual(['10.1.0.1']);
  });

  it('survive null where Kubernetes writes it for an empty list', async () => {
    const empty = { ...slice('shop', []), endpoints: null };
    expect((await resolve({ port: 80 }, { ...found, slices: [empty] })).addresses).toEqual([]);
  });
});

describe('a member', () => {
  it('carries nativeLB only where it is wanted', async () => {
    expect(await resolve({ nativeLB: true }, { service: service('shop') })).toHaveProperty('nativeLB', true);
    expect(await resolve({ nativeLB: false }, { service: service('shop') })).not.toHaveProperty('nativeLB');
  });
});
