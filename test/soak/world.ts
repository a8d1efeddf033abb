/** All that takes part in the soak: the fleet, and two replicas of the controller. */
import { inParallel } from '../../bench/controller/apps.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { readEntrypoint } from '../support/image-entrypoint.ts';
import type { SoakOptions } from './options.ts';
import { copyProgram } from '../support/program-copy.ts';
import { createReplica, type Replica } from '../support/replica.ts';

/** World is what the faults and the releases act on. */
export interface World extends Fleet {
  /** metricsProxy is between the replicas and Prometheus. */
  readonly metricsProxy: FaultProxy;
  /** survivor is never killed, so that it can be watched for an hour. */
  readonly survivor: Replica;
  /** mortal is killed now and then. */
  readonly mortal: Replica;
}

/** startWorld starts everything; the Rollouts have begun. */
export async function startWorld(
  { rollouts, nodeFlags }: Pick<SoakOptions, 'rollouts' | 'nodeFlags'>,
  say: (text: string) => void,
): Promise<World> {
  say('starting etcd, kube-apiserver and Prometheus');
  const fleet = await startFleet({ applications: rollouts, weights: [5, 10, 20, 35, 50, 75, 100], stepDuration: '2s' });
  const started: (() => Promise<unknown>)[] = [() => fleet.stop()];
  const stop = async (): Promise<void> => {
    for (const end of started.splice(0).toReversed()) await end();
  };
  try {
    say(`creating ${rollouts} rollouts`);
    await inParallel(rollouts, (index) => fleet.release(index));
    const metricsProxy = await startFaultProxy({ ...fleet.cluster, url: fleet.prometheus.url });
    started.push(() => metricsProxy.stop());
    // The tree may be worked on meanwhile; a replica that is started an hour later has to be the same program.
    const program = await copyProgram();
    started.push(() => program.remove());
    const [survivor, mortal] = await createReplicas({
      fleet,
      metricsProxy,
      program: await program.build(),
      nodeFlags: [...(await readNodeFlags()), ...nodeFlags],
    });
    started.push(
      () => survivor.close(),
      () => mortal.close(),
    );
    say('starting two replicas');
    await Promise.all([survivor.start(), mortal.start()]);
    return { ...fleet, metricsProxy, survivor, mortal, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** readNodeFlags takes those of the image; there is no memory limit here, so no share of it. */
async function readNodeFlags(): Promise<readonly string[]> {
  return (await readEntrypoint('controller')).nodeFlags.filter((flag) => !flag.includes('percentage'));
}

/** Shorter than in production, so that a fault of some seconds is a change of the leader. */
const leaseFlags = ['--lease-duration=6s', '--lease-renew-deadline=4s', '--lease-retry-period=800ms'] as const;

async function createReplicas(from: {
  readonly fleet: Fleet;
  readonly metricsProxy: FaultProxy;
  readonly program: string;
  readonly nodeFlags: readonly string[];
}): Promise<readonly [Replica, Replica]> {
  const { cluster } = from.fleet;
  const create = async (name: string): Promise<Replica> =>
    createReplica({
      cluster,
      name,
      program: from.program,
      prometheusUrl: from.metricsProxy.url.origin,
      token: await cluster.serviceAccountToken('sluice-system', 'sluice'),
      nodeFlags: from.nodeFlags,
      args: ['--leader-elect=true', ...leaseFlags, '--audit-schedule=* * * * *'],
    });
  return [await create('survivor'), await create('mortal')];
}
