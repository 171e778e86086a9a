import type { FlowEdge, RunbookView, StepSpec } from '../backend/api';

/** The end of a flow, as edges name it. */
export const END = 'end';

/** A step in the graph; none for the end. */
export interface FlowNode {
  id: string;
  /** Its place in the file, from one. */
  n: number;
  step: StepSpec | undefined;
}

/** What is drawn. */
export interface FlowGraph {
  nodes: FlowNode[];
  edges: FlowEdge[];
}

/** The steps that the flow names, in the order of the file, and its edges; edges to steps that do not exist are left out. */
export function graph(runbook: RunbookView): FlowGraph {
  const steps = numbered(runbook);
  const known = new Set([...steps.map(({ id }) => id), END]);
  const edges = runbook.flow.filter(({ from, to }) => known.has(from) && known.has(to));
  const ends = edges.some(({ to }) => to === END);
  return { nodes: ends ? [...steps, { id: END, n: steps.length + 1, step: undefined }] : steps, edges };
}

function numbered(runbook: RunbookView): FlowNode[] {
  return runbook.steps.map((step, n) => ({ id: step.name, n: n + 1, step }));
}

/** One line of the flow as text. */
export interface FlowLine {
  node: FlowNode;
  /** Where it goes, in words. */
  ways: { edge: FlowEdge; text: string }[];
}

/** The flow in words, for whoever does not see the graph. */
export function outline(runbook: RunbookView): FlowLine[] {
  const { nodes, edges } = graph(runbook);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const name = (id: string) => {
    const node = byId.get(id);
    return node?.step === undefined ? 'the end' : `${node.n}. ${node.step.title}`;
  };
  return nodes
    .filter((node) => node.step !== undefined)
    .map((node) => ({
      node,
      ways: edges.filter(({ from }) => from === node.id).map((edge) => ({ edge, text: way(edge, name(edge.to)) })),
    }));
}

function way(edge: FlowEdge, to: string): string {
  const label = edge.label === null ? '' : edge.label;
  switch (edge.kind) {
    case 'next':
      return `then ${to}`;
    case 'branch':
      return label === '' ? `or ${to}` : `${label}: ${to}`;
    case 'failure':
      return `if it fails: ${label === '' ? to : `${label}, ${to}`}`;
    case 'undo':
      return `taken back by ${to}`;
  }
}
