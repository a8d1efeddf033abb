/** Gives every application the next revision when the last one has ended: most are good, some are bad, some are overtaken. */
import { resources } from '../../src/api/kubernetes.ts';
import { appName, benchNamespace, indexOfApp } from '../../bench/controller/apps.ts';
import type { Cluster } from '../support/cluster.ts';
import type { Fleet } from '../support/fleet.ts';
import type { Subject } from '../support/judge.ts';
import { apiPathOf } from '../support/objects.ts';
import type { Random } from './random.ts';

/** Releases drives until stopped. */
export interface Releases {
  /** tick looks at all applications once and does what is due; the API server may be away. */
  tick(): Promise<void>;
  /** end starts nothing more; what is under way has to be seen to its end by more ticks. */
  end(): void;
  /** counts are how many revisions were started of each kind. */
  readonly counts: { good: number; bad: number; overtaken: number };
}

/** Plan is what shall become of the present revision of an application. */
interface Plan {
  number: number;
  /** badAt is the weight at which the canary begins to fail. */
  badAt: number | undefined;
  /** overtakenAt is the weight at which the next revision comes. */
  overtakenAt: number | undefined;
  isFailing: boolean;
  /** askedMs is when the API server was asked for something last. */
  askedMs: number;
}

/** An answer may be lost; what was asked for and is not seen after this time is asked for again. */
const patienceMs = 5_000;

/** createReleases returns Releases for applications that have the revision r1. */
export function createReleases(fleet: Fleet, rollouts: number, random: Random): Releases {
  const plans = new Map<string, Plan>();
  const counts = { good: rollouts, bad: 0, overtaken: 0 };
  for (let index = 0; index < rollouts; index += 1) {
    plans.set(appName(index), { number: 1, badAt: undefined, overtakenAt: undefined, isFailing: false, askedMs: 0 });
  }
  let isEnding = false;
  const next = async (subject: Subject, plan: Plan): Promise<void> => {
    const number = plan.number + 1;
    const isBad = random.chance(0.2);
    const isOvertaken = !isBad && random.chance(0.06);
    fleet.expect(subject.name, `r${number}`, isOvertaken ? undefined : isBad ? 'Failed' : 'Succeeded');
    fleet.fail(indexOfApp(subject.name) ?? 0, 0);
    counts[isBad ? 'bad' : isOvertaken ? 'overtaken' : 'good'] += 1;
    plan.number = number;
    plan.isFailing = false;
    plan.badAt = isBad ? random.pick(fleet.weights.slice(0, -1)) : undefined;
    plan.overtakenAt = isOvertaken ? random.pick(fleet.weights.slice(0, -1)) : undefined;
    await patch(fleet.cluster, subject.name, { spec: { revision: `r${number}` } });
  };
  const act = async (subject: Subject, plan: Plan): Promise<void> => {
    const { phase, reason, weight = 0 } = subject.status;
    const isHeld = phase === 'Succeeded' && reason === 'Holding';
    const isOver = phase === 'Failed' || (phase === 'Succeeded' && weight === 0);
    const isOvertaken = plan.overtakenAt === weight && phase === 'Progressing';
    if (!isHeld && !isOver && !isOvertaken) return;
    plan.askedMs = performance.now();
    if (isHeld) await command(fleet.cluster, subject, random.chance(0.3) ? 'abort' : 'promote');
    else await next(subject, plan);
  };
  const failIfPlanned = ({ name, status }: Subject, plan: Plan): void => {
    if (plan.isFailing || plan.badAt !== (status.weight ?? 0) || status.phase !== 'Progressing') return;
    plan.isFailing = true;
    fleet.fail(indexOfApp(name) ?? 0, 0.5);
  };
  const look = async (subject: Subject): Promise<void> => {
    const plan = plans.get(subject.name);
    if (plan === undefined) return;
    const isSeen = subject.status.revision === `r${plan.number}`;
    // At once: what fails only when the step has been judged does not fail it.
    if (isSeen) failIfPlanned(subject, plan);
    if (subject.isCommanded || performance.now() - plan.askedMs < patienceMs) return;
    if (subject.revision !== `r${plan.number}`) {
      plan.askedMs = performance.now();
      return patch(fleet.cluster, subject.name, { spec: { revision: `r${plan.number}` } });
    }
    if (isSeen && !isEnding) await act(subject, plan);
  };
  return {
    counts,
    end: () => {
      isEnding = true;
    },
    tick: async () => {
      for (const subject of fleet.judge.subjects()) await look(subject).catch(() => undefined);
    },
  };
}

async function command(cluster: Cluster, { name, uid, status }: Subject, verb: string): Promise<void> {
  const nonce = Math.random().toString(36).slice(2);
  const text = `${verb} ${nonce} ${uid} ${status.revision ?? ''}`;
  const annotations = { 'sluice.dev/command': text, 'sluice.dev/command-by': 'admin' };
  await patch(cluster, name, { metadata: { annotations } });
}

async function patch(cluster: Cluster, name: string, body: object): Promise<void> {
  const path = apiPathOf(resources.rollouts, { namespace: benchNamespace, name });
  const answer = await cluster.api('PATCH', path, body, 'application/merge-patch+json');
  if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
}
