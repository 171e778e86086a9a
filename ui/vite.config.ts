import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

import { initialRoute } from './initial-route.ts';

export default defineConfig(({ mode }) => ({
  plugins: [svelte(), initialRoute()],
  build: {
    target: 'es2022',
    sourcemap: false,
    assetsInlineLimit: 0,
    // The packages that end up in the bundle, with their licences: whoever ships the bundle ships these.
    license: { fileName: 'licences.md' },
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            // What the first picture needs comes before everything else; what several places share, in one file.
            { name: 'first', test: /domain\/(first|look)\.ts$|settings\/density\.ts$|preload-helper/, priority: 1 },
            { name: 'shared', minShareCount: 2 },
          ],
        },
      },
      // How long each plugin takes says nothing to a person who builds Belay.
      checks: { bundlerTimings: false },
    },
  },
  // Tests mount components in jsdom, which needs Svelte's browser build.
  ...(mode === 'test' ? { resolve: { conditions: ['browser'] } } : {}),
  server: { port: 5173, strictPort: true },
  test: { environment: 'jsdom', include: ['src/**/*.test.ts'], setupFiles: ['src/testing.ts'] },
}));
