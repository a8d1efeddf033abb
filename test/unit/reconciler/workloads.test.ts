import { describe, expect, it } from 'vitest';
import type { Deployment } from '../../../src/api/kubernetes.ts';
import { imagesDiffer, revisionOf } from '../../../src/reconciler/workloads.ts';
import { deployment } from './cluster.ts';

const whole = deployment('shop', 'shop:1', '7');

function withStatus(status: NonNullable<Deployment['status']>, replicas?: number): Deployment {
  const spec = { ...whole.spec, ...(replicas === undefined ? {} : { replicas }) };
  return { ...whole, spec, status: { ...whole.status, ...status } };
}

describe('revisionOf', () => {
  it('is the beginning of the UID and the number that the deployment controller gives', () => {
    expect(revisionOf(whole)).toMatchObject({ value: 'shop-uid-7', settled: true });
  });

  it('is not known without a Deployment, or before the deployment controller has numbered it', () => {
    expect(revisionOf(undefined)).toBeUndefined();
    expect(revisionOf({ ...whole, metadata: { ...whole.metadata, annotations: {} } })).toBeUndefined();
  });

  it.each<[string, Deployment, boolean]>([
    ['whose new template was not looked at yet', withStatus({ observedGeneration: 3 }), false],
    ['with no pod of the new template', withStatus({ replicas: 3, updatedReplicas: 0 }), false],
    ['with a surge pod beside the old ones', withStatus({ replicas: 4, updatedReplicas: 1 }), false],
    ['with the last old pod still there', withStatus({ replicas: 4, updatedReplicas: 3 }), false],
    ['with a new pod that is not ready', withStatus({ readyReplicas: 2 }), false],
    ['with all pods new and ready', withStatus({ availableReplicas: 0 }), true],
    ['that is scaled up', withStatus({}, 5), false],
    ['that is scaled down', withStatus({}, 2), false],
    ['without any status', { ...whole, status: {} }, false],
    [
      'that was scaled to 0',
      withStatus({ replicas: 0, updatedReplicas: 0, readyReplicas: 0, availableReplicas: 0 }, 0),
      true,
    ],
    // The deployment controller goes on observing a paused Deployment but finds no pods of its template.
    ['that is paused with another template', withStatus({ updatedReplicas: 0 }), false],
    ['that is paused with the template of its pods', withStatus({}), true],
  ])('of a Deployment %s is settled or not', (_name, found, settled) => {
    expect(revisionOf(found)?.settled).toBe(settled);
  });

  it('leaves the counts out that the API server leaves out, and takes one replica for the default', () => {
    const { replicas: _replicas, ...spec } = whole.spec ?? {};
    const counts = { observedGeneration: 4, replicas: 1, updatedReplicas: 1, readyReplicas: 1 };
    expect(revisionOf({ ...whole, spec, status: counts })?.settled).toBe(true);
    expect(revisionOf({ ...whole, status: { observedGeneration: 4, replicas: 3 } })?.message).toBe(
      'Deployment shop is rolling out: 0 of 3 pods are new, 0 ready.',
    );
  });
});

describe('imagesDiffer', () => {
  const running = (...containers: readonly { readonly name: string; readonly image?: string }[]): Deployment => ({
    ...whole,
    spec: { template: { spec: { containers } } },
  });
  const app = { name: 'app', image: 'shop:1' };
  const proxy = { name: 'proxy', image: 'envoy:1' };

  it.each<[string, Deployment | undefined, Deployment | undefined, boolean | undefined]>([
    ['the same image', running(app), running(app), false],
    ['another image', running(app), running({ ...app, image: 'shop:2' }), true],
    ['the same containers in another order', running(app, proxy), running(proxy, app), false],
    ['swapped images', running(app, proxy), running({ ...app, image: 'envoy:1' }, { ...proxy, image: 'shop:1' }), true],
    ['one container more', running(app), running(app, proxy), true],
    ['a container with another name', running(app), running({ ...app, name: 'shop' }), true],
    ['an unknown Deployment', running(app), undefined, undefined],
    ['another unknown Deployment', undefined, running(app), undefined],
  ])('compares %s', (_name, left, right, differ) => {
    expect(imagesDiffer(left, right)).toBe(differ);
  });
});
