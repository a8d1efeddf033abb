/** A GitOps tool that heals itself: it compares an IngressRoute with what stands in Git, and applies that where they differ. */
import { resources } from '../../src/api/kubernetes.ts';
import type { IngressRoute, Route } from '../../src/api/traefik.ts';
import type { Cluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { readObject, type Named } from './objects.ts';

/** GitOpsOptions: `manager` is the field manager that it applies under, `everyMs` the time between two looks. */
export interface GitOpsOptions {
  readonly route: Named;
  readonly manager: string;
  readonly everyMs: number;
}

/** GitOps is the tool at work. */
export interface GitOps {
  /** commit changes what stands in Git. */
  commit(routes: readonly Route[]): void;
  /** ignore leaves the services with these names out of every comparison, as `del` does with a path of jq. */
  ignore(services: readonly string[]): void;
  /** applied is how often it has written. */
  applied(): number;
  stop(): Promise<void>;
}

/** startGitOps begins with `routes` in Git. It writes as Argo CD and Flux do: server-side, and the conflicts are its own. */
export function startGitOps(cluster: Cluster, routes: readonly Route[], options: GitOpsOptions): GitOps {
  const { route, manager, everyMs } = options;
  let wanted = routes;
  let ignored: readonly string[] = [];
  let applied = 0;
  const stopped = new AbortController();
  const compared = (all: readonly Route[]): string =>
    JSON.stringify(
      all.map(({ match, priority, services = [] }) => [
        match,
        priority,
        services.filter(({ name }) => !ignored.includes(name)).map(({ name, weight }) => [name, weight]),
      ]),
    );
  const heal = async (): Promise<void> => {
    const live = await readObject<IngressRoute>(cluster, resources.ingressRoutes, route);
    if (live === undefined || compared(live.spec.routes ?? []) === compared(wanted)) return;
    const manifest = {
      apiVersion: 'traefik.io/v1alpha1',
      kind: 'IngressRoute',
      metadata: route,
      spec: { entryPoints: ['web'], routes: wanted },
    };
    const flags = ['--server-side', `--field-manager=${manager}`, '--force-conflicts'];
    await cluster.kubectl(['apply', ...flags, '-f', '-'], { input: JSON.stringify(manifest) });
    applied += 1;
  };
  const work = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await heal();
      const nextMs = performance.now() + everyMs;
      await eventually(() => stopped.signal.aborted || performance.now() >= nextMs, {
        timeoutMs: 2 * everyMs + 10_000,
      });
    }
  };
  const working = work();
  return {
    commit: (next) => {
      wanted = next;
    },
    ignore: (services) => {
      ignored = services;
    },
    applied: () => applied,
    stop: async () => {
      stopped.abort();
      await working;
    },
  };
}
