/** The names that completion offers, from the API server or the folder of standalone mode. */
import { resources, type ResourceKind } from './api/kubernetes.ts';
import { systemClock } from './clock.ts';
import { withSource } from './get.ts';
import { startDeadline, untilAborted } from './kube/deadline.ts';
import type { CommandHost, SourceCall } from './rollout-source.ts';

/** Somebody has pressed a key and waits: what takes longer is of no use. */
const deadlineMs = 2_000;

const namespaces: ResourceKind = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace' };

/** listNames returns none where nobody answers in time, or the caller may not list them. */
export async function listNames(
  of: 'Rollouts' | 'Namespaces',
  call: SourceCall,
  host: CommandHost,
): Promise<readonly string[]> {
  const deadline = startDeadline(host.clock ?? systemClock, deadlineMs, host.signal);
  try {
    const names = withSource(call, { ...host, signal: deadline.signal }, async (source) => {
      const { namespace } = source;
      const found = await (of === 'Rollouts'
        ? source.list(resources.rollouts, { namespace })
        : source.list(namespaces));
      return found.map(({ metadata }) => metadata.name);
    });
    return await untilAborted(names, deadline.signal);
  } catch {
    // A sentence in the middle of a command line would be worse than no help.
    return [];
  } finally {
    deadline.close();
  }
}
