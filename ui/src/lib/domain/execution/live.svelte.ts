import type { ActView, Driven, ExecutionPage, ExecutionView, RunbookView, Said } from '../../backend/api';
import type { Answer, Args, Refused, Stop } from '../../backend/backend';
import type { Calls } from '../../backend/api';
import { Choices } from '../choices.svelte';
import { refusal } from '../resource.svelte';
import type { Heard } from '../session.svelte';
import { OutputBuffer } from './output';
import { isActing } from './timeline';
import { instant } from './time';

/** What an execution's page needs of the session. */
export interface Wire {
  call<Name extends keyof Calls>(name: Name, args: Args<Name>): Promise<Answer<Name>>;
  watch(execution: string, hear: (heard: Heard) => void): Stop;
  onAnew(hear: () => void): Stop;
}

/** Who is told what happens beside the state. */
export interface Ear {
  say(text: string, options?: { tone?: 'note' | 'good' | 'bad' | 'wait'; hint?: string }): void;
}

/** Why driving ended here. */
export interface Stopped {
  error: string;
  hint: string | undefined;
}

/**
 * One execution: what the application answered, and everything that was told since. Nothing is made up here: what is
 * said shows when the application says that it is so.
 */
export class ExecutionState {
  view: ExecutionView | undefined = $state.raw();
  driven: Driven = $state('nobody');
  runbook: RunbookView | undefined = $state.raw();
  /** Why it cannot be shown, or shown anew. */
  error: Refused | undefined = $state.raw();
  loading = $state(true);
  /** The act that runs, and its step. */
  act: { step: string; act: ActView } | undefined = $state.raw();
  /** Driving ended here, and why. */
  stopped: Stopped | undefined = $state.raw();
  /** What is being said: buttons wait for the answer. */
  saying: string | undefined = $state();
  /** Why what was said last was not taken. */
  refused: Refused | undefined = $state.raw();
  /** The step whose output comes in. */
  liveStep: string | undefined = $state();
  /** Grows when there is new output, at most once a frame. */
  version = $state(0);

  /** Output of the step that runs or ran last. */
  live = new OutputBuffer();

  #choices = new Map<string, Choices>();
  #wire: Wire;
  #ear: Ear;
  #asked: string;
  #frame: (draw: () => void) => void;
  #stream = '';
  #seen = 0;
  /** Told while a snapshot is on its way. */
  #early: Heard[] | undefined = [];
  #stop: Stop | undefined;
  #drawing = false;
  /** How far the application's clock is ahead, in milliseconds. */
  #ahead = 0;
  #loads = 0;

  constructor(wire: Wire, ear: Ear, execution: string, frame: (draw: () => void) => void = nextFrame) {
    this.#wire = wire;
    this.#ear = ear;
    this.#asked = execution;
    this.#frame = frame;
  }

  /** The execution's whole id, or what it was asked for by. */
  get id(): string {
    return this.view?.execution ?? this.#asked;
  }

  /** Shows it and follows it until stopped. */
  start(): Stop {
    this.#stop = this.#wire.watch(this.#asked, (heard) => this.hear(heard));
    const anew = this.#wire.onAnew(() => void this.load());
    void this.load();
    return () => {
      anew();
      this.#stop?.();
      this.#stop = undefined;
      this.#loads += 1;
    };
  }

  /** What a missing value could be; nobody has looked before {@link lookFor}. */
  choices(name: string): Choices {
    const choices = this.#choices.get(name) ?? new Choices();
    this.#choices.set(name, choices);
    return choices;
  }

  /** Looks for what a missing value could be, given what is typed for others. */
  async lookFor(name: string, given: Record<string, string>): Promise<void> {
    const ask = { execution: this.id, given, names: [name] };
    await this.choices(name).look(JSON.stringify(given), () => this.#wire.call('candidates_in', ask));
  }

  /** Asks for the whole state. */
  async load(): Promise<void> {
    const turn = ++this.#loads;
    this.loading = true;
    this.#early ??= [];
    try {
      let page = await this.#wire.call('execution', { execution: this.#asked });
      if (turn === this.#loads && page.view.execution !== this.#asked && this.#stop !== undefined) {
        // It was asked for by another name: what is told carries the whole one.
        this.#stop();
        this.#asked = page.view.execution;
        this.#stop = this.#wire.watch(this.#asked, (heard) => this.hear(heard));
        page = await this.#wire.call('execution', { execution: this.#asked });
      }
      if (turn === this.#loads) {
        this.#show(page);
      }
    } catch (thrown) {
      if (turn === this.#loads) {
        this.error = refusal(thrown);
        this.#catchUp();
      }
    } finally {
      if (turn === this.#loads) {
        this.loading = false;
      }
    }
  }

  /** Takes in one event. */
  hear(heard: Heard): void {
    if (this.#early !== undefined) {
      this.#early.push(heard);
      return;
    }
    if (heard.stream === this.#stream && heard.n <= this.#seen) {
      return;
    }
    this.#stream = heard.stream;
    this.#seen = heard.n;
    const { event } = heard;
    switch (event.event) {
      case 'execution':
        this.#state(event.view, event.driven);
        return;
      case 'act_started':
        this.#begin(event.step).act(event.act.description);
        this.act = { step: event.step, act: event.act };
        this.#draw();
        return;
      case 'output':
        this.#begin(event.step).write(event.at, { stream: event.stream, text: event.text });
        this.#draw();
        return;
      case 'output_skipped':
        if (this.liveStep !== undefined) {
          this.live.gap();
          this.#draw();
        }
        return;
      case 'notice':
        this.#ear.say(event.text);
        return;
      case 'escalated':
        this.#ear.say(`Escalated at ${event.step}: ${event.reason}`, { tone: 'wait' });
        return;
      case 'stopped':
        this.stopped = { error: event.error, hint: event.hint ?? undefined };
        return;
      case 'catalog_changed':
      case 'opened':
        return;
    }
  }

  /** Says something; true once it is taken. */
  say(said: Said): Promise<boolean> {
    return this.#ask(said.say, () => this.#wire.call('say', { execution: this.id, saying: said }));
  }

  /** Goes on driving it here. */
  drive(): Promise<boolean> {
    return this.#ask('drive', async () => {
      await this.#wire.call('drive', { execution: this.id });
      this.stopped = undefined;
      await this.load();
    });
  }

  /** Stops driving it here. */
  leave(): Promise<boolean> {
    return this.#ask('leave', async () => {
      await this.#wire.call('leave', { execution: this.id });
      await this.load();
    });
  }

  /** Cancels the act that runs. */
  cancel(): Promise<boolean> {
    return this.#ask('cancel', () => this.#wire.call('cancel', { execution: this.id }));
  }

  /** The application's time at a moment of this page's clock, in milliseconds. */
  time(local: number): number {
    return local + this.#ahead;
  }

  /** How long it has been going on at a moment of this page's clock, in seconds. */
  seconds(local: number): number {
    const view = this.view;
    const from = instant(view?.started_at);
    if (view === undefined || from === undefined || view.finished_at !== null) {
      return view?.duration_seconds ?? 0;
    }
    return (this.time(local) - from) / 1_000;
  }

  async #ask(what: string, call: () => Promise<unknown>): Promise<boolean> {
    if (this.saying !== undefined) {
      return false;
    }
    this.saying = what;
    this.refused = undefined;
    try {
      await call();
      return true;
    } catch (thrown) {
      this.refused = refusal(thrown);
      return false;
    } finally {
      this.saying = undefined;
    }
  }

  #show(page: ExecutionPage): void {
    this.error = undefined;
    this.runbook = page.runbook;
    const restarted = page.place.stream !== this.#stream;
    this.#stream = page.place.stream;
    this.#seen = page.place.n;
    const { running } = page;
    if (running !== null) {
      if (restarted || running.step !== this.liveStep || running.written < this.live.written) {
        this.live = OutputBuffer.of(running);
        this.liveStep = running.step;
      } else {
        let at = running.written - running.pieces.reduce((sum, piece) => sum + piece.text.length, 0);
        for (const piece of running.pieces) {
          this.live.write(at, piece);
          at += piece.text.length;
        }
      }
      this.#draw();
    }
    this.#state(page.view, page.driven);
    this.#catchUp();
  }

  #catchUp(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const heard of early) {
      this.hear(heard);
    }
  }

  #state(view: ExecutionView, driven: Driven): void {
    const from = instant(view.started_at);
    if (from !== undefined && view.finished_at === null) {
      this.#ahead = from + view.duration_seconds * 1_000 - Date.now();
    }
    this.view = view;
    this.driven = driven;
    if (driven === 'here' && view.status !== 'failed') {
      this.stopped = undefined;
    }
    const acting = view.steps.some(isActing);
    if (!acting && this.act !== undefined) {
      const at = view.steps.find((step) => step.name === this.act?.step);
      this.act = at?.status === 'running' ? this.act : undefined;
    }
  }

  /** The output of a step: another step's begins empty. */
  #begin(step: string): OutputBuffer {
    if (this.liveStep !== step) {
      this.live = new OutputBuffer();
      this.liveStep = step;
    }
    return this.live;
  }

  #draw(): void {
    if (!this.#drawing) {
      this.#drawing = true;
      this.#frame(() => {
        this.#drawing = false;
        this.version += 1;
      });
    }
  }
}

function nextFrame(draw: () => void): void {
  requestAnimationFrame(draw);
}
