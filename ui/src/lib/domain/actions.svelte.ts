import { untrack } from 'svelte';

/** Something that can be done on this page: by a key, from the palette, or both. */
export interface Action {
  /** Unique on the page. */
  id: string;
  /** What it does, as a button would say it. */
  label: string;
  /** Keys as `KeyboardEvent.key` names them: `a`, `Enter`, `Escape`, `g h` for one after the other. */
  keys?: readonly string[];
  /** Heading in the help. */
  group?: string;
  /** Left out of the palette: moving the selection, say. */
  keyOnly?: boolean;
  run: () => void;
}

/** The longest pause between the two keys of a sequence, in milliseconds. */
const SEQUENCE = 900;

/** What can be done here. Places offer their actions while they are shown; the latest offer of a key wins. */
export class Actions {
  #offers: (() => readonly Action[])[] = $state.raw([]);
  #pending: { key: string; at: number } | undefined;

  /** Everything offered now, the latest offers first. */
  all: readonly Action[] = $derived(this.#offers.toReversed().flatMap((offer) => offer()));

  /** Offers actions until the returned function is called. The list is read whenever it is needed, so it may change. */
  offer(list: () => readonly Action[]): () => void {
    // Offers are made inside effects, which must not run again because of one another.
    this.#offers = untrack(() => [...this.#offers, list]);
    return () => {
      this.#offers = untrack(() => this.#offers.filter((other) => other !== list));
    };
  }

  /** Does what a key stands for; false where it stands for nothing. */
  press(key: string, now: number): boolean {
    const before = this.#pending !== undefined && now - this.#pending.at < SEQUENCE ? this.#pending.key : undefined;
    this.#pending = undefined;
    const sequence = before === undefined ? undefined : `${before} ${key}`;
    const all = this.all;
    const action =
      (sequence === undefined ? undefined : all.find((one) => one.keys?.includes(sequence))) ??
      all.find((one) => one.keys?.includes(key));
    if (action !== undefined) {
      action.run();
      return true;
    }
    if (all.some((one) => one.keys?.some((keys) => keys.startsWith(`${key} `)))) {
      this.#pending = { key, at: now };
      return true;
    }
    return false;
  }
}

/** How a key is written for people. */
export function keyLabel(key: string): string {
  const names: Record<string, string> = {
    Enter: '↵',
    Escape: 'Esc',
    ArrowUp: '↑',
    ArrowDown: '↓',
    ' ': 'Space',
  };
  return key
    .split(/(?<=.) (?=.)/)
    .map((one) => names[one] ?? (one.startsWith('Mod+') ? `Ctrl ${one.slice(4).toUpperCase()}` : one))
    .join(' ');
}
