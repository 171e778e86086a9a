import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';
import { expect, test as base } from 'vitest';

import { Belay } from './belay.ts';

/** Where pictures go. */
export const ARTEFACTS = fileURLToPath(new URL('../../../artefacts', import.meta.url));

/** A browser that asks nobody, as root in a container may start it. */
export const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * What a browser says of requests to a backend that has ended: refused, or taken by the system and cut off before an answer.
 * Which of them comes is a matter of the moment at which the process went.
 */
export const BACKEND_GONE =
  /ERR_CONNECTION_(REFUSED|RESET|CLOSED)|ERR_SOCKET_NOT_CONNECTED|ERR_EMPTY_RESPONSE|WebSocket connection to/;

/** A browser that keeps an eye on what no page of Belay may do. */
export class Visitor {
  readonly #browser: Browser;
  readonly #belay: Belay;
  readonly #contexts: BrowserContext[] = [];
  readonly #seen: string[] = [];
  readonly #allowed: RegExp[] = [];

  constructor(browser: Browser, belay: Belay) {
    this.#browser = browser;
    this.#belay = belay;
  }

  /** A new window with a memory of its own. */
  async window(options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({
      viewport: { width: 1440, height: 900 },
      locale: 'en-GB',
      reducedMotion: 'reduce',
      ...options,
    });
    this.#contexts.push(context);
    context.setDefaultTimeout(30_000);
    await context.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => {
        console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    context.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') {
        this.#note(`console: ${message.text()} (${message.location().url})`);
      }
    });
    context.on('weberror', (error) => this.#note(`thrown: ${String(error.error())}`));
    context.on('request', (request) => {
      const { protocol, host } = new URL(request.url());
      if (protocol !== 'data:' && protocol !== 'blob:' && host !== '' && host !== this.#belay.address) {
        this.#note(`asked elsewhere: ${request.url()}`);
      }
    });
    context.on('page', (page) => {
      page.on('dialog', (dialog) => {
        this.#note(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
    });
    return context.newPage();
  }

  /** A new window that has come in through the link, at a place of the application. */
  async enter(link: string, place = '', options: BrowserContextOptions = {}): Promise<Page> {
    const page = await this.window(options);
    await page.goto(link);
    // The first picture has a search too; keys are heard once the application is there.
    await page.locator('#app:not([aria-busy])').waitFor();
    if (place !== '') {
      await page.goto(`http://${this.#belay.address}/#${place}`);
    }
    return page;
  }

  /** What a test provokes on purpose. */
  allow(...what: RegExp[]): void {
    this.#allowed.push(...what);
  }

  /** What was seen that should not be. */
  get complaints(): string[] {
    return this.#seen.filter((line) => !this.#allowed.some((allowed) => allowed.test(line)));
  }

  /** Keeps what the pages show, for whoever looks for the cause. */
  async photograph(name: string): Promise<void> {
    const pages = this.#contexts.flatMap((context) => context.pages());
    for (const [n, page] of pages.entries()) {
      const path = join(ARTEFACTS, 'failed', `${name.replaceAll(/\W+/g, '-')}-${n + 1}.png`);
      await page.screenshot({ path, timeout: 5_000 }).catch(() => undefined);
    }
  }

  async leave(): Promise<void> {
    for (const context of this.#contexts) {
      await context.close();
    }
  }

  #note(line: string): void {
    this.#seen.push(line);
  }
}

/** Tests with a machine of their own and a browser that complains about what no page may do. */
export const test = base
  .extend('browser', { scope: 'file' }, async ({}, { onCleanup }) => {
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: FLAGS });
    onCleanup(() => browser.close());
    return browser;
  })
  .extend('belay', ({}, { onCleanup }) => {
    const belay = new Belay();
    onCleanup(() => belay.remove());
    return belay;
  })
  .extend('visitor', ({ browser, belay, task }, { onCleanup }) => {
    const visitor = new Visitor(browser, belay);
    onCleanup(async () => {
      if (task.result?.state === 'fail') {
        await visitor.photograph(task.name);
      }
      await visitor.leave();
      expect(visitor.complaints, 'pages raise no errors, break no policy and ask nobody else').toEqual([]);
    });
    return visitor;
  });
