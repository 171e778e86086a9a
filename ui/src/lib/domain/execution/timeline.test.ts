import { describe, expect, it } from 'vitest';
import { controls } from './controls';
import { sampleAttempt, sampleStep, sampleView, sampleWaiting } from './samples';
import { currentStep, progress, timeline } from './timeline';

const NOW = Date.parse('2026-11-26T20:00:20Z');

describe('the timeline', () => {
  it('says who, when, how long and which attempt', () => {
    const step = sampleStep('change', {
      status: 'succeeded',
      attempts: [
        sampleAttempt({ status: 'failed' }),
        sampleAttempt({ n: 2, started_at: '2026-11-26T20:00:15Z', finished_at: '2026-11-26T20:00:18Z' }),
        sampleAttempt({ n: 2, act: 'u0', finished_at: '2026-11-26T21:00:00Z' }),
      ],
    });
    const [entry] = timeline(sampleView({ steps: [step] }), 1, NOW);
    expect([entry?.who, entry?.attempts, entry?.seconds], 'an undo is no attempt of the step').toEqual(['ada', 2, 8]);
  });

  it('goes on counting while an act runs', () => {
    const step = sampleStep('change', { status: 'running', attempts: [sampleAttempt({ finished_at: null })] });
    const [entry] = timeline(sampleView({ steps: [step] }), 1, NOW);
    expect([entry?.seconds, entry?.finishedAt, entry?.current]).toEqual([10, undefined, true]);
  });

  it('names the person who did it by hand, and the branch', () => {
    const step = sampleStep('pick', { status: 'succeeded', done_by: 'eve', by_hand: true, branch: 'good' });
    const [entry] = timeline(sampleView({ steps: [step] }), 1, NOW);
    expect([entry?.who, entry?.byHand, entry?.branch]).toEqual(['eve', true, 'good']);
  });

  it('puts the step in front that waits, even where another one was touched later', () => {
    const steps = [sampleStep('a', { attempts: [sampleAttempt()], status: 'succeeded' }), sampleStep('b')];
    expect(currentStep(sampleView({ steps, waiting_on: [sampleWaiting('undo', 'b#3')] }))?.name).toBe('b');
    expect(currentStep(sampleView({ steps }))?.name, 'else the last one that something happened to').toBe('a');
  });

  it('counts the steps that are over, without those on other branches', () => {
    const steps = ['succeeded', 'not_taken', 'running', 'pending'].map((status) => sampleStep(status, { status }));
    expect(progress(sampleView({ steps }), 4)).toEqual({ done: 1, of: 3 });
  });
});

describe('what may be done', () => {
  it('is to cancel what runs here, and nothing else to that step', () => {
    const steps = [sampleStep('a', { status: 'running', attempts: [sampleAttempt({ finished_at: null })] })];
    const may = controls(sampleView({ steps }), 'here');
    expect([may.cancel, may.pause, may.abort, may.retry, may.skip]).toEqual([true, true, true, undefined, undefined]);
    expect(controls(sampleView({ steps }), 'elsewhere').cancel, 'only the driver cancels').toBe(false);
  });

  it('is to skip a step that waits, and to do an automated one by hand', () => {
    const steps = [sampleStep('a', { status: 'waiting_approval' })];
    const may = controls(sampleView({ steps, waiting_on: [sampleWaiting('approval', 'a')] }), 'here');
    expect([may.skip, may.byHand]).toEqual(['a', 'a']);
  });

  it('is to go on where nobody drives', () => {
    expect(controls(sampleView(), 'nobody').drive).toBe(true);
    expect(controls(sampleView({ status: 'completed' }), 'nobody').drive, 'it is over').toBe(false);
  });

  it('is to open a failed execution again, or to roll it back', () => {
    const may = controls(sampleView({ status: 'failed', steps: [sampleStep('a', { status: 'failed' })] }), 'nobody');
    expect([may.retry, may.skip, may.byHand, may.rollback, may.abort]).toEqual(['a', 'a', 'a', true, false]);
  });

  it('leaves a stuck undo to its own choices', () => {
    const undo = { status: 'stuck', output: '', detail: null };
    const view = sampleView({ status: 'stuck', steps: [sampleStep('a', { status: 'succeeded', undo })] });
    const may = controls(view, 'here');
    expect([may.retry, may.skip, may.pause, may.rollback, may.abort]).toEqual([
      undefined,
      undefined,
      false,
      false,
      true,
    ]);
  });
});
