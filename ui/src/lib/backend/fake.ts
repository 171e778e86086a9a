import type { Calls, Event, Place, Told } from './api';
import type { Answer, Args, Backend, Link, Stop } from './backend';
import { Refused } from './backend';

/** What a call answers, or how it is answered. */
export type Answers = {
  [Name in keyof Calls]?: Answer<Name> | ((args: Args<Name>) => Answer<Name> | Promise<Answer<Name>>);
};

/** A backend for tests and for looking at pages without an application: answers are given, events are told by hand. */
export class FakeBackend implements Backend {
  readonly face = 'fake';
  /** Every call that was made, in order. */
  readonly calls: { name: keyof Calls; args: unknown }[] = [];
  #answers: Answers;
  #listeners = new Set<{ onTold: (told: Told) => void; onLink: (link: Link) => void }>();
  #place: Place = { stream: 'fake', n: 0 };

  constructor(answers: Answers = {}) {
    this.#answers = answers;
  }

  async call<Name extends keyof Calls>(name: Name, args: Args<Name>): Promise<Answer<Name>> {
    this.calls.push({ name, args });
    await Promise.resolve();
    const answer: unknown = this.#answers[name];
    if (answer === undefined) {
      throw new Refused({ class: 'bug', message: `nobody told the fake what \`${name}\` answers`, hint: null });
    }
    return (
      typeof answer === 'function' ? await (answer as (args: Args<Name>) => unknown)(args) : answer
    ) as Answer<Name>;
  }

  listen(_after: Place | undefined, onTold: (told: Told) => void, onLink: (link: Link) => void): Stop {
    const listener = { onTold, onLink };
    this.#listeners.add(listener);
    queueMicrotask(() => {
      onLink('connected');
      onTold({ told: 'anew', after: this.#place });
    });
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Answers a call otherwise from now on. */
  answer(answers: Answers): void {
    this.#answers = { ...this.#answers, ...answers };
  }

  /** Tells events to every listener. */
  tell(...events: Event[]): void {
    const numbered = events.map((event) => {
      this.#place = { stream: this.#place.stream, n: this.#place.n + 1 };
      return { n: this.#place.n, event };
    });
    for (const { onTold } of this.#listeners) {
      onTold({ told: 'events', events: numbered });
    }
  }

  /** Begins the stream anew, as after a restart of the application. */
  restart(stream: string): void {
    this.#place = { stream, n: 0 };
    for (const { onTold, onLink } of this.#listeners) {
      onLink('connected');
      onTold({ told: 'anew', after: this.#place });
    }
  }

  /** Loses the link. */
  lose(): void {
    for (const { onLink } of this.#listeners) {
      onLink('gone');
    }
  }
}
