import type { Document, ExecutionView, LogEntry, VerifyReport } from '../../backend/api';
import { Resource } from '../resource.svelte';
import type { Caller } from '../start/start.svelte';
import { frame, stops, type Frame } from './replay';

/** What an execution left behind: its log, whether it verifies, what can be made of it. */
export class RecordState {
  readonly log = new Resource<LogEntry[]>();
  readonly verdict = new Resource<VerifyReport>();
  readonly exported = new Resource<Document>();
  readonly postmortem = new Resource<Document>();
  /** How many events the replay has gone through. */
  cursor = $state(0);
  /** Whether the replay goes on by itself. */
  playing = $state(false);

  #caller: Caller;
  #execution: string;

  constructor(caller: Caller, execution: string) {
    this.#caller = caller;
    this.#execution = execution;
  }

  /** Positions at which the replay stops. */
  stops: number[] = $derived(stops(this.log.value ?? []));

  /** How many events there are. */
  length: number = $derived(this.log.value?.length ?? 0);

  /** Events that do not verify. */
  faults: LogEntry[] = $derived((this.log.value ?? []).filter((entry) => !entry.verified));

  /** The execution as it was at the cursor. */
  frame(view: ExecutionView): Frame {
    return frame(view, this.log.value ?? [], this.cursor);
  }

  /** Reads the log; the replay begins at its end, where it stands now. */
  async load(): Promise<void> {
    const before = this.length;
    const atEnd = this.cursor === before;
    await this.log.load(() => this.#caller.call('log', { execution: this.#execution }));
    if (atEnd) {
      this.cursor = this.length;
    }
  }

  async verify(): Promise<void> {
    await this.verdict.load(() => this.#caller.call('verify', { execution: this.#execution }));
  }

  async export(): Promise<Document | undefined> {
    await this.exported.load(() => this.#caller.call('export', { execution: this.#execution }));
    return this.exported.error === undefined ? this.exported.value : undefined;
  }

  async draft(): Promise<void> {
    await this.postmortem.load(() => this.#caller.call('postmortem', { execution: this.#execution }));
  }

  /** Moves the replay; it stays within the log. */
  to(n: number): void {
    this.cursor = Math.min(Math.max(n, 0), this.length);
  }

  /** The next stop, or the one before. */
  step(by: 1 | -1): void {
    const next =
      by > 0 ? this.stops.find((stop) => stop > this.cursor) : this.stops.findLast((stop) => stop < this.cursor);
    this.to(next ?? (by > 0 ? this.length : 0));
  }

  /** Plays from the cursor, from the beginning where it is at the end. */
  play(): void {
    if (this.cursor >= this.length) {
      this.cursor = 0;
    }
    this.playing = true;
  }

  /** One beat of the playing; false once it is over. */
  beat(): boolean {
    if (this.playing) {
      this.step(1);
      this.playing = this.cursor < this.length;
    }
    return this.playing;
  }
}
