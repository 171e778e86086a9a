import { describe, expect, it } from 'vitest';
import type { LogEntry } from '../../backend/api';
import { sampleView, sampleWaiting } from '../execution/samples';
import { HistoryState, withView, type Wire } from './history.svelte';
import { RecordState } from './record.svelte';
import recorded from './rolled-back.fixture.json';

const one = (execution: string, started_at: string, change = {}) => sampleView({ execution, started_at, ...change });

describe('the list of executions', () => {
  it('puts a new one where its time belongs and replaces a known one', () => {
    const list = [one('b', '2026-11-26T12:00:00Z'), one('a', '2026-11-26T10:00:00Z')];
    expect(withView(list, one('c', '2026-11-26T11:00:00Z')).map((of) => of.execution)).toEqual(['b', 'c', 'a']);
    const changed = withView(list, one('a', '2026-11-26T10:00:00Z', { status: 'completed' }));
    expect(changed.map((of) => [of.execution, of.status])).toEqual([
      ['b', 'in_progress'],
      ['a', 'completed'],
    ]);
  });

  it('filters, and shows what waits all the same', async () => {
    const list = [
      one('a', '2026-11-26T10:00:00Z', { status: 'waiting', waiting_on: [sampleWaiting('manual', 's')] }),
      one('b', '2026-11-26T09:00:00Z', { status: 'completed' }),
      one('c', '2026-11-26T08:00:00Z', { status: 'failed', runbook: { id: 'X', name: 'x', title: 'X', digest: '' } }),
    ];
    const wire = { call: () => Promise.resolve(list), onExecution: () => () => {}, onAnew: () => () => {} };
    const state = new HistoryState(wire);
    await state.load();
    const shown = (status: string, runbook = '') => {
      state.filter = { status, runbook };
      return state.shown.map((of) => of.execution);
    };
    expect([shown(''), shown('completed'), shown('open'), shown('', 'X')]).toEqual([
      ['a', 'b', 'c'],
      ['b'],
      ['a'],
      ['c'],
    ]);
    expect(state.waiting.map((of) => of.execution)).toEqual(['a']);
    expect(state.runbooks.map((of) => of.title)).toEqual(['The shop is slow', 'X']);
  });

  it('takes in what is told while the answer is on its way', async () => {
    let answer: (list: unknown) => void = () => undefined;
    const wire = {
      call: () => new Promise((resolve) => (answer = resolve)),
      onExecution: () => () => {},
      onAnew: () => () => {},
    };
    const state = new HistoryState(wire as unknown as Wire);
    const loading = state.load();
    state.hear(one('a', '2026-11-26T10:00:00Z', { status: 'completed' }));
    answer([one('a', '2026-11-26T10:00:00Z')]);
    await loading;
    expect(state.shown.map((of) => of.status)).toEqual(['completed']);
  });
});

describe('the record of an execution', () => {
  const caller = (log: unknown[]) => ({ call: () => Promise.resolve(log) }) as never;

  it('steps from one stop to the next and stays within the log', async () => {
    const record = new RecordState(caller(recorded.log), 'x');
    await record.load();
    expect(record.cursor, 'it begins at the end').toBe(record.length);
    record.to(0);
    record.step(1);
    expect(record.cursor).toBe(1);
    record.step(-1);
    record.step(-1);
    expect(record.cursor).toBe(0);
    record.to(1_000);
    expect(record.cursor).toBe(record.length);
  });

  it('plays from the beginning to the end', async () => {
    const record = new RecordState(caller(recorded.log), 'x');
    await record.load();
    record.play();
    let beats = 1;
    while (record.beat()) {
      beats += 1;
    }
    expect([record.cursor, record.playing, beats > 10]).toEqual([record.length, false, true]);
  });

  it('names the events that do not verify', async () => {
    const log = (recorded.log as unknown as LogEntry[]).map((entry, index) =>
      index === 4 ? { ...entry, verified: false, fault: 'the signature does not hold' } : entry,
    );
    const record = new RecordState(caller(log), 'x');
    await record.load();
    expect(record.faults.map((entry) => entry.n)).toEqual([5]);
  });
});
