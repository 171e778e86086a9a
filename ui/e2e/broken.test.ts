import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';

import type { Belay } from './support/belay.ts';
import { gated } from './support/books.ts';
import { shoot } from './support/looks.ts';
import { BACKEND_GONE, test, type Visitor } from './support/test.ts';

/** An execution that waits, on its page, with a note that is typed and not sent. */
async function typing(belay: Belay, visitor: Visitor): Promise<Page> {
  gated(belay);
  await belay.publish();
  const page = await visitor.enter(await belay.serve(), '/start/gated');
  await page.getByText('2 steps').first().waitFor();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page.getByRole('region', { name: 'Checklist' }).waitFor();
  await page.getByRole('button', { name: /^Note/ }).click();
  await page.getByRole('dialog', { name: 'Add a note' }).getByRole('textbox').fill('the left wing is dark');
  return page;
}

async function arrives(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Add the note' }).click();
  await page.getByRole('dialog', { name: 'Add a note' }).waitFor({ state: 'hidden' });
  await page.getByRole('region', { name: 'Notes' }).getByText('the left wing is dark').waitFor();
}

/** A process that holds the database until it is told to let go; nothing where Python is missing. */
async function held(database: string): Promise<{ release: () => Promise<void> } | undefined> {
  const script = [
    'import sqlite3, sys',
    'c = sqlite3.connect(sys.argv[1], isolation_level=None)',
    "c.execute('BEGIN IMMEDIATE')",
    "print('held', flush=True)",
    'sys.stdin.read()',
  ].join('\n');
  const holder = spawn('python3', ['-c', script, database], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ready = await Promise.race([
    once(holder.stdout, 'data').then(() => true),
    once(holder, 'error').then(() => false),
  ]);
  if (!ready) {
    return undefined;
  }
  return {
    release: async () => {
      const gone = once(holder, 'exit');
      holder.stdin.end();
      await gone;
    },
  };
}

/** Puts a small disk under a folder; whether that is allowed here. */
function mounted(folder: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

/** Fills what is left of a disk, and says how to make room again. */
function fill(folder: string): () => void {
  const ballast: string[] = [];
  for (const size of [1 << 20, 1 << 16, 1 << 12]) {
    for (let full = false; !full;) {
      const path = join(folder, `ballast-${ballast.length}`);
      ballast.push(path);
      try {
        writeFileSync(path, Buffer.alloc(size));
      } catch {
        full = true;
      }
    }
  }
  return () => ballast.forEach((path) => rmSync(path, { force: true }));
}

describe('where the database takes nothing', () => {
  test('a full disk is said, and what was typed is sent once there is room', async ({ belay, visitor, skip }) => {
    if (!mounted(belay.home)) {
      skip('mounting a small disk is not allowed here');
    }
    try {
      // The server ends before the disk is taken away, and the page notices.
      visitor.allow(BACKEND_GONE, /status of 503/);
      const page = await typing(belay, visitor);
      const makeRoom = fill(belay.home);
      await page.getByRole('button', { name: 'Add the note' }).click();
      const dialog = page.getByRole('dialog', { name: 'Add a note' });
      await dialog.getByText('the disk is full', { exact: false }).waitFor();
      expect(await dialog.getByRole('textbox').inputValue()).toBe('the left wing is dark');
      await shoot(page, 'disk-full');
      makeRoom();
      await arrives(page);
    } finally {
      await belay.stop();
      execFileSync('umount', ['-l', belay.home]);
    }
  });

  test('a database that another process holds is said, and what was typed is sent once it lets go', async ({
    belay,
    visitor,
    skip,
  }) => {
    visitor.allow(/status of 503/);
    const page = await typing(belay, visitor);
    const holder = await held(join(belay.home, 'belay.db'));
    if (holder === undefined) {
      return skip('there is no Python to hold the database with');
    }
    await page.getByRole('button', { name: 'Add the note' }).click();
    const dialog = page.getByRole('dialog', { name: 'Add a note' });
    await dialog.getByText('locked by another process', { exact: false }).waitFor();
    expect(await dialog.getByRole('textbox').inputValue()).toBe('the left wing is dark');
    await shoot(page, 'database-locked');
    await holder.release();
    await arrives(page);
  });
});
