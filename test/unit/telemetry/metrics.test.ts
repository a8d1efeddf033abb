import { describe, expect, it } from 'vitest';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';

/** series returns the lines of one metric, or of all that begin like it. */
async function series(metrics: Metrics, name: string): Promise<readonly string[]> {
  return (await metrics.text()).split('\n').filter((line) => line.startsWith(name));
}

describe('createMetrics', () => {
  it('shows one phase of a rollout and replaces it by the next', async () => {
    const metrics = createMetrics();
    metrics.rollout({ namespace: 'web', name: 'shop', phase: 'Pending', weight: 0 });
    metrics.rollout({ namespace: 'web', name: 'shop', phase: 'Progressing', weight: 5 });
    metrics.rollout({ namespace: 'web', name: 'shop', phase: 'Progressing', weight: 25 });
    expect(await series(metrics, 'sluice_rollout_')).toEqual([
      'sluice_rollout_phase{namespace="web",name="shop",phase="Progressing"} 1',
      'sluice_rollout_weight_percent{namespace="web",name="shop"} 25',
    ]);
  });

  it('forgets every series of a rollout that is gone, and of no other', async () => {
    const metrics = createMetrics();
    for (const name of ['shop', 'cart']) metrics.rollout({ namespace: 'web', name, phase: 'Paused', weight: 5 });
    metrics.forget('web', 'shop');
    metrics.forget('web', 'never-seen');
    expect(await series(metrics, 'sluice_rollout_')).toEqual([
      'sluice_rollout_phase{namespace="web",name="cart",phase="Paused"} 1',
      'sluice_rollout_weight_percent{namespace="web",name="cart"} 5',
    ]);
    metrics.rollout({ namespace: 'web', name: 'shop', phase: 'Paused', weight: 0 });
    expect(await series(metrics, 'sluice_rollout_phase{namespace="web",name="shop"')).toHaveLength(1);
  });

  it('counts rollouts by phase, and takes out those that are gone', async () => {
    const metrics = createMetrics();
    const show = (name: string, phase: string): void => metrics.rollout({ namespace: 'web', name, phase, weight: 0 });
    for (const name of ['a', 'b', 'c']) show(name, 'Pending');
    show('a', 'Progressing');
    show('a', 'Progressing');
    show('b', 'Failed');
    metrics.forget('web', 'c');
    expect(await series(metrics, 'sluice_rollouts{')).toEqual([
      'sluice_rollouts{phase="Pending"} 0',
      'sluice_rollouts{phase="Progressing"} 1',
      'sluice_rollouts{phase="Failed"} 1',
    ]);
  });

  it.each([
    ['Pending', 0, false],
    ['Pending', 5, true],
    ['Succeeded', 0, false],
    ['Succeeded', 100, true],
    ['Progressing', 0, true],
    ['Failed', 0, true],
    ['Degraded', 0, true],
  ])('has series of a rollout that is %s at %d %%: %s', async (phase, weight, isShown) => {
    const metrics = createMetrics();
    metrics.rollout({ namespace: 'web', name: 'shop', phase, weight, observed: '4.0%' });
    expect((await series(metrics, 'sluice_rollout_')).length).toBe(isShown ? 3 : 0);
  });

  it('drops the series of a rollout that comes to rest, and shows them again with the next release', async () => {
    const metrics = createMetrics();
    const show = (phase: string, weight: number): void =>
      metrics.rollout({ namespace: 'web', name: 'shop', phase, weight, observed: '12.3%' });
    show('Promoting', 100);
    show('Succeeded', 0);
    expect(await series(metrics, 'sluice_rollout_')).toEqual([]);
    show('Progressing', 5);
    expect(await series(metrics, 'sluice_rollout_')).toHaveLength(3);
  });

  it('shows the share that the canary answered while it is known', async () => {
    const metrics = createMetrics();
    const show = (observed?: string): void =>
      metrics.rollout({ namespace: 'web', name: 'shop', phase: 'Progressing', weight: 5, observed });
    show('12.3%');
    const known = await series(metrics, 'sluice_rollout_observed_percent{');
    show();
    const unknown = await series(metrics, 'sluice_rollout_observed_percent{');
    expect([known, unknown]).toEqual([['sluice_rollout_observed_percent{namespace="web",name="shop"} 12.3'], []]);
  });

  it.each<[string, (metrics: Metrics) => void, string]>([
    ['errors by code', (metrics) => metrics.failed('ApiGone'), 'sluice_reconcile_errors_total{code="ApiGone"} 1'],
    [
      'writes by kind and result',
      (metrics) => metrics.write('Route', 'Conflict'),
      'sluice_writes_total{kind="Route",result="Conflict"} 1',
    ],
    ['looks at the source', (metrics) => metrics.sample('TargetDown'), 'sluice_samples_total{result="TargetDown"} 1'],
    ['transitions', (metrics) => metrics.transition('Holding'), 'sluice_transitions_total{reason="Holding"} 1'],
    [
      'reconciles with their time',
      (metrics) => metrics.reconciled('Success', 0.02),
      'sluice_reconcile_duration_seconds_bucket{le="0.025",result="Success"} 1',
    ],
    [
      'requests with their time',
      (metrics) => metrics.apiRequest('PATCH', 409, 0.02),
      'sluice_api_request_duration_seconds_bucket{le="0.025",verb="PATCH"} 1',
    ],
    [
      'requests by status',
      (metrics) => metrics.apiRequest('PATCH', 409, 0.02),
      'sluice_api_requests_total{verb="PATCH",status="409"} 1',
    ],
    ['keys that became ready', (metrics) => metrics.queueAdded(), 'sluice_queue_adds_total 1'],
    ['keys that come back', (metrics) => metrics.retried(), 'sluice_queue_retries_total 1'],
    [
      'the time for which keys waited',
      (metrics) => metrics.queueWaited(0.3),
      'sluice_queue_wait_seconds_bucket{le="0.5"} 1',
    ],
    [
      'ends of watches',
      (metrics) => metrics.watchEnded('Service', 'Idle'),
      'sluice_watch_restarts_total{kind="Service",reason="Idle"} 1',
    ],
    ['relists', (metrics) => metrics.relisted('Rollout'), 'sluice_relists_total{kind="Rollout"} 1'],
    [
      'rollbacks of the server',
      (metrics) => metrics.rolledBack('Rollout'),
      'sluice_resource_version_rollbacks_total{kind="Rollout"} 1',
    ],
    ['writes without a lease', (metrics) => metrics.fenced('patch'), 'sluice_writes_fenced_total{verb="patch"} 1'],
    ['stalls', (metrics) => metrics.stalled(), 'sluice_event_loop_stalls_total 1'],
    [
      'audits',
      (metrics) => metrics.audited('Service', 'Failed'),
      'sluice_audits_total{kind="Service",result="Failed"} 1',
    ],
    [
      'repairs',
      (metrics) => metrics.auditRepaired('Service', 'Missing'),
      'sluice_audit_repairs_total{kind="Service",repair="Missing"} 1',
    ],
    ['dropped events', (metrics) => metrics.eventDropped(), 'sluice_events_dropped_total 1'],
  ])('counts %s', async (_name, count, line) => {
    const metrics = createMetrics();
    count(metrics);
    expect(await series(metrics, line.slice(0, line.lastIndexOf(' ')))).toEqual([line]);
  });

  it('reads the depth of the queue when it is asked', async () => {
    const metrics = createMetrics();
    let depth = 1;
    metrics.queueDepth(() => depth);
    depth = 3;
    expect(await series(metrics, 'sluice_queue_depth')).toEqual(['sluice_queue_depth 3']);
  });

  it('reads the state of the queue and the silence of the server when it is asked', async () => {
    const metrics = createMetrics();
    let longestRunningMs = 100;
    let silentMs = Number.POSITIVE_INFINITY;
    metrics.queueState(() => ({ delayed: 3, running: 2, longestRunningMs }));
    metrics.lastContact(() => [{ kind: 'Service', silentMs }]);
    const names = ['queue_delayed', 'queue_running', 'queue_longest_running_seconds', 'api_last_contact_seconds{'];
    const shown = async (): Promise<readonly string[]> =>
      (await Promise.all(names.map((name) => series(metrics, `sluice_${name}`)))).flat();
    expect(await shown()).toContain('sluice_api_last_contact_seconds{kind="Service"} +Inf');
    longestRunningMs = 2500;
    silentMs = 1500;
    expect(await shown()).toEqual([
      'sluice_queue_delayed 3',
      'sluice_queue_running 2',
      'sluice_queue_longest_running_seconds 2.5',
      'sluice_api_last_contact_seconds{kind="Service"} 1.5',
    ]);
  });

  it('shows whether it leads, and counts the changes of that', async () => {
    const metrics = createMetrics();
    for (const isLeader of [false, true, true, false, true]) metrics.leader('0', isLeader);
    metrics.leader('1', false);
    expect(await series(metrics, 'sluice_leader')).toEqual([
      'sluice_leader{shard="0"} 1',
      'sluice_leader{shard="1"} 0',
      'sluice_leader_transitions_total{shard="0"} 3',
    ]);
  });

  it('shows what the process uses to its owner alone', async () => {
    const metrics = createMetrics({ process: true });
    const names = ['process_resident_memory_bytes ', 'nodejs_heap_size_used_bytes ', 'process_open_fds '];
    for (const name of names) expect(await series(metrics, name)).toHaveLength(1);
    expect(await series(metrics, 'nodejs_eventloop_lag')).toEqual([]);
    expect(await series(createMetrics(), 'process_')).toEqual([]);
  });

  it('measures how late the event loop is, without the time between two looks', async () => {
    const metrics = createMetrics({ process: true });
    const wait = (): Promise<void> =>
      new Promise((resolve) => {
        setTimeout(resolve, 350);
      });
    await metrics.text();
    await wait();
    const endMs = performance.now() + 500;
    while (performance.now() < endMs);
    await wait();
    const [p50 = Number.NaN, , max = Number.NaN] = (await series(metrics, 'sluice_event_loop_delay_seconds{')).map(
      (line) => Number(line.split(' ')[1]),
    );
    expect(p50).toBeLessThan(0.09);
    expect(max).toBeGreaterThan(0.3);
    expect(max).toBeLessThan(5);
  });

  it('shares nothing with another instance in the same process', async () => {
    const [first, second] = [createMetrics(), createMetrics()];
    first.transition('Holding');
    expect(await series(second, 'sluice_transitions_total{')).toEqual([]);
  });
});
