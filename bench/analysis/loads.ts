/** What is expected of both arms in each tick of a scenario. */
import { tickSeconds, type Load } from './arm.ts';
import { bucketShares } from './latency.ts';
import { isActive, valueAt, type Scenario } from './scenario.ts';

/** ArmLoads is what is expected in a tick; faultRatio is the part of the canary's error ratio that is its fault. */
export interface ArmLoads {
  readonly stable: Load;
  readonly canary: Load;
  readonly faultRatio: number;
}

/** createLoads returns what is expected in the tick that ends at `seconds`, with the canary at `weight` percent. */
export function createLoads(scenario: Scenario): (seconds: number, weight: number) => ArmLoads {
  const { latency, canary = {} } = scenario;
  const usual = latency === undefined ? [] : bucketShares(latency);
  const slower = latency === undefined ? [] : bucketShares(latency, canary);
  return (seconds, weight) => {
    const requests = valueAt(scenario.rps, seconds) * tickSeconds;
    const isWorse = isActive(canary, seconds, weight);
    const shared = sharedRatio(scenario, seconds);
    const stableRatio = baseRatio(scenario, 'stablePercent', seconds);
    const canaryRatio = baseRatio(scenario, 'canaryPercent', seconds);
    const fault = isWorse && canary.errorPercent !== undefined ? canary.errorPercent / 100 - canaryRatio : 0;
    return {
      stable: {
        requests: requests * (1 - weight / 100),
        errorRatio: Math.min(1, stableRatio + shared),
        addedRatio: shared,
        bucketShares: usual,
      },
      canary: {
        requests: (requests * weight) / 100,
        errorRatio: Math.min(1, canaryRatio + fault + shared),
        addedRatio: fault + shared,
        bucketShares: isWorse ? slower : usual,
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

function sharedRatio({ incidents = [] }: Scenario, seconds: number): number {
  const present = incidents.filter(
    ({ fromSeconds, seconds: length }) => seconds > fromSeconds && seconds <= fromSeconds + length,
  );
  return present.reduce((sum, { errorPercent }) => sum + errorPercent / 100, 0);
}
