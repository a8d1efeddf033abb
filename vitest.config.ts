import { defineConfig } from 'vitest/config';

/** Vitest projects: `unit` is pure and fast, `cluster` and `e2e` run on real servers inside their own network namespace. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/{unit,property}/**/*.test.ts', 'test/architecture.test.ts'],
          setupFiles: ['test/support/fixed-seed.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'cluster',
          include: ['test/{cluster,contract}/**/*.test.ts'],
          setupFiles: ['test/support/fixed-seed.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 180_000,
          fileParallelism: false,
          // What runs side by side in one file mostly waits.
          maxConcurrency: 10,
        },
      },
    ],
  },
});
