import { mount } from 'svelte';

import './app.css';
import App from './App.svelte';
import type { Backend } from './lib/backend/backend';
import { TauriBackend } from './lib/backend/tauri';
import { WebBackend } from './lib/backend/web';
import { applyDensity } from './lib/domain/settings/density';

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

applyDensity();
const target = document.getElementById('app');
if (target === null) {
  throw new Error('the page has no place for the application');
}
mount(App, { target, props: { backend: await backend() } });
