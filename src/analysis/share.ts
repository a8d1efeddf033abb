/** Whether the requests arrive in the share that was set: it turns an empty canary or a wrong service name into a diagnosis. */
import { anytimeInterval } from './interval.ts';
import type { Arms } from './sample.ts';

/** ShareCheck is what both arms answered while one weight was in effect. */
export interface ShareCheck {
  readonly canaryRequests: number;
  readonly stableRequests: number;
  /** weightPercent is what was set, 0 to 100. */
  readonly weightPercent: number;
  /** tolerance is relative to the weight: 0.2 at a weight of 10 allows 8 to 12 %. */
  readonly tolerance: number;
}

/** ShareFinding is Refuted where no share within tolerance explains the requests, Consistent where every plausible share is within tolerance. */
export type ShareFinding = 'Refuted' | 'Consistent' | 'Unknown';

/** observedShare returns the canary's share of the requests, 0 to 1; undefined without any. */
export function observedShare({ canary, stable }: Arms): number | undefined {
  const requests = canary.requests + stable.requests;
  return requests > 0 ? canary.requests / requests : undefined;
}

/**
 * shareRefutes compares the observed share with the weight. A share within tolerance is refuted with a probability of at
 * most 5 %, however often one looks, if each request is sent by itself; round robin varies less, sticky sessions vary
 * more and must not be judged by this. At a weight of 0 nothing can be said: no share is within a tolerance of it.
 */
export function shareRefutes(check: ShareCheck): ShareFinding {
  const weight = check.weightPercent / 100;
  if (!(weight > 0)) return 'Unknown';
  const requests = check.canaryRequests + check.stableRequests;
  const { low, high } = anytimeInterval({ requests, errors: check.canaryRequests }, alpha);
  const least = weight * (1 - check.tolerance);
  const most = weight * (1 + check.tolerance);
  if (high < least || low > most) return 'Refuted';
  return low >= least && high <= most ? 'Consistent' : 'Unknown';
}

const alpha = 0.05;
