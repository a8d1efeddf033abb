import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import type { KubernetesObject } from '../../../src/api/kubernetes.ts';
import { differences, rolloutManifest, rolloutSpec, routeManifest, stories } from '../../../src/demo/stories.ts';
import { scrapeDefaults } from '../../../src/source/scrape.ts';
import { rolloutSpec as storedSpec, type WrittenSpec } from '../../support/rollout-builders.ts';

describe('the manifests of a story', () => {
  test.each(stories.map(({ name }) => name))('%s: the Rollout is what the stories say', (name) => {
    const { metadata, spec } = parse(rolloutManifest(name)) as KubernetesObject & { readonly spec: unknown };
    expect(metadata).toEqual({ name, namespace: 'demo' });
    expect(spec).toEqual(rolloutSpec(name));
  });

  test('each Service has its own port, and the route begins with stable alone', () => {
    const documents = parseAllDocuments(routeManifest('bad', { stable: 4001, canary: 4002 }));
    const objects = documents.map((document) => document.toJSON() as KubernetesObject);
    expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      'IngressRoute bad',
      'Service bad-stable',
      'EndpointSlice bad-stable',
      'Service bad-canary',
      'EndpointSlice bad-canary',
    ]);
    expect(objects[0]).toMatchObject({
      spec: { routes: [{ match: 'Host(`bad.localhost`)', services: [{ name: 'bad-stable', port: 80 }] }] },
    });
    expect(objects[2]).toMatchObject({ ports: [{ name: 'http', port: 4001 }] });
    expect(objects[4]).toMatchObject({
      metadata: { labels: { 'kubernetes.io/service-name': 'bad-canary' } },
      ports: [{ name: 'http', port: 4002 }],
    });
  });
});

describe('the values that differ', () => {
  const written = storedSpec(rolloutSpec('good') as unknown as WrittenSpec).analysis;
  const usual = storedSpec({ revision: 'v2' }).analysis;

  test('are all there are', () => {
    const differing = Object.keys(usual).filter(
      (field) =>
        JSON.stringify(written[field as keyof typeof written]) !== JSON.stringify(usual[field as keyof typeof usual]),
    );
    const listed = differences.map(({ field }) => field.split('.')[0]);
    expect(new Set(differing)).toEqual(new Set(['errorRatio', 'latency', 'minStep', 'warmup']));
    expect(new Set(listed)).toEqual(new Set([...differing, 'scrape interval', 'steps']));
  });

  test('stand beside the real defaults', () => {
    const of = (field: string): string | undefined => differences.find((one) => one.field === field)?.default;
    expect(of('errorRatio.maxIncrease')).toBe(usual.errorRatio.maxIncrease);
    expect(of('latency.maxIncrease')).toBe(usual.latency.maxIncrease);
    expect(of('warmup')).toBe(usual.warmup);
    expect(of('minStep')).toBe(usual.minStep);
    expect(of('scrape interval')).toBe(`${scrapeDefaults.intervalMs / 1000}s`);
  });
});
