import { expect, test } from 'vitest';
import type { ConfigurationChange } from '../../../../src/proxy/configuration.ts';
import type { ToWorker } from '../../../../src/proxy/process/messages.ts';
import { createJoiner, createOutbox, splitMessage, type PartMessage } from '../../../../src/proxy/process/parts.ts';
import { leaf, nothing, serverSetsOf, weighted } from '../services/service-builders.ts';

const names = Array.from({ length: 1234 }, (_, index) => `s${index}`);
const leaves = names.map((name) => leaf(name, [name]));
const large: ConfigurationChange = {
  ...nothing,
  services: { set: [...leaves, weighted('route', { s1: 1 })], removed: names.map((name) => `old ${name}`) },
  serverSets: { set: serverSetsOf(leaves), removed: ['old'] },
};

function sizeOf({ change }: { readonly change: ConfigurationChange }): number {
  return Object.values(change).reduce((sum: number, { set, removed }) => sum + set.length + removed.length, 0);
}

test('a large change goes in small parts, and comes out as it was', () => {
  const message: ToWorker = { kind: 'Change', change: large, generation: 7 };
  const parts = [...splitMessage(message)];
  expect(parts.length).toBeGreaterThan(30);
  expect(parts.map((part) => ('change' in part ? sizeOf(part) : 0)).every((size) => size > 0 && size <= 100)).toBe(
    true,
  );
  const join = createJoiner();
  const joined = parts.map((part) => join(JSON.parse(JSON.stringify(part)) as PartMessage));
  expect(joined.slice(0, -1).every((whole) => whole === undefined)).toBe(true);
  expect(joined.at(-1)).toEqual(JSON.parse(JSON.stringify(message)));
  // What was joined is not there a second time.
  const next: ToWorker = { kind: 'Change', change: nothing, generation: 8 };
  expect(join(next)).toEqual(next);
});

test('what is small goes as it is', () => {
  const drain: ToWorker = { kind: 'Drain', graceMs: 1 };
  const change: ToWorker = { kind: 'Change', change: nothing, generation: 1 };
  expect([...splitMessage(drain), ...splitMessage(change)]).toEqual([drain, change]);
});

test('messages wait for the parts of those before them, and nothing else waits', async () => {
  const sent: (ToWorker | PartMessage)[] = [];
  const written: (() => void)[] = [];
  const send = createOutbox((message) => {
    sent.push(message);
    return new Promise((resolve) => void written.push(resolve));
  });
  send({ kind: 'Change', change: large, generation: 1 });
  send({ kind: 'Drain', graceMs: 1 });
  expect(sent).toHaveLength(1);
  while (written.length > 0) {
    written.shift()?.();
    await new Promise(setImmediate);
  }
  const kinds = sent.map(({ kind }) => kind);
  expect(kinds.slice(-2)).toEqual(['Change', 'Drain']);
  expect(kinds.slice(0, -2).every((kind) => kind === 'Part')).toBe(true);
  send({ kind: 'Drain', graceMs: 2 });
  expect(sent.at(-1)).toEqual({ kind: 'Drain', graceMs: 2 });
});
