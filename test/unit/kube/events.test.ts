import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { KubernetesObject, ObjectKey } from '../../../src/api/kubernetes.ts';
import type { JsonPatchOperation, ObjectStore, WriteOutcome } from '../../../src/api/object-store.ts';
import { SluiceError } from '../../../src/errors.ts';
import {
  createEventRecorder,
  type EventNote,
  type EventRecorder,
  type EventRecorderOptions,
} from '../../../src/kube/events.ts';
import { eventually } from '../../support/eventually.ts';
import { ManualClock } from '../../support/manual-clock.ts';

interface Written {
  readonly object?: (Record<string, unknown> & KubernetesObject) | undefined;
  readonly key?: ObjectKey;
  readonly operations?: readonly JsonPatchOperation[] | undefined;
}

/** A small ObjectStore in memory that keeps what was written to it and answers as the test says. */
function setup(answer: (written: Written) => WriteOutcome<KubernetesObject> | Error = written) {
  const clock = new ManualClock();
  const writes: Written[] = [];
  const drops: string[] = [];
  const respond = (write: Written): Promise<WriteOutcome<KubernetesObject>> => {
    writes.push(write);
    const outcome = answer(write);
    return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome);
  };
  const store = {
    create: (_kind: unknown, object: Written['object']) => respond({ object }),
    patch: (_kind: unknown, key: ObjectKey, operations: Written['operations']) => respond({ key, operations }),
  } as unknown as Pick<ObjectStore, 'create' | 'patch'>;
  const replica = (options: Partial<EventRecorderOptions>): EventRecorder =>
    createEventRecorder(store, {
      clock,
      component: 'sluice',
      instance: 'sluice-0',
      random: () => 0.5,
      onDrop: (_event, why) => drops.push(why),
      ...options,
    });
  return { clock, drops, recorder: replica({}), replica, writes };
}

function written({ object }: Written): WriteOutcome<KubernetesObject> {
  return { kind: 'Written', object: object ?? { metadata: { name: '' } } };
}

const rollout: KubernetesObject = {
  apiVersion: 'sluice.dev/v1alpha1',
  kind: 'Rollout',
  metadata: { name: 'shop', namespace: 'web', uid: 'uid-1', resourceVersion: '5' },
};

const event = (fields: Partial<EventNote> = {}): EventNote => ({
  regarding: rollout,
  type: 'Normal',
  reason: 'WeightRaised',
  action: 'ShiftTraffic',
  note: 'The canary has 5 %.',
  ...fields,
});

describe('createEventRecorder', () => {
  it('writes an event on the object, with a time in microseconds', async () => {
    const { recorder, writes } = setup();
    recorder.record(event());
    await recorder.flush();
    expect(writes).toEqual([
      {
        object: {
          apiVersion: 'events.k8s.io/v1',
          kind: 'Event',
          metadata: { name: expect.stringMatching(/^shop\.[0-9a-f]+$/) as string, namespace: 'web' },
          eventTime: '2026-11-21T09:00:00.000000Z',
          reportingController: 'sluice',
          reportingInstance: 'sluice-0',
          type: 'Normal',
          reason: 'WeightRaised',
          action: 'ShiftTraffic',
          note: 'The canary has 5 %.',
          regarding: {
            apiVersion: 'sluice.dev/v1alpha1',
            kind: 'Rollout',
            name: 'shop',
            namespace: 'web',
            uid: 'uid-1',
            resourceVersion: '5',
          },
        },
      },
    ]);
  });

  it('continues a series when the same comes again, and begins anew after 10 minutes', async () => {
    const { clock, recorder, writes } = setup();
    for (const pauseMs of [1000, 1000, 600_000, 0]) {
      recorder.record(event());
      await recorder.flush();
      await clock.advance(pauseMs);
    }
    const key = `web/${writes[0]?.object?.metadata.name ?? ''}`;
    const value = { count: 2, lastObservedTime: '2026-11-21T09:00:01.000000Z' };
    expect(writes[1]).toEqual({ key, operations: [{ op: 'add', path: '/series', value }] });
    expect(writes[2]?.operations?.[0]).toMatchObject({ value: { count: 3 } });
    expect(writes[3]?.object).toBeDefined();
  });

  it('sends what came many times while it waited once, with its count', async () => {
    const { recorder, writes } = setup();
    for (let i = 0; i < 10; i += 1) recorder.record(event());
    await recorder.flush();
    expect(writes.length).toBe(1);
    expect(writes[0]?.object?.['series']).toMatchObject({ count: 10 });
  });

  it.each([
    ['another note', { note: 'The canary has 25 %.' }],
    ['another reason', { reason: 'WeightLowered' }],
    ['another type', { type: 'Warning' }],
    ['another object', { regarding: { ...rollout, metadata: { ...rollout.metadata, uid: 'uid-2' } } }],
  ] as const)('does not take %s for the same', async (_name, fields) => {
    const { recorder, writes } = setup();
    recorder.record(event());
    recorder.record(event(fields));
    await recorder.flush();
    expect(writes.filter((write) => write.object !== undefined).length).toBe(2);
  });

  it('writes the event again when the one of the series has expired', async () => {
    const { recorder, writes } = setup((write) => (write.object === undefined ? { kind: 'Missing' } : written(write)));
    recorder.record(event());
    await recorder.flush();
    recorder.record(event());
    await recorder.flush();
    expect(writes.map((write) => write.object !== undefined)).toEqual([true, false, true]);
    expect(writes[2]?.object?.['series']).toMatchObject({ count: 2 });
  });

  it('cuts a note to 1024 bytes between two characters', async () => {
    const { recorder, writes } = setup();
    recorder.record(event({ note: `x${'€'.repeat(1000)}` }));
    await recorder.flush();
    const note = String(writes[0]?.object?.['note']);
    expect(new TextEncoder().encode(note).length).toBeLessThanOrEqual(1024);
    expect(note).toMatch(/^x€{340}…$/);
  });

  it('drops what the server refuses and goes on', async () => {
    let isFirst = true;
    const { drops, recorder, writes } = setup((write) => {
      if (!isFirst) return written(write);
      isFirst = false;
      return new SluiceError('ApiForbidden', 'No right to create events.');
    });
    recorder.record(event());
    recorder.record(event({ note: 'Another.' }));
    await recorder.flush();
    expect(drops).toEqual(['No right to create events.']);
    expect(writes.length).toBe(2);
  });

  it('gives an object 25 events at once and then one each 5 minutes, and the next object its own 25', async () => {
    const { clock, drops, recorder, writes } = setup();
    for (let i = 0; i < 30; i += 1) recorder.record(event({ type: 'Warning', note: `Number ${i}.` }));
    await recorder.flush();
    expect([writes.length, drops.length]).toEqual([25, 5]);
    recorder.record(event({ regarding: { ...rollout, metadata: { ...rollout.metadata, uid: 'uid-2' } } }));
    await recorder.flush();
    expect(writes.length).toBe(26);
    await clock.advance(300_000);
    for (let i = 30; i < 33; i += 1) recorder.record(event({ type: 'Warning', note: `Number ${i}.` }));
    await recorder.flush();
    expect(writes.length).toBe(27);
  });

  it('gives an object 5 events of one reason at once and then one each 5 minutes, but every Warning', async () => {
    const { clock, drops, recorder, writes } = setup();
    for (let i = 0; i < 7; i += 1) recorder.record(event({ type: 'Normal', note: `Step ${i}.` }));
    recorder.record(event({ type: 'Normal', reason: 'Promoted' }));
    recorder.record(event({ type: 'Warning' }));
    await recorder.flush();
    expect([writes.length, drops.length]).toEqual([7, 2]);
    await clock.advance(300_000);
    for (let i = 7; i < 9; i += 1) recorder.record(event({ type: 'Normal', note: `Step ${i}.` }));
    await recorder.flush();
    expect(writes.length).toBe(8);
  });

  it.each([
    ['Warning', 1000],
    ['Normal', 100],
  ] as const)('keeps of %s events at most %i that wait, and never fails or delays who records', async (type, most) => {
    const { drops, recorder, writes } = setup();
    for (let i = 0; i < 1100; i += 1) {
      recorder.record(event({ type, regarding: { ...rollout, metadata: { ...rollout.metadata, uid: `uid-${i}` } } }));
    }
    expect(writes.length).toBe(0);
    await recorder.flush();
    expect([writes.length, drops.length]).toEqual([most, 1100 - most]);
  });

  it('sends a Warning where only Normal events have to be dropped', async () => {
    const { recorder, writes } = setup();
    for (let i = 0; i < 101; i += 1) {
      const metadata = { ...rollout.metadata, uid: `uid-${i}` };
      recorder.record(event({ type: 'Normal', regarding: { ...rollout, metadata } }));
    }
    recorder.record(event({ type: 'Warning' }));
    await recorder.flush();
    expect(writes.length).toBe(101);
  });

  it('sends what is recorded in the step in which the queue ran empty', async () => {
    const { recorder, writes } = setup();
    recorder.record(event());
    await recorder.flush().then(() => recorder.record(event({ note: 'Late.' })));
    await recorder.flush();
    expect(writes.length).toBe(2);
  });

  it('has nothing to flush when nothing was recorded', async () => {
    const { clock, recorder } = setup();
    await recorder.flush();
    expect(clock.pendingTimers).toBe(0);
  });

  it('keeps nothing of the objects but what names them', async () => {
    const { recorder } = setup();
    const collect = (): void => {
      setFlagsFromString('--expose-gc');
      (runInNewContext('gc') as () => void)();
    };
    const recorded = Array.from({ length: 20 }, (_none, index) => {
      const regarding = { ...rollout, metadata: { ...rollout.metadata, uid: `uid-${index}` } };
      recorder.record(event({ regarding }));
      return new WeakRef(regarding);
    });
    await recorder.flush();
    await eventually(() => {
      collect();
      return recorded.every((object) => object.deref() === undefined);
    });
    recorder.record(event());
  });

  it('names events of long and of cluster-wide objects validly', async () => {
    const { recorder, writes } = setup();
    const name = `${'a'.repeat(219)}-${'b'.repeat(33)}`;
    recorder.record(event({ regarding: { kind: 'Namespace', metadata: { name } } }));
    await recorder.flush();
    const metadata = writes[0]?.object?.metadata;
    expect(metadata?.namespace).toBe('default');
    expect(metadata?.name.length).toBeLessThanOrEqual(253);
    expect(metadata?.name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
  });

  it('writes one event for all replicas that share it, and the second one continues its series', async () => {
    const names = new Set<string>();
    const store = setup(({ object }) => {
      if (object === undefined) return { kind: 'Written', object: { metadata: { name: '' } } };
      const { name } = object.metadata;
      const isKnown = names.has(name);
      names.add(name);
      return isKnown ? { kind: 'Conflict', message: 'already exists' } : { kind: 'Written', object };
    });
    const replicas = [1, 2, 3].map((replica) => store.replica({ isShared: true, instance: `proxy-${replica}` }));
    for (const replica of replicas) {
      replica.record(event({ reason: 'Invalid' }));
      await replica.flush();
    }
    expect(names.size).toBe(1);
    const patched = store.writes.flatMap(({ operations }) => operations ?? []);
    expect(patched).toMatchObject([
      { path: '/series', value: { count: 2 } },
      { path: '/series', value: { count: 2 } },
    ]);
    expect(store.drops).toEqual([]);
    // The series goes on where it is; what says something else is another event.
    replicas[2]?.record(event({ reason: 'Invalid' }));
    await replicas[2]?.flush();
    expect(store.writes.at(-1)?.operations).toMatchObject([{ value: { count: 3 } }]);
    replicas[0]?.record(event({ reason: 'Invalid', note: 'Another reason.' }));
    await replicas[0]?.flush();
    expect(names.size).toBe(2);
  });
});
