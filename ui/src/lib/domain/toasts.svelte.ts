import type { Refused } from '../backend/backend';

/** A short message that goes away by itself, or stays until dismissed where it tells of an error. */
export interface Toast {
  id: number;
  tone: 'note' | 'good' | 'bad' | 'wait';
  text: string;
  hint: string | undefined;
  /** Where it leads. */
  href: string | undefined;
}

/** How long a message stays, in milliseconds. */
const STAY = 6_000;
/** More messages than this are not read anyway; the oldest goes. */
const MOST = 4;

/** The messages that are shown now. */
export class Toasts {
  list: readonly Toast[] = $state.raw([]);
  #next = 1;

  /** Shows a message. */
  say(text: string, options: { tone?: Toast['tone']; hint?: string; href?: string } = {}): void {
    const { tone = 'note', hint, href } = options;
    const toast: Toast = { id: this.#next++, tone, text, hint, href };
    this.list = [...this.list, toast].slice(-MOST);
    if (tone !== 'bad') {
      setTimeout(() => this.dismiss(toast.id), STAY);
    }
  }

  /** Shows an error with what to do about it. */
  refuse(error: Refused): void {
    this.say(error.message, { tone: 'bad', ...(error.hint === undefined ? {} : { hint: error.hint }) });
  }

  /** Takes a message away. */
  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}
