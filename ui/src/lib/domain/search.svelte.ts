import { untrack } from 'svelte';

import type { Facet, SearchAnswer, SearchHit, SearchRequest } from '../backend/api';
import type { Refused } from '../backend/backend';
import { count } from './format';
import { refusal } from './resource.svelte';
import type { Session } from './session.svelte';

/** The facets that a search is narrowed by, as the application names them. */
export const FACETS = ['severity', 'category', 'domain', 'service', 'tag'] as const;
export type FacetName = (typeof FACETS)[number];

/** What is chosen of each facet; tags may be several. */
export type Narrowed = Readonly<Partial<Record<FacetName, readonly string[]>>>;

/** Hits of the first answer: more than a screen, and quickly drawn. */
const FIRST = 60;
/** How much longer the list gets whenever its end comes near. */
const GROWTH = 16;
/** Questions that may be under way at once; while the application thinks, only the newest text waits its turn. */
const MOST_ASKED = 2;

/**
 * The search of the catalog. Every change asks at once; an answer to an older question never replaces one to a newer
 * question, and texts that were typed over while the application was busy are never asked.
 */
export class Search {
  query = $state('');
  narrowed: Narrowed = $state.raw({});
  /** The answer that is shown; it stays while a newer one is on its way. */
  answer: SearchAnswer | undefined = $state.raw();
  error: Refused | undefined = $state.raw();
  /** The chosen hit; none where nothing is found. */
  chosen = $state(0);
  busy = $state(false);

  #session: Session;
  #limit = FIRST;
  #asked = 0;
  #shown = 0;
  #running = 0;
  #stale = false;

  constructor(session: Session) {
    this.#session = session;
  }

  get hits(): readonly SearchHit[] {
    return this.answer?.hits ?? [];
  }

  get total(): number {
    return this.answer?.total ?? 0;
  }

  /** How many there are, in words: a search counts no further than it lists. */
  get counted(): string {
    return this.answer?.more === true ? `${this.total.toLocaleString('en')}+ runbooks` : count(this.total, 'runbook');
  }

  get facets(): readonly Facet[] {
    return this.answer?.facets ?? [];
  }

  /** The hit that Enter opens. */
  get hit(): SearchHit | undefined {
    return this.hits[this.chosen];
  }

  /** How many values narrow the search. */
  get narrowings(): number {
    return Object.values(this.narrowed).reduce((sum, values) => sum + values.length, 0);
  }

  /** Searches for what is typed now. */
  type(query: string): void {
    this.query = query;
    this.#begin();
  }

  /** Chooses a value of a facet, or no longer; facets other than tags hold one value. */
  toggle(facet: FacetName, value: string): void {
    const now = this.narrowed[facet] ?? [];
    const next = now.includes(value)
      ? now.filter((other) => other !== value)
      : facet === 'tag'
        ? [...now, value]
        : [value];
    const others = Object.entries(this.narrowed).filter(([name]) => name !== facet);
    this.narrowed = Object.fromEntries(next.length === 0 ? others : [...others, [facet, next]]);
    this.#begin();
  }

  /** Searches everything again. */
  widen(): void {
    this.narrowed = {};
    this.#begin();
  }

  /** Takes the state that an address holds. */
  read(query: Readonly<Record<string, string>>): void {
    this.query = query['q'] ?? '';
    this.narrowed = Object.fromEntries(
      FACETS.flatMap((facet) => {
        const value = query[facet];
        return value === undefined || value === '' ? [] : [[facet, facet === 'tag' ? value.split(',') : [value]]];
      }),
    );
    this.#begin();
  }

  /** The state as an address holds it. */
  written(): Record<string, string> {
    const query: Record<string, string> = this.query === '' ? {} : { q: this.query };
    for (const facet of FACETS) {
      const values = this.narrowed[facet];
      if (values !== undefined) {
        query[facet] = values.join(',');
      }
    }
    return query;
  }

  /** Moves the choice. */
  move(by: number): void {
    this.chosen = Math.max(0, Math.min(this.hits.length - 1, this.chosen + by));
    this.reach(this.chosen);
  }

  /** Says which hit is seen last; more are asked for where the loaded ones end soon. */
  reach(row: number): void {
    if (row >= this.hits.length - FIRST / 3 && this.hits.length < this.total && this.#limit <= this.hits.length) {
      this.#limit *= GROWTH;
      this.ask();
    }
  }

  /** Asks again, keeping the place: runbooks or executions changed. */
  ask(): void {
    if (this.#running >= MOST_ASKED) {
      this.#stale = true;
      return;
    }
    // Asking inside an effect must not make the effect follow what is typed.
    void untrack(() => this.#ask());
  }

  #begin(): void {
    this.#limit = FIRST;
    this.chosen = 0;
    this.ask();
  }

  async #ask(): Promise<void> {
    const n = ++this.#asked;
    this.#running += 1;
    this.#stale = false;
    this.busy = true;
    try {
      const answer = await this.#session.call('search', this.#request());
      if (n > this.#shown) {
        this.#shown = n;
        this.answer = answer;
        this.error = undefined;
        this.chosen = Math.max(0, Math.min(this.chosen, answer.hits.length - 1));
      }
    } catch (thrown) {
      if (n > this.#shown) {
        this.#shown = n;
        this.error = refusal(thrown);
      }
    } finally {
      this.#running -= 1;
      if (this.#stale) {
        this.ask();
      }
      this.busy = this.#running > 0;
    }
  }

  #request(): SearchRequest {
    const one = (facet: FacetName) => this.narrowed[facet]?.[0] ?? null;
    return {
      query: this.query,
      service: one('service'),
      severity: one('severity'),
      category: one('category'),
      domain: one('domain'),
      tags: [...(this.narrowed.tag ?? [])],
      limit: this.#limit,
    };
  }
}

/** A value of a taxonomy for people: `incident_response` becomes `incident response`. */
export function facetValue(facet: string, value: string): string {
  return facet === 'severity' ? (value === 'all' ? 'any' : value.toUpperCase()) : value.replaceAll('_', ' ');
}
