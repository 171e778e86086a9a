import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { Belay } from '../e2e/support/belay.ts';
import { FLAGS } from '../e2e/support/test.ts';
import { fill, name } from './books.ts';
import { at, family, figure, median, processorTime, remark } from './figures.ts';

const RUNBOOKS = 10_000;
/** Times that a page is opened. */
const OPENINGS = 15;
/** Keys that are measured. */
const KEYS = 40;
/** How long everything stands still. */
const STILL_SECONDS = 30;
const EMPTY = '<!doctype html><meta charset="utf-8"><title>empty</title><p id="usable">nothing</p>';

const belay = new Belay();
let browser: Browser;
let cookies: Awaited<ReturnType<BrowserContext['storageState']>>;
let here: string;

beforeAll(async () => {
  fill(belay, RUNBOOKS);
  await belay.publish();
  const link = await belay.serve();
  here = `http://${belay.address}/`;
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: FLAGS });
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(link);
  await page.getByRole('searchbox').waitFor();
  cookies = await context.storageState();
  await context.close();
});

afterAll(async () => {
  await browser.close();
  await belay.remove();
});

/** A window without any memory but the cookie. */
async function open(): Promise<Page> {
  const context = await browser.newContext({ storageState: cookies, viewport: { width: 1440, height: 900 } });
  return context.newPage();
}

/** Milliseconds from the navigation to the frame after the one in which something can be used. */
async function usable(address: string, what: string): Promise<number> {
  const page = await open();
  await page.addInitScript((selector) => {
    const look = (): void => {
      if (document.querySelector(selector) === null) {
        requestAnimationFrame(look);
      } else {
        requestAnimationFrame(() => performance.mark('bench:usable'));
      }
    };
    requestAnimationFrame(look);
  }, what);
  await page.goto(address, { waitUntil: 'commit' });
  const found = await page.waitForFunction(() => performance.getEntriesByName('bench:usable')[0]?.startTime);
  const time = await found.jsonValue();
  await page.context().close();
  return time ?? NaN;
}

test('the first usable picture beside that of an empty page', async () => {
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end(EMPTY));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const empty = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const [ours, floor]: [number[], number[]] = [[], []];
  for (let opened = 0; opened < OPENINGS; opened += 1) {
    floor.push(await usable(empty, '#usable'));
    ours.push(await usable(here, 'input[type=search]'));
  }
  server.close();
  const held = figure('web: first usable picture ÷ an empty page, median', median(ours) / median(floor), '×', 2);
  remark(`${median(ours).toFixed(1)} ms beside ${median(floor).toFixed(1)} ms, ${OPENINGS} interleaved pairs`);
  expect(held).toBe(true);
});

test('a key to its hits in ten thousand runbooks', async () => {
  const page = await open();
  await page.goto(here);
  const search = page.getByRole('searchbox');
  await page.locator('#app:not([aria-busy])').waitFor();
  const [ours, floor]: [number[], number[]] = [[], []];
  for (let key = 0, number = 1_009; key < KEYS; key += 1) {
    number = (number + 7_919) % RUNBOOKS;
    const word = name(number);
    floor.push(
      await page.evaluate(async () => {
        const begun = performance.now();
        await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
        return performance.now() - begun;
      }),
    );
    await search.fill(word.slice(0, -1));
    await page.waitForTimeout(150);
    await page.evaluate(() => performance.clearMarks());
    await page.evaluate((title) => {
      const look = (): void => {
        const shown = [...document.querySelectorAll('a')].some((hit) => hit.textContent.includes(title));
        if (shown) {
          requestAnimationFrame(() => requestAnimationFrame(() => performance.mark('bench:drawn')));
        } else {
          requestAnimationFrame(look);
        }
      };
      const box = document.querySelector('input[type=search]');
      box?.addEventListener('beforeinput', () => performance.mark('bench:pressed'), { once: true });
      box?.addEventListener('input', () => requestAnimationFrame(look), { once: true });
    }, `Service ${word} has`);
    await search.press(word.slice(-1));
    const found = await page.waitForFunction(() => {
      const [pressed, drawn] = ['bench:pressed', 'bench:drawn'].map((mark) => performance.getEntriesByName(mark)[0]);
      return pressed === undefined || drawn === undefined ? undefined : drawn.startTime - pressed.startTime;
    });
    ours.push((await found.jsonValue()) ?? NaN);
  }
  await page.context().close();
  const held = figure('web: a key to its hits beyond two empty frames, median', median(ours) - median(floor), 'ms', 30);
  remark(
    `median ${median(ours).toFixed(1)} ms, 95 of 100 ${at(ours, 0.95).toFixed(1)} ms; ` +
      `two empty frames ${median(floor).toFixed(1)} ms`,
  );
  expect(held).toBe(true);
});

test('ten megabytes of output', async () => {
  const page = await open();
  await page.addInitScript(() => {
    const long: number[] = [];
    Object.assign(window, { long });
    new PerformanceObserver((list) => long.push(...list.getEntries().map((task) => task.duration))).observe({
      type: 'longtask',
      buffered: true,
    });
  });
  const session = await page.context().newCDPSession(page);
  const heap = async (): Promise<number> => {
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize } = await session.send('Runtime.getHeapUsage');
    return usedSize / 2 ** 20;
  };
  await page.goto(`${here}#/start/flood`);
  await page.getByRole('button', { name: /^Start/ }).waitFor();
  const before = await heap();
  await page.evaluate(() => (window as unknown as { long: number[] }).long.splice(0));
  await page.getByRole('button', { name: /^Start/ }).click();
  await page.getByText('Completed').first().waitFor({ timeout: 120_000 });
  const longest = await page.evaluate(() => Math.max(0, ...(window as unknown as { long: number[] }).long));
  const left = (await heap()) - before;
  await page.context().close();
  const calm = figure('web: longest task while 10 MB stream in', longest, 'ms', 100);
  expect(figure('web: memory that 10 MB of output leave in the page', left, 'MiB', 48) && calm).toBe(true);
});

test('standing still', async () => {
  const page = await open();
  await page.goto(here);
  await page.locator('#app:not([aria-busy])').waitFor();
  await page.waitForTimeout(3_000);
  const ours = family(belay.pid);
  const before = processorTime(ours);
  await page.waitForTimeout(STILL_SECONDS * 1_000);
  const used = (processorTime(ours) - before) / STILL_SECONDS;
  await page.context().close();
  expect(figure('web: standing still with a page open, of a core', used * 100, '%', 0.5)).toBe(true);
});
