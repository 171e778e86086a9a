import { describe, expect } from 'vitest';

import { pool } from './support/books.ts';
import { shoot } from './support/looks.ts';
import { test } from './support/test.ts';

describe('the first picture', () => {
  test('is typed into before the application is there, which takes it over', async ({ belay, visitor }) => {
    pool(belay);
    await belay.publish();
    const page = await visitor.window();
    let arrive = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (arrive = resolve));
    await page.route(/\/assets\/main-/, async (route) => {
      await arrived;
      await route.continue();
    });
    await page.goto(await belay.serve());
    const search = page.getByRole('searchbox', { name: /Search runbooks/ });
    await search.waitFor();
    expect(await page.locator('#app[aria-busy]').count(), 'the application is not there yet').toBe(1);
    await expect.poll(() => search.evaluate((field) => field === document.activeElement)).toBe(true);
    await page.keyboard.type('queue for a fee');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    await shoot(page, 'first-picture');

    arrive();
    await page.locator('#app:not([aria-busy])').waitFor();
    // The caret stands where it stood: in the middle of a word that lacks a letter.
    await page.keyboard.type('r');
    expect(await search.inputValue()).toBe('queue for a free');
    await page.getByRole('link', { name: /pool/i }).first().waitFor();
    await expect.poll(() => new URL(page.url()).hash).toContain('queue+for+a+free');
  });

  test('shows no search where another place is asked for', async ({ belay, visitor }) => {
    await belay.publish();
    const page = await visitor.enter(await belay.serve());
    await page.route(/\/assets\/main-/, () => undefined);
    await page.goto('about:blank');
    await page.goto(`http://${belay.address}/#/history`);
    await expect.poll(() => page.locator('#app').evaluate((app) => app.childElementCount)).toBe(0);
  });
});
