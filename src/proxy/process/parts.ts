/** A change of thousands of routes as one message would hold up both event loops while it is written and read. */
import type { ConfigurationChange, ItemChanges } from '../configuration.ts';
import type { ToWorker } from './messages.ts';

/** PartMessage is a part of the change of the Start or Change that comes next. */
export interface PartMessage {
  readonly kind: 'Part';
  readonly change: ConfigurationChange;
}

/** So many items are written in a fraction of a millisecond. */
const itemsInPart = 100;

/** splitMessage returns what to send instead of a message: parts of its change, and then itself with the rest. */
export function* splitMessage(message: ToWorker): Generator<ToWorker | PartMessage, void, undefined> {
  if (!('change' in message)) {
    yield message;
    return;
  }
  const parts = [...splitChange(message.change)];
  const last = parts.pop() ?? message.change;
  for (const change of parts) yield { kind: 'Part', change };
  yield { ...message, change: last };
}

const nothing: ConfigurationChange = {
  routers: { set: [], removed: [] },
  services: { set: [], removed: [] },
  serverSets: { set: [], removed: [] },
  transports: { set: [], removed: [] },
  certificates: { set: [], removed: [] },
};

function* splitChange(change: ConfigurationChange): Generator<ConfigurationChange, void, undefined> {
  const count = Object.values(change).reduce((sum: number, items) => sum + sizeOf(items), 0);
  if (count <= itemsInPart) {
    yield change;
    return;
  }
  for (const [kind, items] of Object.entries(change) as [keyof ConfigurationChange, ItemChanges<never>][]) {
    for (const set of slicesOf(items.set)) yield { ...nothing, [kind]: { set, removed: [] } };
    for (const removed of slicesOf(items.removed)) yield { ...nothing, [kind]: { set: [], removed } };
  }
}

function sizeOf({ set, removed }: ItemChanges<unknown>): number {
  return set.length + removed.length;
}

function* slicesOf<T>(items: readonly T[]): Generator<readonly T[], void, undefined> {
  for (let start = 0; start < items.length; start += itemsInPart) yield items.slice(start, start + itemsInPart);
}

/** createJoiner returns a function that takes what was sent, and returns the message when it is whole. */
export function createJoiner(): (message: ToWorker | PartMessage) => ToWorker | undefined {
  let parts: ConfigurationChange[] = [];
  return (message) => {
    if (message.kind === 'Part') {
      parts.push(message.change);
      return undefined;
    }
    if (parts.length === 0 || !('change' in message)) return message;
    const whole = [...parts, message.change];
    parts = [];
    return {
      ...message,
      change: {
        routers: join(whole.map(({ routers }) => routers)),
        services: join(whole.map(({ services }) => services)),
        serverSets: join(whole.map(({ serverSets }) => serverSets)),
        transports: join(whole.map(({ transports }) => transports)),
        certificates: join(whole.map(({ certificates }) => certificates)),
      },
    };
  };
}

function join<T>(changes: readonly ItemChanges<T>[]): ItemChanges<T> {
  return { set: changes.flatMap(({ set }) => set), removed: changes.flatMap(({ removed }) => removed) };
}

/**
 * createOutbox returns a function that sends messages in order, in parts. `post` resolves when a part has been written;
 * what can go at once goes at once.
 */
export function createOutbox(post: (message: ToWorker | PartMessage) => Promise<void>): (message: ToWorker) => void {
  const waiting: ToWorker[] = [];
  let isSending = false;
  const send = async (): Promise<void> => {
    isSending = true;
    for (let message = waiting.shift(); message !== undefined; message = waiting.shift()) {
      for (const part of splitMessage(message)) await post(part);
    }
    isSending = false;
  };
  return (message) => {
    waiting.push(message);
    if (!isSending) void send();
  };
}
