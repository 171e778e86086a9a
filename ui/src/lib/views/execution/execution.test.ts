import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { ExecutionPage, ExecutionView, SayRequest, StepSpec } from '../../backend/api';
import { Refused } from '../../backend/backend';
import { ExecutionState, type Wire } from '../../domain/execution/live.svelte';
import { asks, type Choice } from '../../domain/execution/ask';
import { Draft } from '../../domain/draft.svelte';
import {
  sampleAct,
  sampleApproval,
  samplePage,
  sampleStep,
  sampleView,
  sampleWaiting,
} from '../../domain/execution/samples';
import AskPanel from './AskPanel.svelte';
import OutputPane from './OutputPane.svelte';
import StepCard from './StepCard.svelte';
import { OutputBuffer } from '../../domain/execution/output';

class FakeWire implements Wire {
  said: SayRequest[] = [];
  looked: unknown[] = [];
  refusal: Refused | undefined;
  page: ExecutionPage = samplePage();

  call(name: string, args: unknown): Promise<never> {
    if (name === 'say') {
      this.said.push(args as SayRequest);
      return this.refusal === undefined ? Promise.resolve({} as never) : Promise.reject(this.refusal);
    }
    if (name === 'candidates_in') {
      this.looked.push(args);
      const candidates = [{ value: 'web-1', note: 'not ready' }];
      return Promise.resolve([{ name: 'pod', candidates, problem: null }] as never);
    }
    return Promise.resolve(this.page as never);
  }

  watch(): () => void {
    return () => undefined;
  }

  onAnew(): () => void {
    return () => undefined;
  }
}

const HOSTILE = '<img src=x onerror="alert(1)"> \u202eevil\u001b[2J';

async function shown(view: ExecutionView): Promise<{ wire: FakeWire; state: ExecutionState }> {
  const wire = new FakeWire();
  wire.page = samplePage({ view });
  const state = new ExecutionState(wire, { say: () => undefined }, view.execution, (draw) => draw());
  state.start();
  await waitFor(() => expect(state.view).toBeDefined());
  return { wire, state };
}

beforeEach(() => {
  sessionStorage.clear();
  vi.stubGlobal(
    'ResizeObserver',
    class {
      observe(): void {}
      unobserve(): void {}
      disconnect(): void {}
    },
  );
});

afterEach(cleanup);

describe('an approval', () => {
  const view = sampleView({
    steps: [sampleStep('change', { status: 'waiting_approval', acts: [sampleAct()], approval: sampleApproval() })],
    waiting_on: [sampleWaiting('approval', 'change')],
  });

  async function panel(): Promise<{ wire: FakeWire; button: HTMLButtonElement; field: HTMLInputElement }> {
    const { wire, state } = await shown(view);
    const [ask] = asks(view);
    if (ask === undefined) {
      throw new Error('nothing is asked');
    }
    render(AskPanel, { state, ask, note: new Draft('n'), onchoose: () => undefined, onreject: () => undefined });
    return {
      wire,
      button: screen.getByRole<HTMLButtonElement>('button', { name: /Approve/ }),
      field: screen.getByLabelText<HTMLInputElement>(/Type the target/),
    };
  }

  async function type(field: HTMLInputElement, text: string): Promise<void> {
    field.value = text;
    field.dispatchEvent(new Event('input', { bubbles: true }));
    await Promise.resolve();
  }

  it('is given only with the target typed, for the digest that is shown', async () => {
    const { wire, button, field } = await panel();
    expect(button.disabled, 'nothing is typed yet').toBe(true);
    await type(field, 'shop-2');
    expect(button.disabled, 'that is another target').toBe(true);
    await type(field, 'shop-1');
    await waitFor(() => expect(button.disabled).toBe(false));
    button.click();
    await waitFor(() => expect(wire.said.length).toBe(1));
    expect(wire.said[0]?.saying).toEqual({
      say: 'approve',
      step: 'change',
      digest: sampleApproval().digest,
      target: 'shop-1',
    });
    await waitFor(() => expect(field.value, 'it arrived').toBe(''));
  });

  it('keeps what was typed when it is refused, and says why', async () => {
    const { wire, button, field } = await panel();
    wire.refusal = new Refused({ class: 'refused', message: 'what would run has changed', hint: 'look again' });
    await type(field, 'shop-1');
    await waitFor(() => expect(button.disabled).toBe(false));
    button.click();
    expect(await screen.findByText('what would run has changed')).toBeTruthy();
    expect(field.value).toBe('shop-1');
  });
});

describe('a stuck undo', () => {
  it('shows what was, what the step left, and what is now', async () => {
    const detail = { before: { replicas: 2 }, after: { replicas: 4 }, live: { replicas: 7 } };
    const options = ['retry', 'by-hand', 'leave'].map((name) => ({ name, description: name }));
    const view = sampleView({
      status: 'stuck',
      steps: [sampleStep('scale', { status: 'succeeded', undo: { status: 'stuck', output: 'scale back', detail } })],
      waiting_on: [sampleWaiting('undo', 'scale', { options })],
    });
    const { state } = await shown(view);
    const [ask] = asks(view);
    const chosen: unknown[] = [];
    render(AskPanel, {
      state,
      ask: ask as NonNullable<typeof ask>,
      note: new Draft('n'),
      onchoose: (choice: Choice) => chosen.push(choice.said),
      onreject: () => undefined,
    });
    for (const [name, value] of [
      ['Before', '2'],
      ['After', '4'],
      ['Live', '7'],
    ] as const) {
      expect(screen.getByRole('region', { name }).textContent).toContain(`"replicas": ${value}`);
    }
    screen.getByRole('button', { name: /try again/ }).click();
    expect(chosen).toEqual([{ say: 'settle_undo', step: 'scale', choice: 'retry' }]);
  });
});

describe('a hostile runbook', () => {
  it('stays text in the step', () => {
    const step = sampleStep('x', {
      title: HOSTILE,
      status: 'failed',
      error: HOSTILE,
      acts: [sampleAct({ description: HOSTILE, target: HOSTILE, parameters: { [HOSTILE]: HOSTILE } })],
      undo: { status: 'ready', output: HOSTILE, detail: null },
      approval: sampleApproval({ status: 'rejected', reasons: [HOSTILE] }),
    });
    const { container } = render(StepCard, { step, spec: undefined as StepSpec | undefined, position: 1, of: 1 });
    expect(container.querySelector('img')).toBeNull();
    expect(container.textContent).toContain('<img src=x onerror="alert(1)">');
    expect(container.textContent, 'what turns the reading around is shown').not.toContain('\u202e');
  });

  it('stays text in its output', () => {
    const buffer = new OutputBuffer();
    buffer.act(HOSTILE);
    buffer.write(0, { stream: 'stderr', text: `${HOSTILE}\n` });
    const { container } = render(OutputPane, {
      buffer,
      version: 1,
      live: false,
      label: 'Output',
      query: '',
      follow: true,
    });
    expect(container.querySelector('.viewport img')).toBeNull();
    expect(container.querySelector('.stderr')?.textContent).toContain('stderr: <img');
    expect(container.textContent).not.toContain('\u202e');
  });
});

describe('a value that is missing', () => {
  it('is proposed with what is typed for the others, and given as it stands', async () => {
    const waits = sampleWaiting('input', 'change', {
      options: [
        { name: 'namespace', description: '' },
        { name: 'pod', description: '' },
      ],
    });
    const view = sampleView({ steps: [sampleStep('change', { status: 'waiting_input' })], waiting_on: [waits] });
    const { wire, state } = await shown(view);
    const [ask] = asks(view);
    if (ask === undefined) {
      throw new Error('nothing is asked');
    }
    render(AskPanel, { state, ask, note: new Draft('n'), onchoose: () => undefined, onreject: () => undefined });
    const [namespace, pod] = screen.getAllByRole<HTMLInputElement>('combobox');
    if (namespace === undefined || pod === undefined) {
      throw new Error('two values are missing');
    }
    namespace.value = 'shop';
    namespace.dispatchEvent(new Event('input', { bubbles: true }));
    await waitFor(() => expect(namespace.value).toBe('shop'));
    pod.focus();
    await fireEvent.mouseDown(await screen.findByRole('option', { name: /web-1/ }));
    expect(wire.looked).toEqual([{ execution: state.id, given: { namespace: 'shop' }, names: ['pod'] }]);
    (await screen.findByRole('button', { name: /Go on with these values/ })).click();
    await waitFor(() => expect(wire.said.length).toBe(1));
    expect(wire.said[0]?.saying).toEqual({ say: 'provide', values: { namespace: 'shop', pod: 'web-1' } });
  });
});
