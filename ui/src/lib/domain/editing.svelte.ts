import type { EditView, FindingView, KeptView, RunbookView } from '../backend/api';
import { Refused } from '../backend/backend';
import { read, write } from './draft.svelte';
import { refusal, Resource } from './resource.svelte';
import type { Session } from './session.svelte';

/** How long typing pauses before the draft is saved, in milliseconds. */
const PAUSE = 250;

/** How the draft is doing. */
export type Saving = 'saved' | 'saving' | 'typing' | 'unsaved';

/**
 * The edit of one runbook. What is typed is saved into the draft continuously; until the application has it, it is kept
 * beside the page, so that a lost backend or a reload loses nothing.
 */
export class Editing {
  /** The edit as the application began it. */
  readonly edit = new Resource<EditView>();
  text = $state('');
  findings: readonly FindingView[] = $state.raw([]);
  /** How the text would look; the last one that could be read stays. */
  preview: RunbookView | undefined = $state.raw();
  /** Whether the preview is of an older text, because the newest cannot be read. */
  outdated = $state(false);
  saving: Saving = $state('saved');
  /** Why the draft could not be saved. */
  error: Refused | undefined = $state.raw();
  /** Whether text that had not reached the application was found beside the page. */
  rescued = $state(false);

  #session: Session;
  #runbook: string;
  #key: string;
  #original: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(session: Session, runbook: string) {
    this.#session = session;
    this.#runbook = runbook;
    this.#key = `belay.draft:edit:${runbook}`;
  }

  /** Begins the edit, or goes on with the draft that is there. */
  async open(): Promise<void> {
    await this.edit.load(async () => {
      const edit = await this.#session.call('edit', { runbook: this.#runbook });
      this.#original = edit.left_over
        ? (await this.#session.call('runbook', { runbook: this.#runbook })).text
        : edit.text;
      const beside = read(this.#key);
      this.rescued = beside !== undefined && beside !== edit.text;
      this.text = beside ?? edit.text;
      // A draft in which nothing was changed is not worth a word.
      return { ...edit, left_over: edit.left_over && edit.text !== this.#original };
    });
    if (this.edit.error === undefined) {
      await this.flush();
    }
  }

  /** Takes what was typed. */
  type(text: string): void {
    if (text === this.text) {
      return;
    }
    this.text = text;
    write(this.#key, text);
    this.saving = 'typing';
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.flush(), PAUSE);
  }

  /** Saves what is not saved yet; resolves when the application has the newest text, or has refused it. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#running !== undefined) {
      await this.#running;
    }
    this.#running = this.#save();
    try {
      await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  /** Saves again what could not be saved: the application is back. */
  async again(): Promise<void> {
    if (this.edit.value === undefined) {
      await this.open();
    } else {
      await this.flush();
    }
  }

  /** Puts the draft into the place of the runbook's file. */
  async keep(changes: string, bump: string | null): Promise<KeptView> {
    await this.flush();
    if (this.error !== undefined) {
      throw this.error;
    }
    const kept = await this.#session.call('keep_draft', { runbook: this.#runbook, changes, bump });
    this.#forget();
    return kept;
  }

  /** Throws the draft away. */
  async discard(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#running;
    await this.#session.call('discard_draft', { runbook: this.#runbook });
    this.#forget();
  }

  /** Throws the draft away and begins with the runbook as it is. */
  async over(): Promise<void> {
    await this.discard();
    this.#closed = false;
    this.rescued = false;
    await this.open();
  }

  /** Ends the edit without a word: what was typed last is saved now, and a draft that changes nothing goes. */
  async close(): Promise<void> {
    if (this.#closed || this.edit.value === undefined) {
      return;
    }
    await this.flush();
    if (this.error === undefined && this.text === this.#original) {
      await this.discard().catch((thrown: unknown) => {
        this.error = refusal(thrown);
      });
    }
  }

  #forget(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    write(this.#key, undefined);
  }

  async #save(): Promise<void> {
    const text = this.text;
    this.saving = 'saving';
    try {
      const validated = await this.#saved(text);
      this.findings = validated.findings;
      this.outdated = validated.preview === null;
      this.preview = validated.preview ?? this.preview;
      this.error = undefined;
      if (this.text === text) {
        write(this.#key, undefined);
        this.saving = 'saved';
      } else {
        this.saving = 'typing';
      }
    } catch (thrown) {
      this.error = refusal(thrown);
      this.saving = 'unsaved';
    }
  }

  async #saved(text: string) {
    const request = { runbook: this.#runbook, text };
    try {
      return await this.#session.call('save_draft', request);
    } catch (thrown) {
      if (!(thrown instanceof Refused) || thrown.class !== 'user') {
        throw thrown;
      }
      // An application that was started anew knows of no edit; it finds the draft and goes on with it.
      await this.#session.call('edit', { runbook: this.#runbook });
      return await this.#session.call('save_draft', request);
    }
  }
}
