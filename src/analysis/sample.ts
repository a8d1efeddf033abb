/** Counted requests of the two arms of a rollout. */

/** Counts is what one arm answered: `errors` of its `requests` were bad. Requests that are neither good nor bad are in neither. */
export interface Counts {
  readonly requests: number;
  readonly errors: number;
}

/** Arms is what both arms answered in the same time. */
export interface Arms {
  readonly stable: Counts;
  readonly canary: Counts;
}

/** noCounts is zero requests. */
export const noCounts: Counts = { requests: 0, errors: 0 };

/** noArms is zero requests on both arms. */
export const noArms: Arms = { stable: noCounts, canary: noCounts };

/** addArms returns the sum of two Arms, arm by arm. */
export function addArms(left: Arms, right: Arms): Arms {
  return { stable: addCounts(left.stable, right.stable), canary: addCounts(left.canary, right.canary) };
}

function addCounts(left: Counts, right: Counts): Counts {
  return { requests: left.requests + right.requests, errors: left.errors + right.errors };
}
