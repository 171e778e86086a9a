import { describe, expect, it } from 'vitest';

import { execution, hit } from '../../domain/samples';
import { entries, matches } from './entries';

const act = (label: string, keyOnly = false) => ({ id: label, label, keyOnly, run: () => undefined });

describe('the palette', () => {
  it('finds words by their beginnings, in any order', () => {
    expect(matches('sta run', 'Start this runbook')).toBe(true);
    expect(matches('tart', 'Start this runbook')).toBe(false);
    expect(matches('', 'anything')).toBe(true);
  });

  it('puts runbooks first once something is typed, and what can be done first before', () => {
    const titles = (typed: string) =>
      entries(typed, [act('Pause the world')], [hit('p')], [execution('e')]).map(({ title }) => title);
    expect(titles('')).toEqual(['Do', 'Executions', 'Runbooks']);
    expect(titles('pau')).toEqual(['Runbooks', 'Do']);
  });

  it('leaves out what is only a key', () => {
    expect(entries('', [act('Next row', true)], [], [])).toEqual([]);
  });

  it('finds an execution by its status, incident or ticket', () => {
    const runs = [execution('e', { status: 'failed', incident: 'INC-42', ticket: 'CHG-7' })];
    for (const typed of ['failed', 'inc 42', 'chg']) {
      expect(entries(typed, [], [], runs), typed).toHaveLength(1);
    }
  });
});
