import { describe, expect, it } from 'vitest';
import type { Rollout } from '../../../src/api/rollout.ts';
import {
  keptDeployment,
  keptEndpointSlice,
  keptIngressRoute,
  keptRollout,
  keptService,
} from '../../../src/reconciler/kept.ts';
import { rollout, shopRoutes } from '../../support/rollout-builders.ts';

const metadata = {
  name: 'shop',
  namespace: 'web',
  uid: 'u1',
  resourceVersion: '7',
  generation: 3,
  creationTimestamp: '2026-11-21T09:00:00Z',
  labels: { team: 'shop' },
  annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
};
const meta = { name: 'shop', namespace: 'web', uid: 'u1', resourceVersion: '7' };

describe('what the caches keep', () => {
  it('of a Rollout is all that is decided on, and no annotation of somebody else', () => {
    const written: Rollout = {
      ...rollout({}, { status: { phase: 'Pending' } }),
      metadata: {
        ...metadata,
        finalizers: ['sluice.dev/route'],
        deletionTimestamp: '2026-11-21T10:00:00Z',
        annotations: { ...metadata.annotations, 'sluice.dev/command': 'abort n u r' },
        managedFields: [{ manager: 'kubectl' }],
      },
    };
    const kept = keptRollout(written);
    expect({ spec: kept.spec, status: kept.status, kind: kept.kind }).toEqual({
      spec: written.spec,
      status: written.status,
      kind: written.kind,
    });
    expect(kept.metadata).toEqual({
      ...meta,
      generation: 3,
      creationTimestamp: metadata.creationTimestamp,
      deletionTimestamp: '2026-11-21T10:00:00Z',
      finalizers: ['sluice.dev/route'],
      annotations: { 'sluice.dev/command': 'abort n u r' },
    });
  });

  it('of an IngressRoute is its rules, and who wrote them', () => {
    const time = '2026-11-21T09:30:00Z';
    const kept = keptIngressRoute({
      metadata: {
        ...metadata,
        managedFields: [
          { manager: 'helm', time, fieldsV1: { 'f:spec': { 'f:tls': {} } } },
          { manager: 'sluice', time, operation: 'Update', fieldsV1: { 'f:spec': { 'f:routes': {}, 'f:tls': {} } } },
          { manager: 'kubectl', time, fieldsV1: { 'f:metadata': {} } },
        ],
      },
      spec: { entryPoints: ['web'], routes: shopRoutes, tls: { secretName: 'shop' } },
    });
    expect(kept).toEqual({
      metadata: {
        ...meta,
        managedFields: [{ manager: 'sluice', time, fieldsV1: { 'f:spec': { 'f:routes': {} } } }],
      },
      spec: { routes: shopRoutes },
    });
  });

  it('of an IngressRoute without rules is that it has none', () => {
    expect(keptIngressRoute({ metadata, spec: { entryPoints: ['web'] } }).spec).toEqual({});
  });

  it('of a Service is its ports', () => {
    const ports = [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }, { port: 81 }];
    expect(keptService({ metadata, spec: { clusterIP: '10.0.0.1', ports } })).toEqual({
      metadata: meta,
      spec: { ports: [{ name: 'http', port: 80 }, { port: 81 }] },
    });
    expect(keptService({ metadata })).toEqual({ metadata: meta, spec: { ports: [] } });
  });

  it('of an EndpointSlice is addresses, conditions, ports and the Service', () => {
    const labels = { 'kubernetes.io/service-name': 'shop-canary', other: 'x' };
    const kept = keptEndpointSlice({
      metadata: { ...metadata, labels },
      endpoints: [
        { addresses: ['10.0.0.1'], conditions: { ready: true, serving: true }, targetRef: { kind: 'Pod', name: 'p' } },
        { addresses: ['10.0.0.2'], conditions: { ready: false, terminating: true } },
        { addresses: ['10.0.0.3'] },
      ],
      ports: [{ name: 'http', port: 8080 }, { port: 8081 }],
    });
    expect(kept).toEqual({
      metadata: { ...meta, labels: { 'kubernetes.io/service-name': 'shop-canary' } },
      endpoints: [
        { addresses: ['10.0.0.1'], conditions: { ready: true } },
        { addresses: ['10.0.0.2'], conditions: { ready: false, terminating: true } },
        { addresses: ['10.0.0.3'], conditions: {} },
      ],
      ports: [{ name: 'http', port: 8080 }, { port: 8081 }],
    });
    expect(keptEndpointSlice({ metadata, endpoints: null })).toMatchObject({ endpoints: [], ports: [] });
  });

  it('of a Deployment is its revision, its progress and its images', () => {
    const status = { observedGeneration: 3, replicas: 2, updatedReplicas: 2, readyReplicas: 1 };
    const kept = keptDeployment({
      metadata: { ...metadata, annotations: { 'deployment.kubernetes.io/revision': '4', other: 'x' } },
      spec: { replicas: 2, template: { spec: { containers: [{ name: 'app', image: 'shop:2' }] } } },
      status: { ...status, availableReplicas: 1 },
    });
    expect(kept).toEqual({
      metadata: { ...meta, generation: 3, annotations: { 'deployment.kubernetes.io/revision': '4' } },
      spec: { replicas: 2, template: { spec: { containers: [{ name: 'app', image: 'shop:2' }] } } },
      status,
    });
  });
});
