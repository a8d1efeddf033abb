/** Whether the weight in the route is in effect: what each replica of the data plane says, and what follows for a rollout. */
import type { Condition, RolloutProgress, RolloutStatus } from '../api/rollout-status.ts';
import type { Rollout } from '../api/rollout.ts';
import { formatTime, parseTime } from '../clock.ts';
import type { Observation, ReplicaFinding } from './observation.ts';

/** lateMs after a weight was written somebody should look why it is not in effect; Traefik needs 2 s by default. */
const lateMs = 30_000;

type Place = Pick<RolloutProgress, 'appliedAt' | 'effectiveAt'>;

/**
 * withEffectiveAt returns the Rollout as if status said since when its weight is in effect, where every replica that
 * answers has it. It is stored with the write of the condition.
 */
export function withEffectiveAt(rollout: Rollout, replicas: readonly ReplicaFinding[] | undefined): Rollout {
  const { status } = rollout;
  const { progress } = status ?? {};
  const appliedMs = parseTime(progress?.appliedAt);
  if (progress === undefined || appliedMs === undefined || progress.effectiveAt !== undefined) return rollout;
  const { having, lacking, unasked } = sort(replicas ?? []);
  if (having.length === 0 || lacking.length > 0 || unasked.length > 0) return rollout;
  const effectiveAt = formatTime(Math.max(appliedMs, ...having.map(({ sinceMs }) => sinceMs)));
  return { ...rollout, status: { ...status, progress: { ...progress, effectiveAt } } };
}

/** Unseen is a weight that some replica has not: `isLate` where that is not just Traefik taking its time. */
export interface Unseen {
  readonly isLate: boolean;
  /** lookAgainMs is when it will be late. */
  readonly lookAgainMs: number;
  readonly reason: string;
  readonly message: string;
}

/** findUnseen tells what a replica that answers has not loaded; undefined where all have it, and where nobody can be asked. */
export function findUnseen(observation: Observation, progress: Place): Unseen | undefined {
  const groups = sort(observation.replicas ?? []);
  const { lacking } = groups;
  if (lacking.length === 0) return undefined;
  // Before a restart of the controller, too, it was not in effect.
  const appliedMs = progress.effectiveAt === undefined ? (parseTime(progress.appliedAt) ?? Infinity) : Infinity;
  const lookAgainMs = Math.min(appliedMs, ...lacking.map(({ sinceMs }) => sinceMs)) + lateMs;
  return { isLate: observation.nowMs >= lookAgainMs, lookAgainMs, ...likelyCause(observation, groups) };
}

interface Groups {
  readonly having: readonly ReplicaFinding[];
  /** lacking are those that answer and have not got the weight. */
  readonly lacking: readonly ReplicaFinding[];
  readonly unreachable: readonly ReplicaFinding[];
  readonly unasked: readonly ReplicaFinding[];
}

function sort(replicas: readonly ReplicaFinding[]): Groups {
  const of = (...kinds: readonly ReplicaFinding['kind'][]): readonly ReplicaFinding[] =>
    replicas.filter(({ kind }) => kinds.includes(kind));
  return {
    having: of('InEffect'),
    lacking: of('NotYet', 'Missing', 'Invalid'),
    unreachable: of('Unreachable'),
    unasked: of('Unasked'),
  };
}

function likelyCause(
  { route, rollout }: Observation,
  { having, lacking }: Groups,
): { readonly reason: string; readonly message: string } {
  const invalid = lacking.find(({ kind }) => kind === 'Invalid');
  if (invalid !== undefined) {
    return { reason: 'RouteInvalid', message: `Replica ${list([invalid])}.` };
  }
  if (having.length > 0) {
    const count = `${lacking.length} of ${having.length + lacking.length} replicas`;
    const message = `${count} ${lacking.length === 1 ? 'has' : 'have'} not loaded the weight: ${list(lacking)}. Has it lost the API server?`;
    return { reason: 'ReplicaStale', message };
  }
  if (lacking.every(({ kind }) => kind === 'Missing')) {
    const { kind = 'IngressRoute' } = rollout.status?.target ?? {};
    const message = `No replica knows the ${kind}: ${classClue(kind, route)}Traefik does not watch its namespace, or a Service or port ${kind === 'IngressRoute' ? 'of the rule' : 'that it lists'} is missing (${list(lacking)}).`;
    return { reason: 'RouteUnknown', message };
  }
  const why = lacking.some(({ hasMoved }) => hasMoved === true)
    ? 'Changes are loaded, but late: is providersThrottleDuration too long?'
    : 'Is providersThrottleDuration longer, or has Traefik lost the API server?';
  return { reason: 'ReplicasLate', message: `No replica has loaded the weight: ${list(lacking)}. ${why}` };
}

function classClue(kind: string, route: Observation['route']): string {
  // A TraefikService has no class.
  if (kind !== 'IngressRoute') return '';
  const ingressClass = route?.ingressClass;
  const its = ingressClass === undefined ? 'it has no ingress class' : `its ingress class is ${ingressClass}`;
  return `${its}, and Traefik may be set to another; or `;
}

const maxListed = 3;

function list(findings: readonly ReplicaFinding[]): string {
  const named = findings.slice(0, maxListed).map(({ name, message }) => `${name} ${message}`);
  const more = findings.length > maxListed ? ` and ${findings.length - maxListed} more` : '';
  return `${named.join('; ')}${more}`;
}

type Verified = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** trafficVerified is the condition TrafficVerified of `after`; undefined at rest. */
export function trafficVerified(
  observation: Observation,
  after: RolloutStatus,
  before: readonly Condition[],
): Verified | undefined {
  const { progress } = after;
  if (progress === undefined) return undefined;
  const type = 'TrafficVerified';
  // The write that begins a step is followed by that of the route; only where it failed there is something to say.
  const isBegun = progress.enteredAt === formatTime(observation.nowMs);
  if (progress.appliedAt === undefined && !isBegun) {
    const message = 'The route does not carry the weight yet.';
    return { type, status: 'Unknown', reason: 'NotApplied', message };
  }
  if (observation.replicas === undefined) return { type, status: 'Unknown', reason: 'Assumed', message: assumed };
  const isSame = progress.enteredAt === observation.rollout.status?.progress?.enteredAt;
  const known = before.find((condition) => condition.type === type && isSame);
  return { type, ...(isSame ? verdictOf(observation, progress, known) : awaited) };
}

const assumed = 'The weight is assumed to be in effect 5 s after it is seen in the route.';
const awaited = {
  status: 'Unknown',
  reason: 'Awaited',
  message: 'The replicas of Traefik are asked whether they have loaded the weight.',
} as const;

function verdictOf(
  observation: Observation,
  progress: Place,
  known: Omit<Verified, 'type'> | undefined,
): Omit<Verified, 'type'> {
  const { having, unreachable, unasked } = sort(observation.replicas ?? []);
  const unseen = findUnseen(observation, progress);
  if (unseen !== undefined && unseen.isLate) return { status: 'False', reason: unseen.reason, message: unseen.message };
  // What was found out just before a restart, or just before a replica came, still holds.
  const isOpen = unseen !== undefined || unasked.length > 0 || having.length + unreachable.length === 0;
  if (isOpen)
    return known === undefined ? awaited : { status: known.status, reason: known.reason, message: known.message };
  if (having.length === 0) {
    const message = `No replica can be asked: ${list(unreachable)}. ${assumed}`;
    return { status: 'Unknown', reason: 'ReplicasUnreachable', message };
  }
  if (unreachable.length > 0) {
    const message = `${having.length} of ${having.length + unreachable.length} replicas have loaded the weight; ${list(unreachable)}.`;
    return { status: 'Unknown', reason: 'ReplicaUnreachable', message };
  }
  const all = having.length === 1 ? 'The replica has' : `All ${having.length} replicas have`;
  return { status: 'True', reason: 'Verified', message: `${all} loaded the weight.` };
}
