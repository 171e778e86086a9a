import dagre from '@dagrejs/dagre';

import type { FlowGraph } from '../../../domain/flow';

/** Width of a step's box, in pixels; titles wrap in it. */
export const WIDTH = 224;
/** Characters that fit into a line of a box. */
const LINE = 24;
const LINE_HEIGHT = 20;
const MARGIN = 12;

export interface Placed {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Layout {
  places: Map<string, Placed>;
  width: number;
  height: number;
}

/** Places the steps from top to bottom. What is only there for failures and undos does not stretch the main way. */
export function layout({ nodes, edges }: FlowGraph): Layout {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: 'TB', nodesep: 36, ranksep: 54, edgesep: 24, marginx: MARGIN, marginy: MARGIN });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, step } of nodes) {
    const size =
      step === undefined
        ? { width: 84, height: 40 }
        : { width: WIDTH, height: 44 + LINE_HEIGHT * Math.min(3, Math.ceil(step.title.length / LINE)) };
    graph.setNode(id, size);
  }
  edges.forEach(({ from, to, kind, label }, n) => {
    if (from === to) {
      return;
    }
    const weight = { next: 8, branch: 4, failure: 1, undo: 1 }[kind];
    const named = label === null ? {} : { width: label.length * 7, height: 20, labelpos: 'c' as const };
    graph.setEdge({ v: from, w: to, name: String(n) }, { weight, ...named });
  });
  dagre.layout(graph);
  const places = new Map<string, Placed>();
  for (const { id } of nodes) {
    const { x, y, width, height } = graph.node(id) as Placed;
    places.set(id, { x: x - width / 2, y: y - height / 2, width, height });
  }
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return { places, width, height };
}
