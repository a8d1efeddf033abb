/** One application on the stage: two versions behind one host, and a Rollout between them. */
import { request } from 'undici';
import { resources } from '../../src/api/kubernetes.ts';
import type { Rollout } from '../../src/api/rollout.ts';
import type { RolloutStatus } from '../../src/api/rollout-status.ts';
import type { IngressRoute, RouteService } from '../../src/api/traefik.ts';
import { readSplit } from '../../src/traffic/split.ts';
import { type Backend, startBackend } from './backend.ts';
import { eventually } from './eventually.ts';
import { type Load, startLoad } from './load.ts';
import { apiPathOf, putEndpoints, putIngressRoute, putService, readObject, removeEndpoints } from './objects.ts';
import { shopNamespace, type Stage } from './stage.ts';

/** ShopOptions: every shop of a stage needs a number of its own from 1 to 9, which gives it its addresses. */
export interface ShopOptions {
  readonly name: string;
  readonly number: number;
  /** behind is a shop whose two versions answer for this one too; `number` says nothing then. */
  readonly behind?: Pick<Shop, 'stable' | 'canary'>;
  /** services replaces what the route lists at first: the stable service without a weight. */
  readonly services?: readonly RouteService[];
}

/** Shop is one application with traffic that can be watched. */
export interface Shop {
  readonly name: string;
  readonly stable: Backend;
  readonly canary: Backend;
  /** load starts steady traffic through Traefik. */
  load(requestsPerSecond: number): Load;
  /** applyRollout applies a Rollout as kubectl does; `spec` is merged over the services and the route of the shop. */
  applyRollout(spec: object): Promise<void>;
  rollout(): Promise<Rollout | undefined>;
  status(): Promise<RolloutStatus>;
  /** until waits for a status and returns it. */
  until(description: string, check: (status: RolloutStatus) => boolean, timeoutMs?: number): Promise<RolloutStatus>;
  /** untilAt waits until status says `weight` and the route gives the canary just that, and returns the status. */
  untilAt(weight: number, check?: (status: RolloutStatus) => boolean): Promise<RolloutStatus>;
  route(): Promise<IngressRoute>;
  /** setReady makes the pods of one version ready or not; `Gone` removes their slice. */
  setReady(version: 'stable' | 'canary', state: 'Ready' | 'NotReady' | 'Gone'): Promise<void>;
  /** command gives the Rollout a command as a person would. */
  command(verb: string, who?: string): Promise<void>;
  stop(): Promise<void>;
}

/** openShop creates both versions, their Services and the route, and waits until Traefik serves it. */
export async function openShop(stage: Stage, { name, number, behind, services }: ShopOptions): Promise<Shop> {
  const { cluster } = stage;
  const id = { namespace: shopNamespace, name };
  const backends = {
    stable: behind?.stable ?? (await startBackend({ address: `10.77.0.${2 * number}`, version: 'v1' })),
    canary: behind?.canary ?? (await startBackend({ address: `10.77.0.${2 * number + 1}`, version: 'v2' })),
  };
  const setReady: Shop['setReady'] = async (version, state) => {
    const service = { namespace: shopNamespace, name: `${name}-${version}` };
    if (state === 'Gone') return removeEndpoints(cluster, service);
    return putEndpoints(cluster, service, [{ address: backends[version].address, ready: state === 'Ready' }]);
  };
  for (const version of ['stable', 'canary'] as const) {
    await putService(cluster, { namespace: shopNamespace, name: `${name}-${version}` });
    await setReady(version, 'Ready');
  }
  await putIngressRoute(cluster, {
    ...id,
    host: `${name}.test`,
    services: services ?? [{ name: `${name}-stable`, port: 80 }],
  });
  const pair = {
    namespace: shopNamespace,
    stable: { service: `${name}-stable`, ports: [] },
    canary: { service: `${name}-canary`, ports: [] },
  };
  const rollout = (): Promise<Rollout | undefined> => readObject<Rollout>(cluster, resources.rollouts, id);
  const status = async (): Promise<RolloutStatus> => (await rollout())?.status ?? {};
  const shop: Shop = {
    name,
    ...backends,
    load: (requestsPerSecond) => startLoad({ url: stage.traefik.webUrl, host: `${name}.test`, requestsPerSecond }),
    applyRollout: async (spec) => {
      const members = {
        route: { name },
        stable: { service: `${name}-stable`, port: 80 },
        canary: { service: `${name}-canary`, port: 80 },
      };
      const object = {
        apiVersion: 'sluice.dev/v1alpha1',
        kind: 'Rollout',
        metadata: id,
        spec: { ...members, ...spec },
      };
      await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) });
    },
    rollout,
    status,
    until: async (description, check, timeoutMs = 60_000) => {
      let last: RolloutStatus = {};
      const options = { timeoutMs, intervalMs: 100, describe: `${name}: ${description}` };
      return eventually(async () => {
        last = await status();
        if (check(last)) return last;
        throw new Error(`status is ${last.phase}/${last.reason} at ${last.weight}% step ${last.step}: ${last.message}`);
      }, options);
    },
    untilAt: async (weight, check = () => true) =>
      eventually(
        async () => {
          const now = await status();
          const { canaryPercent } = readSplit((await shop.route()).spec.routes ?? [], pair);
          if (now.weight === weight && canaryPercent === weight && check(now)) return now;
          throw new Error(`${now.phase}/${now.reason} at ${now.weight}%, route at ${canaryPercent}%: ${now.message}`);
        },
        { timeoutMs: 60_000, intervalMs: 100, describe: `${name}: ${weight}%` },
      ),
    route: async () => {
      const route = await readObject<IngressRoute>(cluster, resources.ingressRoutes, id);
      if (route === undefined) throw new Error(`IngressRoute ${name} is gone`);
      return route;
    },
    setReady,
    command: async (verb, who = 'tester') => {
      const now = await rollout();
      const text = `${verb} ${Math.random().toString(36).slice(2)} ${now?.metadata.uid} ${now?.status?.revision ?? ''}`;
      await cluster.kubectl([
        '-n',
        shopNamespace,
        'annotate',
        'slr',
        name,
        '--overwrite',
        `sluice.dev/command=${text}`,
        `sluice.dev/command-by=${who}`,
        `--as=${who}`,
        '--as-group=system:masters',
      ]);
    },
    stop: async () => {
      if (behind === undefined) await Promise.all([backends.stable.stop(), backends.canary.stop()]);
      await cluster.api('DELETE', apiPathOf(resources.rollouts, id));
    },
  };
  await untilServed(stage, name);
  return shop;
}

async function untilServed({ traefik }: Stage, name: string): Promise<void> {
  const isServed = async (): Promise<boolean> => {
    const { statusCode, body } = await request(traefik.webUrl, { headers: { host: `${name}.test` } });
    await body.dump();
    return statusCode === 200;
  };
  await eventually(isServed, { timeoutMs: 40_000, intervalMs: 100, describe: `${name}: Traefik to serve its host` });
}

/** quickSteps is a rollout for tests that are not about the judge: short steps by time, and a limit that is soon proven. */
export const quickSteps = {
  steps: [
    { weight: 5, duration: '6s' },
    { weight: 25, duration: '4s' },
    { weight: 50, duration: '4s' },
    { weight: 100, duration: '4s' },
  ],
  analysis: { compare: 'None', slo: { errorRatio: '20%' }, warmup: '0s', pace: 'Time', minRequests: 50 },
} as const;

/** storySteps is the rollout of the stories: steps in which a thousand requests are answered, judged by the default margins. */
export const storySteps = {
  steps: [5, 25, 50, 100].map((weight) => ({ weight, duration: '9s' })),
  analysis: { warmup: '0s', pace: 'Time' },
} as const;
