// Folding: gates of a module, and structures that repeat, become one row that opens.

import { at } from "../data";
import type { Network } from "./data";

/** A range of gates, from `from` up to but without `to`. */
export interface Node {
  from: number;
  to: number;
  label: string;
  /** Made when first opened. */
  children: (() => Node[]) | null;
  open: boolean;
  kind: "gate" | "module" | "repeat" | "range";
}

/** More children than these are put into ranges. */
const MOST_CHILDREN = 120;
const LONGEST_PERIOD = 64;
/** Shorter repetitions stay as they are. */
const LEAST_REPEATED = 12;
const LEAST_TIMES = 3;

const gateNode = (network: Network, gate: number): Node => ({
  from: gate,
  to: gate + 1,
  label: network.nameOfGate(gate),
  children: null,
  open: false,
  kind: "gate",
});

/** What makes two gates alike: kind with settings, and the shape of the output. */
function tokens(network: Network): Int32Array {
  const found = new Int32Array(network.count);
  const known = new Map<string, number>();
  for (let gate = 0; gate < network.count; gate += 1) {
    const key = `${network.formulaPlace(gate)} ${network.shapePlace(network.first(gate))}`;
    const place = known.get(key) ?? known.size;
    known.set(key, place);
    found[gate] = place;
  }
  return found;
}

/** The module of each gate: as recorded, else by the dotted names of the parameters that it reads; gates between two of one module belong to it. */
function modules(network: Network): string[] {
  if (network.hasModules) return Array.from({ length: network.count }, (_, gate) => network.module(gate));
  const found = new Array<string>(network.count).fill("");
  const lastOf = new Map<string, number>();
  for (let gate = 0; gate < network.count; gate += 1) {
    for (const value of network.inputs(gate)) {
      const name = network.names.get(value) ?? "";
      const dot = name.lastIndexOf(".");
      if (dot > 0) found[gate] = name.slice(0, dot);
    }
    const module = at(found, gate);
    const last = lastOf.get(module);
    if (module && last !== undefined && gate - last <= LONGEST_PERIOD) found.fill(module, last + 1, gate);
    if (module) lastOf.set(module, gate);
  }
  return found;
}

/** Puts long lists into ranges, and those into ranges. */
function chunked(nodes: Node[]): Node[] {
  if (nodes.length <= MOST_CHILDREN) return nodes;
  const size = 10 ** Math.ceil(Math.log10(nodes.length / MOST_CHILDREN));
  const groups: Node[] = [];
  for (let start = 0; start < nodes.length; start += size) {
    const part = nodes.slice(start, start + size);
    const [first, last] = [at(part, 0), at(part, part.length - 1)];
    groups.push({
      from: first.from,
      to: last.to,
      label: `${first.label} – ${last.label}`,
      children: () => part,
      open: false,
      kind: "range",
    });
  }
  return groups;
}

/** A list with its repetitions folded: the shortest period of the longest repetition at each place. */
function repeats(network: Network, kinds: Int32Array, from: number, to: number): Node[] {
  const nodes: Node[] = [];
  let here = from;
  while (here < to) {
    let best = { period: 0, length: 0 };
    for (let period = 1; period <= LONGEST_PERIOD && here + period * LEAST_TIMES <= to; period += 1) {
      let end = here + period;
      while (end < to && kinds[end] === kinds[end - period]) end += 1;
      const times = Math.floor((end - here) / period);
      if (times >= LEAST_TIMES && times * period > best.length) best = { period, length: times * period };
      // A repetition of this length has no better period.
      if (best.length === to - here) break;
    }
    if (best.length >= LEAST_REPEATED) {
      nodes.push(repeatNode(network, kinds, here, best.period, best.length));
      here += best.length;
    } else {
      nodes.push(gateNode(network, here));
      here += 1;
    }
  }
  return nodes;
}

function repeatNode(network: Network, kinds: Int32Array, from: number, period: number, length: number): Node {
  const times = length / period;
  const names = Array.from({ length: Math.min(period, 4) }, (_, i) => network.formula(from + i).gate);
  const what = names.join(" ") + (period > 4 ? " …" : "");
  const blocks = (): Node[] => {
    if (period === 1) return chunked(Array.from({ length }, (_, i) => gateNode(network, from + i)));
    return chunked(
      Array.from({ length: times }, (_, i) => {
        const start = from + i * period;
        return {
          from: start,
          to: start + period,
          label: `block ${i + 1}`,
          children: () => repeats(network, kinds, start, start + period),
          open: false,
          kind: "repeat" as const,
        };
      }),
    );
  };
  return {
    from,
    to: from + length,
    label: `${times} × (${what})`,
    children: blocks,
    open: false,
    kind: "repeat",
  };
}

/** The network's tree: modules where parameters have dotted names, else repetitions. */
export function foldNetwork(network: Network): Node[] {
  const kinds = tokens(network);
  const names = modules(network);
  const level = (from: number, to: number, depth: number, prefix: string): Node[] => {
    const nodes: Node[] = [];
    let here = from;
    while (here < to) {
      const path = at(names, here).split(".");
      const part = at(names, here) && path.length > depth ? at(path, depth) : "";
      let end = here + 1;
      const same = (gate: number) => {
        const other = at(names, gate).split(".");
        return at(names, gate) !== "" && other.length > depth && other[depth] === part;
      };
      if (part === "") {
        const next = (gate: number) => at(names, gate) !== "" && at(names, gate).split(".").length > depth;
        while (end < to && !next(end)) end += 1;
        nodes.push(...repeats(network, kinds, here, end));
      } else {
        while (end < to && same(end)) end += 1;
        const [start, stop] = [here, end];
        const name = prefix + part;
        if (stop - start === 1) {
          nodes.push({ ...gateNode(network, start), label: at(names, start), kind: "module" });
        } else {
          const children = () => level(start, stop, depth + 1, `${name}.`);
          nodes.push({ from: start, to: stop, label: name, children, open: false, kind: "module" });
        }
      }
      here = end;
    }
    return chunked(nodes);
  };
  return level(0, network.count, 0, "");
}

export interface Row {
  node: Node;
  depth: number;
}

const cache = new WeakMap<Node, Node[]>();

export function childrenOf(node: Node): Node[] {
  if (!node.children) return [];
  const known = cache.get(node);
  if (known) return known;
  const made = node.children();
  cache.set(node, made);
  return made;
}

/** The rows that are in sight: all roots, and the children of open nodes. */
export function rowsOf(roots: readonly Node[]): Row[] {
  const rows: Row[] = [];
  const visit = (nodes: readonly Node[], depth: number) => {
    for (const node of nodes) {
      rows.push({ node, depth });
      if (node.open) visit(childrenOf(node), depth + 1);
    }
  };
  visit(roots, 0);
  return rows;
}

/** Opens what a gate is folded into. */
export function openTo(roots: readonly Node[], gate: number): void {
  let nodes = roots;
  for (;;) {
    const node = nodes.find((one) => one.from <= gate && gate < one.to);
    if (!node?.children) return;
    node.open = true;
    nodes = childrenOf(node);
  }
}
