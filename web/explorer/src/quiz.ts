// The quiz: gradients are fields to fill in, and a wrong answer is told what went wrong.

import { at, type Graph } from "./data";
import { html } from "./dom";
import { pretty } from "./format";
import { lossName, nameOf, outputName } from "./names";
import type { Run } from "./replay";
import type { Plan } from "./steps";

/** What a student typed: a number, a fraction or a product, such as `-4`, `1/3` or `-4*0.5`. */
export function readAnswer(text: string): { value: number; digits: number } | null {
  const clean = text.trim().replace(/[−–]/g, "-").replace(/[·×]/g, "*").replace(/,/g, ".");
  if (!/^[-+]?[\d.]/.test(clean) || !/^[-+*/.\deE]+$/.test(clean)) return null;
  const parts = clean.split(/([*/])/);
  let value = Number(parts[0] || Number.NaN);
  for (let i = 1; i < parts.length; i += 2) {
    const next = Number(parts[i + 1] || Number.NaN);
    value = parts[i] === "*" ? value * next : value / next;
  }
  if (!Number.isFinite(value)) return null;
  const decimals = parts.length === 1 ? (/\.(\d*)/.exec(clean)?.[1]?.length ?? 0) : 12;
  return { value, digits: decimals };
}

/** Whether an answer is right: as good as its digits say, and within two percent. */
export function isRight(answer: { value: number; digits: number }, truth: number): boolean {
  const distance = Math.abs(answer.value - truth);
  const rounding = 0.5 * 10 ** -answer.digits + 1e-12;
  return distance <= Math.max(rounding, 5e-5 * Math.abs(truth)) && distance <= 0.02 * Math.abs(truth) + 1e-9;
}

/** What probably went wrong. */
export function diagnose(graph: Graph, plan: Plan, run: Run, id: number, answer: number): string {
  const truth = at(run.gradients[id] ?? [], 0);
  const same = (a: number, b: number) => Math.abs(a - b) <= 0.01 * Math.abs(b) + 1e-9;
  const terms = at(plan.terms, id);
  const name = nameOf(graph, id);
  const loss = lossName(graph);
  if (truth !== 0 && same(answer, -truth)) return "The size is right, the sign is not.";
  const passed = terms.map((term) => at(at(at(run.passed, term.gate), term.input) ?? [Number.NaN], 0));
  const one = passed.findIndex((x) => same(answer, x));
  if (terms.length > 1 && one >= 0) {
    const gate = outputName(graph, at(graph.gates, at(terms, one).gate));
    return `That is the part that comes through ${gate}. ${name} is read ${terms.length} times, and the parts add up.`;
  }
  const locals = terms.map((term) => at(at(at(run.local, term.gate), term.input) ?? [Number.NaN], 0));
  if (locals.some((x) => same(answer, x))) {
    return "That is the local gradient. Multiply it by the upstream gradient.";
  }
  if (same(answer, at(at(run.values, id), 0))) return `That is the value of ${name}, not its gradient.`;
  const upstream = terms.map((term) => {
    const output = at(at(graph.gates, term.gate).outputs, 0);
    return { name: nameOf(graph, output), gradient: at(run.gradients[output] ?? [Number.NaN], 0) };
  });
  if (upstream.some((one) => same(answer, one.gradient))) {
    return "That is the upstream gradient. Multiply it by the local gradient.";
  }
  const ways = upstream.map((one) => `∂${loss}/∂${one.name} · ∂${one.name}/∂${name}`);
  return `Not yet: ∂${loss}/∂${name} = ${ways.join(" + ")}.`;
}

/** The values whose gradients are asked for: finite numbers with a gradient, from the loss backwards. */
export function askedFor(graph: Graph, plan: Plan, run: Run): number[] {
  const order = plan.steps.flatMap((step) =>
    step.kind === "backward" ? at(graph.gates, step.gate).inputs : [],
  );
  const isNumber = (numbers: readonly number[] | null | undefined) =>
    numbers?.length === 1 && numbers.every(Number.isFinite);
  return [...new Set(order)].filter((id) => id !== graph.output && isNumber(run.gradients[id]));
}

export class Quiz {
  readonly fields = new Map<number, HTMLInputElement>();
  private readonly right = new Set<number>();
  private readonly shown = new Set<number>();
  /** The value asked for last. */
  private current = -1;

  constructor(
    private readonly graph: Graph,
    private readonly plan: Plan,
    private run: Run,
    private readonly feedback: (markup: { text: string; kind: "right" | "wrong" | "plain" }) => void,
  ) {}

  /** Fields at their places over the drawing. */
  build(layer: HTMLElement, places: readonly { value: number; x: number; y: number }[], scale: number): void {
    this.fields.clear();
    const order = askedFor(this.graph, this.plan, this.run);
    const loss = lossName(this.graph);
    const fields = order.flatMap((id) => {
      const place = places.find((one) => one.value === id);
      if (!place) return [];
      const field = html("input", {
        type: "text",
        inputmode: "decimal",
        autocomplete: "off",
        placeholder: "?",
        "aria-label": `∂${loss}/∂${nameOf(this.graph, id)}`,
        "data-gradient": nameOf(this.graph, id),
        style: `left:${place.x * scale}px;top:${place.y * scale}px;--scale:${scale}`,
      });
      field.addEventListener("focus", () => {
        this.current = id;
      });
      field.addEventListener("change", () => this.check(id, field));
      field.addEventListener("keydown", (event) => {
        if (event.key === "Enter") {
          event.preventDefault();
          this.check(id, field);
          if (this.right.has(id)) this.next(order, id);
        }
      });
      this.fields.set(id, field);
      return [field];
    });
    layer.replaceChildren(...fields);
    this.report();
    fields[0]?.focus({ preventScroll: true });
  }

  private next(order: readonly number[], id: number): void {
    const rest = [...order.slice(order.indexOf(id) + 1), ...order].find(
      (one) => !this.fields.get(one)?.readOnly,
    );
    if (rest !== undefined) this.fields.get(rest)?.focus();
  }

  private check(id: number, field: HTMLInputElement): void {
    if (field.readOnly || field.value.trim() === "") return;
    const truth = at(this.run.gradients[id] ?? [], 0);
    const answer = readAnswer(field.value);
    const right = answer !== null && isRight(answer, truth);
    field.classList.toggle("right", right);
    field.classList.toggle("wrong", !right);
    field.setAttribute("aria-invalid", String(!right));
    if (!answer) {
      this.feedback({
        text: "Type a number, a fraction such as 1/3 or a product such as −4*3.",
        kind: "wrong",
      });
    } else if (right) {
      this.right.add(id);
      field.readOnly = true;
      this.report(`Right: ∂${lossName(this.graph)}/∂${nameOf(this.graph, id)} = ${pretty(truth)}.`);
    } else {
      this.feedback({ text: diagnose(this.graph, this.plan, this.run, id, answer.value), kind: "wrong" });
    }
  }

  /** Fills in the gradient asked for last, or the first missing one. */
  reveal(): void {
    const order = askedFor(this.graph, this.plan, this.run);
    const open = (id: number) => this.fields.has(id) && !this.fields.get(id)?.readOnly;
    const id = open(this.current) ? this.current : order.find(open);
    const field = id === undefined ? undefined : this.fields.get(id);
    if (id === undefined || !field) return;
    field.value = pretty(at(this.run.gradients[id] ?? [], 0));
    field.readOnly = true;
    field.classList.remove("wrong");
    field.classList.add("shown");
    field.removeAttribute("aria-invalid");
    this.shown.add(id);
    this.report(`∂${lossName(this.graph)}/∂${nameOf(this.graph, id)} = ${field.value}.`);
    this.next(order, id);
  }

  private report(text = ""): void {
    const all = this.fields.size;
    const done = this.right.size + this.shown.size === all;
    const score = `${this.right.size} of ${all} right${this.shown.size ? `, ${this.shown.size} shown` : ""}`;
    const rest = done
      ? this.shown.size
        ? "Change an input and try it again."
        : "All of them. Well done!"
      : "Start at the loss, where the gradient is 1, and go backwards.";
    this.feedback({
      text: `${text} ${score}. ${text && !done ? "" : rest}`.trim(),
      kind: text ? "right" : "plain",
    });
  }
}
