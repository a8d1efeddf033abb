/** emitted returns what `produce` emits, in that order, while it still runs; it throws what `produce` throws, after the last value. */
export async function* emitted<T>(produce: (emit: (value: T) => void) => Promise<void>): AsyncGenerator<T> {
  const values: T[] = [];
  const state = { isDone: false, wake: Promise.withResolvers<void>() };
  const produced = produce((value) => {
    values.push(value);
    state.wake.resolve();
  }).finally(() => {
    state.isDone = true;
    state.wake.resolve();
  });
  // A reader that leaves early never comes to the end, and a rejection that nobody sees would end the process.
  produced.catch(() => undefined);
  while (!state.isDone || values.length > 0) {
    await state.wake.promise;
    state.wake = Promise.withResolvers<void>();
    yield* values.splice(0);
  }
  await produced;
}
