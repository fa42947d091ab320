// The inputs: their values to type or drag, their gradients, and the measured slope beside them.

import { at, type Graph, type Value } from "./data";
import { html } from "./dom";
import { pretty } from "./format";
import { math, partial } from "./mathml";
import { indexed, lossName } from "./names";
import { type Run, runGraph } from "./replay";

const STEPS = [0.1, 0.01, 0.001, 1e-5];

/** What the panel needs of the page. */
export interface InputsHost {
  readonly graph: Graph;
  readonly editable: boolean;
  /** Why the values can't be changed. */
  readonly reason: string;
  leaves(): ReadonlyMap<number, readonly number[]>;
  change(id: number, element: number, value: number): void;
  reset(): void;
}

interface Row {
  value: Value;
  element: number;
  field: HTMLInputElement;
  slider: HTMLInputElement;
  gradient: HTMLElement;
  measured: HTMLElement;
  button: HTMLButtonElement;
  nudged: boolean;
}

/** A slider's reach: some units around where it started, more for larger numbers. */
function reach(value: number): { min: number; max: number; step: number } {
  const size = Number.isFinite(value) ? Math.abs(value) : 1;
  const span = size <= 5 ? 5 : 2 * 10 ** Math.ceil(Math.log10(size));
  const middle = size <= 5 ? 0 : value;
  return { min: Math.floor(middle - span), max: Math.ceil(middle + span), step: span / 500 };
}

export class Inputs {
  private readonly rows: Row[] = [];
  private readonly step = html("select", { id: "nudge-step", "aria-label": "Size of a nudge" });
  private readonly resetButton = html(
    "button",
    { type: "button", id: "reset", class: "quiet", disabled: true },
    "Reset",
  );
  /** Nudges are measured in double precision, whatever the graph computes in. */
  private readonly precise: Graph;

  constructor(
    private readonly host: InputsHost,
    target: HTMLElement,
  ) {
    const { graph } = host;
    this.precise = { ...graph, values: graph.values.map((value) => ({ ...value, dtype: "f64" })) };
    const inputs = graph.values.filter((value) => value.kind === "input");
    for (const value of inputs) {
      for (let element = 0; element < value.value.length; element += 1)
        this.rows.push(this.row(value, element));
    }
    const loss = lossName(graph);
    const canNudge = host.editable && at(graph.values, graph.output).value.length === 1;
    const head = html(
      "tr",
      {},
      html("th", { scope: "col" }, "input"),
      html("th", { scope: "col", colspan: 2 }, "value"),
    );
    head.append(html("th", { scope: "col" }, "gradient"));
    if (canNudge) head.append(html("th", { scope: "col", colspan: 2 }, `measured Δ${loss}/Δx`));
    const body = html("tbody");
    for (const row of this.rows) body.append(this.line(row, canNudge));
    const table = html("table", { class: "inputs-table" }, html("thead", {}, head), body);
    target.replaceChildren(html("div", { class: "scroll" }, table));
    for (const h of STEPS) this.step.append(html("option", { value: h }, pretty(h)));
    this.step.value = "0.001";
    this.step.addEventListener("change", () => this.measure());
    this.resetButton.addEventListener("click", () => host.reset());
    const foot = html("p", { class: "inputs-foot" });
    if (host.editable) {
      if (canNudge) foot.append(html("label", {}, "Nudge by h = ", this.step));
      foot.append(this.resetButton);
    } else {
      foot.append(host.reason);
    }
    target.append(foot);
  }

  private row(value: Value, element: number): Row {
    const name = this.nameOf(value, element);
    const start = at(value.value, element);
    const { min, max, step } = reach(start);
    const disabled = !this.host.editable;
    const row: Row = {
      value,
      element,
      field: html("input", {
        type: "number",
        step: "any",
        "aria-label": `Value of ${name}`,
        "data-input": name,
        disabled,
      }),
      slider: html("input", {
        type: "range",
        min,
        max,
        step,
        "aria-label": `Drag ${name}`,
        tabindex: -1,
        disabled,
      }),
      gradient: html("span", { class: "gradient number", "data-gradient-of": name }),
      measured: html("span", { class: "measured", "data-measured": name }),
      button: html(
        "button",
        { type: "button", class: "quiet nudge", "data-nudge": name, "aria-pressed": "false" },
        "Nudge",
      ),
      nudged: false,
    };
    row.button.setAttribute("aria-label", `Nudge ${name} and measure the slope`);
    row.field.addEventListener("input", () => {
      const x = row.field.valueAsNumber;
      if (Number.isFinite(x)) this.host.change(value.id, element, x);
    });
    row.field.addEventListener("blur", () => this.show(row));
    row.slider.addEventListener("input", () => this.host.change(value.id, element, row.slider.valueAsNumber));
    row.button.addEventListener("click", () => {
      row.nudged = !row.nudged;
      row.button.setAttribute("aria-pressed", String(row.nudged));
      this.measure();
    });
    return row;
  }

  private nameOf(value: Value, element: number): string {
    return value.value.length > 1 ? `${value.name}[${element}]` : value.name;
  }

  private line(row: Row, canNudge: boolean): HTMLTableRowElement {
    const name = this.nameOf(row.value, row.element);
    const [base, index] = indexed(name);
    const gradient = html("td", { class: "gradient-cell" });
    const formula = html("span", { class: "partial" });
    formula.innerHTML = math(partial(lossName(this.host.graph), row.value.name));
    gradient.append(formula, row.gradient);
    const line = html(
      "tr",
      {},
      html("th", { scope: "row" }, ...(index === null ? [name] : [base, html("sub", {}, index)])),
      html("td", {}, row.field),
      html("td", { class: "slider-cell" }, row.slider),
      gradient,
    );
    if (canNudge)
      line.append(html("td", {}, row.button), html("td", { class: "measured-cell" }, row.measured));
    return line;
  }

  /** Puts the keyboard into the field of an input. */
  focus(id: number): void {
    const field = this.rows.find((row) => row.value.id === id)?.field;
    field?.focus();
    field?.select();
  }

  private show(row: Row): void {
    const x = at(this.host.leaves().get(row.value.id) ?? row.value.value, row.element);
    if (document.activeElement !== row.field) row.field.value = String(x);
    row.slider.value = String(x);
  }

  /** Shows a run; gradients are hidden in a quiz, and before they are known. */
  update(run: Run, gradientOf: (id: number) => readonly number[] | null, quiz: boolean): void {
    let edited = false;
    for (const row of this.rows) {
      this.show(row);
      const now = at(run.values, row.value.id);
      edited ||= at(now, row.element) !== at(row.value.value, row.element);
      const gradient = gradientOf(row.value.id);
      row.gradient.textContent = quiz ? "?" : gradient ? pretty(at(gradient, row.element)) : "";
      row.button.disabled = quiz;
      row.measured.hidden = quiz;
    }
    this.resetButton.disabled = !edited;
    if (!quiz) this.measure();
  }

  /** Δloss/Δx by a step to both sides, for the rows whose nudge is on. */
  private measure(): void {
    const h = Number(this.step.value);
    for (const row of this.rows) {
      if (!row.nudged) {
        row.measured.replaceChildren();
        continue;
      }
      const lossAt = (shift: number): number => {
        const leaves = new Map(this.host.leaves());
        const moved = [...(leaves.get(row.value.id) ?? row.value.value)];
        moved[row.element] = at(moved, row.element) + shift;
        leaves.set(row.value.id, moved);
        return at(at(runGraph(this.precise, leaves).values, this.precise.output), 0);
      };
      const [right, left] = [lossAt(h), lossAt(-h)];
      const slope = (right - left) / (2 * h);
      const change = String(Number((right - left).toPrecision(5))).replace("-", "−");
      row.measured.replaceChildren(
        html("strong", {}, pretty(slope)),
        html("small", {}, `${change} / ${pretty(2 * h)}`),
      );
    }
  }
}
