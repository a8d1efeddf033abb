/** `sluice get --idle`: which of two services that take turns the next release goes to. */
import { stringify } from 'yaml';
import type { Rollout, StableRef, WorkloadRef } from '../api/rollout.ts';
import { printTable } from './table.ts';

/** IdleReport is what the status says of a pair that takes turns. */
export interface IdleReport {
  /** rollout is namespace and name. */
  readonly rollout: string;
  readonly phase: string;
  /** idle is where the next release is deployed to. */
  readonly idle: Turn;
  /** live is what has all traffic at rest. */
  readonly live: Turn & { readonly revision?: string };
  /** running is the rollout under way, of what is on the idle service now. */
  readonly running?: { readonly revision: string; readonly weight: number };
}

/** Turn is one of the two services and what runs behind it. */
export interface Turn {
  readonly service: string;
  readonly workload?: WorkloadRef;
}

/** IdleFormat is how a report is printed: `Table` for people, `Name` for kubectl. */
export type IdleFormat = 'Table' | 'Name' | 'Json' | 'Yaml';

/** readIdle reads the roles from a Rollout as it is stored; a text says why there are none. */
export function readIdle({ metadata, spec, status = {} }: Rollout): IdleReport | string {
  const rollout = `${metadata.namespace ?? ''}/${metadata.name}`;
  const { mode } = spec.promotion;
  if (mode !== 'Swap') {
    return `Rollout ${rollout} has promotion.mode ${mode}, so its services do not take turns; a release goes to ${spec.canary.service}.`;
  }
  const { liveService, phase = 'Pending', progress, promotedRevision, revision = '', weight = 0 } = status;
  const members: readonly StableRef[] = [spec.stable, spec.canary];
  const live = members.find(({ service }) => service === liveService);
  const idle = members.find(({ service }) => service !== liveService);
  if (live === undefined || idle === undefined) {
    return `It is not known yet which service of Rollout ${rollout} is live; is the controller running? kubectl describe slr ${metadata.name} may say more.`;
  }
  return {
    rollout,
    phase,
    idle: turnOf(idle),
    live: { ...turnOf(live), ...(promotedRevision === undefined ? {} : { revision: promotedRevision }) },
    ...(progress === undefined ? {} : { running: { revision, weight } }),
  };
}

function turnOf({ service, workload }: StableRef): Turn {
  return workload === undefined ? { service } : { service, workload };
}

/** printIdle prints a report without a line end. */
export function printIdle(report: IdleReport, format: IdleFormat): string {
  switch (format) {
    case 'Table':
      return tableOf(report);
    case 'Name':
      return nameOf(report.idle.workload);
    case 'Json':
      return JSON.stringify(report, undefined, 2);
    case 'Yaml':
      return stringify(report).trimEnd();
    default:
      return format satisfies never;
  }
}

/** noteOn says what to know before deploying, if there is something. */
export function noteOn({ idle, running }: IdleReport): string | undefined {
  if (running === undefined) return undefined;
  return `revision ${running.revision} is being rolled out on ${idle.service}, at ${running.weight}%; what is deployed there now replaces it and begins at the first step.`;
}

function tableOf({ idle, live }: IdleReport): string {
  const { workload } = idle;
  const rows = [
    ['IDLE', 'WORKLOAD', 'LIVE'],
    [idle.service, workload === undefined ? '' : `${workload.kind}/${workload.name}`, live.service],
  ];
  return printTable(rows);
}

/** nameOf is how kubectl takes a workload as an argument. */
function nameOf(workload: WorkloadRef | undefined): string {
  return workload === undefined ? '' : `${workload.kind.toLowerCase()}/${workload.name}`;
}
