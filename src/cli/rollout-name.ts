/** How people name a Rollout: `shop`, `slr/shop`, `rollout/shop`, `rollouts.sluice.dev/shop`. */
import { SluiceError } from '../errors.ts';

const types = /^(?:slr|rollouts?(?:\.(?:v1alpha1\.)?sluice\.dev)?)$/i;

/** parseRolloutName returns the plain name; it throws ConfigInvalid for another kind, and for what no object can be called. */
export function parseRolloutName(text: string): string {
  const slash = text.indexOf('/');
  const type = text.slice(0, Math.max(0, slash));
  const name = text.slice(slash + 1);
  if (slash !== -1 && !types.test(type)) {
    throw new SluiceError('ConfigInvalid', `"${text}" is no Rollout: write NAME, slr/NAME or rollout/NAME.`);
  }
  if (/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name)) return name;
  throw new SluiceError('ConfigInvalid', `"${text}" is no name of a Rollout; sluice get lists them.`);
}

/** printRolloutName is how kubectl names it with -o name. */
export function printRolloutName(name: string): string {
  return `rollout.sluice.dev/${name}`;
}
