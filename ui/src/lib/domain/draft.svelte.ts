/** Text that is being typed. It survives errors, a lost backend and a reload, until it is cleared. */
export class Draft {
  #key: string;
  #text = $state('');

  /** A draft under a name of its own, such as `note:EXECUTION`. */
  constructor(key: string, initial = '') {
    this.#key = `belay.draft:${key}`;
    this.#text = read(this.#key) ?? initial;
  }

  get text(): string {
    return this.#text;
  }

  set text(text: string) {
    this.#text = text;
    write(this.#key, text);
  }

  /** Forgets what was typed: it arrived. */
  clear(): void {
    this.#text = '';
    write(this.#key, undefined);
  }
}

/** A value that survives a reload of the page; undefined where there is none. */
export function read(key: string): string | undefined {
  try {
    return sessionStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a value over a reload of the page. Where the browser keeps nothing, it lives as long as the page. */
export function write(key: string, value: string | undefined): void {
  try {
    if (value === undefined || value === '') {
      sessionStorage.removeItem(key);
    } else {
      sessionStorage.setItem(key, value);
    }
  } catch {
    // Storage is full or forbidden: the text stays on the page.
  }
}
