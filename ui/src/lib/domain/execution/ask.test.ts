import { describe, expect, it } from 'vitest';
import { asks, withNote } from './ask';
import { controls } from './controls';
import { sampleApproval, sampleStep, sampleView, sampleWaiting } from './samples';

const only = (view: Parameters<typeof asks>[0]) => {
  const [first, ...more] = asks(view);
  expect(more, 'one thing is asked').toEqual([]);
  return first;
};

describe('what a person is asked', () => {
  it('is nothing while it goes on by itself', () => {
    expect(asks(sampleView({ steps: [sampleStep('a', { status: 'running' })] }))).toEqual([]);
  });

  it('is whether a manual step was done', () => {
    const ask = only(sampleView({ waiting_on: [sampleWaiting('manual', 'look')] }));
    expect(ask?.kind === 'manual' && ask.choices.map((choice) => [choice.key, choice.said])).toEqual([
      ['d', { say: 'confirm', step: 'look', outcome: 'done', by_hand: false }],
      ['f', { say: 'confirm', step: 'look', outcome: 'failed', by_hand: false }],
    ]);
  });

  it('is a branch, each by its number', () => {
    const options = [
      { name: 'cache', description: 'prices are missing' },
      { name: 'end', description: 'ends it' },
    ];
    const ask = only(sampleView({ waiting_on: [sampleWaiting('decision', 'why', { options })] }));
    expect(ask?.kind === 'decision' && ask.choices.map((choice) => [choice.key, choice.label, choice.said])).toEqual([
      ['1', 'cache', { say: 'decide', step: 'why', branch: 'cache' }],
      ['2', 'end', { say: 'decide', step: 'why', branch: 'end' }],
    ]);
  });

  it('is an approval with the digest that is shown', () => {
    const approval = sampleApproval();
    const ask = only(
      sampleView({
        steps: [sampleStep('change', { status: 'waiting_approval', approval })],
        waiting_on: [sampleWaiting('approval', 'change')],
      }),
    );
    expect(ask).toEqual({ kind: 'approval', step: 'change', approval, takesBack: false });
  });

  it('is an approval of an undo where it may be rejected and nothing else', () => {
    const view = sampleView({
      steps: [sampleStep('change', { status: 'waiting_approval', approval: sampleApproval() })],
      waiting_on: [sampleWaiting('approval', 'change', { options: [{ name: 'reject', description: 'it stays' }] })],
    });
    expect(asks(view)[0]).toMatchObject({ kind: 'approval', takesBack: true });
    const { retry, skip, byHand } = controls(view, 'here');
    expect([retry, skip, byHand], 'neither of these is about the undo').toEqual([undefined, undefined, undefined]);
  });

  it('is a new request where the old one ended', () => {
    const approval = sampleApproval({ status: 'voided', difference: ['replicas: 2 → 5'] });
    const ask = only(
      sampleView({
        steps: [sampleStep('change', { approval })],
        waiting_on: [sampleWaiting('approval', 'change', { detail: 'it expired' })],
      }),
    );
    expect(ask?.kind).toBe('renewal');
    expect(ask?.kind === 'renewal' && ask.difference, 'what changed is shown').toEqual(['replicas: 2 → 5']);
    expect(ask?.kind === 'renewal' && ask.choices.map((choice) => choice.said.say)).toEqual(['retry', 'confirm']);
  });

  it('is what came of an act whose outcome is not known', () => {
    const options = ['done', 'not-done', 'failed', 'undo'].map((name) => ({ name, description: name }));
    const ask = only(sampleView({ waiting_on: [sampleWaiting('outcome', 'change', { options })] }));
    expect(ask?.kind === 'outcome' && ask.choices.map((choice) => choice.said)).toEqual(
      ['done', 'not-done', 'failed', 'undo'].map((outcome) => ({
        say: 'confirm',
        step: 'change',
        outcome,
        by_hand: false,
      })),
    );
  });

  it('shows the three states of a stuck undo, with the visit that it belongs to', () => {
    const options = ['retry', 'by-hand', 'leave'].map((name) => ({ name, description: name }));
    const detail = { before: { replicas: 2 }, after: { replicas: 4 }, live: { replicas: 7 } };
    const ask = only(
      sampleView({
        status: 'stuck',
        steps: [sampleStep('scale', { undo: { status: 'stuck', output: 'scale back', detail } })],
        waiting_on: [sampleWaiting('undo', 'scale#2', { options })],
      }),
    );
    expect(ask?.kind === 'undo' && ask.sides).toEqual({ ...detail, error: undefined });
    expect(ask?.kind === 'undo' && ask.choices[0]?.said).toEqual({
      say: 'settle_undo',
      step: 'scale#2',
      choice: 'retry',
    });
  });

  it('is to retry or to skip where a step of the rollback failed', () => {
    const ask = only(sampleView({ waiting_on: [sampleWaiting('undo', 'notify')] }));
    expect(ask?.kind).toBe('recovery');
  });

  it('begins with the pause where it is paused', () => {
    const view = sampleView({ status: 'paused', waiting_on: [sampleWaiting('manual', 'look')] });
    expect(asks(view).map((ask) => ask.kind)).toEqual(['paused', 'manual']);
  });

  it('is what to do about a failure, unless something was taken back already', () => {
    const failed = sampleStep('change', { status: 'failed', error: 'exit status 2' });
    const ask = only(sampleView({ status: 'failed', steps: [failed] }));
    expect(ask?.kind === 'failure' && [ask.step, ask.detail]).toEqual(['change', 'exit status 2']);
    const undone = sampleView({ status: 'failed', steps: [sampleStep('a', { status: 'undone' }), failed] });
    expect(asks(undone), 'a failed execution that was rolled back is not opened again').toEqual([]);
  });

  it('takes a remark along where what is said has room for one', () => {
    expect(withNote({ say: 'approve', step: 'a', digest: 'd' }, ' fine ')).toEqual({
      say: 'approve',
      step: 'a',
      digest: 'd',
      comment: 'fine',
    });
    expect(withNote({ say: 'retry', step: 'a' }, 'text')).toEqual({ say: 'retry', step: 'a' });
    expect(withNote({ say: 'check', items: null }, ' '), 'nothing was typed').toEqual({ say: 'check', items: null });
  });
});
