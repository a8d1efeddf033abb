/** `sluice simulate`: reads a Rollout and the samples of its services, and reports what they can prove. */
import type { CheckSpec } from './analysis/check.ts';
import { historyMs } from './analysis/evidence.ts';
import type { AnalysisSpec } from './analysis/spec.ts';
import { formatDuration } from './api/duration.ts';
import { keyOf, resources, type ObjectKey, type Service } from './api/kubernetes.ts';
import type { Rollout } from './api/rollout.ts';
import { lastBlockEnd } from './analysis/block.ts';
import { checkLines, readChecks, reportCheck } from './cli/simulate-checks.ts';
import { readSpan, type Names } from './cli/simulate-read.ts';
import { judgeRelease } from './cli/simulate-release.ts';
import type { Past } from './cli/simulate-replay.ts';
import type { Plan } from './cli/simulate-walk.ts';
import { releaseText, simulationText } from './cli/simulate-text.ts';
import { simulate } from './cli/simulate.ts';
import { formatTime, parseTime, systemClock, type Clock } from './clock.ts';
import { parseSettings, type ControllerSettings, type RawSettings } from './config.ts';
import { SluiceError } from './errors.ts';
import { armNames, readScene, routeIdOf } from './reconciler/observe.ts';
import { cachesOf } from './reconciler/stores.ts';
import { planSteps, type PlannedStep } from './rollout/steps.ts';
import { readRolloutFile, type ReadObjects } from './manifest.ts';
import { readNamed } from './named-rollout.ts';
import type { PrometheusSource } from './source/prometheus.ts';
import { createSource } from './sources.ts';
import { asRoute, type RouteSource } from './traffic/route-object.ts';

/** SimulateCall is the command line; what is left out has a default. Settings are those of the controller. */
export interface SimulateCall {
  readonly name?: string | undefined;
  readonly settings: RawSettings;
  readonly namespace?: string | undefined;
  /** filename is a manifest with the Rollout; no cluster is asked then. */
  readonly filename?: string | undefined;
  readonly hours?: string | undefined;
  readonly replays?: string | undefined;
  readonly seed?: string | undefined;
  /** release and until are the times of a past release. */
  readonly release?: string | undefined;
  readonly until?: string | undefined;
  readonly output?: string | undefined;
}

/** SimulateHost is what only the process knows. */
export interface SimulateHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** SimulateResult is what to print; Failed says what was missing and what to do. */
export type SimulateResult =
  | { readonly kind: 'Done'; readonly text: string }
  | { readonly kind: 'Failed'; readonly message: string };

/** simulateDefaults are the texts of what is left out of a SimulateCall. */
export const simulateDefaults = { hours: '24', replays: '100', seed: '1' } as const;

/** runSimulate rejects with ConfigInvalid for a call that cannot be meant, and with whatever the API server answers. */
export async function runSimulate(call: SimulateCall, host: SimulateHost): Promise<SimulateResult> {
  const asked = parseCall(call);
  const settings = parseSettings(call.settings);
  const objects = await readObjects(call, settings, host);
  if ('kind' in objects) return objects;
  const subject = describeSubject(objects, settings);
  const source = await createSource(settings, host.clock ?? systemClock);
  try {
    const work = { subject, source, settings, host, isJson: call.output === 'json' };
    return await (asked.release === undefined ? simulateAll(work, asked) : simulateRelease(work, asked.release));
  } finally {
    await source.close();
  }
}

interface Asked {
  readonly hours: number;
  readonly replays: number;
  readonly seed: number;
  readonly release: { readonly fromMs: number; readonly untilMs: number } | undefined;
}

function parseCall(call: SimulateCall): Asked {
  const { hours, replays, seed } = { ...simulateDefaults, ...defined(call) };
  const problems: string[] = [];
  const check = (flag: string, value: string, isRight: boolean, want: string): void => {
    if (!isRight) problems.push(`${flag} is "${value}"; it must be ${want}`);
  };
  check('--hours', hours, /^\d{1,3}(\.\d+)?$/.test(hours) && Number(hours) > 0, 'a number of hours up to 999, like 24');
  check('--replays', replays, /^[1-9]\d{0,3}$/.test(replays), 'a number from 1 to 9999');
  check('--seed', seed, /^\d{1,9}$/.test(seed), 'a whole number of at most 9 digits');
  check('-o', call.output ?? '', call.output === undefined || call.output === 'json', 'json');
  if (call.name === undefined && call.filename === undefined) problems.push('NAME of a Rollout or -f FILE is needed');
  const release = parseRelease(call, problems);
  if (problems.length > 0) throw new SluiceError('ConfigInvalid', `${problems.join('; ')}.`);
  return { hours: Number(hours), replays: Number(replays), seed: Number(seed), release };
}

function parseRelease({ release, until }: SimulateCall, problems: string[]): Asked['release'] {
  if (release === undefined && until === undefined) return undefined;
  const fromMs = parseTime(release);
  const untilMs = parseTime(until);
  if (fromMs === undefined || untilMs === undefined || untilMs <= fromMs) {
    problems.push(
      `--release is "${release ?? ''}" and --until "${until ?? ''}"; both must be times like 2026-11-21T09:30:00Z, the second later`,
    );
    return undefined;
  }
  return { fromMs, untilMs };
}

function defined({ hours, replays, seed }: SimulateCall): Partial<Record<keyof typeof simulateDefaults, string>> {
  const given = Object.entries({ hours, replays, seed }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Partial<Record<keyof typeof simulateDefaults, string>>;
}

async function readObjects(
  { name, namespace, filename }: SimulateCall,
  settings: ControllerSettings,
  host: SimulateHost,
): Promise<ReadObjects | SimulateResult> {
  if (filename !== undefined) return readRolloutFile(filename, { name, namespace: namespace ?? 'default' });
  const { signal } = host;
  return readNamed({ name, namespace, settings }, host, async (store, rollout) => {
    const { resource, key: routeKey } = routeIdOf(rollout);
    const route = await store.get<RouteSource>(resource, routeKey, { signal });
    const { stable, canary } = rollout.spec;
    const keys = [stable, canary].map(({ service }): ObjectKey => `${rollout.metadata.namespace ?? ''}/${service}`);
    const services = await Promise.all(keys.map((key) => store.get<Service>(resources.services, key, { signal })));
    return {
      rollout,
      routes: route === undefined ? [] : [asRoute(resource, route)],
      services: new Map(services.flatMap((service) => (service === undefined ? [] : [[keyOf(service), service]]))),
    };
  });
}

/** Subject is the Rollout as the controller would see it. */
interface Subject {
  readonly name: string;
  readonly rollout: Rollout;
  /** spec is without the checks: their past cannot be shared out between stable and a canary. */
  readonly spec: AnalysisSpec;
  readonly checks: readonly CheckSpec[];
  /** problems say which checks cannot be asked. */
  readonly problems: readonly string[];
  readonly steps: readonly PlannedStep[];
  readonly before: Names;
  readonly both: Names;
}

function describeSubject(objects: ReadObjects, { userQueries }: ControllerSettings): Subject {
  const { rollout } = objects;
  const name = keyOf(rollout);
  const services = [...objects.services.values()].map((object) => ({ kind: resources.services, object }));
  const routes = objects.routes.map(({ resource, object }) => ({ kind: resource, object }));
  const scene = readScene(rollout, cachesOf([...routes, ...services]), userQueries);
  for (const [arm, member] of Object.entries({ stable: scene.stable, canary: scene.canary })) {
    if (member.ports.length > 0) continue;
    const why = member.portProblem ?? `Service ${member.key} is not known, so neither is its port`;
    throw new SluiceError('ConfigInvalid', `Rollout ${name}: ${why}; set spec.${arm}.port.`);
  }
  return {
    name,
    rollout,
    spec: { ...scene.spec, checks: [] },
    checks: scene.spec.checks,
    problems: scene.problems.filter(({ reason }) => reason === 'CheckInvalid').map(({ message }) => message),
    steps: planSteps(rollout.spec).filter(({ kind, durationMs }) => kind === 'Weight' || durationMs !== undefined),
    before: { stable: armNames(scene, 'Stable').stable, canary: [] },
    both: armNames(scene, 'Both'),
  };
}

interface Work {
  readonly subject: Subject;
  readonly source: PrometheusSource;
  readonly settings: ControllerSettings;
  readonly host: SimulateHost;
  readonly isJson: boolean;
}

async function simulateAll(work: Work, { hours, replays, seed }: Asked): Promise<SimulateResult> {
  const { subject, source, host, isJson } = work;
  const { blockMs, latenessMs } = source;
  const untilMs = lastBlockEnd((host.clock ?? systemClock).nowMs() - latenessMs, blockMs);
  const span = { fromMs: untilMs - hours * 3_600_000, untilMs };
  const read = await readSpan(source, subject.before, span, host.signal);
  if (read.kind === 'Unread') return { kind: 'Failed', message: unread(work, read.message) };
  const past: Past = { blocks: read.blocks, bounds: read.bounds, blockMs, latenessMs };
  const requests = past.blocks.reduce((sum, { arms }) => sum + arms.stable.requests, 0);
  if (requests === 0) return { kind: 'Failed', message: noHistory(work, read.missing) };
  const report = simulate(past, planOf(subject), { replays, seed });
  if ('kind' in report) {
    const message = `Rollout ${subject.name}: there are samples of ${formatDuration(report.haveMs)}, and one rollout takes ${formatDuration(report.needMs)}. Wait until there is more, give more --hours, or shorten spec.steps.`;
    return { kind: 'Failed', message };
  }
  const checks = (await readChecks(source, subject.checks, span, host.signal)).map(reportCheck);
  const text = isJson
    ? JSON.stringify({ rollout: subject.name, ...report, checks, problems: subject.problems })
    : simulationText(report, subject.name, subject.steps, checkLines(checks, subject.problems));
  return { kind: 'Done', text };
}

/** What is only shown, or not judged at all, is simulated as if it were enforced: that is the question. */
function planOf({ rollout, spec, steps }: Subject): Plan {
  const analysis = { ...rollout.spec.analysis, mode: 'Enforce' } as const;
  return { spec, rollout: { spec: { analysis } }, steps };
}

async function simulateRelease(
  work: Work,
  { fromMs, untilMs }: NonNullable<Asked['release']>,
): Promise<SimulateResult> {
  const { subject, source, host, isJson } = work;
  const { blockMs, latenessMs } = source;
  const sinceMs = lastBlockEnd(fromMs, blockMs);
  const before = await readSpan(source, subject.before, { fromMs: sinceMs - historyMs, untilMs: sinceMs }, host.signal);
  if (before.kind === 'Unread') return { kind: 'Failed', message: unread(work, before.message) };
  const during = await readSpan(source, subject.both, { fromMs: sinceMs, untilMs }, host.signal);
  if (during.kind === 'Unread') return { kind: 'Failed', message: unread(work, during.message) };
  if (during.blocks.every(({ arms }) => arms.canary.requests === 0)) {
    const message = `Rollout ${subject.name}: no request of the canary (${subject.both.canary.join(', ')}) between ${formatTime(fromMs)} and ${formatTime(untilMs)}. Was the release at another time? Is it longer ago than Prometheus keeps samples?`;
    return { kind: 'Failed', message };
  }
  const checks = await readChecks(source, subject.checks, { fromMs: sinceMs, untilMs }, host.signal);
  const past = { fromMs: sinceMs, ...during, blockMs, latenessMs, before, checks };
  const report = judgeRelease(past, { ...subject.spec, checks: subject.checks });
  const text = isJson
    ? JSON.stringify({ rollout: subject.name, ...report, problems: subject.problems })
    : [releaseText(report, subject.name), ...subject.problems].join('\n');
  return { kind: 'Done', text };
}

function unread({ subject }: Work, message: string): string {
  return `Rollout ${subject.name}: its past cannot be read. ${message} Set --prometheus-url and the other --prometheus flags as for the controller.`;
}

function noHistory({ subject, settings: { prometheus } }: Work, missing: readonly string[]): string {
  const names = subject.before.stable.join(', ');
  return `Rollout ${subject.name}: Prometheus at ${prometheus.url} has no request of stable, looked for as ${names} in the label ${prometheus.serviceLabel}. ${missing.join(' ')} Check the services of the Rollout and --prometheus-service-label. With -f, FILE has to hold the IngressRoute too: a route that lists one service counts under its own name.`;
}
