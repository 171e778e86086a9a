import type { AttemptView, ExecutionView, StepView } from '../../backend/api';
import { instant } from './time';

/** One step as the timeline shows it. */
export interface TimelineEntry {
  name: string;
  title: string;
  kind: string;
  status: string;
  /** Position from one, in the order of the file. */
  position: number;
  /** The flow is here. */
  current: boolean;
  /** It serves to take others back. */
  rollback: boolean;
  /** Attempts of its acts, undos aside. */
  attempts: number;
  /** Who acted or said that it is done. */
  who: string | undefined;
  byHand: boolean;
  branch: string | undefined;
  error: string | undefined;
  startedAt: string | undefined;
  /** In seconds; still growing where `finishedAt` is missing. */
  seconds: number | undefined;
  finishedAt: string | undefined;
  /** What came of taking it back, where that was begun. */
  undo: string | undefined;
  contested: boolean;
}

/** Steps at which an execution is, or could go on. */
const AT = new Set(['running', 'waiting_approval', 'waiting_input', 'interrupted', 'contested']);

/** Whether an attempt takes something back. */
export function takesBack(attempt: AttemptView): boolean {
  return attempt.act.startsWith('u');
}

/** The step in front: the one that waits, runs, is stuck or failed; else the last one that something happened to. */
export function currentStep(view: ExecutionView): StepView | undefined {
  const named = (name: string | null) => {
    const step = name?.replace(/#\d+$/, '');
    return view.steps.find((known) => known.name === step);
  };
  const waiting = view.waiting_on.map((waiting) => named(waiting.step)).find((step) => step !== undefined);
  if (waiting !== undefined) {
    return waiting;
  }
  const undoing = view.steps.find((step) => step.undo?.status === 'running' || step.undo?.status === 'stuck');
  const at = undoing ?? view.steps.find((step) => AT.has(step.status));
  if (at !== undefined) {
    return at;
  }
  if (view.status === 'failed') {
    const failed = view.steps.findLast((step) => step.status === 'failed' || step.status === 'cancelled');
    if (failed !== undefined) {
      return failed;
    }
  }
  return lastTouched(view);
}

/** The last step that something happened to. What a person does leaves no attempt: then the later one in the file counts. */
function lastTouched(view: ExecutionView): StepView | undefined {
  let last: StepView | undefined;
  let latest = -Infinity;
  for (const step of view.steps) {
    for (const attempt of step.attempts) {
      const at = instant(attempt.started_at) ?? -Infinity;
      if (at >= latest) {
        latest = at;
        last = step;
      }
    }
  }
  const touched = view.steps.findLast((step) => step.status !== 'pending' && step.status !== 'not_taken');
  const undone = view.steps.some((step) => step.status === 'undone');
  if (last === undefined || (!undone && view.steps.indexOf(last) < view.steps.findIndex((step) => step === touched))) {
    return touched;
  }
  return last;
}

/** The steps with what is known of each. */
export function timeline(view: ExecutionView, forward: number, now: number): TimelineEntry[] {
  const current = currentStep(view)?.name;
  const contested = new Set(view.conflicts.map((conflict) => conflict.step));
  return view.steps.map((step, index) => entry(step, index, index >= forward, step.name === current, contested, now));
}

function entry(
  step: StepView,
  index: number,
  rollback: boolean,
  current: boolean,
  contested: Set<string>,
  now: number,
): TimelineEntry {
  const acts = step.attempts.filter((attempt) => !takesBack(attempt));
  const first = acts[0];
  const open = acts.some((attempt) => attempt.finished_at === null);
  const last = open ? undefined : (acts.at(-1)?.finished_at ?? undefined);
  const from = instant(first?.started_at);
  const to = open ? now : instant(last);
  const undo = step.undo?.status;
  return {
    name: step.name,
    title: step.title,
    kind: step.type,
    status: step.status,
    position: index + 1,
    current,
    rollback,
    attempts: new Set(acts.map((attempt) => attempt.n)).size,
    who: step.done_by ?? acts.at(-1)?.responder,
    byHand: step.by_hand,
    branch: step.branch ?? undefined,
    error: step.error ?? undefined,
    startedAt: first?.started_at,
    seconds: from === undefined || to === undefined ? undefined : (to - from) / 1_000,
    finishedAt: last,
    undo: undo === 'ready' || undo === 'irreversible' || undo === 'undeclared' ? undefined : undo,
    contested: contested.has(step.name),
  };
}

/** How far it is, for people: steps that are over, of those that count. */
export function progress(view: ExecutionView, forward: number): { done: number; of: number } {
  const steps = view.steps.slice(0, forward).filter((step) => step.status !== 'not_taken');
  const over = new Set(['succeeded', 'skipped', 'undone', 'failed', 'cancelled']);
  return { done: steps.filter((step) => over.has(step.status)).length, of: steps.length };
}
