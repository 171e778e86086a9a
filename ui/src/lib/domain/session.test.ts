import { describe, expect, it } from 'vitest';

import type { About, Event } from '../backend/api';
import { Refused } from '../backend/backend';
import { FakeBackend } from '../backend/fake';
import { execution } from './samples';
import { Session, type Heard } from './session.svelte';

const ABOUT: About = {
  version: '1',
  responder: 'ana',
  device: 'd',
  home: '/h',
  context: 'local',
  environment: 'development',
};

const asks = (id: string) =>
  execution(id, { waiting_on: [{ kind: 'manual', step: 'a', detail: 'confirm', options: [] }] });
const changed = (view: ReturnType<typeof execution>): Event => ({ event: 'execution', view, driven: 'here' });
const settle = () => new Promise((resolve) => setTimeout(resolve));

describe('the session', () => {
  it('counts what waits, from the answer and from every event after it', async () => {
    const backend = new FakeBackend({ waiting: [asks('a')], about: ABOUT });
    const session = new Session(backend);
    session.start();
    await settle();
    expect(session.waiting.map((one) => one.execution)).toEqual(['a']);
    backend.tell(changed(asks('b')));
    expect(session.waiting).toHaveLength(2);
    backend.tell(changed(execution('a')));
    expect(session.waiting.map((one) => one.execution)).toEqual(['b']);
  });

  it('does not lose an event that comes while the answer is on its way', async () => {
    let answer: (() => void) | undefined;
    const backend = new FakeBackend({
      waiting: () => new Promise((resolve) => (answer = () => resolve([asks('a')]))),
      about: ABOUT,
    });
    const session = new Session(backend);
    session.start();
    await settle();
    backend.tell(changed(execution('a')));
    answer?.();
    await settle();
    expect(session.waiting, 'the event is newer than the answer').toEqual([]);
  });

  it('tells an execution’s events to its watchers alone, with their place', async () => {
    const backend = new FakeBackend({ waiting: [], about: ABOUT });
    const session = new Session(backend);
    session.start();
    await settle();
    const heard: Heard[] = [];
    const stop = session.watch('a', (one) => heard.push(one));
    backend.tell(
      { event: 'notice', execution: 'b', text: 'not mine' },
      { event: 'notice', execution: 'a', text: 'mine' },
    );
    backend.tell({ event: 'output_skipped' });
    expect(heard.map(({ stream, n, event }) => [stream, n, event.event])).toEqual([
      ['fake', 2, 'notice'],
      ['fake', 3, 'output_skipped'],
    ]);
    stop();
    backend.tell({ event: 'notice', execution: 'a', text: 'later' });
    expect(heard).toHaveLength(2);
  });

  it('has everything asked for again when events may be missing', async () => {
    const backend = new FakeBackend({ waiting: [], about: ABOUT });
    const session = new Session(backend);
    let times = 0;
    session.onAnew(() => (times += 1));
    session.start();
    await settle();
    backend.answer({ waiting: [asks('c')] });
    backend.restart('another');
    await settle();
    expect(times).toBe(2);
    expect(session.waiting.map((one) => one.execution)).toEqual(['c']);
  });

  it('shows that the application is gone, from the stream and from a call', async () => {
    const backend = new FakeBackend({
      waiting: [],
      about: ABOUT,
      contexts: () => {
        throw Refused.gone();
      },
    });
    const session = new Session(backend);
    session.start();
    await settle();
    expect(session.link).toBe('connected');
    await expect(session.call('contexts', {})).rejects.toThrow('belay does not answer');
    expect(session.link).toBe('gone');
    backend.restart('again');
    expect(session.link).toBe('connected');
    backend.lose();
    expect(session.link).toBe('gone');
  });
});
