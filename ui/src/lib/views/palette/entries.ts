import type { ExecutionSummary, SearchHit } from '../../backend/api';
import type { Action } from '../../domain/actions.svelte';
import { lookOf } from '../../domain/status';

/** Something that the palette offers. */
export type Entry = { key: string } & (
  | { kind: 'action'; action: Action }
  | { kind: 'runbook'; hit: SearchHit }
  | { kind: 'execution'; execution: ExecutionSummary }
);

/** Entries of a kind under their heading. */
export interface Group {
  title: string;
  entries: Entry[];
}

/** Entries of a kind; more are not looked through, one types on instead. */
const MOST = 8;
/** Runbooks and executions before anything is typed. */
const FEW = 5;

/** What is offered for a text: runbooks as the search ranks them, actions and executions by their words. */
export function entries(
  typed: string,
  actions: readonly Action[],
  hits: readonly SearchHit[],
  executions: readonly ExecutionSummary[],
): Group[] {
  const text = typed.trim();
  const most = text === '' ? FEW : MOST;
  const act: Group = {
    title: 'Do',
    entries: actions
      .filter((action) => action.keyOnly !== true && action.id !== 'palette' && matches(text, action.label))
      .map((action) => ({ kind: 'action', key: `action-${action.id}`, action })),
  };
  const runbooks: Group = {
    title: 'Runbooks',
    entries: hits.slice(0, most).map((hit) => ({ kind: 'runbook', key: `runbook-${hit.name}`, hit })),
  };
  const runs: Group = {
    title: 'Executions',
    entries: executions
      .filter((one) => matches(text, words(one)))
      .slice(0, most)
      .map((execution) => ({ kind: 'execution', key: `execution-${execution.execution}`, execution })),
  };
  const groups = text === '' ? [act, runs, runbooks] : [runbooks, act, runs];
  return groups.filter((group) => group.entries.length > 0);
}

function words({ runbook, status, incident, ticket, started_by }: ExecutionSummary): string {
  return [runbook.title, runbook.name, lookOf('execution', status).word, incident, ticket, started_by].join(' ');
}

/** Whether every word that was typed begins a word of a text, in any order. */
export function matches(typed: string, text: string): boolean {
  const all = split(text);
  return split(typed).every((word) => all.some((other) => other.startsWith(word)));
}

function split(text: string): string[] {
  return text
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');
}
