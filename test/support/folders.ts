/** Folders of manifests for tests of the folder store. */
import type { KubernetesObject } from '../../src/api/kubernetes.ts';
import type { ManifestSchema } from '../../src/standalone/manifest-schema.ts';

/** validateWidget checks the little that the schema of test/support/widgets.ts says, and takes every other kind as it is. */
export const validateWidget: ManifestSchema = (document) => {
  if (typeof document !== 'object' || document === null) {
    return { kind: 'Invalid', problems: [{ path: [], message: 'Invalid value: write an object' }] };
  }
  const { metadata, spec } = document as Partial<KubernetesObject> & { readonly spec?: Record<string, unknown> };
  if (typeof metadata?.name !== 'string') {
    return { kind: 'Invalid', problems: [{ path: ['metadata', 'name'], message: 'Required value' }] };
  }
  if (spec?.['paused'] !== undefined && typeof spec['paused'] !== 'boolean') {
    return { kind: 'Invalid', problems: [{ path: ['spec', 'paused'], message: 'Invalid value: must be a boolean' }] };
  }
  return { kind: 'Valid', object: document };
};
