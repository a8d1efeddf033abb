/**
 * Which entries of the pair may be listed. Traefik drops the whole route, the other services with it, when one entry has no
 * endpoints (`allowEmptyServices=false`, its default), even at weight 0: buildServicesLB in
 * pkg/provider/kubernetes/crd/kubernetes_http.go.
 */

/** Ready tells for each service whether it has at least one ready endpoint. */
export interface Ready {
  readonly stable: boolean;
  readonly canary: boolean;
}

/** PairWeights are the weights of the pair in one route; 0 = not to be listed. */
export interface PairWeights {
  readonly stable: number;
  readonly canary: number;
}

/**
 * guardWeights gives the pair's whole weight to the side that is ready where the other is not. It returns undefined where
 * neither is, or where the pair has no weight at all: then the route has to stay as it is.
 */
export function guardWeights(wanted: PairWeights, ready: Ready): PairWeights | undefined {
  const total = wanted.stable + wanted.canary;
  if (total === 0 || (!ready.stable && !ready.canary)) return undefined;
  if (!ready.canary) return { stable: total, canary: 0 };
  return ready.stable ? wanted : { stable: 0, canary: total };
}
