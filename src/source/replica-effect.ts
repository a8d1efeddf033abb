/** What one replica of the data plane says of the weights of a route. */
import type { ReplicaFinding } from '../rollout/observation.ts';
import { missesEffect, type EffectQuestion, type ExpectedRoute } from '../traffic/effect.ts';
import type { ApiReply, NamedRouter, TraefikApi } from './traefik-api.ts';

/** ReplicaEffect is what was found, without when. */
export type ReplicaEffect = Pick<ReplicaFinding, 'kind' | 'message'>;

const inEffect: ReplicaEffect = { kind: 'InEffect', message: 'has the weight' };
const missing: ReplicaEffect = { kind: 'Missing', message: 'does not know the route' };

/** findEffect asks about the rules one after the other; the first that is not in effect decides. */
export async function findEffect(api: TraefikApi, { routes }: EffectQuestion): Promise<ReplicaEffect> {
  for (const route of routes) {
    const found = await effectOf(api, route);
    if (found.kind !== 'InEffect') return found;
  }
  return inEffect;
}

/**
 * The service has the weights, and the routers that use it say whether they serve: a router's name may have its entry
 * point in front (Traefik 3.6, pkg/server/aggregator.go).
 */
async function effectOf(api: TraefikApi, route: ExpectedRoute): Promise<ReplicaEffect> {
  const service = await api.service(route.service);
  if (service.kind === 'Unreachable') return service;
  if (service.kind === 'Found') {
    const shown = missesEffect(route, service.value);
    if (shown !== undefined) return { kind: 'NotYet', message: `still has ${shown}` };
    if (service.value.problem !== undefined) return invalid(service.value.problem);
  }
  const usedBy = service.kind === 'Found' ? service.value.usedBy : [];
  const named = route.router === undefined ? [] : [route.router];
  const users = usedBy.length > 0 ? usedBy : named;
  const found = await (route.router === undefined ? sharedTrouble(api, users) : firstTrouble(api, users));
  return found ?? (service.kind === 'Missing' ? missing : inEffect);
}

async function firstTrouble(api: TraefikApi, names: readonly string[]): Promise<ReplicaEffect | undefined> {
  for (const name of names) {
    const trouble = troubleOf(await api.router(name));
    if (trouble !== undefined) return trouble;
  }
  return undefined;
}

/** A TraefikService is in effect where anybody uses it: a router of somebody else that is switched off says nothing of it. */
async function sharedTrouble(api: TraefikApi, names: readonly string[]): Promise<ReplicaEffect | undefined> {
  let trouble: ReplicaEffect | undefined;
  for (const name of names) {
    const found = troubleOf(await api.router(name));
    if (found === undefined || found.kind === 'Unreachable') return found;
    trouble ??= found;
  }
  return trouble;
}

function troubleOf(router: ApiReply<NamedRouter>): ReplicaEffect | undefined {
  if (router.kind === 'Unreachable') return router;
  if (router.kind === 'Missing') return missing;
  return router.value.problem === undefined ? undefined : invalid(router.value.problem);
}

function invalid(problem: string): ReplicaEffect {
  return { kind: 'Invalid', message: `has switched the route off: ${problem}` };
}
