import { keepLook, look, type Look } from './look';

/** The appearance that was chosen on this device. */
export class Theme {
  #look: Look = $state(look());

  get look(): Look {
    return this.#look;
  }

  set look(chosen: Look) {
    this.#look = chosen;
    keepLook(chosen);
  }
}
