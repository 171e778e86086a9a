import { createContext } from 'svelte';

import type { Actions } from './actions.svelte';
import type { Alerts } from './alerts.svelte';
import type { Router } from './router.svelte';
import type { Session } from './session.svelte';
import type { Theme } from './theme.svelte';
import type { Toasts } from './toasts.svelte';

/** What every place of the application works with. */
export interface App {
  session: Session;
  router: Router;
  actions: Actions;
  toasts: Toasts;
  theme: Theme;
  alerts: Alerts;
}

/** `getApp()` inside a component; `setApp(app)` once, at the top. */
export const [getApp, setApp] = createContext<App>();
