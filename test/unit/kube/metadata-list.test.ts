import { describe, expect, it } from 'vitest';
import type { KubeCall } from '../../../src/kube/call.ts';
import { listMetadata, type MetadataPage } from '../../../src/kube/metadata-list.ts';

const path = '/apis/traefik.io/v1alpha1/ingressroutes';

function identity(name: string) {
  return { namespace: 'web', name, uid: `uid-${name}`, resourceVersion: '7' };
}

/** read returns the pages that come of the given answers, and what was asked for. */
function read(...answers: readonly unknown[]) {
  return readWith(undefined, ...answers);
}

async function readWith(labelSelector: string | undefined, ...answers: readonly unknown[]) {
  const calls: (KubeCall & { readonly accept?: string | undefined })[] = [];
  const left = [...answers];
  const request = (call: KubeCall): Promise<unknown> => {
    calls.push(call);
    return Promise.resolve(left.shift());
  };
  const pages: MetadataPage[] = [];
  const { signal } = new AbortController();
  for await (const page of listMetadata({ request }, { path, labelSelector }, signal)) pages.push(page);
  return { calls, pages, signal };
}

describe('listMetadata', () => {
  it('reads page after page, and asks for nothing but metadata', async () => {
    const { calls, pages, signal } = await read(
      {
        metadata: { resourceVersion: '90', continue: 'next' },
        items: [{ metadata: { ...identity('a'), labels: { big: 'x' } } }, { metadata: identity('b') }],
      },
      { metadata: { resourceVersion: '90' }, items: [{ metadata: identity('c') }] },
    );
    expect(pages).toEqual([
      { resourceVersion: '90', items: [identity('a'), identity('b')] },
      { resourceVersion: '90', items: [identity('c')] },
    ]);
    const accept = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
    expect(calls).toEqual([
      { verb: 'list', path, query: { limit: '500' }, accept, signal },
      { verb: 'list', path, query: { limit: '500', continue: 'next' }, accept, signal },
    ]);
  });

  it('asks on each page for those with the labels alone', async () => {
    const { calls } = await readWith(
      'hash',
      { metadata: { resourceVersion: '90', continue: 'next' }, items: [] },
      { metadata: { resourceVersion: '90' }, items: [] },
    );
    expect(calls.map(({ query }) => query?.['labelSelector'])).toEqual(['hash', 'hash']);
  });

  it('takes an empty list, also one that Go wrote as null', async () => {
    const { pages } = await read({ metadata: { resourceVersion: '90' }, items: null });
    expect(pages).toEqual([{ resourceVersion: '90', items: [] }]);
  });

  it.each([
    ['something else', { kind: 'Status' }],
    ['an object without uid', { metadata: { resourceVersion: '9' }, items: [{ metadata: { name: 'a' } }] }],
    ['an object without metadata', { metadata: { resourceVersion: '9' }, items: [{}] }],
  ])('does not take %s for a list', async (_what, answer) => {
    await expect(read(answer)).rejects.toMatchObject({ code: 'ApiFailed', message: expect.stringContaining(path) });
  });
});
