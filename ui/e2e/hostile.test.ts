import type { Page } from 'playwright-core';
import { expect } from 'vitest';

import { hostile, HOSTILE } from './support/books.ts';
import { test } from './support/test.ts';

test('a hostile runbook stays text wherever it is shown', async ({ belay, visitor }) => {
  hostile(belay);
  await belay.publish();
  const page = await visitor.enter(await belay.serve(), '/?q=hostile');
  const title = `Hostile ${HOSTILE}`;

  await page
    .getByRole('link', { name: /Hostile/ })
    .first()
    .waitFor();
  await harmless(page, 'the catalog');
  expect(await page.locator('a.hit .title').first().textContent()).toContain(title);

  for (const tab of ['overview', 'steps', 'history', 'findings', 'file', 'flow']) {
    await page.goto(`http://${belay.address}/#/runbook/hostile?tab=${tab}`);
    await page.getByRole('tabpanel').waitFor();
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toContain(title);
    await page.getByText('Loading', { exact: false }).first().waitFor({ state: 'hidden' });
    await harmless(page, `the ${tab} of the runbook`);
  }
  await page.goto(`http://${belay.address}/#/runbook/hostile/edit`);
  await page.locator('.cm-content').waitFor();
  await harmless(page, 'the editor');

  await page.goto(`http://${belay.address}/#/start/hostile`);
  await page.getByText('2 steps').first().waitFor();
  await harmless(page, 'the start and its plan');
  await page.getByRole('button', { name: 'Start', exact: true }).click();

  const manual = page.getByRole('region', { name: 'Do this, then say what came of it' });
  await manual.waitFor();
  await page
    .getByRole('list', { name: 'Timeline' })
    .getByRole('button', { name: /Say hostile/ })
    .click();
  const output = page
    .getByRole('log')
    .or(page.getByRole('region', { name: /Output/ }))
    .first();
  await output.getByText('<script>', { exact: false }).first().waitFor();
  expect(await page.title(), 'an escape sequence does not rename the window').toBe(`${title} · Belay`);
  expect(await output.textContent(), 'no raw control characters reach the page').not.toMatch(
    // eslint-disable-next-line no-control-regex -- these are what is looked for
    /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/,
  );
  await harmless(page, 'the execution');
  await page.keyboard.press('Escape');
  await manual.getByRole('button', { name: /Done/ }).click();
  await page.getByText('Completed').first().waitFor();

  const place = page.url().replace(/\?.*/, '');
  for (const tab of ['replay', 'log', 'postmortem']) {
    await page.goto(`${place}?tab=${tab}`);
    await page
      .getByText(/hostile/i)
      .first()
      .waitFor();
    await page
      .getByRole('status', { name: /Loading/ })
      .first()
      .waitFor({ state: 'hidden' });
    await harmless(page, `the ${tab}`);
  }
  await page.goto(`http://${belay.address}/#/history`);
  await page
    .getByRole('link', { name: /Hostile/ })
    .first()
    .waitFor();
  await harmless(page, 'the history');
});

/** Nothing of the runbook has become an element, and nothing of it has run. */
async function harmless(page: Page, where: string): Promise<void> {
  const found = await page.evaluate(() => ({
    ran: 'owned' in globalThis,
    scripts: [...document.querySelectorAll('script')].filter((script) => script.src === '').length,
    images: document.querySelectorAll('img, iframe, object, embed, video, form[action]').length,
    links: [...document.querySelectorAll('a')].map((a) => a.href).filter((link) => /^(javascript|data):/i.test(link)),
    handlers: [...document.querySelectorAll('*')]
      .flatMap((one) => one.getAttributeNames())
      .filter((name) => name.startsWith('on')),
    elsewhere: [...document.querySelectorAll('link, script, source')]
      .map((one) => one.getAttribute('href') ?? one.getAttribute('src') ?? '')
      .filter((address) => address.startsWith('http') && !address.startsWith(location.origin)),
  }));
  expect(found, where).toEqual({ ran: false, scripts: 0, images: 0, links: [], handlers: [], elsewhere: [] });
}
