import type { KubeCall } from './call.ts';
import type { KubeClient } from './request.ts';
import { SluiceError } from '../errors.ts';

/** ObjectIdentity is which object it is and which state of it. */
export interface ObjectIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/** MetadataOptions: `namespace` limits a list to one; left out: all. */
export interface MetadataOptions {
  readonly namespace?: string | undefined;
  readonly signal: AbortSignal;
}

/** MetadataPage is a part of a list; all pages are of the one `resourceVersion`. */
export interface MetadataPage {
  readonly resourceVersion: string;
  readonly items: readonly ObjectIdentity[];
}

/** Kubernetes API, "Receiving resources as Tables" and its kin: the server sends the metadata of any kind by itself. */
const accept = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';

const pageSize = '500';

interface RawPage {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly { readonly metadata?: Partial<ObjectIdentity> }[] | null;
}

/**
 * listMetadata yields the identities of all objects of a collection as they were at one moment, 500 a request, without
 * their content. It throws ApiGone where reading takes longer than the server keeps that moment, ApiFailed for an answer
 * that is no such list.
 */
export async function* listMetadata(
  client: Pick<KubeClient, 'request'>,
  { path, labelSelector }: { readonly path: string; readonly labelSelector?: string | undefined },
  signal: AbortSignal,
): AsyncGenerator<MetadataPage, void, undefined> {
  let query: KubeCall['query'] = { limit: pageSize, labelSelector };
  for (;;) {
    const call: KubeCall = { verb: 'list', path, query, accept, signal };
    const { metadata, items } = (await client.request(call)) as RawPage;
    const { resourceVersion = '', continue: next = '' } = metadata ?? {};
    if (resourceVersion === '') throw new SluiceError('ApiFailed', `GET ${path} was answered with no list.`);
    yield { resourceVersion, items: (items ?? []).map((item) => identityOf(item.metadata, path)) };
    if (next === '') return;
    query = { limit: pageSize, continue: next, labelSelector };
  }
}

function identityOf(metadata: Partial<ObjectIdentity> = {}, path: string): ObjectIdentity {
  const { namespace = '', name = '', uid = '', resourceVersion = '' } = metadata;
  if (name === '' || uid === '' || resourceVersion === '') {
    throw new SluiceError('ApiFailed', `The list of ${path} has an object without name, uid or resourceVersion.`);
  }
  return { namespace, name, uid, resourceVersion };
}
