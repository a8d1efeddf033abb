import { describe, expect, test } from 'vitest';
import { isRemovable, leftInPlace, removalOrder, resourceOf } from '../../../src/cli/removal.ts';

const object = (kind: string, name = 'sluice', labels?: Readonly<Record<string, string>>) => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, ...(labels === undefined ? {} : { labels }) },
});

describe('resourceOf', () => {
  test.each([
    ['v1', 'ServiceAccount', 'serviceaccounts'],
    ['apps/v1', 'DaemonSet', 'daemonsets'],
    ['admissionregistration.k8s.io/v1', 'ValidatingAdmissionPolicy', 'validatingadmissionpolicies'],
    ['networking.k8s.io/v1', 'IngressClass', 'ingressclasses'],
  ])('of %s %s is %s', (apiVersion, kind, plural) => {
    const [version, group = ''] = apiVersion.split('/').toReversed();
    expect(resourceOf({ ...object(kind), apiVersion })).toEqual({ group, version, kind, plural });
  });
});

describe('removalOrder', () => {
  test('begins with who works, and ends with the CRD and the namespace', () => {
    const crd = object('CustomResourceDefinition', 'rollouts.sluice.dev');
    const objects = [crd, object('Namespace'), object('ClusterRole'), object('Deployment')];
    expect(removalOrder(objects).map((stage) => stage.map(({ kind }) => kind))).toEqual([
      ['Deployment'],
      ['ClusterRole'],
      ['CustomResourceDefinition'],
      ['Namespace'],
    ]);
  });

  test('never has a CRD of Traefik in it, with which all routes would go', () => {
    const crd = object('CustomResourceDefinition', 'ingressroutes.traefik.io');
    expect(leftInPlace(crd)).toBe(true);
    expect(removalOrder([crd]).flat()).toEqual([]);
  });
});

describe('isRemovable', () => {
  const label = 'app.kubernetes.io/name';

  test('is not what has the name alone', () => {
    const wanted = object('Deployment', 'sluice', { [label]: 'sluice' });
    expect(isRemovable(object('Deployment', 'sluice', { [label]: 'sluice' }), wanted)).toBe(true);
    expect(isRemovable(object('Deployment', 'sluice', { [label]: 'gate' }), wanted)).toBe(false);
    expect(isRemovable(object('Deployment'), wanted)).toBe(false);
  });
});
