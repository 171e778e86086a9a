/** How the page looks: as the system says, or as the person says. */
export type Look = 'system' | 'light' | 'dark';

const KEY = 'belay.look';

/** The look that was chosen on this device. */
export function look(): Look {
  try {
    const chosen = localStorage.getItem(KEY);
    return chosen === 'light' || chosen === 'dark' ? chosen : 'system';
  } catch {
    return 'system';
  }
}

/** Keeps a look; where nothing can be kept it lasts as long as the page. */
export function keepLook(chosen: Look): void {
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // Storage is full or forbidden.
  }
}

/** Shows the page as it was chosen. */
export function applyLook(chosen: Look = look()): void {
  if (chosen === 'system') {
    delete document.documentElement.dataset['theme'];
  } else {
    document.documentElement.dataset['theme'] = chosen;
  }
}
