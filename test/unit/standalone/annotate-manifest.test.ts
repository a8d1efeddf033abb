import { describe, expect, it } from 'vitest';
import { annotateManifest } from '../../../src/standalone/annotate-manifest.ts';
import { parseManifests } from '../../../src/standalone/manifest-text.ts';

const shop = { kind: 'Rollout', namespace: 'default', name: 'shop' };
const edit = (text: string): string | undefined => annotateManifest(text, shop, { 'sluice.dev/command': 'abort "1"' });
const written = (text: string): unknown =>
  parseManifests(edit(text) ?? '').documents.map(({ value }) => (value as { metadata?: unknown }).metadata);

const block = `# the shop
kind: Rollout
metadata:
  # its name
  name: shop   # here
spec: {}
`;

describe('an annotation in a manifest', () => {
  it('is put on a line of its own, and nothing else is touched', () => {
    expect(edit(block)).toBe(`# the shop
kind: Rollout
metadata:
  # its name
  annotations: {"sluice.dev/command": "abort \\"1\\""}
  name: shop   # here
spec: {}
`);
  });

  it.each([
    ['in braces', 'kind: Rollout\nmetadata: {name: shop}\n'],
    ['in JSON', '{"kind": "Rollout", "metadata": {"name": "shop"}}'],
    ['beside other annotations', 'kind: Rollout\nmetadata:\n  name: shop\n  annotations:\n    a: b\n'],
    ['beside others in braces', 'kind: Rollout\nmetadata: {name: shop, annotations: {a: b}}\n'],
    ['in empty braces', 'kind: Rollout\nmetadata:\n  name: shop\n  annotations: {}\n'],
    [
      'of an older command',
      'kind: Rollout\nmetadata:\n  name: shop\n  annotations:\n    sluice.dev/command: pause 0 u r\n',
    ],
    [
      'of an older command in JSON',
      '{"kind":"Rollout","metadata":{"name":"shop","annotations":{"sluice.dev/command":"x"}}}',
    ],
    [
      'in a List',
      'kind: List\nitems:\n- kind: Service\n  metadata: {name: shop}\n- kind: Rollout\n  metadata: {name: shop}\n',
    ],
  ])('is written %s', (_, text) => {
    expect(written(text)).toContainEqual(
      expect.objectContaining({
        name: 'shop',
        annotations: expect.objectContaining({ 'sluice.dev/command': 'abort "1"' }),
      }),
    );
  });

  it('is written into the one of its name, kind and namespace', () => {
    const two = `kind: Service\nmetadata: {name: shop}\n---\nkind: Rollout\nmetadata: {name: shop, namespace: web}\n---\n${block}`;
    const metadata = written(two) as readonly { readonly annotations?: object }[];
    expect(metadata.map(({ annotations }) => annotations !== undefined)).toEqual([false, false, true]);
  });

  it('is not written where the object is not', () => {
    expect(edit('kind: Rollout\nmetadata: {name: other}\n')).toBeUndefined();
    expect(edit('kind: [')).toBeUndefined();
  });
});
