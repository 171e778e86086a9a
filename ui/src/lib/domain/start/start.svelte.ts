import type { InputView, JsonValue, PlanView, Start, StartForm } from '../../backend/api';
import type { Answer, Args, Refused } from '../../backend/backend';
import type { Calls } from '../../backend/api';
import { Choices } from '../choices.svelte';
import { read, write } from '../draft.svelte';
import { refusal, Resource } from '../resource.svelte';

/** What a start needs of the session. */
export interface Caller {
  call<Name extends keyof Calls>(name: Name, args: Args<Name>): Promise<Answer<Name>>;
}

/** What somebody has typed. */
interface Typed {
  variables: Record<string, string>;
  incident: string;
  ticket: string;
  context: string | undefined;
}

/** How long typing has to rest before it is judged, in milliseconds. */
const REST = 150;

/** What somebody types before an execution begins, judged by the application while they type. */
export class StartState {
  readonly runbook: string;
  readonly alert: JsonValue | undefined;
  readonly form = new Resource<StartForm>();
  readonly plan = new Resource<PlanView>();
  /** Whether the plan asks nothing outside this device. */
  offline = $state(true);
  /** What the plan that is shown, or on its way, was asked for with. */
  planned: string | undefined = $state();
  starting = $state(false);
  /** Why the start was not taken. */
  refused: Refused | undefined = $state.raw();
  /** Whether somebody tried to start: then missing values are shown as problems. */
  tried = $state(false);

  #typed: Typed = $state.raw({ variables: {}, incident: '', ticket: '', context: undefined });
  #choices = new Map<string, Choices>();
  #caller: Caller;
  #key: string;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(caller: Caller, runbook: string, alert: JsonValue | undefined, about = '') {
    this.#caller = caller;
    this.runbook = runbook;
    this.alert = alert;
    this.#key = `belay.draft:start:${runbook}${about === '' ? '' : `:${about}`}`;
    const kept = read(this.#key);
    if (kept !== undefined) {
      this.#typed = { ...this.#typed, ...(JSON.parse(kept) as Partial<Typed>) };
    }
  }

  /** What is started or planned. */
  start: Start = $derived.by(() => {
    const { variables, incident, ticket, context } = this.#typed;
    return {
      runbook: this.runbook,
      variables,
      alert: this.alert ?? null,
      incident: incident.trim() === '' ? null : incident.trim(),
      ticket: ticket.trim() === '' ? null : ticket.trim(),
      context: context ?? null,
    };
  });

  get incident(): string {
    return this.#typed.incident;
  }

  set incident(incident: string) {
    this.#type({ incident });
  }

  get ticket(): string {
    return this.#typed.ticket;
  }

  set ticket(ticket: string) {
    this.#type({ ticket });
  }

  get context(): string | undefined {
    return this.#typed.context ?? this.form.value?.context;
  }

  set context(context: string | undefined) {
    this.#type({ context });
  }

  /** What a field shows: as typed, else its default. */
  value(input: InputView): string {
    return this.#typed.variables[input.name] ?? input.value ?? '';
  }

  /** Whether somebody typed a value that is not the default. */
  touched(name: string): boolean {
    return Object.hasOwn(this.#typed.variables, name);
  }

  /** Takes what was typed into a field. */
  type(name: string, text: string): void {
    this.#type({ variables: { ...this.#typed.variables, [name]: text } });
  }

  /** Goes back to the default of a field. */
  reset(name: string): void {
    this.#type({
      variables: Object.fromEntries(Object.entries(this.#typed.variables).filter(([other]) => other !== name)),
    });
  }

  /** What a field could hold; nobody has looked before {@link lookFor}. */
  choices(name: string): Choices {
    const choices = this.#choices.get(name) ?? new Choices();
    this.#choices.set(name, choices);
    return choices;
  }

  /** Looks for what a field could hold, given what is typed into the others. */
  async lookFor(name: string): Promise<void> {
    const others = Object.entries(this.start.variables).filter(([other]) => other !== name);
    const start = { ...this.start, variables: Object.fromEntries(others) };
    const question = JSON.stringify([start.variables, start.context]);
    await this.choices(name).look(question, () => this.#caller.call('candidates', { start, names: [name] }));
  }

  /** What is wrong with a field, as far as it should be shown. */
  problem(input: InputView): { message: string; hint: string | undefined } | undefined {
    if (input.problem !== null && this.touched(input.name) && this.value(input) !== '') {
      return { message: input.problem, hint: input.hint ?? undefined };
    }
    if (this.tried && input.required && this.value(input) === '') {
      return { message: `\`${input.name}\` is needed`, hint: undefined };
    }
    return undefined;
  }

  /** What keeps it from starting, in sentences. */
  blockers: string[] = $derived.by(() => {
    const form = this.form.value;
    if (form === undefined) {
      return [];
    }
    const missing = form.inputs.filter((input) => input.required && this.value(input) === '');
    const wrong = form.inputs.filter((input) => input.problem !== null && this.value(input) !== '');
    return [
      ...form.obstacles.filter((obstacle) => obstacle.blocking).map((obstacle) => obstacle.what),
      ...missing.map((input) => `\`${input.name}\` is needed`),
      ...wrong.map((input) => input.problem ?? ''),
      ...(form.needs_ticket && this.ticket.trim() === '' ? ['production needs a change ticket'] : []),
    ];
  });

  /** Whether the plan is about something else than what is typed now. */
  stale: boolean = $derived(this.planned !== undefined && this.planned !== this.#question());

  /** Has what is typed judged. */
  async judge(): Promise<void> {
    clearTimeout(this.#timer);
    await this.form.load(() => this.#caller.call('form', this.start));
  }

  /** Asks what would happen; the answer to an earlier question is dropped. */
  async look(): Promise<void> {
    const question = this.#question();
    if (this.planned !== question) {
      this.planned = question;
    }
    const { start, offline } = this;
    await this.plan.load(() => this.#caller.call('plan', { start, offline }));
  }

  /** Waits no longer for a plan. */
  stopLooking(): void {
    this.plan.clear();
    this.planned = undefined;
  }

  /** Starts it; the execution's id once it has begun. */
  async begin(): Promise<string | undefined> {
    this.tried = true;
    if (this.starting) {
      return undefined;
    }
    this.starting = true;
    this.refused = undefined;
    try {
      const started = await this.#caller.call('start', this.start);
      write(this.#key, undefined);
      return started.execution;
    } catch (thrown) {
      this.refused = refusal(thrown);
      return undefined;
    } finally {
      this.starting = false;
    }
  }

  /** Ends what waits. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #question(): string {
    return JSON.stringify([this.start, this.offline]);
  }

  #type(change: Partial<Typed>): void {
    this.#typed = { ...this.#typed, ...change };
    write(this.#key, JSON.stringify(this.#typed));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.judge(), REST);
  }
}
