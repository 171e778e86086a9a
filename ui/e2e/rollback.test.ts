import { existsSync } from 'node:fs';

import { expect } from 'vitest';

import { broken } from './support/books.ts';
import { test } from './support/test.ts';

test('what a failed execution changed is taken back with a reason', async ({ belay, visitor }) => {
  broken(belay);
  await belay.publish();
  const page = await visitor.enter(await belay.serve(), '/start/broken-deploy');
  await page.getByText('2 steps').first().waitFor();
  await page.getByRole('button', { name: 'Start', exact: true }).click();

  await page.getByRole('region', { name: 'It failed, nothing more happens by itself' }).waitFor();
  expect(existsSync(belay.path('flag')), 'the step before the failure has run').toBe(true);
  await page.getByRole('button', { name: 'Roll back what was changed' }).click();

  const dialog = page.getByRole('dialog', { name: 'Roll back what was changed?' });
  await dialog.getByRole('button', { name: /^Roll back/ }).click();
  await dialog.getByText('a reason is needed', { exact: false }).waitFor();
  await dialog.getByLabel('Reason').fill('the release does not exist');
  await dialog.getByRole('button', { name: /^Roll back/ }).click();

  // Deleting needs an approval everywhere, also where it takes something back.
  const approval = page.getByRole('region', { name: 'Approve taking it back with exactly this' });
  await approval.getByLabel(/Type the target/).fill('local');
  expect(existsSync(belay.path('flag')), 'the undo waits for its approval').toBe(true);
  await approval.getByRole('button', { name: /^Approve/ }).click();

  await page.getByText('Rolled back', { exact: true }).first().waitFor();
  expect(existsSync(belay.path('flag')), 'the change is taken back').toBe(false);
  const timeline = page.getByRole('list', { name: 'Timeline' });
  await timeline
    .getByRole('button', { name: /Switch the flag on/ })
    .getByText('Taken back')
    .first()
    .waitFor();
  await timeline
    .getByRole('button', { name: /Deploy the release/ })
    .getByText('Failed')
    .first()
    .waitFor();

  await page.getByRole('link', { name: 'Log', exact: true }).click();
  await page.getByText('the release does not exist', { exact: false }).first().waitFor();
});
