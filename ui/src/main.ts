import { mount, tick } from 'svelte';

import App from './App.svelte';
import type { Backend } from './lib/backend/backend';
import { TauriBackend } from './lib/backend/tauri';
import { WebBackend } from './lib/backend/web';
import type { Caret } from './lib/domain/first';

/** The backend that carries this page: the desktop's window says so itself, everything else is served by `belay web`. */
async function backend(): Promise<Backend> {
  if ('__TAURI_INTERNALS__' in window) {
    return new TauriBackend();
  }
  if (import.meta.env.DEV && new URLSearchParams(location.search).has('fake')) {
    const { FakeBackend } = await import('./lib/backend/fake');
    return new FakeBackend();
  }
  return new WebBackend();
}

/**
 * Puts the application in the place of the first picture, once a word that is being typed there is `whole`. `take` says at
 * the last instant where the caret stands.
 */
export async function start(
  target: HTMLElement,
  whole: () => Promise<void>,
  take: () => Caret | undefined,
): Promise<void> {
  const props = { backend: await backend() };
  await whole();
  const caret = take();
  target.replaceChildren();
  mount(App, { target, props });
  await tick();
  if (caret !== undefined) {
    const field = target.querySelector<HTMLInputElement>('input[type=search]');
    field?.focus();
    field?.setSelectionRange(...caret);
  }
  target.removeAttribute('aria-busy');
}
