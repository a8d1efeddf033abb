/** Tries whether a controller runs and leads. */
import { formatDuration } from '../api/duration.ts';
import { electionLabel } from '../api/lease.ts';
import type { Tried } from '../cli/check-report.ts';
import { parseTime } from '../clock.ts';
import { shardIndexOf } from '../controller/lease-record.ts';
import { ask, untold, type Asker } from './ask.ts';
import { readLeases } from './rights.ts';

interface Deployment {
  readonly spec?: { readonly replicas?: number };
  readonly status?: { readonly availableReplicas?: number };
}

/** tryLeader reads the Leases, and the Deployment where there are none. `nowMs` is the API server's time. */
export async function tryLeader(
  asker: Asker,
  { namespace, leaseName, nowMs }: { readonly namespace: string; readonly leaseName: string; readonly nowMs: number },
): Promise<readonly Tried[]> {
  const what = 'Controller';
  const leases = await readLeases(asker, namespace);
  if (leases.kind === 'Forbidden') return [untold(what, leases)];
  const shards = (leases.kind === 'Found' ? leases.value.items : []).filter(
    ({ metadata }) =>
      metadata.labels?.[electionLabel] === leaseName && shardIndexOf(leaseName, metadata.name) !== undefined,
  );
  if (shards.length === 0) return [await withoutLease(asker, namespace, leaseName)];
  return shards.map(({ metadata, spec = {} }): Tried => {
    const { holderIdentity = '', leaseDurationSeconds = 0 } = spec;
    const ageMs = nowMs - (parseTime(spec.renewTime) ?? 0);
    const isHeld = holderIdentity !== '' && ageMs <= leaseDurationSeconds * 1_000;
    if (isHeld) return { state: 'Right', what, message: `${holderIdentity} leads (Lease ${metadata.name})` };
    const last =
      holderIdentity === ''
        ? 'given back'
        : `last renewed ${formatDuration(Math.round(ageMs / 1_000) * 1_000)} ago by ${holderIdentity}`;
    return {
      state: 'Wrong',
      what,
      message: `nobody leads: Lease ${metadata.name} was ${last}`,
      advice: `See kubectl -n ${namespace} get pods and the log of the controller.`,
      docs: 'operations.md#replicas',
    };
  });
}

async function withoutLease(asker: Asker, namespace: string, leaseName: string): Promise<Tried> {
  const what = 'Controller';
  const path = `/apis/apps/v1/namespaces/${encodeURIComponent(namespace)}/deployments/sluice`;
  const deployment = await ask<Deployment>(asker, path);
  const { status, spec } = deployment.kind === 'Found' ? deployment.value : {};
  const { availableReplicas = 0 } = status ?? {};
  if (availableReplicas > 0) {
    const message = `Deployment ${namespace}/sluice is available; without a Lease nobody can tell who leads`;
    return {
      state: 'Unsure',
      what,
      message,
      advice: 'With --leader-elect=true replicas never write together.',
      docs: 'operations.md#replicas',
    };
  }
  const found =
    deployment.kind === 'Found'
      ? `Deployment sluice has 0 of ${spec?.replicas ?? 1} replicas available`
      : 'there is no Deployment sluice';
  return {
    state: 'Wrong',
    what,
    message: `none runs: namespace ${namespace} has no Lease of the election ${leaseName}, and ${found}`,
    advice: `Install it (kubectl apply -k manifests/base), or say where it is: --controller-namespace, --lease-name.`,
    docs: 'operations.md#install',
  };
}
