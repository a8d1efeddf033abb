import { describe, expect, it } from 'vitest';
import type { RolloutTarget } from '../../../src/api/rollout-status.ts';
import { ignoreAdvice } from '../../../src/rollout/ignore-advice.ts';

const target: RolloutTarget = {
  apiVersion: 'traefik.containo.us/v1alpha1',
  kind: 'TraefikService',
  route: 'shop',
  uid: 'u',
  stable: { service: 'shop-stable' },
  canary: { service: 'shop-canary' },
  baseline: { routes: [] },
};

describe('what to paste so that a TraefikService is left alone', () => {
  it.each([
    [
      'argocd-controller',
      `{group: traefik.containo.us, kind: TraefikService, namespace: web, name: shop, jqPathExpressions: ['.spec.weighted.services[]? | select(`,
    ],
    ['kustomize-controller', 'Annotate the TraefikService in Git'],
    ['helm-controller', '{paths: [/spec/weighted/services], target: {kind: TraefikService, name: shop}}'],
    ['terraform', 'Make terraform ignore spec.weighted.services[].'],
  ])('%s is told', (manager, text) => {
    expect(ignoreAdvice(manager, 'web', target)).toContain(text);
  });
});
