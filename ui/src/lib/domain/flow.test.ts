import { describe, expect, it } from 'vitest';

import { graph, outline } from './flow';
import { runbook, step } from './samples';

describe('the flow of a runbook', () => {
  const view = runbook({
    steps: [step('look'), step('choose', { type: 'decision' }), step('fix'), step('unfix', { undo_only: true })],
    flow: [
      { from: 'look', to: 'choose', kind: 'next', label: null },
      { from: 'choose', to: 'fix', kind: 'branch', label: 'broken' },
      { from: 'choose', to: 'end', kind: 'branch', label: 'healthy' },
      { from: 'fix', to: 'end', kind: 'next', label: null },
      { from: 'fix', to: 'look', kind: 'failure', label: null },
      { from: 'fix', to: 'unfix', kind: 'undo', label: null },
      { from: 'fix', to: 'nowhere', kind: 'next', label: null },
    ],
  });

  it('draws every step and the end once', () => {
    expect(graph(view).nodes.map(({ id }) => id)).toEqual(['look', 'choose', 'fix', 'unfix', 'end']);
  });

  it('leaves out an edge to a step that does not exist, which a finding tells of', () => {
    expect(graph(view).edges.some(({ to }) => to === 'nowhere')).toBe(false);
  });

  it('says in words where each step leads', () => {
    const lines = Object.fromEntries(outline(view).map(({ node, ways }) => [node.id, ways.map(({ text }) => text)]));
    expect(lines['look']).toEqual(['then 2. choose']);
    expect(lines['choose']).toEqual(['broken: 3. fix', 'healthy: the end']);
    expect(lines['fix']).toEqual(['then the end', 'if it fails: 1. look', 'taken back by 4. unfix']);
  });

  it('draws no end where nothing leads there', () => {
    const open = runbook({ steps: [step('a')], flow: [] });
    expect(graph(open).nodes.map(({ id }) => id)).toEqual(['a']);
  });
});
