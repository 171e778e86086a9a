import dagre from '@dagrejs/dagre';

import type { FlowGraph } from '../../../domain/flow';

/** Width of a step's box, in pixels; titles wrap in it. */
export const WIDTH = 240;
/** Characters that fit into a line of a box. */
const LINE = 26;
const LINE_HEIGHT = 20;
const MARGIN = 12;

export interface Placed {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The way of an edge around the boxes, and where its label has room. */
export interface Route {
  path: string;
  label: Point;
}

interface Point {
  x: number;
  y: number;
}

export interface Layout {
  places: Map<string, Placed>;
  /** By the number of the edge; a step that leads to itself has none. */
  routes: Map<number, Route>;
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
  const routes = new Map<number, Route>();
  edges.forEach(({ from, to }, n) => {
    if (from !== to) {
      const { points, x, y } = graph.edge({ v: from, w: to, name: String(n) }) as { points: Point[] } & Partial<Point>;
      const middle = points[Math.floor(points.length / 2)] ?? { x: 0, y: 0 };
      routes.set(n, { path: curve(points), label: { x: x ?? middle.x, y: y ?? middle.y } });
    }
  });
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return { places, routes, width, height };
}

/** A line from the first point to the last one, rounded at those between. */
function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  const last = rest.at(-1);
  if (first === undefined || last === undefined) {
    return '';
  }
  const bends = rest.slice(0, -1).map((bend, n) => {
    const next = rest[n + 1] ?? last;
    const end = n === rest.length - 2 ? last : { x: (bend.x + next.x) / 2, y: (bend.y + next.y) / 2 };
    return `Q${bend.x} ${bend.y} ${end.x} ${end.y}`;
  });
  return `M${first.x} ${first.y}${bends.length === 0 ? `L${last.x} ${last.y}` : bends.join('')}`;
}
