/** Whether the API server has stored the weights that it was sent: an admission webhook may make others of them. */
import type { Route } from '../api/traefik.ts';
import { SluiceError } from '../errors.ts';
import type { Observation } from '../rollout/observation.ts';
import type { RouteObject } from '../traffic/route-object.ts';
import { readSplit } from '../traffic/split.ts';

/**
 * insistOnWeights throws ApiInvalid where the object that a write has returned gives the canary another share than
 * `wanted`: it would be decided and written again at once, for ever. As an error it backs off, and people hear of it.
 */
export function insistOnWeights(written: RouteObject, wanted: readonly Route[], { pair }: Observation): void {
  const found = readSplit(written.routes, pair).canaryPercent;
  const expected = readSplit(wanted, pair).canaryPercent;
  if (found === expected) return;
  const { resource, object } = written;
  const what = `${resource.kind} ${object.metadata.name} gives the canary ${found}% right after ${expected}% was written`;
  throw new SluiceError('ApiInvalid', `${what}; look for an admission webhook that changes it.`);
}
