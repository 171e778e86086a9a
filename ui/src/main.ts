import { mount } from 'svelte';

import './app.css';
import App from './App.svelte';
import type { Backend } from './lib/backend/backend';

/** The backend that carries this page: the desktop's window says so itself, everything else is served by `belay web`. */
async function backend(): Promise<Backend> {
  if ('__TAURI_INTERNALS__' in window) {
    const { TauriBackend } = await import('./lib/backend/tauri');
    return new TauriBackend();
  }
  if (import.meta.env.DEV && new URLSearchParams(location.search).has('fake')) {
    const { FakeBackend } = await import('./lib/backend/fake');
    return new FakeBackend();
  }
  const { WebBackend } = await import('./lib/backend/web');
  return new WebBackend();
}

const target = document.getElementById('app');
if (target === null) {
  throw new Error('the page has no place for the application');
}
mount(App, { target, props: { backend: await backend() } });
