import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import type { KubernetesObject } from '../../src/api/kubernetes.ts';
import { catalogObjects } from '../contract/catalog-objects.ts';
import { toolFile } from '../support/build-tools.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { putNamespace } from '../support/objects.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const files = globSync('crds/traefik/*.yaml', { cwd: root })
  .filter((file) => !file.endsWith('kustomization.yaml'))
  .map((file) => path.join(root, file));

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({ controllerManager: false });
  await cluster.applyCrds([...files, path.join(root, 'crds', 'rollouts.yaml')]);
  await putNamespace(cluster, 'shop');
  await putNamespace(cluster, 'other');
});
afterAll(() => cluster?.stop());

function apply(objects: readonly object[], ...flags: readonly string[]) {
  const input = objects.map((object) => stringify(object)).join('---\n');
  return cluster.tryKubectl(['apply', '--server-side', ...flags, '-f', '-'], { input });
}

function traefikObject(kind: string, spec: object): object {
  return { apiVersion: 'traefik.io/v1alpha1', kind, metadata: { name: 'tried', namespace: 'shop' }, spec };
}

async function readSpec(plural: string, name: string): Promise<unknown> {
  const { body } = await cluster.api('GET', `/apis/traefik.io/v1alpha1/namespaces/shop/${plural}/${name}`);
  return (body as { readonly spec: unknown }).spec;
}

describe('CRDs for clusters without Traefik', () => {
  test('are five, and say who brought them', async () => {
    const crds = JSON.parse(await cluster.kubectl(['get', 'crd', '-l', 'sluice.dev/installed=true', '-o', 'json'])) as {
      readonly items: readonly KubernetesObject[];
    };
    expect(crds.items.map(({ metadata }) => metadata.name).sort()).toEqual([
      'ingressroutes.traefik.io',
      'middlewares.traefik.io',
      'serverstransports.traefik.io',
      'tlsstores.traefik.io',
      'traefikservices.traefik.io',
    ]);
  });

  test('accept the examples', async () => {
    for (const file of globSync('manifests/examples/*.yaml', { cwd: root })) {
      const text = await readFile(path.join(root, file), 'utf8');
      const objects = parseAllDocuments(text).map((document) => document.toJS() as object);
      expect(await apply(objects, '--namespace=shop', '--validate=strict')).toMatchObject({ code: 0 });
    }
  });

  test('accept what Traefik accepts, and keep every field', async () => {
    const objects = catalogObjects();
    expect(await apply(objects)).toMatchObject({ code: 0, stderr: '' });
    for (const { kind, metadata, ...rest } of objects) {
      const plural = `${String(kind).toLowerCase()}s`;
      if (!files.some((file) => file.endsWith(`/${plural}.yaml`))) continue;
      expect(await readSpec(plural, metadata.name)).toEqual((rest as unknown as { readonly spec: unknown }).spec);
    }
  });

  test('keep fields that they do not know', async () => {
    const service = { name: 'a', port: 80, newer: { of: ['a', { later: 1 }] } };
    const spec = { newer: true, routes: [{ match: 'Host(`a`)', services: [service], newest: 7 }] };
    expect(await apply([traefikObject('IngressRoute', spec)])).toMatchObject({ code: 0 });
    expect(await readSpec('ingressroutes', 'tried')).toEqual(spec);
  });

  test.each([
    ['IngressRoute', 'a weight below zero', { routes: [{ match: 'a', services: [{ name: 'a', weight: -1 }] }] }],
    ['IngressRoute', 'a weight as text', { routes: [{ match: 'a', services: [{ name: 'a', weight: '5' }] }] }],
    ['IngressRoute', 'a port that is neither', { routes: [{ match: 'a', services: [{ name: 'a', port: true }] }] }],
    ['IngressRoute', 'a service without a name', { routes: [{ match: 'a', services: [{ port: 80 }] }] }],
    ['IngressRoute', 'a route without a rule', { routes: [{ services: [] }] }],
    ['IngressRoute', 'no routes', { entryPoints: ['web'] }],
    ['TraefikService', 'another kind of service', { weighted: { services: [{ name: 'a', kind: 'Pod' }] } }],
    ['ServersTransport', 'a list that is none', { rootCAsSecrets: 'ca' }],
  ])('refuse, in an object of the kind %s, %s', async (kind, _, spec) => {
    const { code, stderr } = await apply([traefikObject(kind, spec)], '--dry-run=server');
    expect({ code, stderr }).toMatchObject({ code: 1 });
    expect(stderr).toContain('spec.');
  });
});

test('the CRDs of Traefik go over them, and what was stored stays as it was', async () => {
  const objects = catalogObjects();
  expect(await apply(objects)).toMatchObject({ code: 0 });
  const before = await readSpec('ingressroutes', 'sticky-full');
  await cluster.applyCrds([await toolFile('traefik', 'kubernetes-crd-definition-v1.yml')]);
  expect(await readSpec('ingressroutes', 'sticky-full')).toEqual(before);
  const crd = await cluster.kubectl(['get', 'crd', 'ingressroutes.traefik.io', '-o', 'json']);
  expect(crd).toContain('controller-gen.kubebuilder.io/version');
  expect(crd).not.toContain('x-kubernetes-preserve-unknown-fields');
  expect(await apply(objects)).toMatchObject({ code: 0 });
});
