import type {
  ApprovalView,
  ExecutionView,
  JsonValue,
  OutcomeWord,
  Said,
  StepView,
  UndoWord,
  Waiting,
  WaitingOption,
} from '../../backend/api';
import { currentStep } from './timeline';

/** One answer that a button and a key give. */
export interface Choice {
  key: string;
  label: string;
  description: string;
  /** How it looks: what people mean most often, what goes on, what ends or harms. */
  tone: 'primary' | 'plain' | 'danger';
  /** What is said. */
  said: Said;
}

/** Values of both sides of an undo that cannot go on. */
export interface Sides {
  before: JsonValue | undefined;
  after: JsonValue | undefined;
  live: JsonValue | undefined;
  error: string | undefined;
}

/** What a person is asked. */
export type Ask =
  | { kind: 'manual'; step: string; detail: string; choices: Choice[] }
  | { kind: 'decision'; step: string; detail: string; choices: Choice[] }
  | { kind: 'approval'; step: string; approval: ApprovalView }
  | { kind: 'renewal'; step: string; detail: string; difference: string[]; choices: Choice[] }
  | { kind: 'outcome'; step: string; detail: string; choices: Choice[] }
  | { kind: 'undo'; step: string; detail: string; sides: Sides; choices: Choice[] }
  | { kind: 'recovery'; step: string; detail: string; choices: Choice[] }
  | { kind: 'input'; step: string; detail: string; values: WaitingOption[] }
  | { kind: 'checklist'; detail: string; items: WaitingOption[] }
  | { kind: 'paused'; choices: Choice[] }
  | { kind: 'failure'; step: string; detail: string; choices: Choice[] };

/** Everything that a person is asked now, the most pressing first; nothing while it goes on by itself. */
export function asks(view: ExecutionView): Ask[] {
  const asked = view.waiting_on.map((waiting) => ask(waiting, view)).filter((of) => of !== undefined);
  if (view.status === 'paused') {
    const resume = choice('p', 'Resume', 'new steps may start again', 'primary', { say: 'resume' });
    return [{ kind: 'paused', choices: [resume] }, ...asked];
  }
  const failed = failure(view);
  return failed === undefined ? asked : [failed, ...asked];
}

/** The step of a waiting, without its visit. */
export function stepName(step: string): string {
  return step.replace(/#\d+$/, '');
}

function ask(waiting: Waiting, view: ExecutionView): Ask | undefined {
  const step = waiting.step ?? '';
  const known = view.steps.find((of) => of.name === stepName(step));
  const { detail, options } = waiting;
  switch (waiting.kind) {
    case 'manual':
      return {
        kind: 'manual',
        step,
        detail,
        choices: [
          choice('d', 'Done', 'it was done as described', 'primary', confirm(step, 'done')),
          choice('f', 'Failed', 'it did not work', 'danger', confirm(step, 'failed')),
        ],
      };
    case 'decision':
      return {
        kind: 'decision',
        step,
        detail: why(detail),
        choices: options.map((option, index) => branch(step, option, index)),
      };
    case 'approval':
      return known?.approval?.status === 'waiting'
        ? { kind: 'approval', step, approval: known.approval }
        : renewal(step, detail, known);
    case 'outcome':
      return {
        kind: 'outcome',
        step,
        detail,
        choices: options.flatMap((option) => {
          const outcome = OUTCOMES.find((of) => of.word === option.name);
          return outcome === undefined
            ? []
            : [
                choice(
                  outcome.key,
                  outcome.label,
                  option.description || outcome.means,
                  outcome.tone,
                  confirm(step, outcome.word),
                ),
              ];
        }),
      };
    case 'undo':
      return options.length === 0
        ? {
            kind: 'recovery',
            step,
            detail,
            choices: [retry(step, 'try this step of the rollback again'), byHand(step)],
          }
        : { kind: 'undo', step, detail, sides: sides(known), choices: options.flatMap((of) => settle(step, of)) };
    case 'input':
      return { kind: 'input', step, detail, values: options };
    case 'checklist':
      return { kind: 'checklist', detail, items: options };
  }
}

/** Why nothing decided by itself; a person who only picks needs no sentence. */
function why(detail: string): string {
  return detail.replace(/^pick a branch(: )?/, '');
}

/** `means` is said where the application says nothing about it. */
const OUTCOMES: { word: OutcomeWord; key: string; label: string; means: string; tone: Choice['tone'] }[] = [
  { word: 'done', key: '1', label: 'It happened', means: 'as it was meant to; go on after it', tone: 'primary' },
  { word: 'not-done', key: '2', label: 'It did not happen', means: 'it may start again', tone: 'plain' },
  { word: 'failed', key: '3', label: 'It failed', means: 'go on as after any failure of it', tone: 'danger' },
  { word: 'undo', key: '4', label: 'Take it back', means: 'take the step back', tone: 'plain' },
];

const UNDOS: { word: UndoWord; key: string; label: string; tone: Choice['tone'] }[] = [
  { word: 'done', key: '1', label: 'The undo act happened', tone: 'plain' },
  { word: 'retry', key: 'r', label: 'Compare and try again', tone: 'primary' },
  { word: 'by-hand', key: 'h', label: 'Taken back by hand', tone: 'plain' },
  { word: 'leave', key: 'l', label: 'Leave it as it is', tone: 'danger' },
];

function settle(step: string, option: WaitingOption): Choice[] {
  const known = UNDOS.find((of) => of.word === option.name);
  return known === undefined
    ? []
    : [
        choice(known.key, known.label, option.description, known.tone, {
          say: 'settle_undo',
          step,
          choice: known.word,
        }),
      ];
}

function branch(step: string, option: WaitingOption, index: number): Choice {
  const key = index < 9 ? String(index + 1) : '';
  return choice(key, option.name, option.description, 'plain', { say: 'decide', step, branch: option.name });
}

function renewal(step: string, detail: string, known: StepView | undefined): Ask {
  return {
    kind: 'renewal',
    step,
    detail,
    difference: known?.approval?.difference ?? [],
    choices: [retry(step, 'ask again, with what would run now'), byHand(step)],
  };
}

function failure(view: ExecutionView): Ask | undefined {
  const undone = view.steps.some((step) => step.status === 'undone' || step.status === 'undo_failed');
  if (view.status !== 'failed' || undone) {
    return undefined;
  }
  const step = currentStep(view);
  if (step?.status !== 'failed' && step?.status !== 'cancelled') {
    return undefined;
  }
  return {
    kind: 'failure',
    step: step.name,
    detail: step.error ?? view.error ?? 'it failed',
    choices: [retry(step.name, 'a new attempt, rendered anew'), byHand(step.name)],
  };
}

/** The states that a stuck undo found. */
function sides(step: StepView | undefined): Sides {
  const detail = step?.undo?.detail;
  const of = (name: string): JsonValue | undefined =>
    detail !== null && typeof detail === 'object' && !Array.isArray(detail) ? detail[name] : undefined;
  const error = of('error');
  return {
    before: of('before'),
    after: of('after'),
    live: of('live'),
    error: error === undefined ? undefined : typeof error === 'string' ? error : JSON.stringify(error),
  };
}

function choice(key: string, label: string, description: string, tone: Choice['tone'], said: Said): Choice {
  return { key, label, description, tone, said };
}

function confirm(step: string, outcome: OutcomeWord): Said {
  return { say: 'confirm', step, outcome, by_hand: false };
}

function retry(step: string, description: string): Choice {
  return choice('r', 'Retry', description, 'primary', { say: 'retry', step });
}

function byHand(step: string): Choice {
  return choice('h', 'Done by hand', 'go on after this step', 'plain', byHandSaid(step));
}

/** An automated step was done by hand. */
export function byHandSaid(step: string): Said {
  return { say: 'confirm', step, outcome: 'done', by_hand: true };
}

/** What is said, with the remark that somebody typed beside it. */
export function withNote(said: Said, note: string): Said {
  const text = note.trim();
  if (text === '') {
    return said;
  }
  switch (said.say) {
    case 'confirm':
    case 'settle_undo':
    case 'check':
      return { ...said, note: text };
    case 'approve':
    case 'reject':
      return { ...said, comment: text };
    case 'note':
    case 'provide':
    case 'decide':
    case 'retry':
    case 'skip':
    case 'pause':
    case 'resume':
    case 'abort':
    case 'rollback':
      return said;
  }
}
