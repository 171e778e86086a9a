import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';

import { accessible } from './support/axe.ts';
import { gated, knotted, serviced, slow } from './support/books.ts';
import { shoot } from './support/looks.ts';
import { BACKEND_GONE, test } from './support/test.ts';

async function start(page: Page): Promise<void> {
  await page
    .getByText(/^\d+ steps?$/)
    .first()
    .waitFor();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
}

describe('what an execution asks', () => {
  test('a checklist, a value that is missing, and a list that is signed off', async ({ belay, visitor }) => {
    gated(belay);
    await belay.publish();
    const page = await visitor.enter(await belay.serve(), '/start/gated');
    await start(page);

    const list = page.getByRole('region', { name: 'Checklist' });
    const first = list.getByRole('checkbox', { name: 'Somebody watches the graphs' });
    await first.check();
    await list.getByRole('button', { name: 'The other one too' }).waitFor();
    expect(await first.isDisabled(), 'what is answered stays answered').toBe(true);
    expect(await page.getByText('looked', { exact: true }).count(), 'nothing runs before the list is done').toBe(0);
    await shoot(page, 'checklist');
    await list.getByRole('button', { name: 'The other one too' }).click();

    const missing = page.getByRole('region', { name: 'A value is missing' });
    const field = missing.getByLabel('.Alert.Labels.pod');
    const go = missing.getByRole('button', { name: /^Go on with/ });
    expect(await go.isDisabled(), 'nothing is sent without a value').toBe(true);
    await field.fill('checkout-1');
    await page.reload();
    expect(await field.inputValue(), 'what was typed survives a reload').toBe('checkout-1');
    await shoot(page, 'missing-value');
    await go.click();

    await list.getByRole('checkbox', { name: 'The graphs are calm' }).waitFor();
    await list.getByRole('button', { name: 'All of it is so' }).click();
    await page.getByText('Completed').first().waitFor();
    await page.getByText('pod checkout-1').first().waitFor();
  });

  test('a value that is missing is proposed, and taken only by whoever picks it', async ({ belay, visitor }) => {
    serviced(belay);
    writeFileSync(
      join(belay.home, 'contexts.yaml'),
      `current: shop
contexts:
  shop:
    environment: staging
    config: { services: { checkout: { kubernetes: { workload: deployment/checkout } }, payments: {} } }
`,
    );
    await belay.publish();
    const page = await visitor.enter(await belay.serve(), '/start/serviced');
    const field = page.getByRole('combobox', { name: /service/ });
    await field.focus();
    const list = page.getByRole('listbox', { name: 'Proposals' });
    await list.waitFor();
    expect(await list.getByRole('option').allInnerTexts(), 'the services of the context').toEqual([
      expect.stringMatching(/^checkout\s+deployment\/checkout$/),
      expect.stringMatching(/^payments\s/),
    ]);
    expect(await field.inputValue(), 'nothing is picked by itself').toBe('');
    await accessible(page, 'light', 'a field with proposals');
    await shoot(page, 'proposals');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    expect(await field.inputValue()).toBe('checkout');
    expect(page.url(), 'Enter picked and started nothing').toContain('/start/serviced');
    await field.fill('pay');
    await list.getByRole('option', { name: /payments/ }).click();
    expect(await field.inputValue()).toBe('payments');
    await field.fill('7');
    await list.waitFor({ state: 'hidden' });
    expect(await field.inputValue(), 'any other value can be typed').toBe('7');
  });

  test('an interrupted step says what is not known, and runs again only where somebody says so', async ({
    belay,
    visitor,
  }) => {
    slow(belay, 600);
    await belay.publish();
    const page = await visitor.enter(await belay.serve(), '/start/slow-change');
    await start(page);
    const timeline = page.getByRole('list', { name: 'Timeline' });
    const change = timeline.getByRole('button', { name: /Change it slowly/ });
    await change.getByText('Running').waitFor();
    const address = page.url().split('#')[1]!;

    visitor.allow(BACKEND_GONE, /status of 401/);
    await belay.kill();
    const again = await visitor.enter(await belay.serve(), address);
    await again.getByRole('button', { name: 'Go on here' }).first().click();
    const question = again.getByRole('region', { name: 'Interrupted: what came of it is not known' });
    await question.getByText('Nothing starts again by itself').waitFor();
    for (const answer of ['It happened', 'It did not happen', 'It failed', 'Take it back']) {
      await question.getByRole('button', { name: new RegExp(answer) }).waitFor();
    }
    const note = question.getByLabel('Note (optional)');
    await note.fill('the replica has no trace of it');
    await again.reload();
    expect(await note.inputValue(), 'the remark survives a reload').toBe('the replica has no trace of it');
    await shoot(again, 'interrupted');
    await question.getByRole('button', { name: /It did not happen/ }).click();
    await again
      .getByRole('list', { name: 'Timeline' })
      .getByRole('button', { name: /Change it slowly/ })
      .getByText('Running')
      .waitFor();
    await again.getByText('2 attempts').first().waitFor();
  });

  test('a rollback says what it takes back, and what is stuck asks how to go on', async ({ belay, visitor }) => {
    knotted(belay);
    await belay.publish();
    const page = await visitor.enter(await belay.serve(), '/start/knotted');
    await start(page);
    await page.getByText('Completed').first().waitFor();
    renameSync(belay.path('knot'), belay.path('elsewhere'));

    await page.keyboard.press('u');
    const dialog = page.getByRole('dialog', { name: 'Roll back what was changed?' });
    const items = dialog.getByRole('list', { name: 'What is taken back' }).getByRole('listitem');
    expect(await items.allInnerTexts(), 'the newest change comes first').toEqual([
      expect.stringMatching(/^1\s+Tie the knot\s+.*cp /s),
      expect.stringMatching(/^2\s+Announce it\s+.*Stays as it is:.*people have read it/s),
    ]);
    await page.keyboard.press('Control+Enter');
    await dialog.getByText('a reason is needed', { exact: false }).waitFor();
    expect(existsSync(belay.path('knot-untied')), 'nothing happens without a reason').toBe(false);
    await shoot(page, 'rollback');
    await dialog.getByLabel('Reason').fill('it was the wrong knot');
    await dialog.getByRole('button', { name: /^Roll back/ }).click();

    const stuck = page.getByRole('region', { name: 'Stuck: this cannot be taken back without you' });
    const retry = stuck.getByRole('button', { name: /Compare and try again/ });
    await retry.waitFor();
    await stuck.getByRole('button', { name: /Leave it as it is/ }).waitFor();
    await shoot(page, 'stuck-undo');
    writeFileSync(belay.path('knot'), '');
    await retry.click();
    await page.getByText('Rolled back', { exact: true }).first().waitFor();
    expect(existsSync(belay.path('knot-untied')), 'it was taken back in the end').toBe(true);
  });

  test('an abort asks for a reason first', async ({ belay, visitor }) => {
    gated(belay);
    await belay.publish();
    const page = await visitor.enter(await belay.serve(), '/start/gated');
    await start(page);
    await page.getByRole('region', { name: 'Checklist' }).waitFor();
    await page.keyboard.press('Shift+A');
    const dialog = page.getByRole('dialog', { name: 'Abort this execution?' });
    await dialog.getByRole('button', { name: /^Abort it/ }).click();
    await dialog.getByText('a reason is needed', { exact: false }).waitFor();
    await dialog.getByLabel('Reason').fill('a false alarm');
    await dialog.getByRole('button', { name: /^Abort it/ }).click();
    await page.getByText('Aborted', { exact: true }).first().waitFor();
  });
});
