/** What `decide` may answer: a closed union, each with the status that shall be true afterwards. */
import type { RolloutStatus } from '../api/rollout-status.ts';
import type { IngressRoute } from '../api/traefik.ts';
import type { Target } from '../traffic/merge.ts';
import type { PodTemplate } from './observation.ts';

/** Notice is an event that is no transition of the phase, e.g. a stale command. */
export interface Notice {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

interface Outcome {
  readonly status: RolloutStatus;
  readonly notices: readonly Notice[];
  /** requeueAfterMs is when to look again without any event; undefined means only at the next event. */
  readonly requeueAfterMs: number | undefined;
}

/** Refused is what becomes of a lowering whose route write fails: the intention, which must survive a restart. */
export interface Refused {
  readonly status: RolloutStatus;
  readonly notices: readonly Notice[];
}

/**
 * Decision is one reconcile's answer.
 * - Wait: only status may change.
 * - Raise: status first, then the route, so that after a crash the traffic is never above what status allows.
 * - Lower: the route first, then status; `refused` is written instead where the route write failed. In between goes the
 *   match route, where it has to.
 * - Copy: the stable workload first, then status: after a crash its pod template tells that it was written.
 * - Expose: write the match route, in place of `present` where there is one; nothing else.
 * - Conceal: delete the match route; nothing else. Only where that fails `otherwise` is carried out.
 * - Claim, Release: add or remove the finalizer; nothing else.
 * - Acknowledge: remove the annotation of a handled command; nothing else.
 */
export type Decision =
  | (Outcome & { readonly kind: 'Wait' })
  | (Outcome & { readonly kind: 'Raise'; readonly target: Target })
  | (Outcome & {
      readonly kind: 'Lower';
      readonly target: Target;
      readonly refused: Refused;
      /** conceal is the match route that goes with it. */
      readonly conceal?: IngressRoute;
    })
  | (Outcome & { readonly kind: 'Copy'; readonly template: PodTemplate })
  | {
      readonly kind: 'Expose';
      readonly ingressRoute: IngressRoute;
      readonly present: IngressRoute | undefined;
      readonly requeueAfterMs: number;
    }
  | { readonly kind: 'Conceal'; readonly ingressRoute: IngressRoute; readonly otherwise: Decision | undefined }
  | { readonly kind: 'Claim' | 'Release' | 'Acknowledge' };

/** finalizer is what keeps a Rollout with a touched route from vanishing before the route is put back. */
export const finalizer = 'sluice.dev/route';
