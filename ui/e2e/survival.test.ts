import { expect } from 'vitest';

import { slow } from './support/books.ts';
import { test } from './support/test.ts';

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

  visitor.allow(/ERR_CONNECTION_REFUSED|WebSocket connection to|status of 401/);
  await belay.kill();
  await page.getByText('Belay does not answer').waitFor();
  expect(await note.inputValue(), 'what is typed stays').toBe('it hangs at the first replica');

  const link = await belay.serve();
  const other = await page.context().newPage();
  await other.goto(link);
  await other.getByRole('searchbox', { name: /Search runbooks/ }).waitFor();
  await page.getByText('Belay does not answer').waitFor({ state: 'hidden' });
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
