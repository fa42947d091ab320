// Runs the graph on the page, forward and backward, and compares the outcome with the library's numbers.

import { ARRAY_GATES, type ArrayGate, broadcastPlaces, sumTo, type Values } from "./arrays";
import { at, type Gate, type Graph, isElementwise } from "./data";
import { evaluate, roundingOf, unknownOperation } from "./expr";
import { pretty, short } from "./format";

/** What one run computed, by places of values and gates. */
export interface Run {
  values: number[][];
  gradients: (number[] | null)[];
  /** Of each gate, by input; null where there is no such number. */
  local: (number[] | null)[][];
  passed: (number[] | null)[][];
}

/** The numbers that the library wrote into the page. */
export function libraryRun(graph: Graph): Run {
  return {
    values: graph.values.map((value) => value.value),
    gradients: graph.values.map((value) => value.gradient),
    local: graph.gates.map((gate) => gate.local),
    passed: graph.gates.map((gate) => gate.passed),
  };
}

const inputsOf = (graph: Graph, gate: Gate, values: readonly (readonly number[])[]): Values[] =>
  gate.inputs.map((id) => ({ shape: at(graph.values, id).shape, data: at(values, id) }));

/** The gate that this page has no way to compute, if there is one. */
export function obstacle(graph: Graph): Gate | null {
  const values = graph.values.map((value) => value.value);
  const computable = (gate: Gate): boolean => {
    if (gate.outputs.length !== 1) return false;
    if (isElementwise(gate.rule)) {
      return [gate.rule.value, ...gate.rule.local].every((tree) => unknownOperation(tree) === null);
    }
    const output = at(graph.values, at(gate.outputs, 0));
    return ARRAY_GATES[gate.name]?.fits(inputsOf(graph, gate, values), output.shape) ?? false;
  };
  return graph.gates.find((gate) => !computable(gate)) ?? null;
}

const known = (name: string): ArrayGate => {
  const gate = ARRAY_GATES[name];
  if (!gate) throw new RangeError(`the page cannot compute ${name}`);
  return gate;
};

/** Names and values at one place of an elementwise gate's output. */
function namesAt(
  names: readonly string[],
  inputs: readonly Values[],
  places: readonly number[][],
  flat: number,
): Record<string, number> {
  const found: Record<string, number> = {};
  names.forEach((name, i) => {
    found[name] = at(at(inputs, i).data, at(at(places, i), flat));
  });
  return found;
}

function forwardGate(graph: Graph, gate: Gate, values: readonly number[][]): number[] {
  const { rule } = gate;
  const output = at(graph.values, at(gate.outputs, 0));
  const inputs = inputsOf(graph, gate, values);
  const round = roundingOf(output.dtype);
  if (!isElementwise(rule)) return known(gate.name).value(inputs, output.shape, round);
  const places = inputs.map((x) => broadcastPlaces(x.shape, output.shape));
  return output.value.map((_, flat) =>
    evaluate(rule.value, namesAt(rule.inputs, inputs, places, flat), round),
  );
}

function backwardGate(graph: Graph, gate: Gate, run: Run, upstream: number[]): void {
  const { rule } = gate;
  const output = at(graph.values, at(gate.outputs, 0));
  const inputs = inputsOf(graph, gate, run.values);
  const y = at(run.values, output.id);
  const round = roundingOf(output.dtype);
  const wanted = gate.inputs.map((id) => at(graph.values, id).needs);
  if (!isElementwise(rule)) {
    const passed = known(gate.name).passed(inputs, { shape: output.shape, data: y }, upstream, round);
    run.passed[gate.id] = passed.map((numbers, i) => (wanted[i] ? [...numbers] : null));
    return;
  }
  const places = inputs.map((x) => broadcastPlaces(x.shape, output.shape));
  inputs.forEach((x, i) => {
    if (!wanted[i]) return;
    const local = y.map((_, flat) => {
      const names = namesAt(rule.inputs, inputs, places, flat);
      return evaluate(at(rule.local, i), { ...names, y: at(y, flat) }, round);
    });
    const product = local.map((factor, flat) => round(at(upstream, flat) * factor));
    at(run.local, gate.id)[i] = local;
    at(run.passed, gate.id)[i] = sumTo(x.shape, { shape: output.shape, data: product }, round);
  });
}

/** Runs the graph forward and backward from these values of its leaves. */
export function runGraph(graph: Graph, leaves: ReadonlyMap<number, readonly number[]>): Run {
  const run: Run = {
    values: graph.values.map((value) => [...(leaves.get(value.id) ?? value.value)]),
    gradients: graph.values.map(() => null),
    local: graph.gates.map((gate) => gate.inputs.map(() => null)),
    passed: graph.gates.map((gate) => gate.inputs.map(() => null)),
  };
  for (const gate of graph.gates) {
    run.values[at(gate.outputs, 0)] = forwardGate(graph, gate, run.values);
  }
  // The backward pass starts from what the library started it from: 1, for a loss.
  const seed = at(graph.values, graph.output).gradient;
  if (!seed) return run;
  run.gradients[graph.output] = [...seed];
  for (const gate of [...graph.gates].reverse()) {
    const upstream = run.gradients[at(gate.outputs, 0)];
    if (!upstream) continue;
    backwardGate(graph, gate, run, upstream);
    at(run.passed, gate.id).forEach((passed, i) => {
      if (!passed) return;
      const id = at(gate.inputs, i);
      const round = roundingOf(at(graph.values, id).dtype);
      const before = run.gradients[id];
      run.gradients[id] = before ? before.map((x, k) => round(x + at(passed, k))) : [...passed];
    });
  }
  return run;
}

/** The comparison of two runs, number by number as printed. */
export interface Comparison {
  compared: number;
  /** The first number that differs, in words. */
  difference: string | null;
}

export function compare(graph: Graph, library: Run, page: Run): Comparison {
  const result: Comparison = { compared: 0, difference: null };
  const check = (what: string, a: readonly number[] | null, b: readonly number[] | null) => {
    if (!a) return;
    a.forEach((x, i) => {
      const y = b?.[i];
      result.compared += 1;
      if ((y === undefined || short(x) !== short(y)) && !result.difference) {
        const there = y === undefined ? "none" : pretty(y);
        result.difference = `${what} is ${pretty(x)} in the library and ${there} on this page`;
      }
    });
  };
  for (const value of graph.values) {
    check(`the value of ${value.name}`, at(library.values, value.id), at(page.values, value.id));
    check(`∂L/∂${value.name}`, at(library.gradients, value.id), at(page.gradients, value.id));
  }
  for (const gate of graph.gates) {
    const output = at(graph.values, at(gate.outputs, 0)).name;
    gate.inputs.forEach((id, i) => {
      const input = at(graph.values, id).name;
      check(`∂${output}/∂${input}`, at(gate.local, i), at(at(page.local, gate.id), i));
      check(`what ${output} passes to ${input}`, at(gate.passed, i), at(at(page.passed, gate.id), i));
    });
  }
  return result;
}
