/** The counterpart of one CEL rule of crds/rollouts.yaml. */
import type { FieldPath } from './field-path.ts';
import type { Rollout } from './rollout.ts';

/** RolloutRule is one CEL rule: it is asked of every field that `field` leads to and that is there. */
export interface RolloutRule {
  /** field is empty for the Rollout itself; `[]` stands for each item of a list, `{}` for each value of a map. */
  readonly field: string;
  readonly message: string;
  /** holds is given the field, and for transition rules the Rollout before the change. */
  readonly holds: (self: unknown, old: Rollout | undefined) => boolean;
  /** blames is the field that the message names where it is another one: the change is forbidden there. */
  readonly blames?: FieldPath;
}

/** rule returns a RolloutRule; the schema has seen to it that the field has the type that `holds` takes. */
export function rule(field: string, message: string, holds: (self: never) => boolean): RolloutRule {
  return { field, message, holds: (self) => holds(self as never) };
}

/** matches returns a RolloutRule for a text. */
export function matches(field: string, pattern: RegExp, message: string): RolloutRule {
  return rule(field, message, (self: string) => pattern.test(self));
}

/** objectName is what most objects may be called (RFC 1123, without the rules for its dots). */
export const objectName = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
