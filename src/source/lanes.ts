/** Lanes bound how many tasks are under way at once. */
export interface Lanes {
  /** run starts the task as soon as a lane is free, first come first served, and settles as the task does. */
  run<T>(task: () => Promise<T>): Promise<T>;
}

/** createLanes returns `count` lanes. */
export function createLanes(count: number): Lanes {
  const waiting: (() => void)[] = [];
  let free = count;
  return {
    run: async (task) => {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await task();
      } finally {
        const next = waiting.shift();
        if (next === undefined) free += 1;
        else next();
      }
    },
  };
}
