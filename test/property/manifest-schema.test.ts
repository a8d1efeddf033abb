import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createManifestSchema, readCrds } from '../../src/standalone/manifest-schema.ts';
import { rows } from '../cluster/crd-corpus.ts';
import { rowObject } from '../cluster/crd-verdicts.ts';

const validate = createManifestSchema(await readCrds(fileURLToPath(new URL('../../crds', import.meta.url))));

const rollouts = rows.filter(({ says }) => says.length === 0).map((row, index) => rowObject(row, `row-${index}`));
const named = { metadata: { name: 'shop', namespace: 'web', labels: { app: 'shop' } } };
const others: readonly object[] = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    ...named,
    spec: { type: 'ClusterIP', ports: [{ name: 'web', port: 80, protocol: 'TCP' }] },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    ...named,
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
    ports: [{ name: 'web', port: 8080, protocol: 'TCP' }],
  },
  { apiVersion: 'v1', kind: 'Secret', ...named, type: 'Opaque', data: { a: 'YQ==' } },
  { apiVersion: 'v1', kind: 'ConfigMap', ...named, data: { a: 'b' } },
  {
    apiVersion: 'traefik.io/v1alpha1',
    kind: 'IngressRoute',
    ...named,
    spec: { routes: [{ match: 'Path(`/`)', kind: 'Rule', services: [{ name: 'a', port: 80, weight: 1 }] }] },
  },
  { apiVersion: 'traefik.io/v1alpha1', kind: 'Middleware', ...named, spec: { compress: {} } },
];

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Change replaces, removes or adds something at a place that `steps` lead to, whatever is there. */
interface Change {
  readonly steps: readonly number[];
  readonly act: 'Remove' | 'Replace' | 'Add';
  readonly value: Json;
}

const values = fc.oneof(
  fc.constantFrom<Json>(null, true, false, 0, -1, 1.5, 1e21, '', 'x', '5m', '5%', [], {}, [null], { weight: 5 }),
  fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>,
);
const changes: fc.Arbitrary<readonly Change[]> = fc.array(
  fc.record({
    steps: fc.array(fc.nat(20), { minLength: 1, maxLength: 6 }),
    act: fc.constantFrom('Remove', 'Replace', 'Add'),
    value: values,
  }),
  { minLength: 1, maxLength: 4 },
);
const names = ['name', 'spec', 'constructor', '__proto__', 'weight', 'status', 'toString', 'a.b'];

function change(value: Json, { steps, ...rest }: Change): Json {
  const [step = 0, ...further] = steps;
  if (typeof value !== 'object' || value === null) return rest.value;
  const entries = Object.entries<Json>(value);
  const index = step % Math.max(1, entries.length);
  const [name, inner] = entries[index] ?? ['', null];
  const isDeeper = further.length > 0 && typeof inner === 'object' && inner !== null;
  const after: readonly [string, Json][] = isDeeper
    ? [[name, change(inner, { ...rest, steps: further })]]
    : changedEntry([name, inner], rest, names[step % names.length] ?? 'name');
  const changed = entries.toSpliced(index, 1, ...after);
  return Array.isArray(value) ? changed.map(([, item]) => item) : Object.fromEntries(changed);
}

function changedEntry(
  [name, inner]: readonly [string, Json],
  { act, value }: Omit<Change, 'steps'>,
  newName: string,
): readonly [string, Json][] {
  if (act === 'Remove') return [];
  if (act === 'Replace') return [[name, value]];
  return [
    [name, inner],
    [newName, value],
  ];
}

describe('any document', () => {
  test('has one verdict, is not changed itself, and what is stored is valid and stays as it is', () => {
    fc.assert(
      fc.property(fc.constantFrom(...rollouts, ...others), changes, (valid, list) => {
        const document = list.reduce(change, valid as unknown as Json);
        const before = structuredClone(document);
        const result = validate(document);
        expect(document).toEqual(before);
        expect(validate(structuredClone(document))).toEqual(result);
        if (result.kind === 'Valid') expect(validate(result.object)).toEqual(result);
        if (result.kind === 'Invalid') expect(result.problems.length).toBeGreaterThan(0);
      }),
      { numRuns: 2000 },
    );
  });

  test('that is valid loses nothing', () => {
    for (const valid of [...rollouts, ...others]) {
      const { metadata, ...rest } = valid as { readonly metadata: object };
      expect(validate(valid)).toMatchObject({ kind: 'Valid', object: { metadata, ...withoutNulls(rest) } });
    }
  });

  test('that has its defaults is stored as it is', () => {
    for (const valid of others) expect(validate(valid)).toEqual({ kind: 'Valid', object: valid });
  });

  test('that is no object at all is refused', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
        (value) => {
          expect(['Invalid', 'Ignored']).toContain(validate(value).kind);
        },
      ),
    );
  });
});

function withoutNulls(value: object): object {
  return JSON.parse(JSON.stringify(value, (_name, inner: unknown) => inner ?? undefined)) as object;
}
