// Where the circuit's parts stand: layers from left to right, values flow rightwards.
//
// Layers by longest path, leaves next to their first reader; order within a layer by barycentres and swaps;
// heights by weighted means of the neighbours, kept apart by pooling adjacent violators.

import { at, type Graph } from "./data";
import { nameOf, symbolOf } from "./names";

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** One reader of a value: the wire's path from the value's stub to the gate's input. */
export interface Branch {
  gate: number;
  input: number;
  path: string;
  /** Where the local gradient stands: the end of the wire, at the gate. */
  end: { x: number; y: number };
}

export interface Wire {
  /** The value that it carries. */
  value: number;
  /** The straight piece right of the source, with value above and gradient below. */
  stub: { from: number; to: number; y: number };
  branches: Branch[];
}

export interface Layout {
  width: number;
  height: number;
  leaves: Map<number, Box>;
  gates: Box[];
  wires: Wire[];
}

export const SIZES = {
  gate: 42,
  leaf: 44,
  port: 26,
  label: 68,
  elementOfLabel: 56,
  leastTurn: 22,
  mostTurn: 76,
  end: 46,
  rowGap: 12,
  row: 50,
  margin: 24,
  /** A wire that rises less becomes straight. */
  snap: 9,
};

/** Longer names of leaves are cut. */
export const LONGEST_NAME = 8;

interface Cell {
  layer: number;
  height: number;
  y: number;
  /** Place in the layer. */
  order: number;
  kind: "leaf" | "gate" | "bend";
  /** The value (leaf, bend) or gate that it stands for. */
  id: number;
}

interface Link {
  from: Cell;
  to: Cell;
  /** Where the wire arrives, from the middle of `to`. */
  offset: number;
  weight: number;
}

/** The layer of each gate, counted from 1; a leaf stands one layer before its first reader. */
function layersOf(graph: Graph, maker: readonly number[]): number[] {
  const layer: number[] = [];
  for (const gate of graph.gates) {
    const before = gate.inputs.map((id) => {
      const from = at(maker, id);
      return from < 0 ? 0 : at(layer, from);
    });
    layer.push(1 + Math.max(0, ...before));
  }
  // A gate that reads leaves only moves up to its own reader: shorter wires.
  for (const gate of [...graph.gates].reverse()) {
    if (gate.inputs.some((id) => at(maker, id) >= 0)) continue;
    const readers = graph.gates.filter((reader) => gate.outputs.some((id) => reader.inputs.includes(id)));
    if (readers.length > 0) layer[gate.id] = Math.min(...readers.map((reader) => at(layer, reader.id))) - 1;
  }
  return layer;
}

const portOffset = (inputs: number, input: number): number => (input - (inputs - 1) / 2) * SIZES.port;

/** The nearest positions (least squares, weighted) that keep their order and distances. */
function settle(cells: readonly Cell[], wanted: readonly number[], weights: readonly number[]): void {
  interface Block {
    mean: number;
    weight: number;
    members: number[];
  }
  const gaps: number[] = [];
  let sum = 0;
  cells.forEach((cell, i) => {
    if (i > 0) sum += (at(cells, i - 1).height + cell.height) / 2 + SIZES.rowGap;
    gaps.push(sum);
  });
  const blocks: Block[] = [];
  cells.forEach((_, i) => {
    let block: Block = { mean: at(wanted, i) - at(gaps, i), weight: at(weights, i), members: [i] };
    for (let last = blocks.at(-1); last && last.mean > block.mean; last = blocks.at(-1)) {
      blocks.pop();
      const weight = last.weight + block.weight;
      block = {
        mean: (last.mean * last.weight + block.mean * block.weight) / weight,
        weight,
        members: [...last.members, ...block.members],
      };
    }
    blocks.push(block);
  });
  for (const block of blocks) {
    for (const i of block.members) at(cells, i).y = block.mean + at(gaps, i);
  }
}

/** How often the links between two layers cross. */
function crossings(links: readonly Link[]): number {
  let count = 0;
  links.forEach((a, i) => {
    for (const b of links.slice(i + 1)) {
      const left = a.from.order - b.from.order;
      const right = a.to.order - b.to.order || a.offset - b.offset;
      if (left * right < 0) count += 1;
    }
  });
  return count;
}

class Layers {
  readonly layers: Cell[][] = [];
  readonly links: Link[] = [];
  private readonly into = new Map<Cell, Link[]>();
  private readonly outOf = new Map<Cell, Link[]>();

  add(cell: Omit<Cell, "order" | "y">): Cell {
    while (this.layers.length <= cell.layer) this.layers.push([]);
    const layer = at(this.layers, cell.layer);
    const added: Cell = { ...cell, order: layer.length, y: 0 };
    layer.push(added);
    return added;
  }

  link(from: Cell, to: Cell, offset: number): void {
    const weight = from.kind === "bend" && to.kind === "bend" ? 6 : from.kind === "leaf" ? 0.6 : 2;
    const link = { from, to, offset, weight };
    this.links.push(link);
    this.into.set(to, [...(this.into.get(to) ?? []), link]);
    this.outOf.set(from, [...(this.outOf.get(from) ?? []), link]);
  }

  private total(): number {
    let count = 0;
    for (let layer = 1; layer < this.layers.length; layer += 1) {
      count += crossings(this.links.filter((link) => link.to.layer === layer));
    }
    return count;
  }

  private renumber(layer: Cell[]): void {
    layer.forEach((cell, i) => {
      cell.order = i;
    });
  }

  /** Orders each layer by the mean place of its neighbours, back and forth, and keeps the best order seen. */
  order(): void {
    let best = this.total();
    let kept = this.layers.map((layer) => [...layer]);
    for (let round = 0; round < 24 && best > 0; round += 1) {
      const rightwards = round % 2 === 0;
      const sequence = rightwards ? this.layers : [...this.layers].reverse();
      for (const layer of sequence) {
        const mean = new Map(
          layer.map((cell) => {
            const links = (rightwards ? this.into : this.outOf).get(cell) ?? [];
            const places = links.map((link) =>
              rightwards ? link.from.order : link.to.order + link.offset / 1000,
            );
            return [cell, places.length ? places.reduce((a, b) => a + b) / places.length : cell.order];
          }),
        );
        layer.sort((a, b) => (mean.get(a) ?? 0) - (mean.get(b) ?? 0));
        this.renumber(layer);
      }
      this.swapNeighbours();
      const now = this.total();
      if (now < best) {
        best = now;
        kept = this.layers.map((layer) => [...layer]);
      }
    }
    kept.forEach((layer, i) => {
      this.layers[i] = layer;
      this.renumber(layer);
    });
  }

  private swapNeighbours(): void {
    const around = (layer: number) =>
      crossings(this.links.filter((link) => link.to.layer === layer)) +
      crossings(this.links.filter((link) => link.from.layer === layer));
    for (const [index, layer] of this.layers.entries()) {
      for (let i = 0; i + 1 < layer.length; i += 1) {
        const before = around(index);
        const swap = () => {
          const [a, b] = [at(layer, i), at(layer, i + 1)];
          [layer[i], layer[i + 1]] = [b, a];
          this.renumber(layer);
        };
        swap();
        if (around(index) >= before) swap();
      }
    }
  }

  /** Heights: each cell goes to the mean of its neighbours, as far as its own neighbours in the layer let it. */
  place(): void {
    for (const layer of this.layers) {
      settle(
        layer,
        layer.map((cell) => cell.order * SIZES.row),
        layer.map(() => 1),
      );
    }
    for (let round = 0; round < 80; round += 1) {
      const sequence = round % 2 === 0 ? this.layers : [...this.layers].reverse();
      for (const layer of sequence) {
        const wanted: number[] = [];
        const weights: number[] = [];
        for (const cell of layer) {
          let sum = 0;
          let weight = 0;
          for (const link of this.into.get(cell) ?? []) {
            sum += link.weight * (link.from.y - link.offset);
            weight += link.weight;
          }
          for (const link of this.outOf.get(cell) ?? []) {
            sum += link.weight * (link.to.y + link.offset);
            weight += link.weight;
          }
          wanted.push(weight > 0 ? sum / weight : cell.y);
          weights.push(weight > 0 ? weight : 0.01);
        }
        settle(layer, wanted, weights);
      }
    }
  }

  /** Straight wires: the bends of a wire that passes several layers get one height, where there is room. */
  straighten(bends: readonly Cell[]): void {
    const next = bends.at(-1) && this.outOf.get(at(bends, bends.length - 1))?.[0];
    if (!next) return;
    let least = Number.NEGATIVE_INFINITY;
    let most = Number.POSITIVE_INFINITY;
    for (const bend of bends) {
      const layer = at(this.layers, bend.layer);
      const room = (other: Cell) => (other.height + bend.height) / 2 + SIZES.rowGap;
      const above = layer[bend.order - 1];
      const below = layer[bend.order + 1];
      if (above) least = Math.max(least, above.y + room(above));
      if (below) most = Math.min(most, below.y - room(below));
    }
    if (least > most) return;
    const height = Math.max(least, Math.min(most, next.to.y + next.offset));
    for (const bend of bends) bend.y = height;
  }

  /** Wires that are nearly straight become straight: what has one reader moves to its height, where there is room. */
  snap(): void {
    for (const layer of [...this.layers].reverse()) {
      for (const cell of layer) {
        const [link, ...others] = this.outOf.get(cell) ?? [];
        if (!link || others.length > 0) continue;
        const y = link.to.y + link.offset;
        const hasRoom = [-1, 1].every((side) => {
          const other = layer[cell.order + side];
          return !other || side * (other.y - y) >= (other.height + cell.height) / 2 + SIZES.rowGap;
        });
        if (hasRoom && Math.abs(y - cell.y) <= SIZES.snap) cell.y = y;
      }
    }
  }
}

/** Boxes are as wide as what is written in them. */
function widthOf(graph: Graph, cell: Cell): number {
  if (cell.kind === "bend") return 0;
  if (cell.kind === "gate") {
    const { length } = symbolOf(at(graph.gates, cell.id));
    return length <= 4 ? SIZES.gate : 22 + 7 * length;
  }
  const { length } = at(graph.values, cell.id).kind === "constant" ? "" : nameOf(graph, cell.id);
  return length <= 2 ? SIZES.leaf : 24 + 9 * Math.min(length, LONGEST_NAME);
}

/** A value's label grows with the elements that it shows, never with their digits: nothing jumps. */
const labelWidth = (elements: number): number =>
  elements === 1 ? SIZES.label : 24 + Math.min(elements, 4) * SIZES.elementOfLabel;

/** Lays out a graph. */
export function layOut(graph: Graph): Layout {
  const maker = graph.values.map(() => -1);
  for (const gate of graph.gates) for (const id of gate.outputs) maker[id] = gate.id;
  const readers = graph.values.map((value) =>
    graph.gates.flatMap((gate) =>
      gate.inputs.flatMap((id, input) => (id === value.id ? [{ gate: gate.id, input }] : [])),
    ),
  );
  const layerOfGate = layersOf(graph, maker);
  const layers = new Layers();
  const gateCells = graph.gates.map((gate) =>
    layers.add({
      layer: at(layerOfGate, gate.id),
      kind: "gate",
      id: gate.id,
      height: Math.max(SIZES.row, gate.inputs.length * SIZES.port),
    }),
  );
  // A value's cells, one a layer, from its source to the layer before its last reader.
  const chains = graph.values.map((value) => {
    const from = at(maker, value.id);
    const reading = at(readers, value.id).map((reader) => at(layerOfGate, reader.gate));
    if (from < 0 && reading.length === 0) return [];
    const source =
      from >= 0
        ? at(gateCells, from)
        : layers.add({ layer: Math.min(...reading) - 1, kind: "leaf", id: value.id, height: SIZES.row });
    const chain = [source];
    for (let layer = source.layer + 1; layer < Math.max(source.layer, ...reading); layer += 1) {
      const bend = layers.add({ layer, kind: "bend", id: value.id, height: 12 });
      layers.link(at(chain, chain.length - 1), bend, 0);
      chain.push(bend);
    }
    for (const { gate, input } of at(readers, value.id)) {
      const to = at(gateCells, gate);
      const last = at(chain, to.layer - 1 - source.layer);
      layers.link(last, to, portOffset(at(graph.gates, gate).inputs.length, input));
    }
    return chain;
  });
  layers.order();
  layers.place();
  for (const chain of chains) layers.straighten(chain.filter((cell) => cell.kind === "bend"));
  layers.snap();

  // Columns: room to turn, the ends of wires, the boxes, the labels right of them.
  const columns: { start: number; box: number; end: number }[] = [];
  let x = SIZES.margin - SIZES.end - SIZES.leastTurn;
  for (const [place, layer] of layers.layers.entries()) {
    const widest = Math.max(
      SIZES.label,
      ...layer.map((cell) => {
        const id = cell.kind === "gate" ? at(at(graph.gates, cell.id).outputs, 0) : cell.id;
        return cell.kind === "bend" ? 0 : labelWidth(at(graph.values, id).value.length);
      }),
    );
    const boxes = Math.max(SIZES.leaf, ...layer.map((cell) => widthOf(graph, cell)));
    // Steep wires need more room to turn.
    const rise = layers.links
      .filter((link) => link.to.layer === place)
      .map((link) => Math.abs(link.to.y + link.offset - link.from.y));
    const turn = Math.max(SIZES.leastTurn, Math.min(SIZES.mostTurn, 0.4 * Math.max(0, ...rise)));
    const start = x + turn;
    const box = start + SIZES.end + boxes / 2;
    columns.push({ start, box, end: box + boxes / 2 + widest });
    x = box + boxes / 2 + widest;
  }
  const cells = layers.layers.flat();
  const top = Math.min(...cells.map((cell) => cell.y - cell.height / 2));
  const down = SIZES.margin - top;
  const bottom = Math.max(...cells.map((cell) => cell.y + cell.height / 2));

  const boxAt = (cell: Cell, width: number, height: number): Box => ({
    x: at(columns, cell.layer).box,
    y: cell.y + down,
    width,
    height,
  });
  const leaves = new Map<number, Box>();
  const wires: Wire[] = [];
  chains.forEach((chain, value) => {
    const [source] = chain;
    if (!source) return;
    if (source.kind === "leaf") leaves.set(value, boxAt(source, widthOf(graph, source), 28));
    const column = at(columns, source.layer);
    const y = source.y + down;
    const half = widthOf(graph, source) / 2;
    const branches = at(readers, value).map(({ gate, input }) => {
      const to = at(gateCells, gate);
      const endY = to.y + down + portOffset(at(graph.gates, gate).inputs.length, input);
      let path = `M${column.end} ${round(y)}`;
      let here = { x: column.end, y };
      const curve = (nextX: number, nextY: number) => {
        const middle = (here.x + nextX) / 2;
        path += `C${round(middle)} ${round(here.y)} ${round(middle)} ${round(nextY)} ${round(nextX)} ${round(nextY)}`;
        here = { x: nextX, y: nextY };
      };
      for (const bend of chain.slice(1, to.layer - source.layer)) {
        const { start, end } = at(columns, bend.layer);
        curve(start, bend.y + down);
        path += `H${end}`;
        here.x = end;
      }
      const { start, box } = at(columns, to.layer);
      const endX = box - widthOf(graph, to) / 2;
      curve(start, endY);
      path += `H${endX}`;
      return { gate, input, path, end: { x: endX, y: endY } };
    });
    wires.push({ value, stub: { from: column.box + half, to: column.end, y }, branches });
  });
  const lastColumn = at(columns, columns.length - 1);
  return {
    width: lastColumn.end + SIZES.margin,
    height: bottom + down + SIZES.margin,
    leaves,
    gates: graph.gates.map((gate) =>
      boxAt(
        at(gateCells, gate.id),
        widthOf(graph, at(gateCells, gate.id)),
        Math.max(SIZES.gate, (gate.inputs.length - 1) * SIZES.port + 22),
      ),
    ),
    wires,
  };
}

const round = (x: number): number => Math.round(x * 10) / 10;
