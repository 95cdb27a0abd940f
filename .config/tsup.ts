import { defineConfig } from 'tsup';

const shared = { target: 'node20', platform: 'node', sourcemap: true, treeshake: true } as const;

export default defineConfig([
  {
    ...shared,
    entry: { index: 'src/index.ts', testing: 'src/testing/index.ts', live: 'src/live/index.ts' },
    format: ['esm', 'cjs'],
    dts: true,
    splitting: true,
    clean: true,
  },
  {
    ...shared,
    entry: { cli: 'src/cli/main.ts' },
    format: ['esm'],
    splitting: false,
    banner: { js: '#!/usr/bin/env node' },
  },
]);
