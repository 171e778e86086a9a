/** How the page looks: as the system says, or as the person says. */
export type Look = 'system' | 'light' | 'dark';

const KEY = 'belay.look';

/** The appearance that was chosen on this device. */
export class Theme {
  #look: Look = $state(stored());

  get look(): Look {
    return this.#look;
  }

  set look(look: Look) {
    this.#look = look;
    try {
      localStorage.setItem(KEY, look);
    } catch {
      // Nothing is kept here: the choice lasts as long as the page.
    }
  }
}

function stored(): Look {
  try {
    const look = localStorage.getItem(KEY);
    return look === 'light' || look === 'dark' ? look : 'system';
  } catch {
    return 'system';
  }
}
