import { beforeEach, describe, expect, it } from 'vitest';

import type { EditView, RunbookPage, Validated } from '../backend/api';
import { Refused } from '../backend/backend';
import { FakeBackend, type Answers } from '../backend/fake';
import { Editing } from './editing.svelte';
import { runbook } from './samples';
import { Session } from './session.svelte';

const EDIT: EditView = { text: 'kept: 1\n', target: '/r/x.yaml', copies: false, left_over: false };
const GOOD: Validated = { findings: [], preview: runbook() };
const pause = () => new Promise((resolve) => setTimeout(resolve, 300));

function opened(answers: Answers) {
  const backend = new FakeBackend({ edit: EDIT, save_draft: GOOD, discard_draft: {}, ...answers });
  const editing = new Editing(new Session(backend), 'x');
  const saved = () =>
    backend.calls.filter(({ name }) => name === 'save_draft').map(({ args }) => (args as { text: string }).text);
  return { backend, editing, saved };
}

describe('an edit', () => {
  beforeEach(() => sessionStorage.clear());

  it('saves what is typed once the typing pauses', async () => {
    const { editing, saved } = opened({});
    await editing.open();
    editing.type('a');
    editing.type('ab');
    expect(editing.saving).toBe('typing');
    await pause();
    expect(saved()).toEqual(['kept: 1\n', 'ab']);
    expect(editing.saving).toBe('saved');
  });

  it('keeps what was typed over a lost backend and a reload, and saves it then', async () => {
    const { backend, editing } = opened({});
    await editing.open();
    backend.answer({
      save_draft: () => {
        throw Refused.gone();
      },
    });
    editing.type('typed in the dark');
    await pause();
    expect(editing.saving).toBe('unsaved');
    expect(editing.text).toBe('typed in the dark');

    const again = opened({});
    await again.editing.open();
    expect(again.editing.text, 'the page had it when it was left').toBe('typed in the dark');
    expect(again.editing.rescued).toBe(true);
    expect(again.saved()).toEqual(['typed in the dark']);
    expect(sessionStorage.length, 'the application has it now').toBe(0);
  });

  it('begins the edit again where the application was started anew', async () => {
    let under_way = true;
    const { backend, editing } = opened({
      save_draft: () => {
        if (!under_way) {
          throw new Refused({ class: 'user', message: 'no edit of `x` is under way', hint: null });
        }
        return GOOD;
      },
    });
    await editing.open();
    under_way = false;
    backend.answer({
      edit: () => {
        under_way = true;
        return { ...EDIT, left_over: true };
      },
    });
    editing.type('after the restart');
    await pause();
    expect(editing.saving).toBe('saved');
    expect(editing.text, 'the older draft does not come over what was typed').toBe('after the restart');
  });

  it('shows the last preview that could be read, and says that it is of an older text', async () => {
    const { backend, editing } = opened({});
    await editing.open();
    backend.answer({ save_draft: { findings: [], preview: null } });
    editing.type('[');
    await pause();
    expect(editing.outdated).toBe(true);
    expect(editing.preview?.name).toBe('sample');
  });

  it('says nothing of a left-over draft that changes nothing', async () => {
    const page = { text: EDIT.text } as RunbookPage;
    const same = opened({ edit: { ...EDIT, left_over: true }, runbook: page });
    await same.editing.open();
    expect(same.editing.edit.value?.left_over).toBe(false);
    const other = opened({ edit: { ...EDIT, text: 'other', left_over: true }, runbook: page });
    await other.editing.open();
    expect(other.editing.edit.value?.left_over).toBe(true);
  });

  it('leaves no draft behind when nothing was changed, and leaves it when something was', async () => {
    const { backend, editing } = opened({});
    await editing.open();
    await editing.close();
    expect(backend.calls.at(-1)?.name).toBe('discard_draft');

    const changed = opened({});
    await changed.editing.open();
    changed.editing.type('changed');
    await changed.editing.close();
    expect(changed.saved().at(-1), 'leaving does not wait for the pause').toBe('changed');
    expect(changed.backend.calls.some(({ name }) => name === 'discard_draft')).toBe(false);
  });

  it('keeps the newest text, not the one before the pause', async () => {
    const { backend, editing, saved } = opened({ keep_draft: { path: '/r/x.yaml', version: '1.1' } });
    await editing.open();
    editing.type('newest');
    await editing.keep('why', 'minor');
    expect(saved().at(-1)).toBe('newest');
    expect(backend.calls.at(-1)).toEqual({
      name: 'keep_draft',
      args: { runbook: 'x', changes: 'why', bump: 'minor' },
    });
  });
});
