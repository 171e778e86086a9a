/** Whether an address is the catalog's, whose search the first picture shows. */
export function isCatalog(hash: string): boolean {
  return /^#?\/?(\?|$)/.test(hash);
}

/** The query that the address of a search holds. */
export function queried(hash: string): string {
  return new URLSearchParams(hash.split('?', 2)[1] ?? '').get('q') ?? '';
}

/** Where the caret stood in the first picture's search, and to where it reached. */
export type Caret = readonly [start: number, end: number];

/**
 * Hands what was typed into the first picture's search over to the application, by way of the address that it reads.
 *
 * Answers where the caret stood, or nothing where somebody was elsewhere.
 */
export function taken(field: HTMLInputElement): Caret | undefined {
  const { hash } = location;
  if (!field.isConnected || !isCatalog(hash)) {
    return undefined;
  }
  if (field.value !== queried(hash)) {
    const query = new URLSearchParams(hash.split('?', 2)[1] ?? '');
    query.set('q', field.value);
    history.replaceState(history.state, '', `#/?${query.toString()}`);
  }
  const end = field.value.length;
  return document.activeElement === field ? [field.selectionStart ?? end, field.selectionEnd ?? end] : undefined;
}

/** Waits until a word that is being put together, as Japanese is typed, is whole. */
export async function composed(field: HTMLInputElement, composing: () => boolean): Promise<void> {
  if (composing()) {
    await new Promise((whole) => field.addEventListener('compositionend', whole, { once: true }));
  }
}
