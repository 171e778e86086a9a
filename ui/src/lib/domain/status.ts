/** How a status feels: it picks the colour; the word and the icon say the same without it. */
export type Tone = 'good' | 'wait' | 'run' | 'bad' | 'stuck' | 'idle';

/** Icons that stand for a status, each with its own outline. */
export type StatusIcon =
  | 'circle'
  | 'dot'
  | 'check'
  | 'cross'
  | 'hand'
  | 'pause'
  | 'play'
  | 'undo'
  | 'skip'
  | 'question'
  | 'stop'
  | 'clash'
  | 'branch'
  | 'knot';

/** A status as it is shown. */
export interface Look {
  word: string;
  tone: Tone;
  icon: StatusIcon;
}

/** What a status belongs to. */
export type StatusOf = 'execution' | 'step' | 'attempt' | 'approval' | 'undo';

const EXECUTION: Record<string, Look> = {
  not_started: { word: 'Not started', tone: 'idle', icon: 'circle' },
  in_progress: { word: 'In progress', tone: 'run', icon: 'play' },
  paused: { word: 'Paused', tone: 'idle', icon: 'pause' },
  waiting: { word: 'Waiting', tone: 'wait', icon: 'hand' },
  stopping: { word: 'Stopping', tone: 'wait', icon: 'stop' },
  completed: { word: 'Completed', tone: 'good', icon: 'check' },
  failed: { word: 'Failed', tone: 'bad', icon: 'cross' },
  rolling_back: { word: 'Rolling back', tone: 'run', icon: 'undo' },
  rolled_back: { word: 'Rolled back', tone: 'idle', icon: 'undo' },
  stuck: { word: 'Stuck', tone: 'stuck', icon: 'knot' },
  aborted: { word: 'Aborted', tone: 'idle', icon: 'stop' },
};

const STEP: Record<string, Look> = {
  pending: { word: 'Pending', tone: 'idle', icon: 'circle' },
  waiting_approval: { word: 'Waits for approval', tone: 'wait', icon: 'hand' },
  waiting_input: { word: 'Waits for you', tone: 'wait', icon: 'hand' },
  running: { word: 'Running', tone: 'run', icon: 'play' },
  succeeded: { word: 'Done', tone: 'good', icon: 'check' },
  failed: { word: 'Failed', tone: 'bad', icon: 'cross' },
  skipped: { word: 'Skipped', tone: 'idle', icon: 'skip' },
  not_taken: { word: 'Not taken', tone: 'idle', icon: 'branch' },
  cancelled: { word: 'Cancelled', tone: 'idle', icon: 'stop' },
  interrupted: { word: 'Interrupted', tone: 'stuck', icon: 'question' },
  contested: { word: 'Contested', tone: 'stuck', icon: 'clash' },
  undone: { word: 'Taken back', tone: 'idle', icon: 'undo' },
  undo_failed: { word: 'Undo failed', tone: 'bad', icon: 'knot' },
};

const ATTEMPT: Record<string, Look> = {
  running: { word: 'Running', tone: 'run', icon: 'play' },
  succeeded: { word: 'Succeeded', tone: 'good', icon: 'check' },
  failed: { word: 'Failed', tone: 'bad', icon: 'cross' },
  not_started: { word: 'Not started', tone: 'idle', icon: 'circle' },
  timed_out: { word: 'Timed out', tone: 'bad', icon: 'cross' },
  cancelled: { word: 'Cancelled', tone: 'idle', icon: 'stop' },
  lost: { word: 'Lost', tone: 'stuck', icon: 'question' },
  suspended: { word: 'Suspended', tone: 'wait', icon: 'pause' },
  interrupted: { word: 'Interrupted', tone: 'stuck', icon: 'question' },
};

const APPROVAL: Record<string, Look> = {
  waiting: { word: 'Waits', tone: 'wait', icon: 'hand' },
  granted: { word: 'Granted', tone: 'good', icon: 'check' },
  rejected: { word: 'Rejected', tone: 'bad', icon: 'cross' },
  expired: { word: 'Expired', tone: 'idle', icon: 'stop' },
  voided: { word: 'Voided', tone: 'stuck', icon: 'clash' },
  withdrawn: { word: 'Withdrawn', tone: 'idle', icon: 'undo' },
};

const UNDO: Record<string, Look> = {
  ready: { word: 'Can be taken back', tone: 'good', icon: 'undo' },
  irreversible: { word: 'Irreversible', tone: 'bad', icon: 'knot' },
  by_hand: { word: 'For you to undo', tone: 'wait', icon: 'hand' },
  undeclared: { word: 'No undo declared', tone: 'wait', icon: 'question' },
  running: { word: 'Taking back', tone: 'run', icon: 'undo' },
  done: { word: 'Taken back', tone: 'good', icon: 'check' },
  already_before: { word: 'Was as before', tone: 'good', icon: 'check' },
  stuck: { word: 'Stuck', tone: 'stuck', icon: 'knot' },
  left: { word: 'Left as it is', tone: 'idle', icon: 'skip' },
  failed: { word: 'Undo failed', tone: 'bad', icon: 'cross' },
};

const ALL: Record<StatusOf, Record<string, Look>> = {
  execution: EXECUTION,
  step: STEP,
  attempt: ATTEMPT,
  approval: APPROVAL,
  undo: UNDO,
};

/** The word, tone and icon of a status; a status that this version does not know is shown as it is written. */
export function lookOf(of: StatusOf, status: string): Look {
  return ALL[of][status] ?? { word: status.replaceAll('_', ' '), tone: 'idle', icon: 'dot' };
}

/** Whether nothing more happens to an execution by itself or by a driver. */
export function isFinal(status: string): boolean {
  return ['completed', 'failed', 'rolled_back', 'aborted'].includes(status);
}

/** Words for the five kinds of steps. */
export function kindWord(type: string): string {
  const words: Record<string, string> = {
    manual: 'Manual',
    automated: 'Automated',
    decision: 'Decision',
    verification: 'Verification',
    notification: 'Notification',
  };
  return words[type] ?? type;
}
