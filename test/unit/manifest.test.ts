import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readRolloutFile } from '../../src/manifest.ts';
import { rolloutSpec } from '../support/rollout-builders.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'sluice-manifest-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function read(text: string, name?: string) {
  const file = path.join(directory, 'rollout.yaml');
  await writeFile(file, text);
  return readRolloutFile(file, { name, namespace: 'web' });
}

const shop = (name: string): string => `
apiVersion: sluice.dev/v1alpha1
kind: Rollout
metadata: {name: ${name}}
spec:
  route: {name: shop}
  stable: {service: shop-stable, port: 80, workload: {kind: Deployment, name: shop-stable}}
  canary: {service: shop-canary, port: 80, workload: {kind: Deployment, name: shop-canary}}
---
`;

describe('a file with a Rollout', () => {
  test('is read as the API server would store it: every default is filled in', async () => {
    const { rollout } = await read(shop('shop'));
    expect(rollout.metadata).toEqual({ name: 'shop', namespace: 'web' });
    expect(rollout.spec).toEqual(rolloutSpec());
  });

  test('may hold the IngressRoute and the Services too', async () => {
    const text = `${shop('shop')}
apiVersion: v1
kind: Service
metadata: {name: shop-stable, namespace: other}
spec: {ports: [{port: 80}]}
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: shop}
spec: {routes: [{match: Path(\`/\`), services: [{name: shop-stable, port: 80}]}]}
`;
    const { routes, services } = await read(text);
    expect([...services.keys()]).toEqual(['other/shop-stable']);
    expect(routes.map(({ key, routes: [first] }) => [key, first?.services?.[0]?.name])).toEqual([
      ['web/shop', 'shop-stable'],
    ]);
  });

  test('with several Rollouts is asked by name', async () => {
    const both = shop('shop') + shop('cart');
    await expect(read(both)).rejects.toThrow('has 2 Rollouts; name the one of it that is meant');
    const { rollout } = await read(both, 'cart');
    expect(rollout.metadata.name).toBe('cart');
    await expect(read(both, 'till')).rejects.toThrow('has 0 Rollouts of the name till');
  });

  test('is refused with the field that is missing, or the line that is no YAML', async () => {
    await expect(read(shop('shop').replace('service: shop-stable, ', ''))).rejects.toThrow(
      'Rollout shop has no spec.stable.service; set it.',
    );
    await expect(read('kind: Rollout\nmetadata: {name: [}')).rejects.toThrow('is no YAML at line 2');
    await expect(read('kind: Rollout')).rejects.toThrow('has an object without metadata.name');
  });
});
