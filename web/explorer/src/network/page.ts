// The page of a network: a list of gates that folds, a card, and the memory of a training step.

import { at } from "../data";
import { byId, html, svg } from "../dom";
import { drawFindings } from "../reasons";
import { foldCard, gateCard } from "./card";
import { compareRuns, differenceTable, readRun, sizes } from "./compare";
import type { Network } from "./data";
import { foldNetwork, type Node, rowsOf } from "./fold";
import { GateList, type Measure } from "./list";
import { bytesText, countText, memoryCurve, timeText } from "./memory";

/** Networks of so many gates open unfolded. */
const SMALL = 40;
/** The curve has at most this many points. */
const POINTS = 600;
/** Parameters without a gradient that are listed. */
const MOST_FINDINGS = 100;
/** Relatives beyond these are not marked: everything would be. */
const MOST_RELATIVES = 20000;

export class NetworkPage {
  private readonly list: GateList;
  private readonly memory: Float64Array;
  private readonly card = byId("card", HTMLElement);
  private readonly scrub = byId("scrub", HTMLInputElement);
  private readonly measures = byId("measure", HTMLSelectElement);
  private readonly mark = svg("line", { class: "mark", y1: 0, y2: 60 });

  constructor(private readonly network: Network) {
    const roots = foldNetwork(network);
    if (network.count <= SMALL) for (const node of roots) node.open = node.children !== null;
    this.list = new GateList(network, roots, { chosen: (gate, node) => this.choose(gate, node) });
    byId("list", HTMLElement).append(this.list.element);
    this.memory = memoryCurve(network);
    this.summarise();
    this.drawFindings();
    this.drawCurve();
    this.setUp();
    const first = network.count <= SMALL ? rowsOf(roots).find((row) => !row.node.children)?.node : roots[0];
    if (first?.children) this.choose(first.from, first);
    else if (first) this.list.show(first.from);
  }

  private summarise(): void {
    const { network } = this;
    let cost = 0;
    let parameters = 0;
    for (let gate = 0; gate < network.count; gate += 1) cost += network.cost(gate);
    for (const [value] of network.names) if (network.needs(value)) parameters += network.elements(value);
    const peak = this.memory.reduce((most, bytes) => Math.max(most, bytes), 0);
    const facts = [`${network.count.toLocaleString("en")} gates`, `${countText(parameters)} parameters`];
    const { costs } = network;
    if (costs) {
      const sum = (column: readonly number[]): number => column.reduce((all, x) => all + x, 0);
      facts.push(
        `forward ${timeText(sum(costs.forward))}, backward ${timeText(sum(costs.backward))} (median of ${costs.runs})`,
        `${countText(cost)} multiply-adds forward, ${countText(sum(costs.backward_cost))} backward`,
      );
    } else {
      facts.push(`${countText(cost)} multiply-adds forward`);
    }
    facts.push(`${bytesText(peak)} kept for backward`);
    const { checks } = network;
    const failed = checks.filter(({ faults }) => faults.length > 0);
    const badge = byId("replay", HTMLElement);
    if (checks.length > 0) {
      badge.classList.add(failed.length > 0 ? "bad" : "good");
      badge.textContent =
        failed.length > 0
          ? `numerical check: ${failed.length} gates FAILED`
          : `numerical check: ${countText(checks.length)} gates passed`;
    } else {
      badge.textContent = "numbers from the library";
    }
    byId("facts", HTMLElement).textContent = facts.join(" · ");
  }

  /** Parameters that don't learn, and the gates responsible. */
  private drawFindings(): void {
    const place = byId("findings", HTMLDetailsElement);
    drawFindings(place, this.network, "parameter tensors", MOST_FINDINGS, (gate) => this.list.show(gate));
  }

  private drawCurve(): void {
    const { memory } = this;
    const steps = memory.length;
    const peak = Math.max(1, ...this.sampled());
    const points = this.sampled().map((bytes, i, all) => {
      const x = (1000 * (i + 0.5)) / all.length;
      return `${x.toFixed(1)} ${(58 - (54 * bytes) / peak).toFixed(1)}`;
    });
    const picture = svg(
      "svg",
      {
        viewBox: "0 0 1000 60",
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": `Memory kept for the backward pass over ${steps} steps; at most ${bytesText(peak)}`,
      },
      svg("path", { class: "area", d: `M0 60L${points.join("L")}L1000 60Z` }),
      svg("line", { class: "turn", x1: 500, x2: 500, y1: 0, y2: 60 }),
      this.mark,
    );
    byId("curve", HTMLElement).replaceChildren(
      html(
        "p",
        { class: "curve-title", "aria-hidden": "true" },
        html("span", {}, "memory kept for the backward pass"),
        html("span", {}, bytesText(peak)),
      ),
      picture,
    );
  }

  /** The curve's largest value in each of at most `POINTS` stretches. */
  private sampled(): number[] {
    const stretch = Math.max(1, Math.ceil(this.memory.length / POINTS));
    const found: number[] = [];
    for (let start = 0; start < this.memory.length; start += stretch) {
      found.push(this.memory.subarray(start, start + stretch).reduce((most, x) => Math.max(most, x), 0));
    }
    return found;
  }

  private setUp(): void {
    this.scrub.max = String(2 * this.network.count - 1);
    this.scrub.value = "0";
    this.scrub.addEventListener("input", () => this.step(this.scrub.valueAsNumber));
    const step = (by: number) => this.step(this.scrub.valueAsNumber + by);
    byId("back", HTMLButtonElement).addEventListener("click", () => step(-1));
    byId("forward", HTMLButtonElement).addEventListener("click", () => step(1));
    byId("open-all", HTMLButtonElement).addEventListener("click", () => this.list.setAll(true));
    byId("fold-all", HTMLButtonElement).addEventListener("click", () => this.list.setAll(false));
    if (!this.network.costs) this.measures.querySelector('option[value="time"]')?.remove();
    this.measures.addEventListener("change", () => this.list.setMeasure(this.measures.value as Measure));
    if (this.network.costs) {
      this.measures.value = "time";
      this.list.setMeasure("time");
    }
    this.setUpComparison();
    const search = byId("search", HTMLInputElement);
    search.addEventListener("input", () => this.search(search.value));
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const inField = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
      if (event.key === "/" && !inField) {
        event.preventDefault();
        search.focus();
      } else if (event.key === "Escape" && event.target === search) {
        search.value = "";
        this.search("");
        this.list.element.focus();
      } else if (!inField && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
        event.preventDefault();
        step(event.key === "ArrowRight" ? 1 : -1);
      }
    });
    this.where();
  }

  /** Another page's file, chosen or dropped, is compared with this one. */
  private setUpComparison(): void {
    const picker = byId("other", HTMLInputElement);
    byId("compare", HTMLButtonElement).addEventListener("click", () => picker.click());
    picker.addEventListener("change", () => {
      const [file] = picker.files ?? [];
      if (file) void this.compare(file);
      picker.value = "";
    });
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      const [file] = event.dataTransfer?.files ?? [];
      if (file) void this.compare(file);
    });
  }

  private async compare(file: File): Promise<void> {
    const place = byId("comparison", HTMLElement);
    try {
      const { title, network } = await readRun(await file.text());
      const comparison = compareRuns(this.network, network);
      const go = (gate: number) => this.list.show(gate);
      place.replaceChildren(
        html("h2", {}, "Two runs compared"),
        ...differenceTable(this.network, network, title, comparison, go),
      );
      this.list.setDifferences(sizes(comparison));
      if (!this.measures.querySelector('option[value="difference"]')) {
        this.measures.append(html("option", { value: "difference" }, "difference of the two runs"));
      }
      this.measures.value = "difference";
      this.list.setMeasure("difference");
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      place.replaceChildren(html("p", { class: "alert", role: "alert" }, `${file.name}: ${text}`));
    }
    place.hidden = false;
  }

  private step(wanted: number): void {
    const { count } = this.network;
    const step = Math.max(0, Math.min(2 * count - 1, wanted));
    this.scrub.value = String(step);
    this.list.setRunning(step < count ? step : 2 * count - 1 - step, step >= count);
    this.where();
  }

  private where(): void {
    const { count } = this.network;
    const step = this.scrub.valueAsNumber;
    const direction =
      step < count
        ? `forward ${(step + 1).toLocaleString("en")}`
        : `backward ${(step - count + 1).toLocaleString("en")}`;
    const gate = step < count ? step : 2 * count - 1 - step;
    const kept = bytesText(this.memory[step] ?? 0);
    const text = `${direction} of ${count.toLocaleString("en")} (${this.network.nameOfGate(gate)}): ${kept} kept`;
    byId("where", HTMLElement).textContent = text;
    this.scrub.setAttribute("aria-valuetext", text);
    const x = String((1000 * (step + 0.5)) / (2 * count));
    this.mark.setAttribute("x1", x);
    this.mark.setAttribute("x2", x);
  }

  private search(text: string): void {
    const found = byId("found", HTMLElement);
    const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0) {
      found.textContent = "";
      this.list.setMatches(null);
      return;
    }
    const { network } = this;
    const matches = new Set<number>();
    for (let gate = 0; gate < network.count; gate += 1) {
      const inputs = network.inputs(gate).map((value) => network.names.get(value) ?? "");
      const all = [
        network.nameOfGate(gate),
        network.formula(gate).gate,
        network.shapeText(network.first(gate)),
        network.source(gate) ?? "",
        network.module(gate),
        ...inputs,
      ];
      const line = all.join(" ").toLowerCase();
      if (words.every((word) => line.includes(word))) matches.add(gate);
    }
    found.textContent = `${matches.size.toLocaleString("en")} found`;
    this.list.setMatches(matches);
  }

  private choose(gate: number, node: Node): void {
    const { network } = this;
    const single = node.children === null;
    const go = (other: number) => this.list.show(other);
    this.card.replaceChildren(...(single ? gateCard(network, gate, go) : foldCard(network, node)));
    this.card.scrollTop = 0;
    this.list.setRelated(single ? this.relatives(gate) : new Map());
  }

  /** What a gate depends on, and what depends on it. */
  private relatives(gate: number): Map<number, "up" | "down"> {
    const { network } = this;
    const found = new Map<number, "up" | "down">();
    const walk = (kind: "up" | "down", next: (gate: number) => number[]) => {
      const stack = [gate];
      while (stack.length > 0 && found.size < MOST_RELATIVES) {
        const here = stack.pop();
        if (here === undefined) break;
        for (const other of next(here)) {
          if (found.has(other)) continue;
          found.set(other, kind);
          stack.push(other);
        }
      }
    };
    walk("up", (here) =>
      network
        .inputs(here)
        .map((value) => network.maker[value] ?? -1)
        .filter((maker) => maker >= 0),
    );
    walk("down", (here) => network.outputs(here).flatMap((value) => at(network.readers, value)));
    found.delete(gate);
    return found;
  }
}
