import { join } from 'node:path';

import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';

import { accessible } from './support/axe.ts';
import type { Belay } from './support/belay.ts';
import { broken, pool, rehearsal, slow } from './support/books.ts';
import { LOOKS } from './support/looks.ts';
import { ARTEFACTS, BACKEND_GONE, test, type Visitor } from './support/test.ts';

/** What is there to be shown: one execution in each state that looks different. */
interface Stage {
  link: string;
  executions: Record<
    'completed' | 'decision' | 'approval' | 'manual' | 'failed' | 'undone' | 'interrupted' | 'abandoned',
    string
  >;
}

/** Runs a runbook until it ends or waits, and answers its execution. */
async function play(belay: Belay, runbook: string): Promise<string> {
  const known = await listed(belay);
  const ran = await belay.run('run', runbook);
  expect([0, 1, 3], ran.stderr).toContain(ran.code);
  const fresh = (await listed(belay)).find((id) => !known.includes(id));
  expect(fresh, ran.stderr).toBeDefined();
  return fresh!;
}

async function listed(belay: Belay): Promise<string[]> {
  const { stdout } = await belay.run('executions', '--json');
  return (JSON.parse(stdout) as { execution: string }[]).map(({ execution }) => execution);
}

/** Runs a command that ends with a code: 0 done, 3 waiting for a person. */
async function say(belay: Belay, code: number, ...args: string[]): Promise<void> {
  const ran = await belay.run(...args);
  expect(ran.code, `${args.join(' ')}: ${ran.stdout} ${ran.stderr}`).toBe(code);
}

async function prepare(belay: Belay, visitor: Visitor): Promise<Stage> {
  pool(belay);
  broken(belay);
  slow(belay, 20);
  rehearsal(belay);
  await belay.publish();

  const completed = await play(belay, 'pool-exhausted');
  await say(belay, 0, 'decide', completed, 'pick', 'small');
  await say(belay, 3, 'resume', completed);
  await say(belay, 0, 'approve', completed, 'raise', '--target', 'local', '--comment', 'seen and understood');
  await say(belay, 0, 'resume', completed);
  await say(belay, 0, 'note', completed, 'The pool had been **too small** since the sale began.');
  const undone = await play(belay, 'broken-deploy');
  await say(belay, 0, 'rollback', undone, '--reason', 'the release does not exist');
  await say(belay, 3, 'resume', undone);
  await say(belay, 0, 'approve', undone, 'switch', '--target', 'local');
  await say(belay, 1, 'resume', undone);
  const failed = await play(belay, 'broken-deploy');
  const manual = await play(belay, 'rehearsal');
  const decision = await play(belay, 'pool-exhausted');
  const approval = await play(belay, 'pool-exhausted');
  await say(belay, 0, 'decide', approval, 'pick', 'small');
  await say(belay, 3, 'resume', approval);

  // What was running when the program died: one has been taken up since, one has not.
  const entry = await belay.serve();
  const page = await visitor.enter(entry);
  const begun: string[] = [];
  for (let n = 0; n < 2; n++) {
    await page.goto(`http://${belay.address}/#/start/slow-change`);
    await page.getByText('3 steps').first().waitFor();
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    const timeline = page.getByRole('list', { name: 'Timeline' });
    const running = timeline.getByRole('button', { name: /Change it slowly/ }).getByText('Running');
    await running.waitFor();
    begun.push(/#\/execution\/([^?]+)/.exec(page.url())![1]!);
  }
  const [interrupted, abandoned] = begun as [string, string];
  await page.close();
  await belay.kill();
  await say(belay, 3, 'resume', interrupted);
  const link = await belay.serve();
  return { link, executions: { completed, undone, failed, manual, decision, approval, interrupted, abandoned } };
}

/** A screen: where it is, what has to be done for it, and what says that it is there. */
interface Screen {
  name: string;
  place: string;
  there: (page: Page) => Promise<unknown>;
}

const text = (words: string | RegExp) => (page: Page) =>
  page.getByText(words).filter({ visible: true }).first().waitFor();
const region = (name: string | RegExp) => (page: Page) => page.getByRole('region', { name }).first().waitFor();

function screens({ executions: of }: Stage): Screen[] {
  const tab = (name: string, there: Screen['there']): Screen => ({
    name: `runbook-${name}`,
    place: `/runbook/pool-exhausted?tab=${name}`,
    there,
  });
  return [
    { name: 'catalog', place: '/', there: text(/^\d+ runbooks/) },
    { name: 'catalog-found', place: '/?q=free connection', there: text('Connection pool exhausted') },
    { name: 'catalog-nothing', place: '/?q=zzxxqqyy', there: text('No runbook matches') },
    tab('overview', text('Requests queue for a free connection of the pool')),
    tab('steps', text('Lets the pool grow.')),
    tab('flow', (page) => page.locator('.svelte-flow__node').first().waitFor()),
    tab('history', text('Completed')),
    tab('findings', (page) => page.getByRole('tabpanel').waitFor()),
    tab('file', text('apiVersion')),
    {
      name: 'runbook-bundled',
      place: '/runbook/database-recovery',
      there: (page) => page.getByRole('tabpanel').waitFor(),
    },
    {
      name: 'runbook-bundled-flow',
      place: '/runbook/database-recovery?tab=flow',
      there: (page) => page.locator('.svelte-flow__node').first().waitFor(),
    },
    { name: 'editor', place: '/runbook/pool-exhausted/edit', there: (page) => page.locator('.cm-content').waitFor() },
    { name: 'start', place: '/start/pool-exhausted', there: text('1 approval') },
    { name: 'start-inputs', place: '/start/rehearsal', there: text('3 steps') },
    { name: 'execution-decision', place: `/execution/${of.decision}`, there: region('Pick a branch') },
    { name: 'execution-approval', place: `/execution/${of.approval}`, there: region('Approve exactly this') },
    { name: 'execution-manual', place: `/execution/${of.manual}`, there: region(/^Do this/) },
    { name: 'execution-failed', place: `/execution/${of.failed}`, there: region(/^It failed/) },
    { name: 'execution-undone', place: `/execution/${of.undone}`, there: text('Rolled back') },
    { name: 'execution-interrupted', place: `/execution/${of.interrupted}`, there: region(/^Interrupted/) },
    { name: 'execution-abandoned', place: `/execution/${of.abandoned}`, there: text('nobody drives it') },
    { name: 'execution-completed', place: `/execution/${of.completed}`, there: text('Completed') },
    {
      name: 'execution-replay',
      place: `/execution/${of.completed}?tab=replay`,
      there: (page) => page.getByRole('slider').waitFor(),
    },
    { name: 'execution-log', place: `/execution/${of.completed}?tab=log`, there: text('signed') },
    { name: 'execution-postmortem', place: `/execution/${of.completed}?tab=postmortem`, there: text('Timeline') },
    { name: 'execution-unknown', place: '/execution/0000', there: text('hint') },
    {
      name: 'history',
      place: '/history',
      there: (page) =>
        page
          .getByRole('link', { name: /Deploy that breaks/ })
          .first()
          .waitFor(),
    },
    { name: 'alert', place: '/alert', there: (page) => page.getByRole('textbox').first().waitFor() },
    ...['', '/catalog', '/contexts', '/policy', '/secrets', '/appearance', '/doctor'].map((section) => ({
      name: `settings${section.replace('/', '-')}`,
      place: `/settings${section}`,
      there: (page: Page) => page.getByRole('heading', { name: 'Settings' }).waitFor(),
    })),
    { name: 'nowhere', place: '/no/such/place', there: text('There is nothing at this address') },
  ];
}

describe('every screen', () => {
  test(
    'can be used by everybody, in light and dark, wide and narrow',
    { timeout: 900_000 },
    async ({ belay, visitor }) => {
      visitor.allow(BACKEND_GONE, /status of (401|422)/);
      const stage = await prepare(belay, visitor);
      const first = await visitor.enter(stage.link);
      const state = await first.context().storageState();
      for (const { scheme, width, height } of LOOKS) {
        const look = `${scheme}-${width}`;
        const phone = width < 720;
        const page = await visitor.window({
          colorScheme: scheme,
          viewport: { width, height },
          storageState: state,
          ...(phone ? { hasTouch: true, isMobile: true } : {}),
        });
        await page.goto(`http://${belay.address}/`);
        const shoot = async (name: string) => {
          await page.screenshot({ path: join(ARTEFACTS, 'screens', look, `${name}.png`) });
          await accessible(page, scheme, `${name} (${look})`);
          const wider = await page.evaluate(
            () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
          );
          expect.soft(wider, `${name} (${look}) does not scroll sideways`).toBeLessThanOrEqual(0);
        };
        for (const { name, place, there } of screens(stage)) {
          await page.goto(`http://${belay.address}/#${place}`);
          await there(page);
          await page.locator('[aria-busy="true"]').first().waitFor({ state: 'hidden' });
          await shoot(name);
        }

        await page.goto(`http://${belay.address}/#/alert`);
        await page.getByRole('textbox').first().fill(ALERT);
        await page.getByRole('button', { name: /Find/ }).last().click();
        await page.getByRole('link', { name: /pod/i }).first().waitFor();
        await shoot('alert-found');

        await page.goto(`http://${belay.address}/#/`);
        await text(/^\d+ runbooks/)(page);
        await page.keyboard.press('Escape');
        await page.keyboard.press('Control+k');
        await page.getByRole('dialog').waitFor();
        await shoot('palette');
        await page.keyboard.press('Escape');
        await page.getByRole('dialog').waitFor({ state: 'hidden' });
        await page.keyboard.press('?');
        await page.getByRole('dialog', { name: 'Keys' }).waitFor();
        await shoot('keys');
        await page.keyboard.press('Escape');

        await page.goto(`http://${belay.address}/#/execution/${stage.executions.approval}`);
        await region('Approve exactly this')(page);
        await page.getByRole('button', { name: /^Abort/ }).click();
        await page.getByRole('dialog').waitFor();
        await shoot('dialog');
        await page.context().close();
      }
    },
  );
});

const ALERT = JSON.stringify({
  labels: { alertname: 'PodCrashLooping', namespace: 'shop', pod: 'web-1', severity: 'critical' },
  annotations: { summary: 'A pod restarts again and again' },
});
