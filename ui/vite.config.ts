import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

import { initialRoute } from './initial-route.ts';

export default defineConfig(({ mode }) => ({
  plugins: [svelte(), initialRoute()],
  build: {
    target: 'es2022',
    sourcemap: false,
    assetsInlineLimit: 0,
    // What several places share comes in one file, and all looks in another: a request costs more than a few bytes.
    cssCodeSplit: false,
    // The packages that end up in the bundle, with their licences: whoever ships the bundle ships these.
    license: { fileName: 'licences.md' },
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: 'shared', minShareCount: 2 }] } },
      // How long each plugin takes says nothing to a person who builds Belay.
      checks: { bundlerTimings: false },
    },
  },
  // Tests mount components in jsdom, which needs Svelte's browser build.
  ...(mode === 'test' ? { resolve: { conditions: ['browser'] } } : {}),
  server: { port: 5173, strictPort: true },
  test: { environment: 'jsdom', include: ['src/**/*.test.ts'], setupFiles: ['src/testing.ts'] },
}));
