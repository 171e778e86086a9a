import type { Driven, ExecutionView } from '../../backend/api';
import { currentStep, isActing } from './timeline';

/** What a person may do to an execution beside answering what it asks. */
export interface Controls {
  pause: boolean;
  resume: boolean;
  abort: boolean;
  rollback: boolean;
  /** Cancels the act that runs. */
  cancel: boolean;
  /** The step that may be tried again. */
  retry: string | undefined;
  /** The step that may be left out. */
  skip: string | undefined;
  /** The step that may be said to be done by hand. */
  byHand: string | undefined;
  /** Go on driving here. */
  drive: boolean;
  /** Stop driving here. */
  leave: boolean;
}

const OVER = new Set(['completed', 'failed', 'rolled_back', 'aborted']);
const STOPPING = new Set(['stopping', 'rolling_back', 'stuck']);

/** Whether nothing more happens by itself. */
export function isOver(view: { status: string }): boolean {
  return OVER.has(view.status);
}

/** What may be done now. The application judges again; this only keeps people from what cannot work. */
export function controls(view: ExecutionView, driven: Driven): Controls {
  const over = isOver(view);
  const stopping = STOPPING.has(view.status);
  const step = currentStep(view);
  const acting = isActing(step);
  const undoing = step?.undo?.status === 'running' || step?.undo?.status === 'stuck';
  const waits = step?.status === 'waiting_approval' || step?.status === 'waiting_input';
  const failed = step?.status === 'failed' || step?.status === 'cancelled';
  const started = view.steps.some((of) => of.undo?.status === 'undone' || of.status === 'undone');
  const reopens = view.status === 'failed' && failed && !started;
  // What waits while it rolls back is the undo: leaving that out or doing it by hand is asked where it is stuck.
  const open = !over && view.status !== 'rolling_back' && !acting && !undoing && (waits || failed);
  const name = reopens || open ? step.name : undefined;
  /** A person does it anyway, or picks. */
  const persons = step?.type === 'decision' || step?.type === 'manual';
  return {
    pause: !over && !stopping && view.status !== 'paused',
    resume: view.status === 'paused',
    abort: !over && view.status !== 'stopping',
    rollback: view.status !== 'rolled_back' && view.status !== 'rolling_back' && view.status !== 'stuck',
    cancel: driven === 'here' && acting,
    retry: persons && !reopens ? undefined : name,
    skip: name,
    byHand: persons && !reopens ? undefined : name,
    drive: driven === 'nobody' && !over,
    leave: driven === 'here' && !over,
  };
}
