import js from '@eslint/js';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import { importX } from 'eslint-plugin-import-x';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';

import svelteConfig from './svelte.config.js';

const TAURI = {
  group: ['@tauri-apps/*'],
  message: 'Only lib/backend knows which shell the page runs in.',
};

/** Folders of lib, from the bottom up; nothing imports from a folder above its own. */
const TIERS = ['backend', 'domain', 'components', 'views'];

/** Folders above a tier, as import patterns. */
function above(tier) {
  return TIERS.slice(TIERS.indexOf(tier) + 1).map((higher) => `**/${higher}/**`);
}

export default ts.config(
  { ignores: ['dist', 'node_modules', 'src/lib/backend/api.ts'] },
  js.configs.recommended,
  ...ts.configs.strictTypeChecked,
  ...svelte.configs.recommended,
  {
    languageOptions: {
      globals: { ...globals.browser, ...globals.node },
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js', 'svelte.config.js'] },
        extraFileExtensions: ['.svelte'],
        // Also for Svelte files that a TypeScript file imports: the search for cycles parses them with these options.
        parser: ts.parser,
        svelteConfig,
      },
    },
    plugins: { 'import-x': importX },
    settings: {
      'import-x/resolver-next': [createTypeScriptImportResolver()],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'], 'svelte-eslint-parser': ['.svelte'] },
      'import-x/extensions': ['.ts', '.js', '.svelte'],
    },
    rules: {
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'no-restricted-imports': ['error', { patterns: [TAURI] }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      'no-console': 'error',
      eqeqeq: 'error',
      'svelte/no-at-html-tags': 'error',
      // The hash router owns every link; there is no SvelteKit whose `resolve` could.
      'svelte/no-navigation-without-resolve': 'off',
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    rules: {
      // The linter does not see the types of snippets' parameters and of other components' props; svelte-check does.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // Svelte's props are `let` where one of them is bindable.
      'prefer-const': 'off',
      'svelte/prefer-const': ['error', { destructuring: 'all' }],
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // Sets of listeners and values that are read once are no state.
      'svelte/prefer-svelte-reactivity': 'off',
    },
  },
  ...TIERS.map((tier) => ({
    files: [`src/lib/${tier}/**`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            ...(tier === 'backend' ? [] : [TAURI]),
            ...(above(tier).length > 0
              ? [{ group: above(tier), message: `lib/${tier} knows nothing of the folders above it.` }]
              : []),
          ],
        },
      ],
    },
  })),
  { files: ['src/lib/components/Prose.svelte'], rules: { 'svelte/no-at-html-tags': 'off' } },
  {
    files: ['**/*.test.ts', 'e2e/**'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off', 'no-console': 'off' },
  },
  // Fixtures without needs are still destructured: that is how vitest knows their needs.
  { files: ['e2e/support/test.ts'], rules: { 'no-empty-pattern': 'off' } },
  { files: ['*.js'], ...ts.configs.disableTypeChecked },
);
