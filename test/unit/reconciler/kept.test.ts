import { describe, expect, it } from 'vitest';
import { resources } from '../../../src/api/kubernetes.ts';
import type { Rollout } from '../../../src/api/rollout.ts';
import {
  keptEndpointSlice,
  keptIngressRoute,
  keptMiddleware,
  keptRollout,
  keptService,
} from '../../../src/reconciler/kept.ts';
import {
  keptControllerRevision,
  keptDaemonSet,
  keptDeployment,
  keptStatefulSet,
} from '../../../src/reconciler/kept-workloads.ts';
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

  it('of an IngressRoute is its spec, and who wrote its rules', () => {
    const time = '2026-11-21T09:30:00Z';
    const kept = keptIngressRoute(resources.ingressRoutes, {
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
      spec: { entryPoints: ['web'], routes: shopRoutes, tls: { secretName: 'shop' } },
    });
  });

  it('of an IngressRoute is also for which Traefik and of which Rollout it is', () => {
    const owner = { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', name: 'shop', uid: 'r' };
    const kept = keptIngressRoute(resources.ingressRoutes, {
      metadata: {
        ...metadata,
        annotations: { 'kubernetes.io/ingress.class': 'internal', 'meta.helm.sh/release-name': 'shop' },
        ownerReferences: [{ ...owner, kind: 'Application' }, owner],
      },
      spec: {},
    });
    expect(kept.metadata).toEqual({
      ...meta,
      annotations: { 'kubernetes.io/ingress.class': 'internal' },
      ownerReferences: [owner],
      managedFields: [],
    });
  });

  it('of a Middleware is that it is there', () => {
    const middleware = { metadata, spec: { basicAuth: { secret: 'users' } } };
    expect(keptMiddleware(middleware)).toEqual({ metadata: meta });
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
      spec: { replicas: 2, paused: true, template: { spec: { containers: [{ name: 'app', image: 'shop:2' }] } } },
      status: { ...status, availableReplicas: 1 },
    });
    expect(kept).toEqual({
      metadata: { ...meta, generation: 3, annotations: { 'deployment.kubernetes.io/revision': '4' } },
      spec: { replicas: 2, paused: true, template: { spec: { containers: [{ name: 'app', image: 'shop:2' }] } } },
      status,
    });
  });

  it('of a StatefulSet is its revision, its progress, what may keep old pods, and its images', () => {
    const template = {
      metadata: { labels: { app: 'shop' } },
      spec: {
        containers: [{ name: 'app', image: 'shop:2', env: [] }],
        initContainers: [{ name: 'init', image: 'init:1', command: ['x'] }],
      },
    };
    const status = {
      observedGeneration: 3,
      updateRevision: 'shop-2',
      replicas: 2,
      updatedReplicas: 1,
      readyReplicas: 1,
    };
    const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { partition: 1 } };
    const { containers, initContainers } = {
      containers: [{ name: 'app', image: 'shop:2' }],
      initContainers: [{ name: 'init', image: 'init:1' }],
    };
    const written = { replicas: 2, updateStrategy, template, serviceName: 'shop' };
    const currentRevision = { currentRevision: 'shop-1', collisionCount: 0 };
    const kept = keptStatefulSet({ metadata, spec: written, status: { ...status, ...currentRevision } });
    expect(kept).toEqual({
      metadata: { ...meta, generation: 3 },
      spec: { replicas: 2, updateStrategy, template: { spec: { containers, initContainers } } },
      status,
    });
    const whole = { type: 'RollingUpdate', rollingUpdate: { partition: 0 } };
    const { spec } = keptStatefulSet({ metadata, spec: { updateStrategy: whole } });
    expect(spec).toEqual({ updateStrategy: { type: 'RollingUpdate' }, template: { spec: { containers: [] } } });
  });

  it('of a DaemonSet is its progress, its strategy and its images', () => {
    const status = { observedGeneration: 3, desiredNumberScheduled: 2, updatedNumberScheduled: 1, numberReady: 2 };
    const template = { spec: { containers: [{ name: 'app', image: 'shop:2' }] } };
    const more = { currentNumberScheduled: 2, numberAvailable: 2 };
    const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } };
    const kept = keptDaemonSet({ metadata, spec: { updateStrategy, template }, status: { ...status, ...more } });
    expect(kept).toEqual({
      metadata: { ...meta, generation: 3 },
      spec: { updateStrategy: { type: 'RollingUpdate' }, template },
      status,
    });
  });

  it('of a ControllerRevision is whose it is, its number and its hash, and no template', () => {
    const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'shop', uid: 'd1', controller: true };
    const written = {
      metadata: {
        ...metadata,
        labels: { app: 'shop', 'controller-revision-hash': '5c6d' },
        ownerReferences: [
          { ...owner, blockOwnerDeletion: true },
          { ...owner, uid: 'x', controller: false },
        ],
      },
      revision: 3,
      data: { spec: { template: {} } },
    };
    const labels = { 'controller-revision-hash': '5c6d' };
    const kept = { metadata: { ...meta, labels, ownerReferences: [owner] }, revision: 3 };
    expect(keptControllerRevision(written)).toEqual(kept);
    expect(keptControllerRevision(kept)).toEqual(kept);
  });
});
