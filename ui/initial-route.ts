import { gzipSync } from 'node:zlib';

import type { Plugin, Rollup } from 'vite';

/** What the first page may weigh, compressed: it has to come over a bad line at night. */
const LIMIT = 300 * 1024;

/** Prints what the first page loads, compressed, and fails where it is too much. */
export function initialRoute(): Plugin {
  return {
    name: 'initial-route',
    apply: 'build',
    enforce: 'post',
    generateBundle(_, bundle) {
      const files = new Set<string>();
      const follow = (name: string) => {
        const chunk = bundle[name];
        if (chunk?.type !== 'chunk' || files.has(name)) {
          return;
        }
        files.add(name);
        chunk.imports.forEach(follow);
      };
      const chunks = Object.values(bundle).filter((one): one is Rollup.OutputChunk => one.type === 'chunk');
      for (const chunk of chunks.filter((one) => one.isEntry)) {
        follow(chunk.fileName);
      }
      // The looks of every place come in one file.
      for (const name of Object.keys(bundle).filter((one) => one.endsWith('.css'))) {
        files.add(name);
      }
      let total = 0;
      for (const name of files) {
        const file = bundle[name];
        if (file !== undefined) {
          total += gzipSync(file.type === 'chunk' ? file.code : file.source).length;
        }
      }
      const text = `initial route: ${(total / 1024).toFixed(1)} KiB gzip in ${files.size} files (at most ${LIMIT / 1024})`;
      if (total > LIMIT) {
        this.error(text);
      }
      this.info(text);
    },
  };
}
