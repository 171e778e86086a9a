import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';

import { pool, rehearsal } from './support/books.ts';
import { shoot } from './support/looks.ts';
import { test } from './support/test.ts';

/** Controls whose edge is hard to see: neither their border nor their fill stands out 3:1 from what is around them. */
function faint(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
    type Colour = [number, number, number, number];
    const colour = (text: string): Colour => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      const [r = 0, g = 0, b = 0, a = 0] = canvas.getImageData(0, 0, 1, 1).data;
      return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a]: Colour, [R, G, B]: Colour): Colour => [
      r * a + R * (1 - a),
      g * a + G * (1 - a),
      b * a + B * (1 - a),
      1,
    ];
    const light = ([r, g, b]: Colour) => {
      const [x, y, z] = [r, g, b].map((of) => {
        const share = of / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      }) as [number, number, number];
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const contrast = (a: Colour, b: Colour) => {
      const [low, high] = [light(a), light(b)].sort((one, other) => one - other) as [number, number];
      return (high + 0.05) / (low + 0.05);
    };
    const behind = (element: Element | null): Colour => {
      if (element === null) {
        return [255, 255, 255, 1];
      }
      const own = colour(getComputedStyle(element).backgroundColor);
      return own[3] === 1 ? own : over(own, behind(element.parentElement));
    };
    return [...document.querySelectorAll('button, a.button, input, select, textarea')].flatMap((element) => {
      const style = getComputedStyle(element);
      const native = element.matches('input[type=checkbox], input[type=radio]');
      if (!element.checkVisibility() || element.matches(':disabled') || native) {
        return [];
      }
      const bordered = parseFloat(style.borderTopWidth) >= 1 && parseFloat(style.borderBottomWidth) >= 1;
      const around = behind(element.parentElement);
      const border = over(colour(style.borderTopColor), around);
      const fill = behind(element);
      // What has no edge at all is told by its words.
      if (!bordered || colour(style.borderTopColor)[3] === 0) {
        return [];
      }
      const best = Math.max(contrast(border, around), contrast(fill, around));
      const name = element.getAttribute('aria-label') ?? element.textContent;
      return best >= 3 ? [] : [`${element.tagName} "${name.trim().slice(0, 40)}" ${best.toFixed(2)}`];
    });
  });
}

describe('looks', () => {
  for (const scheme of ['light', 'dark'] as const) {
    test(`the edges of controls are seen in the ${scheme} theme`, async ({ belay, visitor }) => {
      pool(belay);
      rehearsal(belay);
      await belay.publish();
      const page = await visitor.enter(await belay.serve(), '', { colorScheme: scheme });
      const places: [string, RegExp][] = [
        ['/', /runbooks?$/],
        ['/runbook/pool-exhausted', /Requests queue/],
        ['/start/rehearsal', /3 steps/],
        ['/history', /Executions|execution/],
        ['/alert', /Paste what Alertmanager/],
        ['/settings', /Settings/],
      ];
      for (const [place, shown] of places) {
        await page.goto(`http://${belay.address}/#${place}`);
        await page.getByText(shown).first().waitFor();
        expect(await faint(page), place).toEqual([]);
      }
      await page.goto(`http://${belay.address}/#/start/pool-exhausted`);
      await page.getByText('4 steps').first().waitFor();
      await page.getByRole('button', { name: 'Start', exact: true }).click();
      await page.getByRole('region', { name: 'Pick a branch' }).waitFor();
      expect(await faint(page), 'a decision').toEqual([]);
      await page.getByRole('button', { name: /^Abort/ }).click();
      await page.getByRole('dialog', { name: 'Abort this execution?' }).waitFor();
      expect(await faint(page), 'a dialog').toEqual([]);
    });
  }

  test('a hit says what is rotten about it, in words', async ({ belay, visitor }) => {
    pool(belay);
    belay.book(
      'forgotten',
      `apiVersion: sre.oversight.io/v1
kind: Runbook
metadata: { name: forgotten }
spec:
  name: Forgotten pool
  description: Nobody has looked at the forgotten pool.
  reviewDate: 2020-01-31
  trigger: { manual: true }
  steps: [{ name: go, type: automated, action: no.such.action }]
`,
    );
    await belay.publish();
    const page = await visitor.enter(await belay.serve());
    await page.getByRole('searchbox', { name: /Search runbooks/ }).fill('forgotten pool');
    const hit = page.getByRole('link', { name: /Forgotten pool/ });
    await hit.getByText('review was due 2020-01-31').waitFor();
    await hit.getByText('1 error').waitFor();
    await hit.getByText('never run here').waitFor();
    await shoot(page, 'rot');
  });

  test('a plan that is asked for comes first, also where there is little room', async ({ belay, visitor }) => {
    pool(belay);
    await belay.publish();
    const small = { viewport: { width: 390, height: 844 } };
    const page = await visitor.enter(await belay.serve(), '/runbook/pool-exhausted', small);
    await page.getByRole('link', { name: /^Plan/ }).click();
    await page.getByRole('heading', { level: 1, name: 'Plan Connection pool exhausted' }).waitFor();
    const plan = page.getByRole('region', { name: 'Plan' });
    await plan.getByText('1 approval').waitFor();
    const box = await plan.getByRole('heading', { name: 'What would happen' }).boundingBox();
    expect(box!.y, 'it is seen without scrolling').toBeLessThan(600);
    expect(await plan.evaluate((element) => element === document.activeElement), 'it has the focus').toBe(true);
    await shoot(page, 'plan');
  });
});
