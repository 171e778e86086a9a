import type { About, Driven, Event, ExecutionSummary, ExecutionView } from '../backend/api';
import type { Answer, Args, Backend, Link, Stop } from '../backend/backend';
import type { Calls } from '../backend/api';
import { Refused } from '../backend/backend';

/** An event with its place in the stream, so that a snapshot can tell what it holds already. */
export interface Heard {
  stream: string;
  n: number;
  event: Event;
}

type CatalogChange = Extract<Event, { event: 'catalog_changed' }>;

/**
 * The one connection of the page: calls go through it, and one stream of events comes out of it, sorted by who cares.
 * Nothing is kept here but what the shell itself shows.
 */
export class Session {
  readonly backend: Backend;

  /** How the stream is doing. */
  link: Link = $state('connecting');
  /** What waits for a person, newest first. */
  waiting: ExecutionSummary[] = $state.raw([]);
  /** The program, the person and the device, once known. */
  about: About | undefined = $state.raw();

  #stream = '';
  #executions = new Map<string, Set<(heard: Heard) => void>>();
  #everything = new Set<(view: ExecutionView, driven: Driven) => void>();
  #anew = new Set<() => void>();
  #catalog = new Set<(change: CatalogChange) => void>();
  #opened = new Set<(url: string) => void>();
  #notices = new Set<(text: string) => void>();
  #missed: ExecutionView[] | undefined;

  constructor(backend: Backend) {
    this.backend = backend;
  }

  /** Asks the application; an application that is gone shows in `link`. */
  async call<Name extends keyof Calls>(name: Name, args: Args<Name>): Promise<Answer<Name>> {
    try {
      return await this.backend.call(name, args);
    } catch (thrown) {
      if (thrown instanceof Refused && thrown.class === 'ended') {
        this.link = 'ended';
      } else if (thrown instanceof Refused && thrown.class === 'gone' && this.link === 'connected') {
        this.link = 'gone';
      }
      throw thrown;
    }
  }

  /** Listens until stopped. */
  start(): Stop {
    return this.backend.listen(
      undefined,
      (told) => {
        if (told.told === 'anew') {
          this.#stream = told.after.stream;
          void this.#refresh();
          for (const hear of this.#anew) {
            hear();
          }
          return;
        }
        for (const { n, event } of told.events) {
          this.#hear({ stream: this.#stream, n, event });
        }
      },
      (link) => {
        this.link = link;
      },
    );
  }

  /**
   * Hears the events of one execution, and those that concern every execution (`output_skipped`). Whoever shows a
   * snapshot leaves out what its `place` holds already.
   */
  watch(execution: string, hear: (heard: Heard) => void): Stop {
    const watchers = this.#executions.get(execution) ?? new Set();
    watchers.add(hear);
    this.#executions.set(execution, watchers);
    return () => {
      watchers.delete(hear);
      if (watchers.size === 0 && this.#executions.get(execution) === watchers) {
        this.#executions.delete(execution);
      }
    };
  }

  /** Hears the new state of every execution. */
  onExecution(hear: (view: ExecutionView, driven: Driven) => void): Stop {
    return subscribe(this.#everything, hear);
  }

  /** Hears that events may be missing: whatever is shown has to be asked for again. */
  onAnew(hear: () => void): Stop {
    return subscribe(this.#anew, hear);
  }

  /** Hears that runbooks changed. */
  onCatalog(hear: (change: CatalogChange) => void): Stop {
    return subscribe(this.#catalog, hear);
  }

  /** Hears what a person should know that is about no execution. */
  onNotice(hear: (text: string) => void): Stop {
    return subscribe(this.#notices, hear);
  }

  /** Hears links that were opened. */
  onOpened(hear: (url: string) => void): Stop {
    return subscribe(this.#opened, hear);
  }

  #hear(heard: Heard): void {
    const { event } = heard;
    switch (event.event) {
      case 'execution':
        this.#keep(event.view);
        for (const hear of this.#everything) {
          hear(event.view, event.driven);
        }
        this.#tell(event.view.execution, heard);
        return;
      case 'act_started':
      case 'output':
      case 'escalated':
      case 'stopped':
        this.#tell(event.execution, heard);
        return;
      case 'notice':
        if (event.execution === null) {
          for (const hear of this.#notices) {
            hear(event.text);
          }
          return;
        }
        this.#tell(event.execution, heard);
        return;
      case 'output_skipped':
        for (const execution of this.#executions.keys()) {
          this.#tell(execution, heard);
        }
        return;
      case 'catalog_changed':
        for (const hear of this.#catalog) {
          hear(event);
        }
        return;
      case 'opened':
        for (const hear of this.#opened) {
          hear(event.url);
        }
        return;
    }
  }

  #tell(execution: string, heard: Heard): void {
    for (const hear of this.#executions.get(execution) ?? []) {
      hear(heard);
    }
  }

  #keep(view: ExecutionView): void {
    this.#missed?.push(view);
    this.waiting = withView(this.waiting, view);
  }

  async #refresh(): Promise<void> {
    const missed: ExecutionView[] = [];
    this.#missed = missed;
    try {
      const [waiting, about] = await Promise.all([this.call('waiting', {}), this.call('about', {})]);
      this.about = about;
      this.waiting = missed.reduce(withView, waiting);
    } catch {
      // The stream says `anew` again when the application is back; until then the banner tells.
    } finally {
      if (this.#missed === missed) {
        this.#missed = undefined;
      }
    }
  }
}

/** What waits, with one execution's new state. */
function withView(waiting: ExecutionSummary[], view: ExecutionView): ExecutionSummary[] {
  const others = waiting.filter((one) => one.execution !== view.execution);
  if (view.waiting_on.length === 0) {
    return others.length === waiting.length ? waiting : others;
  }
  return [...others, view].sort((a, b) => b.started_at.localeCompare(a.started_at));
}

function subscribe<T>(set: Set<T>, hear: T): Stop {
  set.add(hear);
  return () => {
    set.delete(hear);
  };
}
