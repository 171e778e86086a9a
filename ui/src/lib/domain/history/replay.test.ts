import { describe, expect, it } from 'vitest';
import type { ExecutionView, LogEntry } from '../../backend/api';
import recorded from './rolled-back.fixture.json';
import { frame, stops } from './replay';

const last = recorded.view as unknown as ExecutionView;
const log = recorded.log as unknown as LogEntry[];
const after = (text: string) => log.findIndex((entry) => entry.text.includes(text)) + 1;
const statuses = (n: number) =>
  Object.fromEntries(frame(last, log, n).view.steps.map((step) => [step.name, step.status]));

describe('the replay of an execution', () => {
  it('begins with nothing done', () => {
    const { view } = frame(last, log, 1);
    expect([view.status, view.duration_seconds, view.finished_at]).toEqual(['not_started', 0, null]);
    expect(new Set(view.steps.map((step) => step.status))).toEqual(new Set(['pending']));
    expect(
      view.steps.flatMap((step) => [...step.acts, ...step.attempts]),
      'nothing is known before it',
    ).toEqual([]);
  });

  it('waits for the approval that was given later', () => {
    const { view, step } = frame(last, log, after('`change` planned'));
    const change = view.steps.find((of) => of.name === 'change');
    expect([view.status, step, change?.status, change?.approval?.status, change?.approval?.given]).toEqual([
      'waiting',
      'change',
      'waiting_approval',
      'waiting',
      [],
    ]);
  });

  it('shows an act while it ran', () => {
    const { view } = frame(last, log, after('0.change.1.1.a0 starts'));
    const change = view.steps.find((of) => of.name === 'change');
    expect(change?.status).toBe('running');
    expect(
      change?.attempts.map((attempt) => attempt.act),
      'its undo is still to come',
    ).toEqual(['a0']);
    expect(change?.approval?.given.length).toBe(1);
  });

  it('shows the failure before the rollback', () => {
    const n = after('finished as failed');
    expect([frame(last, log, n).view.status, statuses(n)]).toEqual([
      'failed',
      { look: 'succeeded', change: 'succeeded', pick: 'succeeded', fails: 'failed', fin: 'pending' },
    ]);
  });

  it('ends as the execution ended', () => {
    const { view } = frame(last, log, log.length);
    expect([view.status, view.error, view.finished_at]).toEqual([last.status, last.error, last.finished_at]);
    expect(view.steps.map((step) => [step.name, step.status, step.branch, step.undo?.status])).toEqual(
      last.steps.map((step) => [
        step.name,
        step.status === 'not_taken' ? 'pending' : step.status,
        step.branch,
        step.undo?.status,
      ]),
    );
  });

  it('never shows what comes later', () => {
    for (let n = 1; n <= log.length; n++) {
      const { view } = frame(last, log, n);
      const open = view.steps.flatMap((step) => step.attempts).filter((attempt) => attempt.finished_at === null);
      expect(open.every((attempt) => attempt.status === 'running' && attempt.output === '')).toBe(true);
    }
  });

  it('stops where something happened', () => {
    expect(stops(log)).not.toContain(after('item(s) to take back'));
    expect(stops(log)).toContain(after('finished as rolled back'));
  });
});
