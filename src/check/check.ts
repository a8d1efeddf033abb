/** `sluice check`: tries everything that a rollout needs, and says of each thing what was found and what to do. */
import { checkJson, checkText, isRight, type Tried } from '../cli/check-report.ts';
import { systemClock, type Clock } from '../clock.ts';
import { parseSettings, type ControllerSettings, type RawSettings } from '../config.ts';
import { isSluiceError, SluiceError } from '../errors.ts';
import { loadKubeConfig } from '../kube/config.ts';
import type { KubeConnection } from '../kube/connection.ts';
import { createKubeObjectStore } from '../kube/kube-object-store.ts';
import { createKubeClient } from '../kube/request.ts';
import { createSource } from '../sources.ts';
import { version } from '../version.ts';
import type { Asker } from './ask.ts';
import { tryPolicies, tryRolloutCrd, tryServer, tryTraefikKinds } from './cluster.ts';
import { tryLeader } from './leader.ts';
import { tryController, tryInstaller } from './rights.ts';
import { readRollouts, tryRollout, type RolloutQuestion } from './rollouts.ts';
import { tryPrometheus } from './source.ts';
import { tryTraefikFlags } from './traefik.ts';

/** CheckCall is the command line; settings are those of the controller. */
export interface CheckCall {
  readonly name?: string | undefined;
  readonly namespace?: string | undefined;
  /** pre: nothing is installed yet. */
  readonly pre?: boolean | undefined;
  readonly output?: string | undefined;
  readonly controllerNamespace: string;
  readonly serviceAccount: string;
  readonly settings: RawSettings;
}

/** CheckHost is what only the process knows. */
export interface CheckHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** CheckResult is what to print; Unreachable says that no API server answers. */
export type CheckResult =
  | { readonly kind: 'Done'; readonly text: string; readonly isRight: boolean }
  | { readonly kind: 'Unreachable'; readonly message: string };

interface Work {
  readonly call: CheckCall;
  readonly settings: ControllerSettings;
  readonly connection: KubeConnection & { readonly namespace?: string | undefined };
  readonly asker: Asker;
  readonly clock: Clock;
}

const unreachable = ['ApiUnreachable', 'ApiTimeout', 'ApiUnauthorized'] as const;

/** runCheck rejects with ConfigInvalid for a call that cannot be meant, and with what the API server answers beyond a refusal. */
export async function runCheck(call: CheckCall, { env, signal, clock = systemClock }: CheckHost): Promise<CheckResult> {
  if (call.output !== undefined && call.output !== 'json')
    throw new SluiceError('ConfigInvalid', `-o is "${call.output}"; it must be json.`);
  const settings = parseSettings(call.settings);
  const connection = await loadKubeConfig({ kubeconfig: settings.kubeconfig, context: settings.context, env, clock });
  const client = createKubeClient(connection, { clock, version });
  try {
    const work: Work = { call, settings, connection, clock, asker: { client, signal } };
    const tried = await tryAll(work);
    return {
      kind: 'Done',
      text: call.output === 'json' ? checkJson(tried) : checkText(tried),
      isRight: isRight(tried),
    };
  } catch (error) {
    if (isSluiceError(error, ...unreachable)) return { kind: 'Unreachable', message: error.message };
    throw error;
  } finally {
    await client.close();
  }
}

async function tryAll(work: Work): Promise<readonly Tried[]> {
  const { asker, call, clock, settings } = work;
  // Who does not answer this answers nothing else.
  const server = await tryServer(asker);
  const isBefore = call.pre === true;
  const common = [tryRolloutCrd(asker, isBefore), tryTraefikKinds(asker), tryTraefikFlags(asker)];
  if (isBefore) return [...server, ...(await inOrder([...common, tryInstaller(asker), trySource(work)]))];
  const { controllerNamespace, serviceAccount, namespace = '' } = call;
  const nowMs = clock.nowMs() + asker.client.serverOffsetMs();
  const leaseName = settings.election.name;
  return [
    ...server,
    ...(await inOrder([
      ...common,
      tryController(asker, { account: serviceAccount, namespace: controllerNamespace, watched: namespace }),
      tryPolicies(asker),
      tryLeader(asker, { namespace: controllerNamespace, leaseName, nowMs }),
      trySource(work),
    ])),
  ];
}

async function inOrder(all: readonly Promise<readonly Tried[]>[]): Promise<readonly Tried[]> {
  return (await Promise.all(all)).flat();
}

/** trySource asks Prometheus, and with it about the Rollouts. */
async function trySource(work: Work): Promise<readonly Tried[]> {
  const { settings, clock, asker, call } = work;
  const { signal } = asker;
  const prometheus = await createSource(settings, clock);
  try {
    const question = { source: prometheus, url: settings.prometheus.url, nowMs: clock.nowMs(), signal };
    const tried = await tryPrometheus(question);
    if (call.pre === true) return tried;
    return [...tried, ...(await tryRollouts(work, isRight(tried) ? question : undefined))];
  } finally {
    await prometheus.close();
  }
}

async function tryRollouts(
  { call, settings, connection, asker, clock }: Work,
  source: RolloutQuestion['source'],
): Promise<readonly Tried[]> {
  const store = createKubeObjectStore(connection, { clock, random: Math.random, version, fieldManager: 'sluice' });
  try {
    const question = { store, userQueries: settings.userQueries, source, signal: asker.signal };
    const namespace = call.namespace ?? connection.namespace ?? 'default';
    const rollouts = await readRollouts(question, namespace, call.name).catch((error: unknown) => notServed(error));
    const what = `Rollout ${namespace}/${call.name ?? ''}`;
    if (rollouts === undefined)
      return [{ state: 'Wrong', what, message: 'it does not exist', advice: 'See kubectl get slr -A.' }];
    return (await Promise.all(rollouts.map((rollout) => tryRollout(question, rollout)))).flat();
  } finally {
    await store.close();
  }
}

/** Without the CRD there are no Rollouts; that is told already. */
function notServed(error: unknown): readonly [] {
  if (isSluiceError(error, 'ApiNotFound')) return [];
  throw error;
}
