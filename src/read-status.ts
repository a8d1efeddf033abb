/** Reads what `sluice status` shows of a Rollout, beside the Rollout itself; what may not be read is left out and said. */
import {
  resources,
  type Deployment,
  type EndpointSlice,
  type KubernetesObject,
  type ResourceKind,
  type StatefulSet,
} from './api/kubernetes.ts';
import type { Rollout, StableRef, WorkloadRef } from './api/rollout.ts';
import type { ArmView, RouteView, StatusView, Unseen } from './cli/status-view.ts';
import { isSluiceError } from './errors.ts';
import { routeIdOf } from './reconciler/observe.ts';
import { revisionOf } from './reconciler/workloads.ts';
import type { RolloutSource } from './rollout-source.ts';
import { asRoute, type RouteSource } from './traffic/route-object.ts';
import { readSplit } from './traffic/split.ts';

/** readStatusView reads route, endpoints and workloads of a Rollout at the same time. */
export async function readStatusView(source: RolloutSource, rollout: Rollout): Promise<StatusView> {
  const roles = rolesOf(rollout);
  const [route, stable, canary] = await Promise.all([
    readRoute(source, rollout, roles),
    readArm(source, rollout, roles.stable),
    readArm(source, rollout, roles.canary),
  ]);
  return { rollout, nowMs: source.nowMs(), route, stable, canary };
}

interface Roles {
  readonly stable: StableRef;
  readonly canary: StableRef;
}

/** rolesOf: with Swap the services are in the roles that status says, as of the touched route, else as of the live service. */
function rolesOf({ spec, status }: Rollout): Roles {
  const stable = status?.target?.stable.service ?? status?.liveService ?? spec.stable.service;
  const isSwapped = stable === spec.canary.service;
  return isSwapped ? { stable: spec.canary, canary: spec.stable } : { stable: spec.stable, canary: spec.canary };
}

async function readRoute(source: RolloutSource, rollout: Rollout, { stable, canary }: Roles): Promise<RouteView> {
  const { resource, key } = routeIdOf(rollout);
  const namespace = namespaceOf(rollout);
  const rule = (rollout.status?.target ?? rollout.spec.route).match;
  const name = `${resource.kind} ${key.slice(namespace.length + 1)}`;
  const object = await seen(() => source.get<RouteSource>(resource, key));
  if (object === undefined) return { name, rules: { kind: 'Unseen', why: 'which does not exist' } };
  if ('kind' in object && object.kind === 'Unseen') return { name, rules: object as Unseen };
  const pair = { namespace, stable: memberOf(stable), canary: memberOf(canary) };
  const { routes } = asRoute(resource, object as RouteSource);
  const rules = readSplit(routes, pair).routes.map(({ match, canaryPercent }) => ({
    match: match === '' ? 'its weighted services' : match,
    canaryPercent,
  }));
  const only = rules.filter(({ match }) => match === rule);
  return { name, rules: only.length > 0 ? only : rules };
}

function memberOf({ service }: StableRef) {
  return { service, ports: [] };
}

async function readArm(source: RolloutSource, rollout: Rollout, arm: StableRef): Promise<ArmView> {
  const { service, port, workload } = arm;
  const namespace = namespaceOf(rollout);
  const [endpoints, revision] = await Promise.all([
    readEndpoints(source, namespace, service),
    readRevision(source, namespace, workload),
  ]);
  return { service, port, endpoints, workload, revision: revision?.value };
}

async function readEndpoints(source: RolloutSource, namespace: string, service: string): Promise<ArmView['endpoints']> {
  const selector = `kubernetes.io/service-name=${service}`;
  const slices = await seen(() => source.list<EndpointSlice>(resources.endpointSlices, { namespace, selector }));
  if (slices === undefined || 'kind' in slices) return slices ?? { kind: 'Unseen', why: 'endpoints unknown' };
  const all = slices.flatMap(({ endpoints }) => endpoints ?? []);
  const addresses = (listed: typeof all): number => new Set(listed.flatMap(({ addresses }) => addresses)).size;
  // In standalone mode the probes say who is ready, and they are not stored.
  if (source.backing.kind === 'Folder') return { kind: 'Unseen', why: `${addresses(all)} in its file` };
  const ready = all.filter(({ conditions }) => conditions?.ready !== false && conditions?.terminating !== true);
  return { ready: addresses(ready), all: addresses(all) };
}

/** WorkloadRevision is what a workload runs, and whether its controller has seen its present template. */
export interface WorkloadRevision {
  readonly value: string;
  readonly isPresent: boolean;
}

/** readRevision reads it of a Deployment or StatefulSet; that of a DaemonSet is in objects that people seldom may list. */
async function readRevision(
  source: RolloutSource,
  namespace: string,
  workload: WorkloadRef | undefined,
): Promise<WorkloadRevision | undefined> {
  if (workload === undefined || workload.kind === 'DaemonSet') return undefined;
  const kind: ResourceKind = workload.kind === 'Deployment' ? resources.deployments : resources.statefulSets;
  const object = await seen(() => source.get<KubernetesObject>(kind, `${namespace}/${workload.name}`));
  if (object === undefined || object.kind === 'Unseen') return undefined;
  const found = { kind: workload.kind, object: object as Deployment & StatefulSet };
  const value = revisionOf(found)?.value;
  const { metadata, status } = found.object;
  return value === undefined
    ? undefined
    : { value, isPresent: (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0) };
}

/**
 * readRelease returns the revision that a person who has just applied something means: spec.revision, else that of the
 * canary's workload (of the idle one, with Swap), as soon as its controller has seen its template. Undefined: not known yet.
 * Where the workload cannot be read it is what status says.
 */
export async function readRelease(source: RolloutSource, rollout: Rollout): Promise<string | undefined> {
  const { spec, status = {} } = rollout;
  if (spec.revision !== undefined) return spec.revision;
  const isSeen = (status.observedGeneration ?? 0) >= (rollout.metadata.generation ?? 0);
  const ofStatus = isSeen ? status.revision : undefined;
  const revision = await readRevision(source, namespaceOf(rollout), rolesOf(rollout).canary.workload);
  if (revision === undefined) return ofStatus;
  // What is idle is an old version until it is deployed anew.
  if (revision.isPresent && revision.value === status.idle?.revision) return ofStatus;
  return revision.isPresent ? revision.value : undefined;
}

function namespaceOf({ metadata }: Rollout): string {
  return metadata.namespace ?? 'default';
}

/** seen takes a missing right for a part that is not shown. */
async function seen<T>(read: () => Promise<T>): Promise<T | Unseen> {
  try {
    return await read();
  } catch (error) {
    if (isSluiceError(error, 'ApiForbidden')) return { kind: 'Unseen', why: 'which you may not read' };
    if (isSluiceError(error, 'ApiNotFound'))
      return { kind: 'Unseen', why: 'of a kind that the API server does not know' };
    throw error;
  }
}
