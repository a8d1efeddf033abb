/** What is expected of both arms in each tick of a scenario. */
import { tickSeconds, type Load } from './arm.ts';
import { bucketShares } from './latency.ts';
import { isActive, valueAt, type Canary, type Latency, type Scenario } from './scenario.ts';

/** ArmLoads is what is expected in a tick; faultRatio is the part of the canary's error ratio that is its fault. */
export interface ArmLoads {
  readonly stable: Load;
  readonly canary: Load;
  readonly faultRatio: number;
}

/** createLoads returns what is expected in the tick that ends at `seconds`, with the canary at `weight` percent. */
export function createLoads(scenario: Scenario): (seconds: number, weight: number) => ArmLoads {
  const { latency, canary = {} } = scenario;
  const usual = latency === undefined ? () => [] : createShares(latency, {});
  const slower = latency === undefined ? () => [] : createShares(latency, canary);
  return (seconds, weight) => {
    const requests = valueAt(scenario.rps, seconds) * tickSeconds;
    const isWorse = isActive(canary, seconds, weight);
    const incidents = presentIncidents(scenario, seconds);
    const shared = incidents.reduce((sum, { errorPercent = 0 }) => sum + errorPercent / 100, 0);
    const slowdown = incidents.reduce((product, { latencyFactor = 1 }) => product * latencyFactor, 1);
    const stableRatio = baseRatio(scenario, 'stablePercent', seconds);
    const canaryRatio = baseRatio(scenario, 'canaryPercent', seconds);
    const fault = isWorse && canary.errorPercent !== undefined ? canary.errorPercent / 100 - canaryRatio : 0;
    return {
      stable: {
        requests: requests * (1 - weight / 100),
        errorRatio: Math.min(1, stableRatio + shared),
        addedRatio: shared,
        slowdown,
        sharesAt: usual,
      },
      canary: {
        requests: (requests * weight) / 100,
        errorRatio: Math.min(1, canaryRatio + fault + shared),
        addedRatio: fault + shared,
        slowdown,
        sharesAt: isWorse ? slower : usual,
      },
      faultRatio: fault,
    };
  };
}

function baseRatio(scenario: Scenario, arm: 'stablePercent' | 'canaryPercent', seconds: number): number {
  const { endpoints } = scenario;
  if (endpoints === undefined) return valueAt(scenario.errorPercent, seconds) / 100;
  return endpoints.reduce((sum, endpoint) => sum + (endpoint[arm] / 100) * (endpoint.errorPercent / 100), 0);
}

function presentIncidents({ incidents = [] }: Scenario, seconds: number): NonNullable<Scenario['incidents']> {
  return incidents.filter(
    ({ fromSeconds, seconds: length }) => seconds > fromSeconds && seconds <= fromSeconds + length,
  );
}

/** createShares remembers what it worked out: few slowdowns come, each many times. */
function createShares(latency: Latency, canary: Canary): Load['sharesAt'] {
  const known = new Map<number, readonly number[]>();
  return (slowdown) => {
    const shares = known.get(slowdown) ?? bucketShares({ ...latency, medianMs: latency.medianMs * slowdown }, canary);
    known.set(slowdown, shares);
    return shares;
  };
}
