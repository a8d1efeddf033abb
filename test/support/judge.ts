/** Says of every write to a Rollout or its route whether it may be there: what must hold whatever happens to the controllers. */
import type { RolloutStatus } from '../../src/api/rollout-status.ts';
import { readSplit } from '../../src/traffic/split.ts';
import type { Entry } from './chronicle.ts';

/** Subject is one Rollout with its route, as the last writes left them. */
export interface Subject {
  readonly name: string;
  readonly status: RolloutStatus;
  /** percent is what the route gives the canary. */
  readonly percent: number;
  /** uid, commanded and revision are of the Rollout: what stands in its metadata and spec. */
  readonly uid: string;
  readonly isCommanded: boolean;
  readonly revision: string | undefined;
  /** movedMs is when phase, weight or revision last changed, on the clock of `performance.now()`. */
  readonly movedMs: number;
  /** raised are the weights that the route got for the present revision, in order. */
  readonly raised: readonly number[];
}

/** Judge takes all writes in their order and keeps what is wrong with them. */
export interface Judge {
  take(entry: Entry): void;
  subject(name: string): Subject | undefined;
  subjects(): readonly Subject[];
  /** violations are sentences. */
  readonly violations: readonly string[];
  /** raises and lowerings count the changes of the routes' weights. */
  readonly steps: { readonly raises: number; readonly lowerings: number };
}

/** JudgeOptions: `weights` are the steps that every Rollout has. */
export interface JudgeOptions {
  readonly namespace: string;
  readonly weights: readonly number[];
  /** expected returns the end that a revision of a Rollout has to have, if that is known. */
  readonly expected: (name: string, revision: string) => 'Succeeded' | 'Failed' | undefined;
}

/** What nobody gives a reason for. */
const unwanted = new Set([
  'Adopted',
  'LoweredByHand',
  'RouteRecreated',
  'Contested',
  'CanaryLost',
  'StableUnavailable',
]);

interface State {
  name: string;
  status: RolloutStatus;
  percent: number;
  uid: string;
  isCommanded: boolean;
  revision: string | undefined;
  movedMs: number;
  raised: number[];
  allowed: number[];
  weight: number;
  /** end is the first end of the present revision. */
  end: 'Succeeded' | 'Failed' | undefined;
  /** trail are the last writes, for the message. */
  trail: string[];
}

/** createJudge returns a Judge that has seen nothing. */
export function createJudge(options: JudgeOptions): Judge {
  const states = new Map<string, State>();
  const violations: string[] = [];
  const steps = { raises: 0, lowerings: 0 };
  const take = (entry: Entry): void => {
    const state = states.get(entry.name) ?? newState(entry.name);
    states.set(entry.name, state);
    const complain = (text: string): void => {
      violations.push(`${entry.name} at resourceVersion ${entry.revision}: ${text} (${state.trail.join('; ')})`);
    };
    if (entry.object === undefined) complain(`the ${entry.kind} is gone`);
    else if (entry.kind === 'Route') takePercent(state, { options, entry, complain, steps });
    else takeStatus(state, { options, entry, complain });
    if (state.percent > (state.status.weight ?? 0) + 0.001) {
      complain(`the canary gets ${state.percent} %, status allows ${state.status.weight ?? 0} %`);
    }
  };
  return {
    take,
    subject: (name) => states.get(name),
    subjects: () => [...states.values()],
    violations,
    steps,
  };
}

function newState(name: string): State {
  return {
    name,
    status: {},
    percent: 0,
    uid: '',
    isCommanded: false,
    revision: undefined,
    movedMs: performance.now(),
    raised: [],
    allowed: [],
    weight: 0,
    end: undefined,
    trail: [],
  };
}

interface Taking<K extends Entry['kind']> {
  readonly options: JudgeOptions;
  readonly entry: Extract<Entry, { kind: K }>;
  readonly complain: (text: string) => void;
}

function takePercent(
  state: State,
  { options, entry, complain, steps }: Taking<'Route'> & { readonly steps: { raises: number; lowerings: number } },
): void {
  const pair = {
    namespace: options.namespace,
    stable: { service: `${entry.name}-stable`, ports: [] },
    canary: { service: `${entry.name}-canary`, ports: [] },
  };
  const percent = readSplit(entry.object?.spec.routes ?? [], pair).canaryPercent;
  const before = state.percent;
  if (percent === before) return;
  state.percent = percent;
  note(state, `route ${before} to ${percent} % at ${entry.revision}`);
  if (percent < before) {
    steps.lowerings += 1;
    return;
  }
  steps.raises += 1;
  state.raised.push(Math.round(percent));
  if (!isPrefix(state.raised, options.weights)) complain(`the route was raised to ${state.raised.join(', ')} %`);
}

function takeStatus(state: State, { options, entry, complain }: Taking<'Rollout'>): void {
  if (entry.object === undefined) return;
  const { metadata, spec, status = {} } = entry.object;
  const before = state.status;
  state.uid = metadata.uid ?? '';
  state.isCommanded = metadata.annotations?.['sluice.dev/command'] !== undefined;
  state.revision = spec.revision;
  state.status = status;
  if (status.revision !== before.revision) {
    state.raised = [];
    state.allowed = [];
    state.end = undefined;
  }
  noteMove(state, before, entry.revision);
  judgeWeight(state, options, complain);
  if (status.reason !== before.reason && unwanted.has(status.reason ?? '')) {
    complain(`${status.reason}: ${status.message}`);
  }
  if (correctionsOf(status) > correctionsOf(before)) complain('it corrected itself');
  judgeEnd(state, options, complain);
}

function noteMove(state: State, before: RolloutStatus, revision: number): void {
  const { status } = state;
  const isMoved =
    status.weight !== before.weight || status.phase !== before.phase || status.revision !== before.revision;
  if (isMoved) state.movedMs = performance.now();
  if (!isMoved && status.reason === before.reason) return;
  note(state, `${status.phase}/${status.reason} ${status.weight} % of ${status.revision} at ${revision}`);
}

function judgeWeight(state: State, { weights }: JudgeOptions, complain: (text: string) => void): void {
  const { weight = 0 } = state.status;
  if (weight > state.weight) {
    state.allowed.push(weight);
    if (!isPrefix(state.allowed, weights)) complain(`status allowed ${state.allowed.join(', ')} %`);
  }
  state.weight = weight;
}

/** judgeEnd looks at the first end of a revision; an abort of what was promoted is another one. */
function judgeEnd(state: State, { expected }: JudgeOptions, complain: (text: string) => void): void {
  const { name, status } = state;
  const end = endOf(status);
  if (end === undefined || state.end !== undefined) return;
  state.end = end;
  const wanted = expected(name, status.revision ?? '');
  if (wanted !== undefined && wanted !== end) complain(`it ended as ${end}: ${status.message}`);
}

function correctionsOf({ target }: RolloutStatus): number {
  return target?.corrections?.length ?? 0;
}

/** endOf is how the revision has ended; undefined where it has not, or is on the way back. */
function endOf({ phase, reason }: RolloutStatus): 'Succeeded' | 'Failed' | undefined {
  if (phase === 'Failed') return 'Failed';
  return phase === 'Succeeded' && reason === 'Holding' ? 'Succeeded' : undefined;
}

function isPrefix(found: readonly number[], of: readonly number[]): boolean {
  return found.every((weight, index) => weight === of[index]);
}

const maxTrail = 12;

function note(state: State, text: string): void {
  state.trail.push(text);
  if (state.trail.length > maxTrail) state.trail.shift();
}
