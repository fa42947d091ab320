// The list of gates: only the rows in sight are in the page, however many there are.

import { at } from "../data";
import { html, svg } from "../dom";
import { type Statistics, sizeOf } from "../facts";
import { pretty } from "../format";
import { percent } from "./compare";
import type { Network } from "./data";
import { childrenOf, type Node, openTo, type Row, rowsOf } from "./fold";
import { bytesText, countText, timeText } from "./memory";

const ROW = 30;
const ARCS = 72;
/** The height of the columns' titles, which stay in sight. */
const HEAD = 30;
/** Rows drawn above and below what is in sight. */
const SPARE = 8;
/** Rows on paper. */
const MOST_PRINTED = 300;
/** More wires than these in sight are not drawn: they would be a grey surface. */
const MOST_WIRES = 400;

export type Measure = "time" | "gradient" | "value" | "memory" | "cost" | "finite" | "difference";

/** The titles of the column of bars. */
const MEASURES: Record<Measure, string> = {
  time: "time",
  gradient: "largest |gradient|",
  value: "largest |value|",
  memory: "kept for backward",
  cost: "multiply-adds",
  finite: "NaN, infinite",
  difference: "difference",
};

/** What a row is measured by: 0 to 1 for the bar, and words. */
interface Measured {
  share: number;
  text: string;
  alarm: boolean;
}

export interface ListEvents {
  chosen(gate: number, node: Node): void;
}

interface Wire {
  from: number;
  to: number;
}

export class GateList {
  readonly element: HTMLElement;
  private readonly body = html("div", { class: "list-body" });
  private readonly wires = svg("svg", { class: "list-wires", "aria-hidden": "true" });
  private readonly measureTitle = html("span", {}, MEASURES.gradient);
  private rows: Row[] = [];
  private wireList: Wire[] = [];
  private active = 0;
  private running = -1;
  private runningBackward = false;
  private related = new Map<number, "up" | "down">();
  private printing = false;
  private matches: Set<number> | null = null;
  private measure: Measure = "gradient";
  private differences: ReadonlyMap<number, number> = new Map();
  private readonly largest = new Map<Measure, number>();
  /** A fold of a hundred thousand gates is measured once, not at every scroll. */
  private known = new WeakMap<Node, Map<Measure, Measured>>();

  constructor(
    private readonly network: Network,
    private readonly roots: Node[],
    private readonly events: ListEvents,
  ) {
    this.element = html("div", {
      class: "list",
      role: "treegrid",
      tabindex: 0,
      "aria-label": "Gates in the order in which they ran",
      "aria-readonly": "true",
    });
    this.element.append(this.head(), this.body);
    this.element.addEventListener("scroll", () => this.draw(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("beforeprint", () => this.setPrinting(true));
    window.addEventListener("afterprint", () => this.setPrinting(false));
    this.body.addEventListener("click", (event) => this.click(event));
    this.update();
  }

  private head(): HTMLElement {
    const titles = ["module or gate", "kind", "output", "mean ± deviation"];
    const title = (text: string) => html("span", { role: "columnheader" }, text);
    const cells = titles.map(title);
    this.measureTitle.setAttribute("role", "columnheader");
    return html("div", { class: "list-head", role: "row" }, ...cells, this.measureTitle);
  }

  private click(event: MouseEvent): void {
    const target = event.target instanceof Element ? event.target : null;
    const row = target?.closest<HTMLElement>("[data-row]");
    if (!row) return;
    const place = Number(row.dataset.row);
    this.choose(place);
    if (target?.closest(".caret")) this.toggle(place);
  }

  private key(event: KeyboardEvent): void {
    const { node } = at(this.rows, this.active);
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW) - 1);
    const moves: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -this.rows.length,
      End: this.rows.length,
    };
    const move = moves[event.key];
    if (move !== undefined) {
      this.choose(Math.max(0, Math.min(this.rows.length - 1, this.active + move)), true);
    } else if (event.key === "ArrowRight" && node.children && !node.open) {
      this.toggle(this.active);
    } else if (event.key === "ArrowLeft" && node.open) {
      this.toggle(this.active);
    } else if (event.key === "ArrowLeft") {
      const depth = at(this.rows, this.active).depth;
      for (let place = this.active - 1; place >= 0; place -= 1) {
        if (at(this.rows, place).depth < depth) {
          this.choose(place, true);
          break;
        }
      }
    } else if (event.key === "Enter" && node.children) {
      this.toggle(this.active);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  private choose(place: number, intoSight = false): void {
    this.active = place;
    const { node } = at(this.rows, place);
    if (intoSight) this.scrollTo(place);
    this.events.chosen(node.from, node);
    this.draw();
  }

  private toggle(place: number): void {
    const { node } = at(this.rows, place);
    if (!node.children) return;
    node.open = !node.open;
    this.update();
  }

  /** Opens or closes everything. */
  setAll(open: boolean): void {
    const visit = (nodes: readonly Node[]) => {
      for (const node of nodes) {
        if (!node.children) continue;
        node.open = open;
        if (open) visit(childrenOf(node));
      }
    };
    visit(this.roots);
    this.active = 0;
    this.update();
  }

  setMeasure(measure: Measure): void {
    this.measure = measure;
    this.measureTitle.textContent = MEASURES[measure];
    this.draw();
  }

  /** How far each gate's numbers lie from those of another run. */
  setDifferences(differences: ReadonlyMap<number, number>): void {
    this.differences = differences;
    this.known = new WeakMap();
    this.draw();
  }

  /** Only rows with these gates are shown; null shows all. */
  setMatches(matches: Set<number> | null): void {
    this.matches = matches;
    this.active = 0;
    this.update();
  }

  setRelated(related: Map<number, "up" | "down">): void {
    this.related = related;
    this.draw();
  }

  setRunning(gate: number, backward: boolean): void {
    this.running = gate;
    this.runningBackward = backward;
    const place = this.rowOf(gate);
    if (place >= 0) this.scrollTo(place);
    this.draw();
  }

  /** Opens what a gate is folded into, and chooses it. */
  show(gate: number): void {
    if (this.matches && !this.matches.has(gate)) this.setMatches(null);
    openTo(this.roots, gate);
    this.update();
    const place = this.rowOf(gate);
    if (place >= 0) this.choose(place, true);
  }

  /** The innermost row in sight that holds a gate. */
  private rowOf(gate: number): number {
    let low = 0;
    let high = this.rows.length - 1;
    let found = -1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (at(this.rows, middle).node.from <= gate) {
        found = middle;
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    return found >= 0 && gate < at(this.rows, found).node.to ? found : -1;
  }

  private scrollTo(place: number): void {
    const { scrollTop, clientHeight } = this.element;
    const top = place * ROW;
    if (top < scrollTop || top + ROW > scrollTop + clientHeight - HEAD) {
      this.element.scrollTop = top - (clientHeight - HEAD) / 2 + ROW / 2;
    }
  }

  private update(): void {
    this.rows = rowsOf(this.roots);
    const { matches } = this;
    if (matches) {
      this.rows = [...matches].map((gate) => ({
        depth: 0,
        node: {
          from: gate,
          to: gate + 1,
          label: this.network.nameOfGate(gate),
          children: null,
          open: false,
          kind: "gate",
        },
      }));
    }
    this.wireList = this.findWires();
    this.element.setAttribute("aria-rowcount", String(this.rows.length));
    this.body.style.height = `${this.rows.length * ROW}px`;
    this.draw();
  }

  /** The wires between rows, each once. */
  private findWires(): Wire[] {
    const { network } = this;
    const rowOf = new Int32Array(network.count).fill(-1);
    this.rows.forEach(({ node }, place) => {
      if (!node.open) rowOf.fill(place, node.from, node.to);
    });
    const seen = new Set<number>();
    const wires: Wire[] = [];
    for (let gate = 0; gate < network.count; gate += 1) {
      const to = rowOf[gate] ?? -1;
      if (to < 0) continue;
      for (const value of network.inputs(gate)) {
        const maker = network.maker[value] ?? -1;
        const from = maker < 0 ? -1 : (rowOf[maker] ?? -1);
        if (from < 0 || from === to) continue;
        const key = from * this.rows.length + to;
        if (seen.has(key)) continue;
        seen.add(key);
        wires.push({ from, to });
      }
    }
    return wires;
  }

  /** Paper doesn't scroll: it gets all rows, up to a few pages of them. */
  private setPrinting(on: boolean): void {
    this.printing = on;
    this.body.style.height = `${(on ? Math.min(this.rows.length, MOST_PRINTED) : this.rows.length) * ROW}px`;
    this.draw();
  }

  private draw(): void {
    const first = this.printing ? 0 : Math.max(0, Math.floor(this.element.scrollTop / ROW) - SPARE);
    const inSight = this.printing
      ? MOST_PRINTED
      : Math.ceil((this.element.clientHeight || 600) / ROW) + 2 * SPARE;
    const last = Math.min(this.rows.length, first + inSight);
    const parts: Element[] = [];
    for (let place = first; place < last; place += 1) parts.push(this.drawRow(place));
    this.drawWires(first, last);
    this.body.replaceChildren(this.wires, ...parts);
    const id = `row-${this.active}`;
    if (this.active >= first && this.active < last) this.element.setAttribute("aria-activedescendant", id);
  }

  private drawWires(first: number, last: number): void {
    const top = first * ROW;
    this.wires.setAttribute("style", `top:${top}px;height:${(last - first) * ROW}px;width:${ARCS}px`);
    const inSight = this.wireList.filter((wire) => wire.to >= first && wire.from < last);
    const paths = inSight.slice(0, MOST_WIRES).map(({ from, to }) => {
      const [y1, y2] = [(from + 0.5) * ROW - top, (to + 0.5) * ROW - top];
      const x = ARCS - 8;
      const reach = to - from === 1 ? 0 : Math.min(ARCS - 12, 6 + 11 * Math.log2(Math.abs(to - from)));
      const bend = Math.min(ROW, Math.abs(y2 - y1) / 2);
      const d =
        reach === 0
          ? `M${x} ${y1}V${y2}`
          : `M${x} ${y1}Q${x - reach} ${y1} ${x - reach} ${y1 + bend}V${y2 - bend}Q${x - reach} ${y2} ${x} ${y2}`;
      const chosen = from === this.active || to === this.active;
      return svg("path", { d, class: chosen ? "chosen" : "" });
    });
    const dots: Element[] = [];
    for (let place = first; place < last; place += 1) {
      const { node } = at(this.rows, place);
      const { share, alarm } = this.measureOf(node);
      dots.push(
        svg("circle", {
          class: alarm && share > 0 ? "alarm" : this.measure,
          cx: ARCS - 8,
          cy: (place - first + 0.5) * ROW,
          r: node.open ? 2.5 : 5,
          style: `--heat:${Math.round(share * 100)}%`,
        }),
      );
    }
    this.wires.replaceChildren(...paths, ...dots);
  }

  private drawRow(place: number): HTMLElement {
    const { node, depth } = at(this.rows, place);
    const { network } = this;
    const single = node.to - node.from === 1 && !node.children;
    const lastGate = node.to - 1;
    const value = network.first(single ? node.from : lastGate);
    const row = html("div", {
      class: "row",
      role: "row",
      id: `row-${place}`,
      "data-row": place,
      "aria-rowindex": place + 1,
      "aria-level": depth + 1,
      "aria-selected": String(place === this.active),
      style: `top:${place * ROW}px`,
    });
    if (node.children) row.setAttribute("aria-expanded", String(node.open));
    if (place === this.active) row.classList.add("chosen");
    if (node.from <= this.running && this.running < node.to && !node.open) {
      row.classList.add(this.runningBackward ? "backward" : "forward");
    }
    const relation = single ? this.related.get(node.from) : undefined;
    if (relation) row.classList.add(relation);
    const label = html("span", { role: "gridcell", class: "label", style: `padding-left:${depth * 16}px` });
    label.append(
      html("span", { class: "caret", "aria-hidden": "true" }, node.children ? (node.open ? "▾" : "▸") : ""),
    );
    label.append(html("span", { class: single ? "name" : "name fold", title: node.label }, node.label));
    const name = network.nameOfGate(node.from);
    const gate = network.formula(node.from).gate;
    const kind = single
      ? node.label === name
        ? gate
        : `${name} ${gate}`
      : `${countText(node.to - node.from)} gates`;
    row.append(
      label,
      html("span", { role: "gridcell", class: "kind" }, kind),
      html("span", { role: "gridcell", class: "shape" }, network.shapeText(value)),
      html("span", { role: "gridcell", class: "stat value" }, single ? summary(network.value(value)) : ""),
      this.drawMeasure(node),
    );
    return row;
  }

  private measureOf(node: Node): Measured {
    const known = this.known.get(node) ?? new Map<Measure, Measured>();
    this.known.set(node, known);
    const measured = known.get(this.measure) ?? this.measured(node);
    known.set(this.measure, measured);
    return measured;
  }

  private drawMeasure(node: Node): HTMLElement {
    const { share, text, alarm } = this.measureOf(node);
    const bar = html("span", { class: "bar", style: `width:${Math.round(share * 100)}%` });
    const cell = html(
      "span",
      { role: "gridcell", class: `measure ${this.measure}` },
      bar,
      html("span", {}, text),
    );
    if (alarm) cell.classList.add("alarm");
    return cell;
  }

  /** The largest measure of a single gate, for the bars' length. */
  private largestOf(measure: Measure, of: (gate: number) => number): number {
    const known = this.largest.get(measure);
    if (known !== undefined) return known;
    let most = 0;
    for (let gate = 0; gate < this.network.count; gate += 1) {
      const x = of(gate);
      if (Number.isFinite(x)) most = Math.max(most, x);
    }
    this.largest.set(measure, most);
    return most;
  }

  private measured(node: Node): Measured {
    const { network } = this;
    const total = (of: (gate: number) => number): number => {
      let sum = 0;
      for (let gate = node.from; gate < node.to; gate += 1) sum += of(gate);
      return sum;
    };
    const most = (of: (gate: number) => number): number => {
      let largest = -1;
      for (let gate = node.from; gate < node.to; gate += 1) {
        const x = of(gate);
        if (Number.isNaN(x)) return Number.NaN;
        largest = Math.max(largest, x);
      }
      return largest;
    };
    const linear = (
      measure: Measure,
      of: (gate: number) => number,
      text: (x: number) => string,
    ): Measured => {
      const sum = total(of);
      const whole = this.largestOf(measure, of);
      return {
        share: whole > 0 ? Math.min(1, sum / whole) : 0,
        text: sum > 0 ? text(sum) : "",
        alarm: false,
      };
    };
    switch (this.measure) {
      case "cost":
        return linear("cost", (gate) => network.cost(gate), countText);
      case "time":
        return linear("time", (gate) => network.time(gate), timeText);
      case "memory":
        return linear("memory", (gate) => network.kept(gate), bytesText);
      case "difference": {
        const size = most((gate) => this.differences.get(gate) ?? 0);
        // Six powers of ten are the whole bar: from the last digit of a float to all of it.
        const share = size > 0 ? Math.max(0.02, 1 + Math.log10(Math.min(1, size)) / 6) : 0;
        return { share, text: size > 0 ? percent(size) : "", alarm: false };
      }
      case "finite": {
        const bad = total((gate) => {
          const gradient = network.gradient(network.first(gate));
          return network.value(network.first(gate)).notFinite + (gradient?.notFinite ?? 0);
        });
        return {
          share: bad > 0 ? 1 : 0,
          text: bad > 0 ? `${countText(bad)} not finite` : "",
          alarm: bad > 0,
        };
      }
      default: {
        const of = (gate: number): number => {
          const first = network.first(gate);
          const s = this.measure === "gradient" ? network.gradient(first) : network.value(first);
          return s ? sizeOf(s) : -1;
        };
        const size = most(of);
        if (Number.isNaN(size)) return { share: 1, text: "not finite", alarm: true };
        if (size < 0) return { share: 0, text: "none", alarm: false };
        // Twelve powers of ten below the largest are the whole bar.
        const whole = this.largestOf(this.measure, of);
        const share = size > 0 && whole > 0 ? Math.max(0.01, 1 + Math.log10(size / whole) / 12) : 0;
        return { share: Math.max(0, Math.min(1, share)), text: pretty(size), alarm: size === 0 };
      }
    }
  }
}

/** Mean and spread in a few signs. */
export function summary(s: Statistics): string {
  if (s.single) return pretty(s.mean);
  return `${pretty(s.mean)} ± ${pretty(s.deviation)}`;
}
