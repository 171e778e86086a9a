import type { Said } from '../../backend/api';

/** Something that is said only after a person has typed words, or has confirmed it. */
export interface Prompt {
  /** What is typed is kept under it. */
  draft: string;
  title: string;
  description: string;
  /** What the words are. */
  label: string;
  /** Without words it is not said. */
  needed: boolean;
  button: string;
  danger: boolean;
  /** Whether what would be taken back is shown before. */
  takesBack?: true;
  /** What is said with the words; nothing where the act that runs is cancelled. */
  said: ((words: string) => Said) | 'cancel';
}

const optional = (words: string) => (words === '' ? null : words);

/** What may be asked for in a dialog, for one execution. */
export const prompts = {
  skip: (execution: string, step: string): Prompt => ({
    draft: `skip:${execution}:${step}`,
    title: `Skip ${step}?`,
    description: 'It is left out, and the execution goes on after it. The reason stays in the log.',
    label: 'Reason',
    needed: true,
    button: 'Skip it',
    danger: false,
    said: (reason) => ({ say: 'skip', step, reason }),
  }),
  byHand: (execution: string, step: string): Prompt => ({
    draft: `byhand:${execution}:${step}`,
    title: `Was ${step} done by hand?`,
    description: 'It counts as done, nothing of it is run here, and the execution goes on after it.',
    label: 'What you did (optional)',
    needed: false,
    button: 'It was done by hand',
    danger: false,
    said: (note) => ({ say: 'confirm', step, outcome: 'done', by_hand: true, note: optional(note) }),
  }),
  reject: (execution: string, step: string, digest: string): Prompt => ({
    draft: `reject:${execution}:${step}`,
    title: `Reject ${step}?`,
    description: 'It does not run. One rejection closes the request.',
    label: 'Why (optional)',
    needed: false,
    button: 'Reject it',
    danger: true,
    said: (comment) => ({ say: 'reject', step, digest, comment: optional(comment) }),
  }),
  note: (execution: string): Prompt => ({
    draft: `note:${execution}`,
    title: 'Add a note',
    description: 'It is signed, stays in the log and goes into the postmortem.',
    label: 'Note, Markdown',
    needed: true,
    button: 'Add the note',
    danger: false,
    said: (text) => ({ say: 'note', text }),
  }),
  abort: (execution: string): Prompt => ({
    draft: `abort:${execution}`,
    title: 'Abort this execution?',
    description:
      'Nothing new starts, what runs is let end, and nothing is taken back. It can be rolled back afterwards.',
    label: 'Reason',
    needed: true,
    button: 'Abort it',
    danger: true,
    said: (reason) => ({ say: 'abort', reason }),
  }),
  rollback: (execution: string): Prompt => ({
    draft: `rollback:${execution}`,
    title: 'Roll back what was changed?',
    description:
      'What runs is let end; then every change is taken back, the newest first, each only if its state is still the one it left.',
    label: 'Reason',
    needed: true,
    button: 'Roll back',
    danger: true,
    takesBack: true,
    said: (reason) => ({ say: 'rollback', reason }),
  }),
  leaveUndo: (execution: string, step: string): Prompt => ({
    draft: `leave:${execution}:${step}`,
    title: `Leave ${step} as it is?`,
    description: 'What it changed is not taken back. The rollback goes on with the next step.',
    label: 'Why (optional)',
    needed: false,
    button: 'Leave it as it is',
    danger: true,
    said: (note) => ({ say: 'settle_undo', step, choice: 'leave', note: optional(note) }),
  }),
  cancel: (execution: string, act: string): Prompt => ({
    draft: `cancel:${execution}`,
    title: 'Cancel what runs?',
    description: `${act} is ended. If it changes something, how far it came is asked for afterwards; nothing is taken back by this.`,
    label: '',
    needed: false,
    button: 'Cancel it',
    danger: true,
    said: 'cancel',
  }),
};
