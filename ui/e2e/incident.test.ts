import { existsSync } from 'node:fs';

import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';

import { pool } from './support/books.ts';
import { BACKEND_GONE, test } from './support/test.ts';

/** The execution whose page is shown. */
export function executionOf(page: Page): string {
  const id = /#\/execution\/([^?]+)/.exec(page.url())?.[1];
  expect(id, 'the address names the execution').toBeDefined();
  return id!;
}

describe('an incident from its symptom to the end', () => {
  test('with the mouse', async ({ belay, visitor }) => {
    pool(belay);
    await belay.publish();
    const page = await visitor.enter(await belay.serve());

    await page.getByRole('searchbox', { name: /Search runbooks/ }).fill('queue for a free connection');
    const hit = page.getByRole('link', { name: /Connection pool exhausted/ });
    await hit
      .getByText(/symptom/i)
      .first()
      .waitFor();
    await hit.click();

    await page.getByRole('heading', { level: 1, name: 'Connection pool exhausted' }).waitFor();
    await page.getByText('Requests queue for a free connection of the pool').waitFor();
    await page.getByText('Orders are slow, and some of them fail.').waitFor();
    await page.getByRole('link', { name: 'Start' }).click();

    await page.getByRole('heading', { name: 'What would happen' }).waitFor();
    await page.getByText('touch ', { exact: false }).first().waitFor();
    await page.getByText('1 approval').waitFor();
    expect(existsSync(belay.path('limit')), 'a plan changes nothing').toBe(false);
    await page.getByRole('button', { name: 'Start', exact: true }).click();

    const decision = page.getByRole('region', { name: 'Pick a branch' });
    await page.getByText('17 of 17 connections are taken').waitFor();
    await decision.getByRole('button', { name: /small/ }).click();

    const approval = page.getByRole('region', { name: 'Approve exactly this' });
    const target = approval.getByLabel(/Type the target/);
    const approve = approval.getByRole('button', { name: /^Approve/ });
    await target.fill('elsewhere');
    expect(await approve.isDisabled(), 'a target that is mistyped approves nothing').toBe(true);
    expect(existsSync(belay.path('limit')), 'nothing runs before it is approved').toBe(false);
    await target.fill('local');
    await approve.click();

    await page.getByText('Completed').first().waitFor();
    expect(existsSync(belay.path('limit')), 'what was approved has run').toBe(true);

    await page.getByRole('link', { name: 'Log', exact: true }).click();
    await page.getByRole('button', { name: 'Verify' }).click();
    await page.getByText('It verifies').waitFor();
    const id = executionOf(page);
    visitor.allow(BACKEND_GONE);
    await belay.stop();
    const audit = await belay.run('audit', 'verify', id);
    expect(audit.code, audit.stderr).toBe(0);
  });

  test('by keyboard alone', async ({ belay, visitor }) => {
    pool(belay);
    await belay.publish();
    const page = await visitor.enter(await belay.serve());
    const { keyboard } = page;

    const search = page.getByRole('searchbox', { name: /Search runbooks/ });
    await search.waitFor();
    await expect.poll(() => search.evaluate((field) => field === document.activeElement)).toBe(true);
    await keyboard.type('queue for a free connection');
    await page.locator('a.hit.chosen', { hasText: 'Connection pool exhausted' }).waitFor();
    await keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Connection pool exhausted' }).waitFor();
    await keyboard.press('Enter');
    await page.getByText('1 approval').waitFor();
    await keyboard.press('S');

    const decision = page.getByRole('region', { name: 'Pick a branch' });
    const approval = page.getByRole('region', { name: 'Approve exactly this' });
    await decision.waitFor();
    // A key that comes right after the question does not answer it: it was meant for the one before.
    await expect
      .poll(async () => {
        await keyboard.press('1');
        return approval.isVisible();
      })
      .toBe(true);

    await keyboard.press('a');
    await expect.poll(() => page.evaluate(() => document.activeElement?.tagName)).toBe('INPUT');
    await keyboard.type('local');
    await keyboard.press('Enter');
    await page.getByText('Completed').first().waitFor();
    expect(existsSync(belay.path('limit')), 'what was approved has run').toBe(true);

    await tabTo(page, page.getByRole('link', { name: 'Log', exact: true }));
    await keyboard.press('Enter');
    const verify = page.getByRole('button', { name: 'Verify' });
    await verify.waitFor();
    await tabTo(page, verify);
    await keyboard.press('Enter');
    await page.getByText('It verifies').waitFor();
  });
});

/** Goes to an element as somebody without a mouse does. */
async function tabTo(page: Page, element: ReturnType<Page['getByRole']>): Promise<void> {
  for (let n = 0; n < 80; n++) {
    if (await element.evaluate((one) => one === document.activeElement)) {
      return;
    }
    await page.keyboard.press('Tab');
  }
  throw new Error('Tab does not lead there');
}
