import type { ApprovalView, ExecutionView, JsonValue, LogEntry, StepView } from '../../backend/api';
import { compareInstants, instant } from '../execution/time';

/** Where a step stood at one moment. */
interface StepState {
  status: string;
  branch: string | null;
  byHand: boolean;
  error: string | null;
  planned: boolean;
  approval: 'waiting' | 'granted' | 'closed' | undefined;
  undo: string | undefined;
}

interface State {
  status: string;
  paused: boolean;
  error: string | null;
  finishedAt: string | null;
  /** The step in front. */
  at: string | undefined;
  steps: Map<string, StepState>;
  /** Steps by the number of their undo. */
  undos: string[];
}

type Fields = { [key in string]: JsonValue };

/** An execution as it was after the first events of its log. */
export interface Frame {
  /** How many events it rests on. */
  n: number;
  /** The last of them. */
  entry: LogEntry | undefined;
  view: ExecutionView;
  /** The step in front then. */
  step: string | undefined;
}

/**
 * An execution as it was after `n` events, made from its log and its last state: what the log tells happened later is
 * left out. It serves to look back; what is true is the log.
 */
export function frame(last: ExecutionView, log: readonly LogEntry[], n: number): Frame {
  const entries = log.slice(0, n);
  const state: State = {
    status: 'not_started',
    paused: false,
    error: null,
    finishedAt: null,
    at: undefined,
    steps: new Map(last.steps.map((step) => [step.name, fresh()])),
    undos: [],
  };
  let at = last.started_at;
  for (const entry of entries) {
    at = whenOf(entry);
    apply(state, entry, at);
  }
  const began = instant(last.started_at) ?? 0;
  const view: ExecutionView = {
    ...last,
    status: state.paused && state.status !== 'stopping' ? 'paused' : state.status,
    error: state.error,
    finished_at: state.finishedAt,
    duration_seconds: Math.max(((instant(at) ?? began) - began) / 1_000, 0),
    notes: last.notes.filter((note) => compareInstants(note.at, at) <= 0),
    waiting_on: [],
    conflicts: [],
    steps: last.steps.map((step) => stepAt(step, state.steps.get(step.name) ?? fresh(), at)),
  };
  return { n: entries.length, entry: entries.at(-1), view, step: state.at };
}

function fresh(): StepState {
  return {
    status: 'pending',
    branch: null,
    byHand: false,
    error: null,
    planned: false,
    approval: undefined,
    undo: undefined,
  };
}

/** The driver's own time where the event has one: attempts carry the same. */
function whenOf(entry: LogEntry): string {
  const body = fields(fields(entry.event)?.['transition'] ?? null);
  const at = body?.['at'];
  return typeof at === 'string' ? at : entry.at;
}

function stepAt(step: StepView, state: StepState, at: string): StepView {
  const attempts = step.attempts
    .filter((attempt) => compareInstants(attempt.started_at, at) <= 0)
    .map((attempt) =>
      attempt.finished_at !== null && compareInstants(attempt.finished_at, at) > 0
        ? { ...attempt, finished_at: null, status: 'running', exit_code: null, output: '', error: null }
        : attempt,
    );
  return {
    ...step,
    status: state.status,
    branch: state.branch,
    by_hand: state.byHand,
    done_by: state.status === 'succeeded' ? step.done_by : null,
    error: state.error,
    acts: state.planned ? step.acts : [],
    effect: state.planned ? step.effect : null,
    impact: state.planned ? step.impact : null,
    attempts,
    approval: approvalAt(step.approval, state, at),
    undo: state.planned && step.undo !== null ? { ...step.undo, ...undoAt(state.undo) } : null,
  };
}

function undoAt(status: string | undefined): { status?: string; detail?: null } {
  return status === undefined ? { status: 'ready', detail: null } : { status };
}

function approvalAt(approval: ApprovalView | null, state: StepState, at: string): ApprovalView | null {
  if (approval === null || state.approval === undefined) {
    return null;
  }
  const given = approval.given.filter((given) => compareInstants(given.at, at) <= 0);
  const status = state.approval === 'closed' ? approval.status : state.approval;
  return { ...approval, given, status, difference: state.approval === 'closed' ? approval.difference : [] };
}

function fields(value: JsonValue | null | undefined): Fields | undefined {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : undefined;
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** The step that an event is about. */
function stepOf(body: Fields): string | undefined {
  return text(fields(body['at'])?.['step']) ?? text(fields(body['id'])?.['step']);
}

function apply(state: State, entry: LogEntry, at: string): void {
  const transition = fields(fields(entry.event)?.['transition'])?.['transition'];
  if (transition === undefined) {
    return;
  }
  if (typeof transition === 'string') {
    bare(state, transition);
    return;
  }
  const tagged = Object.entries(fields(transition) ?? {})[0];
  const body = fields(tagged?.[1]);
  if (tagged === undefined || body === undefined) {
    return;
  }
  const name = stepOf(body);
  const step = name === undefined ? undefined : state.steps.get(name);
  if (step !== undefined && name !== undefined) {
    state.at = name;
    stepEvent(state, step, tagged[0], body);
    return;
  }
  executionEvent(state, tagged[0], body, at);
}

function bare(state: State, kind: string): void {
  switch (kind) {
    case 'paused':
      state.paused = true;
      return;
    case 'resumed':
      state.paused = false;
      return;
    case 'sign_off_awaited':
      state.status = 'waiting';
      return;
    case 'rollback_steps_entered':
      state.status = 'rolling_back';
      return;
  }
}

function stepEvent(state: State, step: StepState, kind: string, body: Fields): void {
  const rolling = state.status === 'rolling_back' || state.status === 'stuck';
  const goesOn = () => {
    state.status = rolling || state.status === 'stopping' ? state.status : 'in_progress';
  };
  switch (kind) {
    case 'step_entered':
    case 'retried':
      Object.assign(step, fresh(), { status: 'running' });
      state.error = null;
      state.finishedAt = null;
      goesOn();
      return;
    case 'person_awaited':
      step.status = 'waiting_input';
      if (!rolling) {
        state.status = 'waiting';
      }
      return;
    case 'planned':
      step.planned = true;
      awaitApproval(state, step, fields(body['plan'])?.['approval'], rolling);
      return;
    case 'call_planned':
      step.planned = true;
      awaitApproval(state, step, body['approval'], rolling);
      return;
    case 'approval_counted':
      step.approval = 'granted';
      step.status = 'running';
      goesOn();
      return;
    case 'approval_closed':
      step.approval = 'closed';
      return;
    case 'act_started':
      if (isUndo(body)) {
        step.undo = 'running';
      } else {
        step.status = 'running';
        goesOn();
      }
      return;
    case 'act_interrupted':
      if (!isUndo(body)) {
        step.status = 'interrupted';
        state.status = rolling ? state.status : 'waiting';
      }
      return;
    case 'act_settled':
      if (!isUndo(body)) {
        step.status = 'running';
        goesOn();
      }
      return;
    case 'step_ended':
      step.status = text(body['status']) ?? step.status;
      step.branch = text(body['branch']) ?? null;
      step.byHand = body['by_hand'] === true;
      step.error = text(body['error']) ?? null;
      goesOn();
      return;
  }
}

function awaitApproval(state: State, step: StepState, asked: JsonValue | undefined, rolling: boolean): void {
  if (fields(asked) !== undefined) {
    step.approval = 'waiting';
    step.status = 'waiting_approval';
    state.status = rolling ? state.status : 'waiting';
  }
}

function isUndo(body: Fields): boolean {
  const act = fields(body['id'])?.['act'];
  return Object.keys(fields(act) ?? {}).some((key) => key.startsWith('undo'));
}

function executionEvent(state: State, kind: string, body: Fields, at: string): void {
  const item = typeof body['item'] === 'number' ? state.undos[body['item']] : undefined;
  const step = item === undefined ? undefined : state.steps.get(item);
  switch (kind) {
    case 'checked':
      state.status = 'in_progress';
      return;
    case 'stopping':
      state.status = 'stopping';
      state.paused = false;
      state.error = text(body['reason']) ?? null;
      state.finishedAt = null;
      return;
    case 'rollback_planned': {
      const items = Array.isArray(body['items']) ? body['items'] : [];
      state.undos = items.map((of) => text(fields(fields(of)?.['at'])?.['step']) ?? '');
      state.status = 'rolling_back';
      return;
    }
    case 'undo_skipped':
      if (step !== undefined) {
        const before = body['why'] === 'already_before';
        step.undo = before ? 'already_before' : 'irreversible';
        step.status = before ? 'undone' : step.status;
        state.at = item;
      }
      return;
    case 'undo_stuck':
      if (step !== undefined) {
        step.undo = 'stuck';
        state.at = item;
      }
      state.status = 'stuck';
      return;
    case 'undo_settled':
      state.status = 'rolling_back';
      if (step !== undefined) {
        const left = body['choice'] === 'leave';
        step.undo = left ? 'left' : body['choice'] === 'by_hand' ? 'done' : 'running';
        step.status = body['choice'] === 'by_hand' ? 'undone' : step.status;
        state.at = item;
      }
      return;
    case 'undo_done':
      if (step !== undefined) {
        step.undo = 'done';
        step.status = 'undone';
        state.at = item;
      }
      return;
    case 'finished':
      state.status = text(body['ending']) ?? state.status;
      state.error = text(body['error']) ?? state.error;
      state.finishedAt = at;
      return;
  }
}

/** Events at which a replay stops where somebody steps through it: what happened, without the bookkeeping. */
export function stops(log: readonly LogEntry[]): number[] {
  const told = new Set(['transition.undo_rendered', 'transition.rollback_planned', 'transition.dismissed']);
  return log.filter((entry) => !told.has(entry.kind)).map((entry) => entry.n);
}
