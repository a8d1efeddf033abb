/** A small custom resource for tests of the Kubernetes client that do not concern the Rollout. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { KubernetesObject, ResourceKind } from '../../src/api/kubernetes.ts';
import type { Cluster } from './cluster.ts';

/** widgets is the kind; `spec.extra` holds anything, and `spec.size` is from 0 to 10 (a CEL rule). */
export const widgets = {
  group: 'test.sluice.dev',
  version: 'v1',
  plural: 'widgets',
  kind: 'Widget',
} as const satisfies ResourceKind;

/** Widget is an object of that kind. */
export interface Widget extends KubernetesObject {
  readonly spec: { readonly paused?: boolean; readonly size?: number; readonly extra?: unknown };
  readonly status?: { readonly phase?: string; readonly message?: string };
}

/** widget returns a valid Widget with fields that no type of ours knows. */
export function widget(namespace: string, name: string, size = 1): Widget {
  return {
    apiVersion: 'test.sluice.dev/v1',
    kind: 'Widget',
    metadata: { name, namespace, labels: { app: 'a/b~c'.replaceAll(/[^a-z]/g, '-') } },
    spec: {
      paused: false,
      size,
      extra: { futureField: [1, { deep: null }, 'Grüße 🚦 \u2028'], 'x-kubernetes-like': { number: 1.5 } },
    },
  };
}

const manifest = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.test.sluice.dev}
spec:
  group: test.sluice.dev
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            x-kubernetes-validations: [{rule: "!has(self.size) || self.size <= 10", message: size is at most 10}]
            properties:
              paused: {type: boolean}
              size: {type: integer}
              extra: {type: object, x-kubernetes-preserve-unknown-fields: true}
          status:
            type: object
            properties:
              phase: {type: string}
              message: {type: string}
`;

/** installWidgets creates the CRD and waits until the API server serves it. */
export async function installWidgets(cluster: Cluster): Promise<void> {
  const file = path.join(cluster.dataDir, 'widgets.yaml');
  await writeFile(file, manifest);
  await cluster.applyCrds([file]);
}
