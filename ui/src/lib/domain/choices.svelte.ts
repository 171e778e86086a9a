import type { Candidate, Candidates } from '../backend/api';
import { Resource } from './resource.svelte';

/** What a missing value could be: looked up when somebody comes to its field, and again once the question is another. */
export class Choices {
  readonly #found = new Resource<Candidates | undefined>();
  #question: string | undefined;

  /** Looks, unless the same was looked for before. A failure is looked for again. */
  async look(question: string, ask: () => Promise<Candidates[]>): Promise<void> {
    if (this.#question === question && this.problem === undefined) {
      return;
    }
    if (this.#question !== question) {
      this.#found.clear();
    }
    this.#question = question;
    await this.#found.load(async () => (await ask())[0]);
  }

  /** Whether an answer is on its way. */
  get busy(): boolean {
    return this.#found.busy;
  }

  /** Every candidate, the likeliest first. */
  get all(): readonly Candidate[] {
    return this.#found.value?.candidates ?? [];
  }

  /** Why nothing could be listed. */
  get problem(): string | undefined {
    return this.#found.error?.message ?? this.#found.value?.problem ?? undefined;
  }

  /** Those that what is typed leaves: all of them beside nothing, and beside one of them. */
  fitting(typed: string): readonly Candidate[] {
    const text = typed.trim().toLowerCase();
    if (text === '' || this.all.some((candidate) => candidate.value === typed)) {
      return this.all;
    }
    return this.all.filter(({ value, note }) => `${value} ${note}`.toLowerCase().includes(text));
  }
}
