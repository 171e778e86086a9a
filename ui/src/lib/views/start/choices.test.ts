import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, describe, expect, it } from 'vitest';
import type { Candidates, InputView, StartForm } from '../../backend/api';
import { Refused } from '../../backend/backend';
import { StartState } from '../../domain/start/start.svelte';
import InputField from './InputField.svelte';

const pod: InputView = {
  name: 'pod',
  kind: 'string',
  description: 'The pod',
  value: null,
  is_default: false,
  options: [],
  pattern: null,
  required: true,
  problem: null,
  hint: null,
};

const found = (...values: [string, string][]): Candidates[] => [
  { name: 'pod', candidates: values.map(([value, note]) => ({ value, note })), problem: null },
];

/** A field of a start whose proposals are answered by hand. */
function shown(answer: () => Promise<Candidates[]>): { state: StartState; field: HTMLInputElement; asked: unknown[] } {
  const asked: unknown[] = [];
  const caller = {
    call: (name: string, args: unknown) => {
      if (name === 'candidates') {
        asked.push(args);
        return answer();
      }
      return Promise.resolve({ inputs: [pod] } as Partial<StartForm>);
    },
  } as never;
  const state = new StartState(caller, 'shop', undefined);
  render(InputField, { start: state, input: pod });
  return { state, field: screen.getByRole<HTMLInputElement>('combobox'), asked };
}

async function press(field: HTMLInputElement, key: string): Promise<KeyboardEvent> {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true });
  field.dispatchEvent(event);
  await Promise.resolve();
  return event;
}

afterEach(() => {
  cleanup();
  sessionStorage.clear();
});

describe('a field with proposals', () => {
  it('looks when somebody comes to it, says so, and takes only what was picked', async () => {
    let arrive: (found: Candidates[]) => void = () => undefined;
    const { state, field, asked } = shown(() => new Promise((resolve) => (arrive = resolve)));
    expect(asked, 'nobody came yet').toEqual([]);
    field.focus();
    await screen.findByText('Looking for what it could be …');
    arrive(found(['web-1', 'CrashLoopBackOff, 12 restarts'], ['web-2', 'ready']));
    await screen.findByText('2 proposals, or type another value');
    expect(screen.getAllByRole('option').map((option) => option.textContent.trim().replace(/\s+/g, ' '))).toEqual([
      'web-1 CrashLoopBackOff, 12 restarts',
      'web-2 ready',
    ]);
    expect(field.getAttribute('aria-expanded')).toBe('true');
    expect(state.value(pod), 'nothing is picked by itself').toBe('');
    expect((await press(field, 'Enter')).defaultPrevented, 'Enter means the form').toBe(false);
    await press(field, 'ArrowDown');
    await press(field, 'ArrowDown');
    await waitFor(() => {
      const active = field.getAttribute('aria-activedescendant');
      expect(active !== null && document.getElementById(active)?.textContent).toContain('web-2');
    });
    expect((await press(field, 'Enter')).defaultPrevented).toBe(true);
    expect(state.value(pod)).toBe('web-2');
    await waitFor(() => expect(field.getAttribute('aria-expanded')).toBe('false'));
  });

  it('narrows with what is typed, and any other value can be typed', async () => {
    const { state, field } = shown(() => Promise.resolve(found(['web-1', ''], ['cart-1', 'of deployment cart'])));
    field.focus();
    await screen.findByText('2 proposals, or type another value');
    state.type('pod', 'cart');
    await screen.findByText('1 proposal, or type another value');
    state.type('pod', '7');
    await waitFor(() => expect(field.getAttribute('aria-expanded')).toBe('false'));
    expect(state.start.variables).toEqual({ pod: '7' });
  });

  it('closes on Escape without leaving the page, and a click picks', async () => {
    const { state, field } = shown(() => Promise.resolve(found(['web-1', ''])));
    field.focus();
    const option = await screen.findByRole('option');
    expect((await press(field, 'Escape')).defaultPrevented).toBe(true);
    await waitFor(() => expect(field.getAttribute('aria-expanded')).toBe('false'));
    expect((await press(field, 'Escape')).defaultPrevented, 'the second one is not for it').toBe(false);
    await press(field, 'ArrowDown');
    await fireEvent.mouseDown(option);
    expect(state.value(pod)).toBe('web-1');
  });

  it('says why nothing could be listed, and looks again the next time', async () => {
    let refused = true;
    const { field, asked } = shown(() =>
      refused
        ? Promise.reject(new Refused({ class: 'environment', message: 'no cluster', hint: null }))
        : Promise.resolve(found(['web-1', ''])),
    );
    field.focus();
    await screen.findByText('What it could be cannot be listed: no cluster');
    field.blur();
    refused = false;
    field.focus();
    await screen.findByText('1 proposal, or type another value');
    field.blur();
    field.focus();
    await Promise.resolve();
    expect(asked.length, 'what was found is not looked for again').toBe(2);
  });

  it('shows what a cluster calls itself as text', async () => {
    const { field } = shown(() => Promise.resolve(found(['<img src=x>', '\u202eevil\u001b[2J'])));
    field.focus();
    const [option] = await screen.findAllByRole('option');
    expect(option?.querySelector('img')).toBeNull();
    expect(['\u001b', '\u202e'].some((steers) => document.body.textContent.includes(steers))).toBe(false);
  });
});
