import { resources } from '../api/kubernetes.ts';
import { electionLabel, type Lease, type LeaseStore } from '../api/lease.ts';
import type { WriteOutcome } from '../api/object-store.ts';
import { isSluiceError } from '../errors.ts';
import type { KubeCall } from './call.ts';
import type { KubeClient } from './request.ts';

const { group, version, plural, kind } = resources.leases;
const typeMeta = { apiVersion: `${group}/${version}`, kind } as const;

/** KubeLeaseStoreOptions: all Leases of `election` live in `namespace`. */
export interface KubeLeaseStoreOptions {
  readonly namespace: string;
  /** election is the name of the election, a label value. */
  readonly election: string;
}

/** createKubeLeaseStore returns the LeaseStore of an API server. It needs list, create, update and delete on leases. */
export function createKubeLeaseStore(client: KubeClient, options: KubeLeaseStoreOptions): LeaseStore {
  const { namespace, election } = options;
  const path = `/apis/${group}/${version}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
  const pathOf = (lease: Lease): string => `${path}/${encodeURIComponent(lease.metadata.name)}`;
  const query = { fieldManager: 'sluice' };
  return {
    // Without a resourceVersion the list is linearizable, which the check for other numbers of shards relies on.
    list: async (callOptions) => {
      const selector = { labelSelector: `${electionLabel}=${election}` };
      const answer = await client.request({ verb: 'list', path, query: selector, ...callOptions });
      return (answer as { readonly items?: readonly Lease[] | null }).items ?? [];
    },
    create: (lease, callOptions) =>
      write(client, { verb: 'create', path, query, body: { ...typeMeta, ...lease }, ...callOptions }),
    update: (lease, callOptions) =>
      write(client, { verb: 'update', path: pathOf(lease), query, body: { ...typeMeta, ...lease }, ...callOptions }),
    delete: (lease, callOptions) => {
      const { uid, resourceVersion } = lease.metadata;
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid, resourceVersion } };
      return write(client, { verb: 'delete', path: pathOf(lease), body, ...callOptions }, lease);
    },
  };
}

/** The answer to a delete is a Status, so that the caller says what `object` was. */
async function write(client: KubeClient, call: KubeCall, object?: Lease): Promise<WriteOutcome<Lease>> {
  try {
    const answer = (await client.request(call)) as Lease;
    return { kind: 'Written', object: object ?? answer };
  } catch (error) {
    if (isSluiceError(error, 'ApiNotFound')) return { kind: 'Missing' };
    if (isSluiceError(error, 'ApiConflict')) return { kind: 'Conflict', message: error.message };
    throw error;
  }
}
