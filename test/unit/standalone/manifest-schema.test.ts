import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { formatFieldPath } from '../../../src/api/field-path.ts';
import { createManifestSchema, readCrds } from '../../../src/standalone/manifest-schema.ts';
import { rows } from '../../cluster/crd-corpus.ts';
import { readVerdicts, rowObject } from '../../cluster/crd-verdicts.ts';

const crds = await readCrds(fileURLToPath(new URL('../../../crds', import.meta.url)));
const validate = createManifestSchema(crds);

/** problemsOf writes problems as `path: message`; none where the document is valid. */
function problemsOf(document: unknown): readonly string[] {
  const result = validate(document);
  if (result.kind === 'Ignored') return [`Ignored: ${result.why}`];
  if (result.kind === 'Valid') return [];
  return result.problems.map(({ path, message }) => `${formatFieldPath(path)}: ${message}`);
}

const fieldsOf = (problems: readonly string[]): readonly string[] =>
  [...new Set(problems.map((problem) => problem.slice(0, problem.indexOf(': '))))].toSorted();

describe('a Rollout is judged as the API server judged it', () => {
  const verdicts = readVerdicts();

  test.each(rows.map((row, index) => ({ ...row, index })))('$sentence', (row) => {
    const said = verdicts[row.sentence] ?? ['nothing is recorded: run crd.test.ts with SLUICE_RECORD=1'];
    const problems = problemsOf(rowObject(row, `row-${row.index}`));
    expect(fieldsOf(problems)).toEqual(fieldsOf(said));
    expect(said).toEqual(expect.arrayContaining([...problems]));
  });
});

const service = (spec: object, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'shop', ...metadata },
  spec,
});
const slice = (fields: object) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'shop-1' },
  addressType: 'IPv4',
  ...fields,
});
const secret = (fields: object) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'tls' }, ...fields });
const traefik = (kind: string, spec: unknown) => ({
  apiVersion: 'traefik.io/v1alpha1',
  kind,
  metadata: { name: 'shop' },
  spec,
});
const storedObject = (document: unknown): unknown => {
  const result = validate(document);
  return result.kind === 'Valid' ? result.object : result;
};

describe('what is stored', () => {
  test('a Rollout has the defaults and no status, and what was given is left as it was', () => {
    const given = {
      ...rowObject(
        {
          sentence: '',
          says: [],
          yaml: 'route: {name: shop}\nstable: {service: a}\ncanary: {service: b}\nrevision: "1"',
        },
        'shop',
      ),
      status: { phase: 'Failed' },
    };
    const before = structuredClone(given);
    const result = validate(given);
    expect(given).toEqual(before);
    expect(result).toMatchObject({
      kind: 'Valid',
      object: { spec: { analysis: { errorRatio: { maxIncrease: '0.5pp' } } } },
    });
    expect(result).not.toHaveProperty('object.status');
  });

  test('an unknown field in a status is told, as kubectl does', () => {
    const given = {
      ...rowObject(
        {
          sentence: '',
          says: [],
          yaml: 'route: {name: shop}\nstable: {service: a}\ncanary: {service: b}\nrevision: "1"',
        },
        'shop',
      ),
      status: { phaze: 'x' },
    };
    expect(problemsOf(given)).toEqual(['status.phaze: unknown field']);
  });

  test('a Service has its type and protocols', () => {
    expect(storedObject(service({ ports: [{ port: 80 }] }))).toMatchObject({
      spec: { type: 'ClusterIP', ports: [{ port: 80, protocol: 'TCP' }] },
    });
  });

  test('the texts of a Secret are stored as its data', () => {
    expect(storedObject(secret({ data: { a: 'YQ==' }, stringData: { b: 'é' } }))).toEqual(
      secret({ data: { a: 'YQ==', b: Buffer.from('é').toString('base64') } }),
    );
  });

  test('metadata loses what is null', () => {
    expect(storedObject(service({ ports: [{ port: 80 }] }, { creationTimestamp: null, labels: null }))).toMatchObject({
      metadata: { name: 'shop' },
    });
    const result = storedObject(service({ ports: [{ port: 80 }] }, { labels: null })) as { metadata: object };
    expect(Object.keys(result.metadata)).toEqual(['name']);
  });
});

describe('an object of Kubernetes is refused', () => {
  test.each([
    [
      'without metadata',
      { apiVersion: 'v1', kind: 'Service', spec: { ports: [{ port: 80 }] } },
      'metadata.name: Required value',
    ],
    [
      'with a name that is none',
      service({ ports: [{ port: 80 }] }, { name: 'Shop' }),
      'metadata.name: Invalid value: "Shop"',
    ],
    [
      'with a namespace that is none',
      service({ ports: [{ port: 80 }] }, { namespace: 'a.b' }),
      'metadata.namespace: Invalid value: "a.b"',
    ],
    [
      'with a label that is a number',
      service({ ports: [{ port: 80 }] }, { labels: { tier: 1 } }),
      'metadata.labels.tier: Invalid value: "integer": must be of type string: "integer"',
    ],
    [
      'with a label of spaces',
      service({ ports: [{ port: 80 }] }, { labels: { tier: 'a b' } }),
      'metadata.labels.tier: Invalid value: "a b"',
    ],
    [
      'with an annotation that is true',
      service({ ports: [{ port: 80 }] }, { annotations: { 'a/b': true } }),
      'metadata.annotations[a/b]: Invalid value: "boolean"',
    ],
    [
      'with a key of two slashes',
      service({ ports: [{ port: 80 }] }, { annotations: { 'a/b/c': '' } }),
      'metadata.annotations: Invalid value: "a/b/c"',
    ],
    [
      'with a field of metadata that is none',
      service({ ports: [{ port: 80 }] }, { lables: {} }),
      'metadata.lables: unknown field',
    ],
    [
      'as a Service without a spec',
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' } },
      'spec: Required value',
    ],
    ['as a Service without ports', service({}), 'spec.ports: Required value'],
    [
      'as a Service with a port in quotes',
      service({ ports: [{ port: '80' }] }),
      'spec.ports[0].port: Invalid value: "string": must be of type integer: "string"',
    ],
    [
      'as a Service with port 0',
      service({ ports: [{ port: 0 }] }),
      'spec.ports[0].port: Invalid value: 0: should be greater than or equal to 1',
    ],
    [
      'as a Service with HTTP as protocol',
      service({ ports: [{ port: 80, protocol: 'HTTP' }] }),
      'spec.ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"',
    ],
    [
      'as a Service with two ports, one without a name',
      service({ ports: [{ port: 80 }, { port: 81, name: 'b' }] }),
      'spec.ports[0].name: Required value',
    ],
    [
      'as a Service with one name twice',
      service({
        ports: [
          { port: 80, name: 'b' },
          { port: 81, name: 'b' },
        ],
      }),
      'spec.ports[1].name: Duplicate value: "b"',
    ],
    ['as an ExternalName without a name', service({ type: 'ExternalName' }), 'spec.externalName: Required value'],
    ['as a slice without addressType', { ...slice({}), addressType: null }, 'addressType: Required value'],
    [
      'as a slice with an address that is none',
      slice({ endpoints: [{ addresses: ['10.0.0.300'] }] }),
      'endpoints[0].addresses[0]: Invalid value: "10.0.0.300": write an IPv4 address or a host name',
    ],
    [
      'as a slice with an address of the other family',
      slice({ endpoints: [{ addresses: ['::1'] }] }),
      'endpoints[0].addresses[0]: Invalid value: "::1"',
    ],
    [
      'as a slice with an address and a port',
      slice({ endpoints: [{ addresses: ['10.0.0.3:80'] }] }),
      'endpoints[0].addresses[0]: Invalid value: "10.0.0.3:80"',
    ],
    ['as a slice without addresses', slice({ endpoints: [{}] }), 'endpoints[0].addresses: Required value'],
    [
      'as a slice with no addresses',
      slice({ endpoints: [{ addresses: [] }] }),
      'endpoints[0].addresses: Invalid value: 0: should have at least 1 items',
    ],
    [
      'as a slice with two ports without names',
      slice({ ports: [{ port: 80 }, { port: 81 }] }),
      'ports[1].name: Duplicate value: ""',
    ],
    [
      'as a slice that is ready in words',
      slice({ endpoints: [{ addresses: ['a'], conditions: { ready: 'yes' } }] }),
      'endpoints[0].conditions.ready: Invalid value: "string"',
    ],
    [
      'as a Secret that is not encoded',
      secret({ data: { password: 'hunter2!' } }),
      'data.password: Invalid value: write it in base64, or in stringData',
    ],
    [
      'as a certificate without a key',
      secret({ type: 'kubernetes.io/tls', data: { 'tls.crt': '' } }),
      'data[tls.key]: Required value',
    ],
    [
      'as a ConfigMap with a number',
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { a: 1 } },
      'data.a: Invalid value: "integer": must be of type string: "integer"',
    ],
    ['as an IngressRoute without routes', traefik('IngressRoute', {}), 'spec.routes: Required value'],
    [
      'as an IngressRoute without a match',
      traefik('IngressRoute', { routes: [{ kind: 'Rule' }] }),
      'spec.routes[0].match: Required value',
    ],
    [
      'as an IngressRoute with a negative weight',
      traefik('IngressRoute', { routes: [{ match: 'Path(`/`)', services: [{ name: 'a', weight: -1 }] }] }),
      'spec.routes[0].services[0].weight: Invalid value: -1: should be greater than or equal to 0',
    ],
    [
      'as a TraefikService with an unknown kind',
      traefik('TraefikService', { weighted: { services: [{ name: 'a', kind: 'Pod' }] } }),
      'spec.weighted.services[0].kind: Unsupported value: "Pod"',
    ],
    [
      'as a Middleware that is a text',
      traefik('Middleware', 'compress'),
      'spec: Invalid value: "string": must be of type object: "string"',
    ],
    [
      'with a kind that is misspelt',
      { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rolout', metadata: { name: 'a' } },
      'kind: Unsupported value: "Rolout": supported values: ',
    ],
    [
      'in a version that is not read',
      { apiVersion: 'traefik.containo.us/v1alpha1', kind: 'IngressRoute', metadata: { name: 'a' } },
      'apiVersion: Unsupported value: "traefik.containo.us/v1alpha1": IngressRoute is read of "traefik.io/v1alpha1"',
    ],
    ['without a kind', { apiVersion: 'v1', metadata: { name: 'a' } }, 'kind: Required value'],
    ['without an apiVersion', { kind: 'Service', metadata: { name: 'a' } }, 'apiVersion: Required value'],
    // Not with the value, which may be a Secret that was indented wrongly.
    ['as a text', 'hello', ': Invalid value: "string": write an object with apiVersion, kind and metadata'],
    ['as a list', [secret({})], ': Invalid value: "array": write an object with apiVersion, kind and metadata'],
    [
      'as a number that JSON does not know',
      service({ ports: [{ port: Number.NaN }] }),
      'spec.ports[0].port: Invalid value: NaN',
    ],
  ])('%s', (_sentence, document, expected) => {
    const problems = problemsOf(document);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });

  test('but host names, loopback addresses and fields that nobody reads are welcome', () => {
    const addresses = ['127.0.0.1', 'localhost', 'shop', 'shop.example.com', 'shop-2'];
    expect(problemsOf(slice({ endpoints: [{ addresses, deprecatedTopology: {} }], ports: null }))).toEqual([]);
    expect(problemsOf(slice({ addressType: 'FQDN', endpoints: null }))).toEqual([]);
    expect(problemsOf(traefik('IngressRoute', { routes: [], later: { on: true } }))).toEqual([]);
  });

  test('but a value of a Secret is shown nowhere', () => {
    const told = JSON.stringify(validate(secret({ data: { password: 'hunter2!', 'a b': 'hunter2!', n: 5 }, type: 7 })));
    expect(told).toContain('must be of type string');
    expect(told).not.toContain('hunter2');
  });

  test('and one that contains itself has an end', () => {
    const endless: Record<string, unknown> = {};
    endless['spec'] = endless;
    expect(problemsOf({ ...traefik('Middleware', {}), spec: endless })).toEqual([
      'spec.spec.spec: Invalid value: nested more than 100 levels deep',
    ]);
  });
});

describe('a kind that nobody reads', () => {
  test.each([
    ['apps/v1', 'Deployment'],
    ['v1', 'Namespace'],
    ['autoscaling/v2', 'HorizontalPodAutoscaler'],
    ['networking.k8s.io/v1', 'NetworkPolicy'],
    ['monitoring.coreos.com/v1', 'ServiceMonitor'],
    ['traefik.io/v1alpha1', 'TLSOption'],
  ])('is left alone: %s %s', (apiVersion, kind) => {
    expect(validate({ apiVersion, kind, metadata: { name: 'a' } })).toEqual({
      kind: 'Ignored',
      why: `Nothing here reads ${kind} of ${apiVersion}.`,
    });
  });
});

test('readCrds names the folder that it cannot read', async () => {
  await expect(readCrds('/nowhere/crds')).rejects.toThrow('The CRDs in /nowhere/crds cannot be read (ENOENT).');
});

test('a thousand Rollouts take less than a second', () => {
  const documents = rows.map((row, index) => rowObject(row, `row-${index}`));
  validate(documents[0]);
  const startedAt = performance.now();
  for (let count = 0; count < 1000; count += 1) validate(documents[count % documents.length]);
  expect(performance.now() - startedAt).toBeLessThan(1000);
});
