/**
 * The soak: rollouts for ever on a real API server, two replicas, and faults. What must hold is judged from what etcd
 * committed; what must stay flat is read from the replicas' processes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createLogReader, type LogReader } from './log.ts';
import type { SoakOptions } from './options.ts';
import { createRandom } from './random.ts';
import { type Account, lookAt } from './readings.ts';
import { createReleases, type Releases } from './releases.ts';
import {
  classesOf,
  compareQuarters,
  describeCounts,
  describeQuarters,
  describeReading,
  type Sample,
} from './report.ts';
import { startStorm, type Storm } from './storm.ts';
import { startWorld, type World } from './world.ts';
import { eventually } from '../support/eventually.ts';
import type { Replica } from '../support/replica.ts';

/** Above this a rollout is stuck: a fault lasts 10 s, and the longest back-off of a watch is a minute. */
const stuckMs = 180_000;
const tickMs = 500;
const readEveryMs = 10_000;
const sayEveryMs = 60_000;
/** growthMinutes: before that a young process has not found its size, and its growth says nothing. */
const growthMinutes = 10;

interface Soak {
  readonly options: SoakOptions;
  readonly world: World;
  readonly releases: Releases;
  readonly storm: Storm;
  readonly watched: readonly Watched[];
  readonly violations: string[];
  readonly say: (text: string) => void;
  readonly startMs: number;
  longestRestMs: number;
  /** saidViolations is how many of the judge's violations were printed. */
  saidViolations: number;
}

interface Watched {
  readonly replica: Replica;
  readonly log: LogReader;
  readonly samples: Sample[];
  readonly accounts: Account[];
}

/** runSoak runs to the end, or until `signal` aborts, and returns what was wrong. */
export async function runSoak(
  options: SoakOptions,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<readonly string[]> {
  say(`seed ${options.seed}, ${options.rollouts} rollouts, ${options.minutes} minutes`);
  const world = await startWorld(options, say);
  const over = new AbortController();
  let storm: Storm | undefined;
  try {
    say('waiting for the first step of every rollout');
    await eventually(() => world.judge.subjects().every(({ percent }) => percent > 0), {
      timeoutMs: 120_000,
      describe: 'the first step of every rollout',
    });
    const random = createRandom(options.seed);
    storm = startStorm(world, { ...options, random }, options.isCalm ? AbortSignal.abort() : over.signal);
    const soak = createSoak({ options, world, storm, say });
    await live(soak, { forMs: options.minutes * 60_000, signal });
    say('no more faults');
    over.abort();
    await storm.ended;
    await recover(soak, signal);
    await finish(soak);
    return soak.violations;
  } finally {
    over.abort();
    await storm?.ended;
    await world.stop();
  }
}

function createSoak(parts: Pick<Soak, 'options' | 'world' | 'storm' | 'say'>): Soak {
  const { options, world } = parts;
  return {
    ...parts,
    releases: createReleases(world, options.rollouts, createRandom(options.seed + 1)),
    watched: [world.survivor, world.mortal].map((replica) => ({
      replica,
      log: createLogReader(replica.logFile),
      samples: [],
      accounts: [],
    })),
    violations: [],
    startMs: performance.now(),
    longestRestMs: 0,
    saidViolations: 0,
  };
}

/** live goes on for a time, or until something is so wrong that the rest would say nothing. */
async function live(
  soak: Soak,
  { forMs, signal }: { readonly forMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const endMs = performance.now() + forMs;
  let readMs = performance.now() + readEveryMs;
  let sayMs = performance.now() + sayEveryMs;
  while (performance.now() < endMs && !signal.aborted && soak.storm.failures.length === 0) {
    await soak.releases.tick();
    if (signal.aborted) return;
    await checkReplicas(soak);
    checkRests(soak);
    if (performance.now() >= readMs) {
      readMs += readEveryMs;
      await read(soak);
    }
    if (performance.now() >= sayMs) {
      sayMs += sayEveryMs;
      sayState(soak);
    }
    await sleep(tickMs, undefined, { signal }).catch(() => undefined);
  }
}

/** checkReplicas: whatever happens, a replica may not end by itself. */
async function checkReplicas({ watched, storm, violations }: Soak): Promise<void> {
  for (const { replica } of watched) {
    if (!replica.isLost) continue;
    violations.push(`${replica.name} has ended by itself, during ${storm.underWay().join(', ') || 'nothing'}`);
    await replica.start();
  }
}

function checkRests(soak: Soak): void {
  const nowMs = performance.now();
  for (const subject of soak.world.judge.subjects()) {
    const restMs = nowMs - Math.max(subject.movedMs, soak.startMs);
    soak.longestRestMs = Math.max(soak.longestRestMs, restMs);
    if (restMs < stuckMs || restMs >= stuckMs + 2 * tickMs) continue;
    const { phase, reason, weight, message } = subject.status;
    soak.violations.push(`${subject.name} is stuck: ${phase}/${reason} at ${weight} %: ${message}`);
  }
}

async function read({ watched, world, startMs }: Soak): Promise<void> {
  for (const { replica, log, samples, accounts } of watched) {
    replica.proxy.forget();
    await log.read();
    const look = await lookAt(replica);
    if (look === undefined) continue;
    samples.push({ atMs: performance.now() - startMs, reading: look.reading });
    accounts.push(look.account);
  }
  world.metricsProxy.forget();
}

function sayState(soak: Soak): void {
  const { watched, world, storm, releases, violations, say } = soak;
  const { raises, lowerings } = world.judge.steps;
  const { good, bad, overtaken } = releases.counts;
  const faults = [...storm.counts.values()].reduce((sum, count) => sum + count, 0);
  say(
    `steps up ${raises}, down ${lowerings}; revisions good ${good}, bad ${bad}, overtaken ${overtaken}; faults ${faults}; ` +
      `violations ${violations.length + world.judge.violations.length}`,
  );
  for (const { replica, samples, accounts } of watched) {
    const [sample, account] = [samples.at(-1), accounts.at(-1)];
    if (sample === undefined || account === undefined) continue;
    const { audits, repairs, leading, relists, fenced } = account;
    say(
      `  ${replica.name.padEnd(8)} ${leading > 0 ? 'leads ' : 'stands'} ${describeReading(sample.reading)}; ` +
        `audits ${audits} repairs ${repairs} relists ${relists} fenced ${fenced}`,
    );
  }
  for (const violation of world.judge.violations.slice(soak.saidViolations).slice(0, 3)) say(`  ${violation}`);
  soak.saidViolations = world.judge.violations.length;
}

/** recover waits until every rollout has moved since the last fault was healed. */
async function recover(soak: Soak, signal: AbortSignal): Promise<void> {
  const sinceMs = performance.now();
  const resting = (): readonly string[] =>
    soak.world.judge.subjects().flatMap(({ movedMs, name }) => (movedMs < sinceMs ? [name] : []));
  while (resting().length > 0 && performance.now() < sinceMs + stuckMs && !signal.aborted) {
    await soak.releases.tick();
    await checkReplicas(soak);
    await sleep(tickMs, undefined, { signal }).catch(() => undefined);
  }
  if (signal.aborted) return;
  soak.say(`every rollout has moved ${((performance.now() - sinceMs) / 1000).toFixed(1)} s after the last fault`);
  for (const name of resting()) soak.violations.push(`${name} has not moved since the last fault was healed`);
}

async function finish(soak: Soak): Promise<void> {
  await read(soak);
  const { watched, world, violations, storm, say } = soak;
  sayState(soak);
  violations.push(...world.judge.violations, ...storm.failures.map((failure) => `not healed: ${failure}`));
  // A soak in which nothing moves shows nothing.
  const { raises } = world.judge.steps;
  if (raises < 2 * soak.options.rollouts) violations.push(`only ${raises} steps were made`);
  for (const one of watched) judgeReplica(soak, one);
  const stopMs = await Promise.all(watched.map(({ replica }) => replica.stop()));
  say(`stopped by SIGTERM in ${stopMs.map((ms) => `${Math.round(ms)} ms`).join(' and ')}`);
  say('faults:');
  for (const line of describeCounts(storm.counts)) say(line);
  say(`the longest rest of a rollout was ${(soak.longestRestMs / 1000).toFixed(0)} s`);
  say(`${violations.length} violations`);
  for (const line of describeCounts(classesOf(violations))) say(line);
  for (const violation of violations.slice(0, 20)) say(`  ${violation}`);
}

function judgeReplica({ world, violations, say, startMs, options }: Soak, watched: Watched): void {
  const { replica, samples, accounts, log } = watched;
  const quarters = compareQuarters(samples, performance.now() - startMs);
  for (const line of describeQuarters(replica.name, quarters)) say(line);
  const repairs = accounts.reduce((most, account) => Math.max(most, account.repairs), 0);
  if (repairs > 0) violations.push(`the audit of ${replica.name} has repaired ${repairs} objects`);
  violations.push(...log.defects.slice(0, 5).map((line) => `${replica.name} logs ${line}`));
  say(`${replica.name} complained of:`);
  for (const line of describeCounts(log.counts)) say(line);
  // The mortal one is young again and again.
  if (replica !== world.survivor || options.minutes < growthMinutes) return;
  for (const { field, first, last, isGrown } of quarters ?? []) {
    if (isGrown) violations.push(`${field} of ${replica.name} grew from ${first.toFixed(1)} to ${last.toFixed(1)}`);
  }
}
