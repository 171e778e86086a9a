import type { Action } from '../actions.svelte';
import { visible } from '../format';
import type { Ask, Choice } from './ask';
import type { Controls } from './controls';
import type { ExecutionState } from './live.svelte';
import { prompts, type Prompt } from './prompt';

/** What keys act on. */
export interface Offer {
  execution: ExecutionState;
  may: Controls;
  /** Questions that are shown, and that keys answer. */
  asks: readonly Ask[];
  /** Whether the steps are what is shown. */
  shown: boolean;
  /** Whether somebody picked the step in front. */
  picked: boolean;
  /** Whether the question has only just come: a key was meant for the one before. */
  fresh: () => boolean;
  choose: (ask: Ask, choice: Choice) => void;
  /** Asks for words first. */
  ask: (prompt: Prompt) => void;
  cancel: () => void;
  move: (by: number) => void;
  back: () => void;
  search: () => void;
  follow: () => void;
}

const GROUP = 'Execution';

/** What can be done with an execution by key and from the palette. An answer comes before what has the same key. */
export function offers(of: Offer): Action[] {
  const answers = of.asks.flatMap((ask) => answering(ask, of));
  const taken = new Set(answers.flatMap((action) => action.keys ?? []));
  const others = doing(of).filter((action) => !(action.keys ?? []).some((key) => taken.has(key)));
  return [...answers, ...others, ...(of.shown ? looking(of) : []), back(of)];
}

function action(id: string, label: string, key: string, run: () => void): Action {
  return { id: `execution-${id}`, label, keys: [key], group: GROUP, run };
}

function answering(ask: Ask, { execution, fresh, choose, ask: prompt }: Offer): Action[] {
  const settled = (run: () => void) => () => {
    if (!fresh()) {
      run();
    }
  };
  if (ask.kind === 'approval') {
    return [
      action('approve', 'Approve: type the target', 'a', () =>
        document.querySelector<HTMLInputElement>('.approve-target input')?.focus(),
      ),
      action('reject', 'Reject', 'x', () => prompt(prompts.reject(execution.id, ask.step, ask.approval.digest))),
    ];
  }
  if (ask.kind === 'checklist') {
    const all = settled(() => void execution.say({ say: 'check', items: null }));
    return [action('check', 'Answer the whole checklist', 'd', all)];
  }
  const choices = 'choices' in ask ? ask.choices : [];
  return choices.map((choice) =>
    action(
      `${ask.kind}-${choice.label}`,
      visible(choice.label),
      choice.key,
      settled(() => choose(ask, choice)),
    ),
  );
}

function doing({ execution, may, ask, cancel }: Offer): Action[] {
  const { retry, skip, byHand } = may;
  const { id } = execution;
  const list: Action[] = [];
  if (retry !== undefined) {
    list.push(action('retry', `Retry ${retry}`, 'r', () => void execution.say({ say: 'retry', step: retry })));
  }
  if (skip !== undefined) {
    list.push(action('skip', `Skip ${skip} with a reason`, 's', () => ask(prompts.skip(id, skip))));
  }
  if (byHand !== undefined) {
    list.push(action('byhand', `${byHand} was done by hand`, 'h', () => ask(prompts.byHand(id, byHand))));
  }
  if (may.cancel) {
    list.push(action('cancel', 'Cancel what runs', 'c', cancel));
  }
  if (may.pause) {
    list.push(action('pause', 'Pause', 'p', () => void execution.say({ say: 'pause' })));
  }
  if (may.rollback) {
    list.push(action('rollback', 'Roll back', 'u', () => ask(prompts.rollback(id))));
  }
  if (may.abort) {
    list.push(action('abort', 'Abort', 'A', () => ask(prompts.abort(id))));
  }
  if (may.drive) {
    list.push(action('drive', 'Go on here', 'o', () => void execution.drive()));
  }
  list.push(action('note', 'Add a note', 'n', () => ask(prompts.note(id))));
  return list;
}

function looking({ move, search, follow }: Offer): Action[] {
  const by = (step: number) => () => move(step);
  return [
    { id: 'step-next', label: 'Next step', keys: ['j', 'ArrowDown'], group: GROUP, keyOnly: true, run: by(1) },
    { id: 'step-before', label: 'Step before', keys: ['k', 'ArrowUp'], group: GROUP, keyOnly: true, run: by(-1) },
    { id: 'search-output', label: 'Search the output', keys: ['/'], group: GROUP, run: search },
    { id: 'follow-output', label: 'Follow the output', keys: ['e'], group: GROUP, run: follow },
  ];
}

function back({ picked, back: run }: Offer): Action {
  const label = picked ? 'Back to the step in front' : 'Back to the executions';
  return { id: 'execution-back', label, keys: ['Escape'], group: GROUP, keyOnly: true, run };
}
