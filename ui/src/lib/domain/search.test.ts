import { describe, expect, it } from 'vitest';

import type { SearchAnswer, SearchRequest } from '../backend/api';
import { FakeBackend } from '../backend/fake';
import { Refused } from '../backend/backend';
import { hit } from './samples';
import { Search } from './search.svelte';
import { Session } from './session.svelte';

/** A search whose answers come when the test says so, in any order. */
function held() {
  const asked: { request: SearchRequest; answer: (names: string[], total?: number) => void; refuse: () => void }[] = [];
  const backend = new FakeBackend({
    search: (request) =>
      new Promise<SearchAnswer>((resolve, reject) => {
        asked.push({
          request,
          answer: (names, total = names.length) =>
            resolve({ hits: names.map((name) => hit(name)), total, more: false, facets: [] }),
          refuse: () => reject(new Refused({ class: 'environment', message: 'no', hint: null })),
        });
      }),
  });
  const search = new Search(new Session(backend));
  return { asked, search, settle: () => new Promise((resolve) => setTimeout(resolve)) };
}

describe('the search', () => {
  it('asks at the first keystroke, without waiting for more', async () => {
    const { asked, search, settle } = held();
    search.type('d');
    await settle();
    expect(asked[0]?.request.query).toBe('d');
  });

  it('never shows an older answer over a newer one', async () => {
    const { asked, search, settle } = held();
    search.type('d');
    search.type('db');
    await settle();
    asked[1]?.answer(['newer']);
    await settle();
    asked[0]?.answer(['older']);
    await settle();
    expect(
      search.hits.map(({ name }) => name),
      'the answer to `db` was there already',
    ).toEqual(['newer']);
  });

  it('asks only the newest text when the application is slower than the fingers', async () => {
    const { asked, search, settle } = held();
    for (const text of ['d', 'da', 'dat', 'data']) {
      search.type(text);
    }
    await settle();
    expect(asked.length, 'two questions are under way at most').toBe(2);
    asked[0]?.answer([]);
    asked[1]?.answer([]);
    await settle();
    expect(asked.map(({ request }) => request.query)).toEqual(['d', 'da', 'data']);
  });

  it('keeps the last answer while the next one is on its way, and when it fails', async () => {
    const { asked, search, settle } = held();
    search.type('a');
    await settle();
    asked[0]?.answer(['one']);
    await settle();
    search.type('ab');
    await settle();
    expect(search.hits).toHaveLength(1);
    asked[1]?.refuse();
    await settle();
    expect(search.hits).toHaveLength(1);
    expect(search.error?.message).toBe('no');
  });

  it('narrows by one value of a facet and by several tags', async () => {
    const { asked, search, settle } = held();
    search.toggle('severity', 'sev1');
    search.toggle('severity', 'sev2');
    search.toggle('tag', 'a');
    search.toggle('tag', 'b');
    await settle();
    asked.forEach(({ answer }) => answer([]));
    await settle();
    expect(asked.at(-1)?.request).toMatchObject({ severity: 'sev2', tags: ['a', 'b'] });
    expect(search.narrowings).toBe(3);
    search.toggle('severity', 'sev2');
    expect(search.narrowed.severity).toBeUndefined();
  });

  it('writes into an address what it reads from one', () => {
    const { search } = held();
    const query = { q: 'slow checkout', severity: 'sev1', tag: 'a,b' };
    search.read(query);
    expect(search.written()).toEqual(query);
  });

  it('asks for the rest of a long list only when its end comes near', async () => {
    const { asked, search, settle } = held();
    search.type('');
    await settle();
    asked[0]?.answer(
      Array.from({ length: 60 }, (_, n) => `r${n}`),
      10_000,
    );
    await settle();
    search.reach(20);
    await settle();
    expect(asked).toHaveLength(1);
    search.reach(55);
    await settle();
    expect(asked[1]?.request.limit).toBeGreaterThan(500);
  });

  it('keeps the choice inside the hits', async () => {
    const { asked, search, settle } = held();
    search.type('x');
    await settle();
    asked[0]?.answer(['a', 'b']);
    await settle();
    search.move(5);
    expect(search.hit?.name).toBe('b');
    search.move(-9);
    expect(search.hit?.name).toBe('a');
  });
});
