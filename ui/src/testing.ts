import { cleanup } from '@testing-library/svelte';
import { afterEach } from 'vitest';

/** What jsdom lacks and components need: nothing has a size there, so nothing is ever measured. */
class NothingMeasured implements ResizeObserver {
  observe(): void {
    // There is no layout.
  }

  unobserve(): void {
    // There is no layout.
  }

  disconnect(): void {
    // There is no layout.
  }
}

globalThis.ResizeObserver = NothingMeasured;
Element.prototype.scrollIntoView = () => undefined;

afterEach(cleanup);
