import { Refused } from '../backend/backend';

/** What was thrown, as an error that can be shown. */
export function refusal(thrown: unknown): Refused {
  if (thrown instanceof Refused) {
    return thrown;
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new Refused({ class: 'bug', message, hint: null });
}

/**
 * Something that is asked for and may be asked for again. The last answer stays while the next one is on its way, and an
 * answer that comes after a later question is dropped.
 */
export class Resource<T> {
  /** The last answer. */
  value: T | undefined = $state.raw();
  /** Why the last question failed. */
  error: Refused | undefined = $state.raw();
  /** Whether an answer is on its way. */
  busy = $state(false);

  #asked = 0;

  /** Asks; the answer replaces the last one. */
  async load(ask: () => Promise<T>): Promise<void> {
    const n = ++this.#asked;
    this.busy = true;
    try {
      const value = await ask();
      if (n === this.#asked) {
        this.value = value;
        this.error = undefined;
      }
    } catch (thrown) {
      if (n === this.#asked) {
        this.error = refusal(thrown);
      }
    } finally {
      if (n === this.#asked) {
        this.busy = false;
      }
    }
  }

  /** Puts in an answer that came by another way. */
  put(value: T): void {
    this.#asked += 1;
    this.value = value;
    this.error = undefined;
    this.busy = false;
  }

  /** Forgets everything; answers on their way are dropped. */
  clear(): void {
    this.#asked += 1;
    this.value = undefined;
    this.error = undefined;
    this.busy = false;
  }
}
