import { expect, test } from 'vitest';
import type { KubernetesObject } from '../../../../src/api/kubernetes.ts';
import { resources } from '../../../../src/api/kubernetes.ts';
import type { ObjectList } from '../../../../src/api/object-store.ts';
import { SluiceError } from '../../../../src/errors.ts';
import type { ReflectorSource } from '../../../../src/kube/reflector-options.ts';
import { doubtMs, guardSource } from '../../../../src/proxy/process/guarded-source.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const kind = resources.ingressRoutes;

/** A server that answers each list with what `answers` holds next. */
function guarded(known: () => number, ...answers: (readonly string[] | SluiceError)[]) {
  const clock = new ManualClock();
  const source: ReflectorSource = {
    watch: () => {
      throw new Error('nobody watches here');
    },
    list: <T extends KubernetesObject>() => {
      const answer = answers.shift() ?? [];
      if (answer instanceof SluiceError) return Promise.reject(answer);
      const items = answer.map((name) => ({ metadata: { name } }) as T);
      return Promise.resolve<ObjectList<T>>({ items, resourceVersion: '1' });
    },
  };
  const guard = guardSource(source, { clock, size: known });
  const list = async (): Promise<string> =>
    guard.list(kind).then(
      ({ items }) => `${items.length} items`,
      (error: Error) => error.message,
    );
  return { clock, list };
}

const missing = new SluiceError('ApiNotFound', 'the server has no such kind');

test('an empty list is believed at once where nothing was known', async () => {
  const { list } = guarded(() => 0, [], missing);
  expect(await list()).toBe('0 items');
  expect(await list()).toBe('the server has no such kind');
});

test('an empty list is not believed for a minute where there was something, and then it is', async () => {
  const { clock, list } = guarded(() => 3);
  const sentence =
    'The API server lists no ingressroutes where there were some; 3 ingressroutes stay as they were for 60 s.';
  expect(await list()).toBe(sentence);
  await clock.advance(doubtMs - 1);
  expect(await list()).toBe(sentence);
  await clock.advance(1);
  expect(await list()).toBe('0 items');
});

test('a kind that is gone is doubted in the same way', async () => {
  const { clock, list } = guarded(() => 1, missing, missing);
  expect(await list()).toMatch(/^The API server knows no ingressroutes where there were some/);
  await clock.advance(doubtMs);
  expect(await list()).toBe('the server has no such kind');
});

test('a list with something in it ends the doubt, so that the next one lasts a minute again', async () => {
  const { clock, list } = guarded(() => 3, [], ['a'], []);
  await list();
  await clock.advance(doubtMs);
  expect(await list()).toBe('1 items');
  expect(await list()).toMatch(/^The API server lists no/);
});

test('lost rights are passed on as they are: the reflector keeps what it has', async () => {
  const { list } = guarded(() => 3, new SluiceError('ApiForbidden', 'forbidden'));
  expect(await list()).toBe('forbidden');
});
