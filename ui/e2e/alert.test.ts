import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';

import { gated, payload } from './support/books.ts';
import { shoot } from './support/looks.ts';
import { test } from './support/test.ts';

const ALERT = payload('GateClosed', { pod: 'gate-7' });

/** Hands something to the page as a browser does it. */
async function hand(page: Page, how: 'paste' | 'drop', text: string): Promise<void> {
  await page.evaluate(
    ({ how, text }) => {
      const data = new DataTransfer();
      if (how === 'paste') {
        data.setData('text/plain', text);
        const event = new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true });
        document.activeElement?.dispatchEvent(event);
        return;
      }
      data.items.add(new File([text], 'alert.json', { type: 'application/json' }));
      for (const kind of ['dragenter', 'dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
      }
    },
    { how, text },
  );
}

describe('an alert', () => {
  for (const how of ['paste', 'drop'] as const) {
    test(`that is handed over by a ${how} finds its runbook and starts it with its labels`, async ({
      belay,
      visitor,
    }) => {
      gated(belay);
      await belay.publish();
      const page = await visitor.enter(await belay.serve());
      await hand(page, how, ALERT);
      await page.getByRole('heading', { name: 'GateClosed' }).waitFor();
      await page.getByText('Nobody gets through the gate').waitFor();
      await page.getByText('gate-7').waitFor();
      if (how === 'drop') {
        await shoot(page, 'alert');
      }
      await page.getByRole('link', { name: 'Start with this alert' }).first().click();

      await page.getByRole('heading', { level: 1, name: 'Start Gate with a list' }).waitFor();
      await page.getByText('GateClosed').first().waitFor();
      await page.getByRole('button', { name: 'Start', exact: true }).click();
      await page.getByRole('button', { name: 'All of it is so' }).click();
      await page.getByText('pod gate-7').first().waitFor();
      await page.getByRole('region', { name: 'Checklist' }).getByText('The graphs are calm').waitFor();
    });
  }

  test('that is none is told so, and nothing is lost', async ({ belay, visitor }) => {
    const page = await visitor.enter(await belay.serve());
    await hand(page, 'drop', 'just some text');
    await page.getByText('this is no alert').waitFor();
    expect(page.url()).not.toContain('alert');
  });
});
