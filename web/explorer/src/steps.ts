// The steps of a forward and backward pass, and what is known after each.

import { at, type Graph } from "./data";
import type { Run } from "./replay";

export type Step =
  | { kind: "start" }
  | { kind: "forward"; gate: number }
  | { kind: "seed" }
  | { kind: "backward"; gate: number }
  | { kind: "end" };

/** One term of a value's gradient: what one reader passes to it. */
export interface Term {
  gate: number;
  input: number;
}

/** The steps of a graph. */
export interface Plan {
  steps: Step[];
  /** The terms of each value's gradient, in the order in which they arrive. */
  terms: Term[][];
  /** The step at which each gate passes its gradient on; -1 where it has none. */
  backwardStep: number[];
  forwardStep: number[];
  seedStep: number;
}

/** Plans the steps; a gate takes part in the backward pass if a gradient reached it. */
export function planOf(graph: Graph, run: Run): Plan {
  const plan: Plan = {
    steps: [{ kind: "start" }],
    terms: graph.values.map(() => []),
    backwardStep: graph.gates.map(() => -1),
    forwardStep: graph.gates.map(() => -1),
    seedStep: -1,
  };
  for (const gate of graph.gates) {
    plan.forwardStep[gate.id] = plan.steps.length;
    plan.steps.push({ kind: "forward", gate: gate.id });
  }
  if (run.gradients[graph.output]) {
    plan.seedStep = plan.steps.length;
    plan.steps.push({ kind: "seed" });
    for (const gate of [...graph.gates].reverse()) {
      if (at(run.passed, gate.id).every((passed) => passed === null)) continue;
      plan.backwardStep[gate.id] = plan.steps.length;
      plan.steps.push({ kind: "backward", gate: gate.id });
      gate.inputs.forEach((id, input) => {
        if (at(at(run.passed, gate.id), input)) at(plan.terms, id).push({ gate: gate.id, input });
      });
    }
  }
  plan.steps.push({ kind: "end" });
  return plan;
}

/** A gradient as far as it is known at a step. */
export interface Partial {
  numbers: number[];
  arrived: number;
  terms: number;
}

/** Whether a value is known at a step. */
export function knowsValue(graph: Graph, plan: Plan, value: number, step: number): boolean {
  const maker = graph.gates.find((gate) => gate.outputs.includes(value));
  return !maker || at(plan.forwardStep, maker.id) <= step;
}

/** The gradient of a value as far as it has arrived at a step. */
export function gradientAt(graph: Graph, plan: Plan, run: Run, value: number, step: number): Partial | null {
  const gradient = run.gradients[value];
  if (!gradient || plan.seedStep < 0) return null;
  if (value === graph.output) {
    return step >= plan.seedStep ? { numbers: gradient, arrived: 1, terms: 1 } : null;
  }
  const terms = at(plan.terms, value);
  const arrived = terms.filter((term) => at(plan.backwardStep, term.gate) <= step);
  if (arrived.length === 0) return null;
  if (arrived.length === terms.length)
    return { numbers: gradient, arrived: terms.length, terms: terms.length };
  const parts = arrived.map((term) => at(at(run.passed, term.gate), term.input) ?? []);
  const numbers = gradient.map((_, i) => parts.reduce((sum, part) => sum + at(part, i), 0));
  return { numbers, arrived: arrived.length, terms: terms.length };
}
