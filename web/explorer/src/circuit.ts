// The drawing: values above their wires, gradients below, local gradients where wires end.

import { at, type Graph, type Value } from "./data";
import { svg } from "./dom";
import { prettyAll } from "./format";
import { type Box, type Layout, LONGEST_NAME, layOut } from "./layout";
import { indexed, nameOf, outputName, symbolOf } from "./names";
import type { Run } from "./replay";
import { gradientAt, knowsValue, type Plan } from "./steps";

/** What the drawing shows. */
export interface View {
  graph: Graph;
  plan: Plan;
  run: Run;
  step: number;
  /** Gradients are the student's to find. */
  quiz: boolean;
}

interface Branch {
  gate: number;
  input: number;
  path: SVGPathElement;
  local: SVGTextElement;
}

interface Wire {
  value: number;
  stub: SVGPathElement;
  valueText: SVGTextElement;
  gradientText: SVGTextElement;
  branches: Branch[];
}

export interface CircuitEvents {
  /** Whether values can be changed. */
  readonly editable: boolean;
  /** A gate was chosen. */
  gate(id: number): void;
  /** A leaf was chosen with the keyboard or clicked. */
  leaf(id: number): void;
  /** A leaf is being dragged: its value at the start of the drag, and the distance in steps. */
  drag(id: number, start: number, steps: number): void;
  valueOf(id: number): number;
}

/** A name with its index below the line. */
function nameSpans(name: string): (Node | string)[] {
  const [base, index] = indexed(name);
  if (index === null) return [name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name];
  return [base, svg("tspan", { class: "index", dy: 4 }, index)];
}

/** Whether a key presses what has the focus. After a click with the mouse, space plays and stops. */
function presses(event: KeyboardEvent): boolean {
  const { key, target } = event;
  return key === "Enter" || (key === " " && target instanceof Element && target.matches(":focus-visible"));
}

const LONG_LABEL = 7;
/** Between a local gradient and its gate. */
const LOCAL_GAP = 5;

export class Circuit {
  readonly element: SVGSVGElement;
  readonly layout: Layout;
  private readonly wires: Wire[] = [];
  private readonly gates: SVGGElement[] = [];
  private readonly leaves = new Map<number, SVGGElement>();

  constructor(graph: Graph, events: CircuitEvents) {
    this.layout = layOut(graph);
    const { width, height } = this.layout;
    this.element = svg("svg", {
      viewBox: `0 0 ${width} ${height}`,
      role: "group",
      "aria-label": `Circuit of ${graph.gates.length} gates; values run from left to right`,
    });
    const lines = svg("g", { class: "wires" });
    const boxes = svg("g", { class: "boxes" });
    const texts = svg("g", { class: "labels", "aria-hidden": "true" });
    this.element.append(lines, boxes, texts);
    for (const wire of this.layout.wires) this.drawWire(graph, wire, lines, texts);
    for (const [id, box] of this.layout.leaves) boxes.append(this.drawLeaf(graph, id, box, events));
    for (const gate of graph.gates) {
      const group = this.drawGate(graph, gate.id, events);
      this.gates.push(group);
      boxes.append(group);
    }
  }

  private drawWire(graph: Graph, wire: Layout["wires"][number], lines: SVGElement, texts: SVGElement): void {
    const { from, to, y } = wire.stub;
    const isOutput = wire.branches.length === 0;
    const stub = svg("path", { class: "wire", d: `M${from} ${y}H${to}` });
    lines.append(stub);
    const targets = new Set(wire.branches.map((branch) => branch.path.split("H")[0]));
    const branches = wire.branches.map((branch) => {
      const path = svg("path", { class: "wire", d: branch.path });
      lines.append(path);
      const inputs = at(graph.gates, branch.gate).inputs.length;
      const below = inputs > 1 && branch.input >= inputs / 2;
      const local = svg("text", {
        class: "local",
        x: branch.end.x - LOCAL_GAP,
        y: branch.end.y + (below ? 14 : -6),
      });
      texts.append(local);
      return { gate: branch.gate, input: branch.input, path, local };
    });
    if (targets.size > 1) lines.append(svg("circle", { class: "fork", cx: to, cy: y, r: 3.5 }));
    if (isOutput) {
      lines.append(svg("path", { class: "arrow", d: `M${to - 9} ${y - 5}L${to} ${y}L${to - 9} ${y + 5}` }));
      texts.append(
        svg("text", { class: "output", x: to + 6, y: y + 5 }, ...nameSpans(nameOf(graph, wire.value))),
      );
    }
    const middle = (from + to) / 2;
    const valueText = svg("text", { class: "value", x: middle, y: y - 8 });
    const gradientText = svg("text", { class: "gradient", x: middle, y: y + 19 });
    texts.append(valueText, gradientText);
    this.wires.push({ value: wire.value, stub, valueText, gradientText, branches });
  }

  private drawLeaf(graph: Graph, id: number, box: Box, events: CircuitEvents): SVGGElement {
    const value = at(graph.values, id);
    const name = nameOf(graph, id);
    const constant = value.kind === "constant";
    const group = svg("g", { class: `leaf ${value.kind}` });
    const { x, y, width, height } = box;
    if (constant && constantText(value) === CONSTANT) group.classList.add("hidden-value");
    group.append(
      svg("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: constant ? 4 : height / 2 }),
      svg("text", { x, y: y + 5 }, ...(constant ? [constantText(value)] : nameSpans(name))),
    );
    this.leaves.set(id, group);
    if (constant) {
      group.append(svg("title", {}, `The constant ${prettyAll(value.value, value.shape.length)}`));
      return group;
    }
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    group.dataset.leaf = value.name;
    const how =
      value.value.length > 1
        ? "click to type its values"
        : "drag sideways to change its value, click to type one";
    group.append(svg("title", {}, events.editable ? `${value.name}: ${how}` : value.name));
    this.makeDraggable(group, value.id, events);
    return group;
  }

  /** A leaf is dragged sideways; a click without a drag chooses it. */
  private makeDraggable(group: SVGGElement, id: number, events: CircuitEvents): void {
    let origin: { x: number; value: number; moved: boolean } | null = null;
    group.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      origin = { x: event.clientX, value: events.valueOf(id), moved: false };
      group.setPointerCapture(event.pointerId);
      event.preventDefault();
      group.focus();
    });
    group.addEventListener("pointermove", (event) => {
      if (!origin) return;
      const steps = Math.round((event.clientX - origin.x) / 4);
      if (steps !== 0) origin.moved = true;
      if (origin.moved) events.drag(id, origin.value, steps);
    });
    const end = () => {
      if (origin && !origin.moved) events.leaf(id);
      origin = null;
    };
    group.addEventListener("pointerup", end);
    group.addEventListener("pointercancel", () => {
      origin = null;
    });
    group.addEventListener("keydown", (event) => {
      if (presses(event)) {
        event.preventDefault();
        event.stopPropagation();
        events.leaf(id);
      } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
        event.preventDefault();
        event.stopPropagation();
        events.drag(id, events.valueOf(id), event.key === "ArrowUp" ? 1 : -1);
      }
    });
  }

  private drawGate(graph: Graph, id: number, events: CircuitEvents): SVGGElement {
    const gate = at(graph.gates, id);
    const { x, y, width, height } = at(this.layout.gates, id);
    const group = svg("g", { class: "gate", tabindex: 0, role: "button" });
    group.dataset.gate = outputName(graph, gate);
    const symbol = symbolOf(gate);
    const small = symbol.length > 3 ? " small" : symbol.length > 2 ? " medium" : "";
    group.append(
      svg("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: Math.min(width, height) / 2 }),
      svg("text", { x, y: y + (small ? 4 : 6), class: `symbol${small}` }, symbol),
      svg("text", { x, y: y - height / 2 - 5, class: "gate-name" }, ...nameSpans(outputName(graph, gate))),
      svg("title", {}, gate.name),
    );
    const choose = () => events.gate(id);
    group.addEventListener("click", choose);
    group.addEventListener("keydown", (event) => {
      if (presses(event)) {
        event.preventDefault();
        event.stopPropagation();
        choose();
      }
    });
    return group;
  }

  /** Where the gradient of a value is written, in the drawing's units. */
  gradientPlaces(): { value: number; x: number; y: number }[] {
    return this.layout.wires.map(({ value, stub }) => ({
      value,
      x: (stub.from + stub.to) / 2,
      y: stub.y + 15,
    }));
  }

  /** The box of a gate, in the drawing's units. */
  gateBox(id: number): Box {
    return at(this.layout.gates, id);
  }

  update(view: View): void {
    const { graph, plan, run, step, quiz } = view;
    const now = at(plan.steps, step);
    const active = now.kind === "forward" || now.kind === "backward" ? now.gate : -1;
    for (const wire of this.wires) this.updateWire(view, wire, active);
    for (const gate of graph.gates) {
      const group = at(this.gates, gate.id);
      const running = gate.id === active;
      group.classList.toggle("forward", running && now.kind === "forward");
      group.classList.toggle("backward", running && now.kind === "backward");
      group.classList.toggle("waiting", at(plan.forwardStep, gate.id) > step);
      const output = at(gate.outputs, 0);
      const rank = at(graph.values, output).shape.length;
      const value = knowsValue(graph, plan, output, step)
        ? `, value ${prettyAll(at(run.values, output), rank)}`
        : "";
      const known = quiz ? null : gradientAt(graph, plan, run, output, step);
      const gradient = known ? `, gradient ${prettyAll(known.numbers, rank)}` : "";
      group.setAttribute("aria-label", `Gate ${outputName(graph, gate)}: ${gate.name}${value}${gradient}`);
    }
    for (const [id, group] of this.leaves) {
      const { name, kind, shape } = at(graph.values, id);
      if (kind === "constant") continue;
      const known = quiz ? null : gradientAt(graph, plan, run, id, step);
      const gradient = known ? `, gradient ${prettyAll(known.numbers, shape.length)}` : "";
      group.setAttribute(
        "aria-label",
        `Input ${name}, value ${prettyAll(at(run.values, id), shape.length)}${gradient}; press Enter to edit`,
      );
    }
  }

  private updateWire(view: View, wire: Wire, active: number): void {
    const { graph, plan, run, step, quiz } = view;
    const { shape, id, kind } = at(graph.values, wire.value);
    const rank = shape.length;
    const now = at(plan.steps, step);
    const known = knowsValue(graph, plan, id, step);
    const inBox = kind === "constant" && constantText(at(graph.values, id)) !== CONSTANT;
    write(wire.valueText, known && !inBox ? prettyAll(at(run.values, id), rank) : "");
    const gradient = quiz ? null : gradientAt(graph, plan, run, id, step);
    const partial = gradient !== null && gradient.arrived < gradient.terms;
    write(wire.gradientText, gradient ? prettyAll(gradient.numbers, rank) + (partial ? " + …" : "") : "");
    wire.gradientText.classList.toggle("partial", partial);
    const makes = active >= 0 && at(graph.gates, active).outputs.includes(id);
    wire.stub.classList.toggle("known", known);
    wire.stub.classList.toggle("forward", now.kind === "forward" && makes);
    const receives = wire.branches.some((branch) => branch.gate === active);
    wire.stub.classList.toggle(
      "backward",
      now.kind === "backward" && (makes || (receives && gradient !== null)),
    );
    if (now.kind === "forward" && receives) wire.stub.classList.add("forward");
    if (now.kind === "seed" && id === graph.output) wire.stub.classList.add("backward");
    for (const branch of wire.branches) {
      const running = branch.gate === active;
      const passed = at(at(run.passed, branch.gate), branch.input);
      branch.path.classList.toggle("known", known);
      branch.path.classList.toggle("forward", running && now.kind === "forward");
      branch.path.classList.toggle("backward", running && now.kind === "backward" && passed !== null);
      // A wire in use lies on top of its neighbours.
      if (running && branch.path !== branch.path.parentNode?.lastChild)
        branch.path.parentNode?.append(branch.path);
      const local = at(at(run.local, branch.gate), branch.input);
      const reached = at(plan.backwardStep, branch.gate);
      const shown = !quiz && reached >= 0 && reached <= step && passed !== null;
      write(branch.local, shown ? localText(local, rank) : "");
      branch.local.classList.toggle("active", running && now.kind === "backward");
    }
  }
}

const CONSTANT = "const";

/** A constant's own box holds its number, if there is room. */
function constantText(value: Value): string {
  const text = prettyAll(value.value, value.shape.length);
  return text.length <= 6 ? text : CONSTANT;
}

/** A local gradient at the end of a wire: one number if it is the same at every place. */
function localText(local: readonly number[] | null, rank: number): string {
  const first = local?.[0];
  if (!local || first === undefined) return "rule";
  if (rank === 0 || local.every((x) => x === first)) return prettyAll([first], 0);
  return "[…]";
}

function write(text: SVGTextElement, content: string): void {
  if (text.textContent !== content) text.textContent = content;
  text.classList.toggle("vector", content.startsWith("["));
  text.classList.toggle("long", content.length > LONG_LABEL && !content.startsWith("["));
}
