import { describe, expect, it, vi } from 'vitest';

import { Actions, keyLabel, type Action } from './actions.svelte';
import { looksLikeAlert } from './alerts.svelte';
import { Draft } from './draft.svelte';
import { clock, duration, fared, relative, visible } from './format';
import { Rows } from './rows.svelte';
import { lookOf } from './status';

describe('actions', () => {
  const action = (id: string, keys: string[], run = vi.fn<() => void>()): Action => ({ id, label: id, keys, run });

  it('do what the latest offer of a key says, and what was before once it is withdrawn', () => {
    const actions = new Actions();
    const shell = action('shell', ['a']);
    const page = action('page', ['a']);
    actions.offer(() => [shell]);
    const withdraw = actions.offer(() => [page]);
    actions.press('a', 0);
    withdraw();
    actions.press('a', 1);
    expect(page.run).toHaveBeenCalledTimes(1);
    expect(shell.run).toHaveBeenCalledTimes(1);
  });

  it('take two keys one after the other, unless the pause is too long', () => {
    const actions = new Actions();
    const go = action('go', ['g c']);
    actions.offer(() => [go]);
    expect(actions.press('g', 0)).toBe(true);
    expect(actions.press('c', 500)).toBe(true);
    expect(go.run).toHaveBeenCalledTimes(1);
    actions.press('g', 1_000);
    expect(actions.press('c', 5_000), 'the first key is forgotten').toBe(false);
  });

  it('leave keys alone that nobody asked for', () => {
    expect(new Actions().press('z', 0)).toBe(false);
  });

  it('are written for people', () => {
    expect(['Enter', 'g c', 'Mod+k', '?'].map(keyLabel)).toEqual(['↵', 'g c', 'Ctrl K', '?']);
  });
});

describe('text', () => {
  it('shows characters that would hide or reorder it', () => {
    expect(visible('rm\u001b[2K\u202eok\u0000\u200b\u007f')).toBe('rm‹ESC›[2K‹U+202E›ok‹NUL›‹U+200B›‹DEL›');
    expect(visible('a\tb\r\nc\n')).toBe('a\tb\nc\n');
    expect(visible('über ☂ 日本')).toBe('über ☂ 日本');
  });
});

describe('time', () => {
  it('is told in the unit that matters', () => {
    expect([0.42, 9.96, 42, 200, 3_600, 7_500, 100_000].map(duration)).toEqual([
      '0.4 s',
      '10 s',
      '42 s',
      '3 min 20 s',
      '1 h 00 min',
      '2 h 05 min',
      '1 d 3 h',
    ]);
    expect([5, 200, 3_849].map(clock)).toEqual(['00:05', '03:20', '1:04:09']);
  });

  it('is told relative to now', () => {
    const now = Date.parse('2026-01-02T12:00:00Z');
    expect(relative('2026-01-02T11:59:50Z', now)).toBe('just now');
    expect(relative('2026-01-02T11:55:00Z', now)).toBe('5 minutes ago');
    expect(relative('2026-01-01T12:00:00Z', now)).toBe('yesterday');
    expect(relative('not a time', now)).toBe('not a time');
  });
});

describe('a pasted text', () => {
  it('is an alert where it says so itself', () => {
    expect(looksLikeAlert('{"alerts":[]}')).toBe(true);
    expect(looksLikeAlert(' [{"labels":{}}]')).toBe(true);
    for (const text of ['database down', '{"a":1}', '{not json', '[]', 'null', '[1]']) {
      expect(looksLikeAlert(text), text).toBe(false);
    }
  });
});

describe('a draft', () => {
  it('survives the page and is gone once it arrived', () => {
    new Draft('note:1').text = 'half a thought';
    const again = new Draft('note:1', 'unused');
    expect(again.text).toBe('half a thought');
    again.clear();
    expect(new Draft('note:1', 'fresh').text).toBe('fresh');
  });
});

describe('a long list', () => {
  it('has rows where they are, whatever their heights', () => {
    const rows = new Rows(10);
    rows.resize(10_000);
    expect(rows.total).toBe(100_000);
    rows.measure(0, 100);
    rows.measure(5_000, 1);
    expect(rows.total).toBe(100_081);
    expect(rows.offset(1)).toBe(100);
    expect(rows.offset(5_001)).toBe(50_091);
    expect(rows.at(99)).toBe(0);
    expect(rows.at(100)).toBe(1);
    for (const row of [0, 1, 17, 4_999, 5_000, 5_001, 9_999]) {
      expect(rows.at(rows.offset(row)), `row ${row} begins at its offset`).toBe(row);
    }
  });

  it('draws what is seen and a little beyond, also at its ends', () => {
    const rows = new Rows(20);
    rows.resize(1_000);
    const { from, to } = rows.window(4_000, 400);
    expect(from).toBeLessThan(200);
    expect(to).toBeGreaterThan(220);
    expect(to - from).toBeLessThan(40);
    expect(rows.window(1e9, 400).to).toBe(1_000);
    rows.resize(0);
    expect(rows.window(0, 400)).toEqual({ from: 0, to: 0, offset: 0 });
  });
});

describe('a status', () => {
  it('has a word, and an unknown one is shown as it is written', () => {
    expect(lookOf('execution', 'stuck')).toMatchObject({ word: 'Stuck', tone: 'stuck' });
    expect(lookOf('step', 'from_the_future').word).toBe('from the future');
  });
});

describe('how executions went', () => {
  it('is told with what is counted', () => {
    expect(fared({ executions: 0, finished: 0, succeeded: 0 })).toBe('');
    expect(fared({ executions: 3, finished: 3, succeeded: 3 })).toBe('3 of 3 finished runs succeeded');
    expect(fared({ executions: 4, finished: 1, succeeded: 0 })).toBe('0 of 1 finished run succeeded, 3 not finished');
  });
});
