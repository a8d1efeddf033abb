/** What serves the traffic, and is counted. */
import type { SampleOutcome } from '../../src/analysis/metric-source.ts';
import type { ArmLoads } from './loads.ts';

/** Pods answer one tick, and tell what a source made of it. */
export type Pods = (
  loads: ArmLoads,
  endMs: number,
) => { readonly outcome: SampleOutcome; readonly canaryRequests: number };
