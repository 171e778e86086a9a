import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { family, figure, median, processorTime, remark } from './figures.ts';

const program = process.env['BELAY_DESKTOP'] ?? '';
/** The web view's own small browser: it shows an empty page with nothing around it. */
const BROWSERS = ['x86_64', 'aarch64'].map((machine) => `/usr/lib/${machine}-linux-gnu/webkit2gtk-4.1/MiniBrowser`);
const browser = BROWSERS.find((path) => existsSync(path)) ?? '';
const OPENINGS = 7;
const STILL_SECONDS = 60;

const folder = mkdtempSync(join(tmpdir(), 'belay-window-'));
const started: ChildProcess[] = [];
let display: string;

beforeAll(async () => {
  const screen = spawn('Xvfb', ['-displayfd', '1', '-screen', '0', '1440x900x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  started.push(screen);
  const [number] = (await once(createInterface({ input: screen.stdout }), 'line')) as [string];
  display = `:${number}`;
});

afterAll(async () => {
  for (const child of started.reverse()) {
    await end(child);
  }
  rmSync(folder, { recursive: true, force: true });
});

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    child.kill();
    await gone;
  }
}

async function port(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** A driver of web views and its address. */
async function driver(): Promise<{ child: ChildProcess; at: string }> {
  const listen = await port();
  const child = spawn('WebKitWebDriver', [`--port=${listen}`], {
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      DISPLAY: display,
      BELAY_HOME: join(folder, 'home'),
      TAURI_WEBVIEW_AUTOMATION: 'true',
    },
    stdio: 'ignore',
  });
  started.push(child);
  const at = `http://127.0.0.1:${listen}`;
  for (;;) {
    const ready = await fetch(`${at}/status`).catch(() => undefined);
    if (ready?.ok === true) {
      return { child, at };
    }
    await new Promise((later) => setTimeout(later, 20));
  }
}

async function ask(at: string, path: string, body: unknown): Promise<unknown> {
  const answer = await fetch(at + path, { method: 'POST', body: JSON.stringify(body) });
  const { value } = (await answer.json()) as { value: unknown };
  if (!answer.ok) {
    throw new Error(`${path}: ${JSON.stringify(value)}`);
  }
  return value;
}

/** Opens a window; answers its session, and after how many milliseconds something in it can be used. */
async function open(at: string, binary: string, args: string[], page: string | undefined, selector: string) {
  const begun = performance.now();
  const capabilities = { alwaysMatch: { 'webkitgtk:browserOptions': { binary, args } } };
  const { sessionId } = (await ask(at, '/session', { capabilities })) as { sessionId: string };
  const session = `/session/${sessionId}`;
  if (page !== undefined) {
    await ask(at, `${session}/url`, { url: page });
  }
  await ask(at, `${session}/timeouts`, { script: 60_000 });
  await ask(at, `${session}/execute/async`, {
    script: `const [selector, done] = arguments;
      const look = () => document.querySelector(selector) === null
        ? requestAnimationFrame(look) : requestAnimationFrame(() => done(true));
      look();`,
    args: [selector],
  });
  const time = performance.now() - begun;
  return { session, time };
}

async function close(at: string, session: string): Promise<void> {
  await fetch(at + session, { method: 'DELETE' });
}

test.skipIf(program === '' || browser === '')('the first usable picture beside that of an empty page', async () => {
  const { at } = await driver();
  const empty = 'data:text/html,<title>empty</title><p id="usable">nothing</p>';
  const [ours, floor]: [number[], number[]] = [[], []];
  for (let opened = 0; opened < OPENINGS; opened += 1) {
    const beside = await open(at, browser, ['--automation'], empty, '#usable');
    floor.push(beside.time);
    await close(at, beside.session);
    const window = await open(at, program, [], undefined, 'input[type=search]');
    ours.push(window.time);
    await close(at, window.session);
  }
  const held = figure('desktop: first usable picture ÷ an empty page, median', median(ours) / median(floor), '×', 2);
  remark(`${median(ours).toFixed(0)} ms beside ${median(floor).toFixed(0)} ms from the start of the process`);
  expect(held).toBe(true);
});

test.skipIf(program === '')('standing still', async () => {
  const { child, at } = await driver();
  const window = await open(at, program, [], undefined, 'input[type=search]');
  await new Promise((later) => setTimeout(later, 5_000));
  const all = family(child.pid ?? 0);
  const before = processorTime(all);
  await new Promise((later) => setTimeout(later, STILL_SECONDS * 1_000));
  const used = (processorTime(all) - before) / STILL_SECONDS;
  await close(at, window.session);
  const held = figure(`desktop: standing still, ${all.length} processes, of a core`, used * 100, '%', 0.5);
  expect(held).toBe(true);
});
