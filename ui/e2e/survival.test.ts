import type { Page } from 'playwright-core';
import { expect } from 'vitest';

import { gated, rehearsal, slow } from './support/books.ts';
import { shoot } from './support/looks.ts';
import { BACKEND_GONE, test } from './support/test.ts';

test('a backend that dies in the middle of a step is missed, and comes back with everything', async ({
  belay,
  visitor,
}) => {
  slow(belay, 25);
  await belay.publish();
  const page = await visitor.enter(await belay.serve(), '/start/slow-change');
  await page.getByText('3 steps').first().waitFor();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  const timeline = page.getByRole('list', { name: 'Timeline' });
  await timeline
    .getByRole('button', { name: /Change it slowly/ })
    .getByText('Running')
    .waitFor();

  await page.getByRole('button', { name: /^Note/ }).click();
  const note = page.getByRole('dialog', { name: 'Add a note' }).getByRole('textbox');
  await note.fill('it hangs at the first replica');

  visitor.allow(BACKEND_GONE, /status of 401/);
  await belay.kill();
  await page.getByText('Belay does not answer').waitFor();
  expect(await note.inputValue(), 'what is typed stays').toBe('it hangs at the first replica');

  const link = await belay.serve();
  const ended = page.getByRole('dialog', { name: 'This session has ended' });
  await ended.getByText('Open the link that it printed').waitFor();
  await shoot(page, 'ended');
  await ended.getByRole('button', { name: 'Look at the page meanwhile' }).click();
  expect(await note.inputValue(), 'what is typed can be read meanwhile').toBe('it hangs at the first replica');
  await page.getByText('Nothing here is sent until the new link is opened').waitFor();
  const other = await page.context().newPage();
  await other.goto(link);
  await other.getByRole('searchbox', { name: /Search runbooks/ }).waitFor();
  await page.getByText('This session has ended.', { exact: true }).waitFor({ state: 'hidden' });
  expect(await note.inputValue(), 'what was typed is still there').toBe('it hangs at the first replica');
  await page.getByRole('button', { name: 'Add the note' }).click();
  await page.getByRole('region', { name: 'Notes' }).getByText('it hangs at the first replica').waitFor();

  const outcome = page.getByRole('region', { name: /^Interrupted/ });
  await outcome.getByRole('button', { name: /It happened/ }).click();
  await page.getByText('Completed').first().waitFor();
  await timeline
    .getByRole('button', { name: /Say that it is over/ })
    .getByText('Done')
    .waitFor();
});

test('what was typed survives a reload', async ({ belay, visitor }) => {
  slow(belay, 1);
  await belay.publish();
  const page = await visitor.enter(await belay.serve(), '/start/slow-change');
  await page.getByText('3 steps').first().waitFor();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page.getByText('Completed').first().waitFor();

  await page.getByRole('button', { name: /^Note/ }).click();
  const note = page.getByRole('dialog', { name: 'Add a note' }).getByRole('textbox');
  await note.fill('half a sent');
  await page.reload();
  await page.getByRole('button', { name: /^Note/ }).click();
  expect(await note.inputValue(), 'half a sentence is kept').toBe('half a sent');
});

test('values and reasons that are being typed survive a backend that dies', async ({ belay, visitor }) => {
  gated(belay);
  rehearsal(belay);
  await belay.publish();
  const page = await visitor.enter(await belay.serve(), '/start/rehearsal');
  const incident = page.getByLabel('Incident');
  await incident.fill('INC-4711');
  const share = page.getByLabel('share', { exact: false }).first();
  await share.fill('15');
  visitor.allow(BACKEND_GONE, /status of 401/);
  await belay.kill();
  await page.getByText('Belay does not answer').waitFor();
  await enterAgain(page, await belay.serve());
  expect(await incident.inputValue()).toBe('INC-4711');
  expect(await share.inputValue()).toBe('15');

  await page.goto(`http://${belay.address}/#/start/gated`);
  await page.getByText('2 steps').first().waitFor();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  const list = page.getByRole('region', { name: 'Checklist' });
  await list.getByRole('button', { name: 'All of it is so' }).click();
  const field = page.getByLabel('.Alert.Labels.pod');
  await field.fill('checkout-1');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: /^Abort/ }).click();
  const reason = page.getByRole('dialog', { name: 'Abort this execution?' }).getByLabel('Reason');
  await reason.fill('the wrong gate');
  await belay.kill();
  await page.getByText('Belay does not answer').waitFor();
  await enterAgain(page, await belay.serve());
  expect(await reason.inputValue()).toBe('the wrong gate');
  expect(await field.inputValue()).toBe('checkout-1');
});

/** Opens the new link in another tab of the browser, and waits until the first one goes on. */
async function enterAgain(page: Page, link: string): Promise<void> {
  const ended = page.getByRole('heading', { name: 'This session has ended' });
  await ended.waitFor();
  const other = await page.context().newPage();
  await other.goto(link);
  await other.getByRole('searchbox', { name: /Search runbooks/ }).waitFor();
  await other.close();
  await ended.waitFor({ state: 'hidden' });
}
