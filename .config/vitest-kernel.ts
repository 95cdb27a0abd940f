import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/kernel/live.ts'],
    testTimeout: 1_300_000,
  },
});
