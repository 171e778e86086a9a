import { join } from 'node:path';

import type { Page } from 'playwright-core';

import { ARTEFACTS } from './test.ts';

/** The looks that every page has to have. */
export const LOOKS = [
  { scheme: 'light', width: 1440, height: 900 },
  { scheme: 'dark', width: 1440, height: 900 },
  { scheme: 'light', width: 390, height: 844 },
  { scheme: 'dark', width: 390, height: 844 },
] as const;

/** Keeps what a page shows in every look, and puts the page back. */
export async function shoot(page: Page, name: string): Promise<void> {
  const before = page.viewportSize();
  for (const { scheme, width, height } of LOOKS) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height });
    // As the setting does: a page that is open already does not repaint all of it for another system theme.
    await page.evaluate((theme) => (document.documentElement.dataset['theme'] = theme), scheme);
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    await page.screenshot({ path: join(ARTEFACTS, 'states', `${name}-${scheme}-${width}.png`) });
  }
  await page.emulateMedia({ colorScheme: null });
  await page.evaluate(() => delete document.documentElement.dataset['theme']);
  if (before !== null) {
    await page.setViewportSize(before);
  }
}
