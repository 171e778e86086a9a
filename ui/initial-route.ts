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
        for (const css of chunk.viteMetadata?.importedCss ?? []) {
          files.add(css);
        }
        chunk.imports.forEach(follow);
      };
      const chunks = Object.values(bundle).filter((one): one is Rollup.OutputChunk => one.type === 'chunk');
      for (const chunk of chunks) {
        // The backend of a browser is chosen while the page starts, so it counts although it is loaded on demand.
        if (chunk.isEntry || chunk.facadeModuleId?.endsWith('/lib/backend/web.ts') === true) {
          follow(chunk.fileName);
        }
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
