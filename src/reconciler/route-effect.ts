/** Which weights of a route have to be in effect now, and what is known of that. */
import { keyOf } from '../api/kubernetes.ts';
import type { Rollout } from '../api/rollout.ts';
import { percentOf } from '../rollout/answer.ts';
import type { ReplicaFinding, RouteObservation } from '../rollout/observation.ts';
import { withEffectiveAt } from '../rollout/verification.ts';
import { effectQuestion, type EffectQuestion } from '../traffic/effect.ts';
import type { RouteObject } from '../traffic/route-object.ts';
import type { Pair } from '../traffic/split.ts';
import type { Member, Socket } from './members.ts';
import type { Verifier } from './verifier.ts';

/** RouteEffect is what a Rollout waits for, and what the replicas say of it; both undefined where nothing is awaited or nobody is asked. */
export interface RouteEffect {
  /** rollout is the given one, with since when its weight is in effect. */
  readonly rollout: Rollout;
  readonly question: EffectQuestion | undefined;
  readonly replicas: readonly ReplicaFinding[] | undefined;
}

/** RouteParts are what a question is made from. */
export interface RouteParts {
  readonly routeObject: RouteObject | undefined;
  readonly route: RouteObservation | undefined;
  readonly pair: Pair;
  readonly stable: Member;
  readonly canary: Member;
}

/** readEffect looks up what `verifier` knows of the weight that status and route agree on. */
export function readEffect(
  rollout: Rollout,
  parts: RouteParts,
  verifier: Pick<Verifier, 'findings'> | undefined,
): RouteEffect {
  if (verifier === undefined) return { rollout, question: undefined, replicas: undefined };
  const question = questionOf(rollout, parts);
  const replicas = question === undefined ? [] : verifier.findings(keyOf(rollout), question);
  return { rollout: withEffectiveAt(rollout, replicas), question, replicas };
}

function questionOf(
  { status }: Rollout,
  { routeObject, route, pair, stable, canary }: RouteParts,
): EffectQuestion | undefined {
  const { progress } = status ?? {};
  if (progress === undefined || progress.direction === 'Back') return undefined;
  if (routeObject === undefined || route === undefined) return undefined;
  if (route.split.routes.length === 0 || percentOf(route) !== progress.weight || progress.weight === 0)
    return undefined;
  return effectQuestion(routeObject, pair, { stable: textsOf(stable), canary: textsOf(canary) });
}

function textsOf({ sockets }: Member): readonly string[] {
  return sockets.map(({ address, port }: Socket) => {
    const host = address.includes(':') ? `[${address}]` : address;
    return port === undefined ? host : `${host}:${port}`;
  });
}
