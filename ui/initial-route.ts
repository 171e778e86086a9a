import { gzipSync } from 'node:zlib';

import type { Plugin, Rollup } from 'vite';

/** What the first page may weigh, compressed: it has to come over a bad line at night. */
const LIMIT = 300 * 1024;

/** The application, which the first picture loads as soon as it has been drawn. */
const APPLICATION = 'main';

/** The looks of the first picture. */
const STYLESHEET = /<link rel="stylesheet" crossorigin href="\/([^"]+)">/;

/**
 * Puts the looks of the first picture into the page itself, so that it is drawn before anything else has come; prints what
 * the first picture and the application load, compressed, and fails where it is too much.
 */
export function initialRoute(): Plugin {
  return {
    name: 'initial-route',
    apply: 'build',
    enforce: 'post',
    transformIndexHtml: {
      order: 'post',
      handler: (html, { bundle = {} }) =>
        html.replace(STYLESHEET, (link, name: string) => {
          const file = bundle[name];
          return file?.type === 'asset' ? `<style>${String(file.source).trim()}</style>` : link;
        }),
    },
    generateBundle(_, bundle) {
      const files = loaded(bundle);
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

/** What the first picture and the application load. */
function loaded(bundle: Rollup.OutputBundle): Set<string> {
  const files = new Set<string>();
  const follow = (name: string) => {
    const chunk = bundle[name];
    if (chunk?.type === 'chunk' && !files.has(name)) {
      files.add(name);
      chunk.viteMetadata?.importedCss.forEach((css) => files.add(css));
      chunk.imports.forEach(follow);
    }
  };
  for (const chunk of [...chunks(bundle).filter((one) => one.isEntry), ...applications(bundle)]) {
    follow(chunk.fileName);
  }
  return files;
}

function applications(bundle: Rollup.OutputBundle): Rollup.OutputChunk[] {
  return chunks(bundle).filter((one) => one.name === APPLICATION);
}

function chunks(bundle: Rollup.OutputBundle): Rollup.OutputChunk[] {
  return Object.values(bundle).filter((one): one is Rollup.OutputChunk => one.type === 'chunk');
}
