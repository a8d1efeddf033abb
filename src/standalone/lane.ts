/** Lane bounds how many tasks are under way at once. */
export interface Lane {
  /** run starts the task as soon as there is room, first come first served. */
  run(task: () => Promise<void>): void;
}

/** createLane has room for `max` tasks. */
export function createLane(max: number): Lane {
  const waiting: (() => Promise<void>)[] = [];
  let running = 0;
  const startNext = (): void => {
    while (running < max) {
      const task = waiting.shift();
      if (task === undefined) return;
      running += 1;
      void task().finally(() => {
        running -= 1;
        startNext();
      });
    }
  };
  return {
    run: (task) => {
      waiting.push(task);
      startNext();
    },
  };
}
