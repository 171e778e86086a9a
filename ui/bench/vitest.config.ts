import { defineConfig } from 'vitest/config';

/** What a face costs, measured in the real browser and the real window; one after another, so that nothing disturbs. */
export default defineConfig({
  test: {
    include: ['bench/**/*.bench.ts'],
    environment: 'node',
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 120_000,
    reporters: ['dot'],
    disableConsoleIntercept: true,
  },
});
