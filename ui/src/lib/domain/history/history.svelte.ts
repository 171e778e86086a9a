import type { ExecutionSummary, ExecutionView } from '../../backend/api';
import type { Stop } from '../../backend/backend';
import { Resource } from '../resource.svelte';
import type { Caller } from '../start/start.svelte';

/** What the list of executions needs of the session. */
export interface Wire extends Caller {
  onExecution(hear: (view: ExecutionView) => void): Stop;
  onAnew(hear: () => void): Stop;
}

/** Which executions are shown; empty means all. */
export interface Filter {
  status: string;
  runbook: string;
}

/** The executions of this device, newest first, kept up to date by what is told. */
export class HistoryState {
  readonly list = new Resource<ExecutionSummary[]>();
  filter: Filter = $state.raw({ status: '', runbook: '' });
  #wire: Wire;
  #late: ExecutionView[] | undefined;

  constructor(wire: Wire, filter: Partial<Filter> = {}) {
    this.#wire = wire;
    this.filter = { ...this.filter, ...filter };
  }

  /** What is shown. The application filters as well; this covers what was told since. */
  shown: ExecutionSummary[] = $derived((this.list.value ?? []).filter((one) => fits(one, this.filter)));

  /** What waits for a person, whatever the filter says. */
  waiting: ExecutionSummary[] = $derived((this.list.value ?? []).filter((one) => one.waiting_on.length > 0));

  /** Runbooks that have executions, by title. */
  runbooks: { id: string; title: string }[] = $derived.by(() => {
    const titles = new Map((this.list.value ?? []).map((one) => [one.runbook.id, one.runbook.title]));
    return [...titles].map(([id, title]) => ({ id, title })).sort((a, b) => a.title.localeCompare(b.title));
  });

  /** Shows the executions and follows them until stopped. */
  start(): Stop {
    const stops = [this.#wire.onExecution((view) => this.hear(view)), this.#wire.onAnew(() => void this.load())];
    void this.load();
    return () => stops.forEach((stop) => stop());
  }

  /** Asks for all of them: filters change without a wait. */
  async load(): Promise<void> {
    this.#late = [];
    await this.list.load(() => this.#wire.call('executions', {}));
    const late = this.#late ?? [];
    this.#late = undefined;
    late.forEach((view) => this.hear(view));
  }

  /** Takes in the new state of an execution. */
  hear(view: ExecutionView): void {
    if (this.#late !== undefined) {
      this.#late.push(view);
      return;
    }
    this.list.put(withView(this.list.value ?? [], view));
  }
}

function fits(one: ExecutionSummary, filter: Filter): boolean {
  const status = filter.status === '' || one.status === filter.status || group(filter.status).includes(one.status);
  return status && (filter.runbook === '' || one.runbook.id === filter.runbook);
}

/** Filters that stand for several statuses. */
function group(status: string): string[] {
  return status === 'open'
    ? ['not_started', 'in_progress', 'paused', 'waiting', 'stopping', 'rolling_back', 'stuck']
    : [];
}

/** The list with the state of one execution in its place. */
export function withView(list: readonly ExecutionSummary[], view: ExecutionView): ExecutionSummary[] {
  const at = list.findIndex((one) => one.execution === view.execution);
  if (at >= 0) {
    return list.with(at, view);
  }
  const older = list.findIndex((one) => one.started_at < view.started_at);
  return list.toSpliced(older < 0 ? list.length : older, 0, view);
}
