import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { InputView, StartForm } from '../../backend/api';
import { Refused } from '../../backend/backend';
import { StartState } from './start.svelte';

const input = (name: string, change: Partial<InputView> = {}): InputView => ({
  name,
  kind: 'string',
  description: null,
  value: null,
  is_default: false,
  options: [],
  pattern: null,
  required: true,
  problem: null,
  hint: null,
  ...change,
});

const form = (inputs: InputView[], change: Partial<StartForm> = {}): StartForm => ({
  inputs,
  checklist: [],
  context: 'local',
  environment: 'local',
  production: false,
  needs_ticket: false,
  obstacles: [],
  ...change,
});

describe('what somebody types before a start', () => {
  let asked: { name: string; args: unknown }[];
  let answer: (name: string) => unknown;
  const caller = {
    call: (name: string, args: unknown) => {
      asked.push({ name, args });
      return Promise.resolve().then(() => answer(name));
    },
  } as never;

  beforeEach(() => {
    vi.useFakeTimers();
    sessionStorage.clear();
    asked = [];
    answer = () => form([input('url'), input('port', { kind: 'integer', value: '80', is_default: true })]);
  });
  afterEach(() => vi.useRealTimers());

  it('is judged once typing rests', async () => {
    const state = new StartState(caller, 'shop', undefined);
    await state.judge();
    state.type('url', 'h');
    state.type('url', 'http');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked.map((of) => (of.args as { variables: object }).variables)).toEqual([{}, { url: 'http' }]);
  });

  it('shows the default until something else is typed, and again after a reset', async () => {
    const state = new StartState(caller, 'shop', undefined);
    await state.judge();
    const [, port] = state.form.value?.inputs ?? [];
    expect(port && state.value(port)).toBe('80');
    state.type('port', '');
    expect(port && state.value(port), 'an emptied field stays empty').toBe('');
    state.reset('port');
    expect(port && state.value(port)).toBe('80');
  });

  it('shows a missing value as a problem only after somebody tried', async () => {
    const state = new StartState(caller, 'shop', undefined);
    await state.judge();
    const [url] = state.form.value?.inputs ?? [];
    expect(url && state.problem(url)).toBeUndefined();
    state.tried = true;
    expect(url && state.problem(url)?.message).toBe('`url` is needed');
  });

  it('says what keeps it from starting', async () => {
    answer = () =>
      form([input('port', { problem: 'not a number', value: 'x' })], {
        needs_ticket: true,
        obstacles: [
          { what: 'no kubectl', hint: null, blocking: false },
          { what: 'an action is missing', hint: null, blocking: true },
        ],
      });
    const state = new StartState(caller, 'shop', undefined);
    state.type('port', 'x');
    await state.judge();
    expect(state.blockers).toEqual(['an action is missing', 'not a number', 'production needs a change ticket']);
    state.ticket = 'CHG-1';
    expect(state.blockers.length, 'the ticket is there').toBe(2);
  });

  it('survives a reload, and is forgotten once it has started', async () => {
    const first = new StartState(caller, 'shop', undefined);
    first.type('url', 'http://x');
    first.incident = 'INC-7';
    const second = new StartState(caller, 'shop', undefined);
    expect(second.start).toMatchObject({ variables: { url: 'http://x' }, incident: 'INC-7' });
    answer = () => ({ execution: 'abc' });
    expect(await second.begin()).toBe('abc');
    expect(new StartState(caller, 'shop', undefined).start.incident).toBeNull();
  });

  it('keeps what was typed when the start is refused', async () => {
    answer = () => {
      throw new Refused({ class: 'refused', message: 'no', hint: 'give a ticket' });
    };
    const state = new StartState(caller, 'shop', undefined);
    state.type('url', 'http://x');
    expect(await state.begin()).toBeUndefined();
    expect([state.refused?.hint, state.start.variables['url']]).toEqual(['give a ticket', 'http://x']);
  });

  it('knows a plan that is about something else', async () => {
    answer = (name) => (name === 'plan' ? { steps: [] } : form([input('url')]));
    const state = new StartState(caller, 'shop', undefined);
    await state.look();
    expect([state.stale, asked[0]?.args]).toEqual([false, { start: state.start, offline: true }]);
    state.type('url', 'x');
    expect(state.stale).toBe(true);
    await state.look();
    expect(state.stale).toBe(false);
    state.offline = false;
    expect(state.stale, 'live state was not read').toBe(true);
  });

  it('does not wait for a plan that nobody wants any more', async () => {
    const state = new StartState(caller, 'shop', undefined);
    const looking = state.look();
    state.stopLooking();
    await looking;
    expect([state.plan.value, state.plan.busy, state.planned]).toEqual([undefined, false, undefined]);
  });
});
