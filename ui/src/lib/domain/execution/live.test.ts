import { beforeEach, describe, expect, it } from 'vitest';
import type { Event, ExecutionPage } from '../../backend/api';
import type { Answer, Args, Stop } from '../../backend/backend';
import { Refused } from '../../backend/backend';
import type { Calls } from '../../backend/api';
import type { Heard } from '../session.svelte';
import { ExecutionState, type Wire } from './live.svelte';
import { sampleAct, sampleAttempt, samplePage, sampleStep, sampleView } from './samples';

class FakeWire implements Wire {
  asked: { name: string; args: unknown }[] = [];
  answers: (() => Promise<unknown>)[] = [];
  hear: ((heard: Heard) => void) | undefined;
  watched = '';
  anew: (() => void) | undefined;
  #n = 0;

  call<Name extends keyof Calls>(name: Name, args: Args<Name>): Promise<Answer<Name>> {
    this.asked.push({ name, args });
    return (this.answers.shift() ?? (() => Promise.resolve({})))() as Promise<Answer<Name>>;
  }

  watch(execution: string, hear: (heard: Heard) => void): Stop {
    this.watched = execution;
    this.hear = hear;
    return () => (this.hear = undefined);
  }

  onAnew(hear: () => void): Stop {
    this.anew = hear;
    return () => (this.anew = undefined);
  }

  tell(event: Event, n = ++this.#n, stream = 's'): void {
    this.#n = n;
    this.hear?.({ stream, n, event });
  }

  page(change: Partial<ExecutionPage> = {}): void {
    this.answers.push(() => Promise.resolve(samplePage(change)));
  }
}

const ID = sampleView().execution;
const output = (at: number, text: string, step = 'a'): Event => ({
  event: 'output',
  execution: ID,
  step,
  stream: 'stdout',
  at,
  text,
});
const act = (step = 'a'): Event => ({ event: 'act_started', execution: ID, step, act: sampleAct() });
const settled = () => new Promise((resolve) => setTimeout(resolve));

describe('an execution as it goes on', () => {
  let wire: FakeWire;
  let draws: (() => void)[];
  let told: string[];
  let state: ExecutionState;

  beforeEach(() => {
    wire = new FakeWire();
    draws = [];
    told = [];
    state = new ExecutionState(wire, { say: (text) => told.push(text) }, ID, (draw) => draws.push(draw));
  });

  const rows = () => state.live.rows(0, state.live.length).map((row) => row.text);

  it('shows what was answered, and then what is told', async () => {
    wire.page({ place: { stream: 's', n: 7 } });
    state.start();
    await settled();
    wire.tell({ event: 'execution', view: sampleView({ status: 'waiting' }), driven: 'here' }, 7);
    expect(state.view?.status, 'the snapshot holds event 7 already').toBe('in_progress');
    wire.tell({ event: 'execution', view: sampleView({ status: 'waiting' }), driven: 'elsewhere' }, 8);
    expect([state.view?.status, state.driven]).toEqual(['waiting', 'elsewhere']);
  });

  it('loses nothing that is told while the answer is on its way', async () => {
    wire.page({
      place: { stream: 's', n: 2 },
      running: { step: 'a', pieces: [{ stream: 'stdout', text: 'one\n' }], written: 4, cut: false },
    });
    state.start();
    wire.tell(act(), 1);
    wire.tell(output(0, 'one\n'), 2);
    wire.tell(output(4, 'two\n'), 3);
    await settled();
    expect(rows(), 'each piece is there once').toEqual(['one', 'two']);
  });

  it('follows an execution that was asked for by a shorter name', async () => {
    state = new ExecutionState(wire, { say: () => undefined }, '@last', (draw) => draws.push(draw));
    wire.page();
    wire.page({ view: sampleView({ status: 'waiting' }) });
    state.start();
    await settled();
    expect([wire.watched, state.view?.status]).toEqual([ID, 'waiting']);
  });

  it('draws new output once a frame, however much comes', async () => {
    wire.page();
    state.start();
    await settled();
    draws = [];
    wire.tell(act());
    for (let line = 0; line < 500; line++) {
      wire.tell(output(line * 2, 'x\n'));
    }
    expect(draws.length).toBe(1);
    draws[0]?.();
    expect([state.version > 0, state.live.length]).toEqual([true, 501]);
  });

  it('asks for everything anew and puts the output together', async () => {
    wire.page();
    state.start();
    await settled();
    wire.tell(act());
    wire.tell(output(0, 'one\ntwo\n'));
    wire.page({
      place: { stream: 's', n: 50 },
      running: { step: 'a', pieces: [{ stream: 'stdout', text: 'two\nthree\n' }], written: 14, cut: true },
    });
    wire.anew?.();
    await settled();
    wire.tell(output(14, 'four\n'), 51);
    expect(rows()).toEqual(['run touch /srv/flag', 'one', 'two', 'three', 'four']);
  });

  it('takes the output of another process as a new one', async () => {
    wire.page();
    state.start();
    await settled();
    wire.tell(act());
    wire.tell(output(0, 'before\n'));
    wire.page({
      place: { stream: 't', n: 3 },
      running: { step: 'a', pieces: [{ stream: 'stdout', text: 'after\n' }], written: 6, cut: false },
    });
    wire.anew?.();
    await settled();
    wire.tell(output(6, 'more\n'), 4, 't');
    expect(rows()).toEqual(['after', 'more']);
  });

  it('says what people should see', async () => {
    wire.page();
    state.start();
    await settled();
    wire.tell({ event: 'notice', execution: ID, text: 'tried again in 2 s' });
    wire.tell({ event: 'escalated', execution: ID, step: 'a', reason: 'nobody approved' });
    expect(told).toEqual(['tried again in 2 s', 'Escalated at a: nobody approved']);
  });

  it('keeps why driving ended until it goes on', async () => {
    wire.page();
    state.start();
    await settled();
    wire.tell({ event: 'stopped', execution: ID, error: 'the disk is full', hint: 'make room' });
    wire.tell({ event: 'execution', view: sampleView(), driven: 'nobody' });
    expect(state.stopped).toEqual({ error: 'the disk is full', hint: 'make room' });
    wire.tell({ event: 'execution', view: sampleView(), driven: 'here' });
    expect(state.stopped).toBeUndefined();
  });

  it('knows the act that runs, and when it has ended', async () => {
    wire.page();
    state.start();
    await settled();
    wire.tell(act());
    const running = sampleStep('a', { status: 'running', attempts: [sampleAttempt({ finished_at: null })] });
    wire.tell({ event: 'execution', view: sampleView({ steps: [running] }), driven: 'here' });
    expect(state.act?.act.target).toBe('shop-1');
    const done = sampleStep('a', { status: 'succeeded', attempts: [sampleAttempt()] });
    wire.tell({ event: 'execution', view: sampleView({ steps: [done] }), driven: 'here' });
    expect(state.act).toBeUndefined();
  });

  it('says one thing at a time and keeps the refusal', async () => {
    wire.page();
    state.start();
    await settled();
    const error = { class: 'refused', message: 'the digest is not the one', hint: 'look again' };
    wire.answers.push(() => Promise.reject(new Refused(error)));
    const first = state.say({ say: 'pause' });
    expect(await state.say({ say: 'resume' }), 'the first one is not answered yet').toBe(false);
    expect(await first).toBe(false);
    expect([state.refused?.message, state.refused?.hint, state.saying]).toEqual([
      'the digest is not the one',
      'look again',
      undefined,
    ]);
    expect(await state.say({ say: 'pause' })).toBe(true);
    expect([state.refused, wire.asked.at(-1)?.args]).toEqual([undefined, { execution: ID, saying: { say: 'pause' } }]);
  });

  it('shows an error with its hint, and what was shown stays', async () => {
    wire.page();
    state.start();
    await settled();
    wire.answers.push(() => Promise.reject(Refused.gone()));
    await state.load();
    expect([state.error?.class, state.view?.status]).toEqual(['gone', 'in_progress']);
  });

  it('counts by the clock of the application', async () => {
    wire.page({ view: sampleView({ duration_seconds: 12 }) });
    state.start();
    await settled();
    expect(Math.round(state.seconds(Date.now() + 5_000)), 'whatever the clock of this page says').toBe(17);
  });
});
