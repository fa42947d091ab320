// Why a gradient is zero, missing or NaN: the gate that is responsible.

import { at } from "./data";
import { type Facts, sizeOf } from "./facts";
import { arriving, stopped } from "./stopped";

export interface Reason {
  text: string;
  /** The gate to look at. */
  gate: number | null;
}

const gateText = (graph: Facts, gate: number): string => `${graph.nameOfGate(gate)} (${graph.kind(gate)})`;

/** The value that stands for a gate: its first output. */
const first = (graph: Facts, gate: number): number => at(graph.outputs(gate), 0);

/** Nothing to explain, or the reason. */
export function why(graph: Facts, value: number): Reason | null {
  if (graph.value(value).notFinite > 0) return notFiniteValue(graph, value);
  const gradient = graph.gradient(value);
  if (!gradient) return missing(graph, value);
  if (gradient.notFinite > 0) return notFiniteGradient(graph, value);
  if (sizeOf(gradient) === 0) return zero(graph, value);
  return null;
}

/** The earliest gate on the way to a value whose output isn't finite although its inputs are. */
function notFiniteValue(graph: Facts, value: number): Reason {
  let here = value;
  for (;;) {
    const gate = graph.maker[here] ?? -1;
    if (gate < 0) {
      const text = `${graph.nameOf(here)} was given with NaN or infinite elements.`;
      return { text, gate: graph.readers[here]?.[0] ?? null };
    }
    const bad = graph.inputs(gate).find((input) => graph.value(input).notFinite > 0);
    if (bad === undefined) {
      const text = `The first value that isn't finite is the output of ${gateText(graph, gate)}, whose inputs are all finite.`;
      return { text, gate };
    }
    here = bad;
  }
}

const isFloat = (graph: Facts, value: number): boolean => /^b?f/.test(graph.dtype(value));

/** Why no gradient goes through a gate whose input wants one. */
function cutBy(graph: Facts, gate: number): string {
  const name = gateText(graph, gate);
  if (graph.kind(gate) === "Detach") return `${name} cuts the graph: no gradient goes through detach.`;
  if (isFloat(graph, first(graph, gate))) return `${name} ran under no_grad: the gradient ends there.`;
  const dtype = graph.dtype(first(graph, gate));
  return `${name} has no derivative: its output is ${dtype}, and only floating-point numbers have gradients.`;
}

/** Why nothing asks for the gradient of what no gate made. */
function unwanted(graph: Facts, value: number): string {
  const dtype = graph.dtype(value);
  if (!isFloat(graph, value)) return `Its elements are ${dtype}: only floating-point numbers have gradients.`;
  if (graph.names.has(value)) return "It doesn't require one: it is data, or a frozen parameter.";
  return "It is a constant: nothing asks for its gradient.";
}

function missing(graph: Facts, value: number): Reason {
  if (!graph.backward) return { text: "The backward pass hasn't run.", gate: null };
  if (!graph.needs(value)) {
    const gate = graph.maker[value] ?? -1;
    if (gate < 0) return { text: unwanted(graph, value), gate: null };
    const cut = graph.inputs(gate).some((input) => graph.needs(input));
    if (cut) return { text: cutBy(graph, gate), gate };
    return { text: "No input that wants a gradient leads to it: everything before it is constant.", gate };
  }
  const readers = graph.readers[value] ?? [];
  if (readers.length === 0) return { text: "No gate reads it.", gate: null };
  const seen = new Set<number>();
  const stack = [value];
  while (stack.length > 0) {
    const here = stack.pop();
    if (here === undefined || seen.has(here)) continue;
    seen.add(here);
    for (const gate of graph.readers[here] ?? []) {
      for (const output of graph.outputs(gate)) {
        if (!graph.needs(output)) return { text: cutBy(graph, gate), gate };
        stack.push(output);
      }
    }
  }
  return { text: "Nothing that reads it leads to the output.", gate: readers[0] ?? null };
}

/** From a value towards the output: the last gate at which the gradient was still finite. */
function notFiniteGradient(graph: Facts, value: number): Reason {
  let here = value;
  for (let steps = 0; steps <= graph.count; steps += 1) {
    const next = (graph.readers[here] ?? []).find((gate) =>
      graph.outputs(gate).some((output) => (graph.gradient(output)?.notFinite ?? 0) > 0),
    );
    if (next === undefined) break;
    here = first(graph, next);
  }
  const readers = (graph.readers[here] ?? []).filter((gate) =>
    graph.outputs(gate).some((output) => graph.gradient(output) !== null),
  );
  const [earliest] = readers;
  if (earliest === undefined)
    return { text: "The gradient that the backward pass began with isn't finite.", gate: null };
  // A local gradient is seldom finite where a value of the gate isn't.
  for (const gate of readers) {
    const own = [...graph.inputs(gate), ...graph.outputs(gate)];
    const bad = own.find((other) => graph.value(other).notFinite > 0);
    if (bad === undefined) continue;
    const cause = notFiniteValue(graph, bad);
    return {
      ...cause,
      text: `${gateText(graph, gate)} receives a finite gradient and passes on one that isn't, as ${graph.nameOf(bad)} isn't finite. ${cause.text}`,
    };
  }
  const names = readers.map((gate) => gateText(graph, gate));
  const text =
    names.length === 1
      ? `${names[0]} receives a finite gradient and passes on one that isn't: its local gradient is infinite or NaN at this point.`
      : `One of ${names.slice(0, 4).join(", ")}${names.length > 4 ? "…" : ""} receives a finite gradient and passes on one that isn't.`;
  return { text, gate: earliest };
}

/** From a value towards the output: the first gate that receives a gradient and passes on zeros. */
function zero(graph: Facts, value: number): Reason {
  let here = value;
  for (let steps = 0; steps <= graph.count; steps += 1) {
    const readers = (graph.readers[here] ?? []).filter((gate) =>
      graph.outputs(gate).some((output) => graph.gradient(output) !== null),
    );
    const stopping = readers.filter((gate) => arriving(graph, gate) !== 0);
    const [earliest] = stopping;
    if (earliest !== undefined) {
      const text =
        stopping.length === 1
          ? `${gateText(graph, earliest)} ${stopped(graph, earliest, here)}`
          : `What ${stopping.length} gates pass on adds up to 0: ${stopping
              .slice(0, 4)
              .map((gate) => gateText(graph, gate))
              .join(", ")}${stopping.length > 4 ? "…" : ""}.`;
      return { text, gate: earliest };
    }
    const [next] = readers;
    if (next === undefined) break;
    here = first(graph, next);
  }
  return { text: "The gradient is already zero where the backward pass begins.", gate: null };
}

/** A parameter whose gradient is zero, missing or not finite; `value` is null where no gate reads it. */
export interface Finding {
  name: string;
  value: number | null;
  problem: "zero" | "missing" | "not finite";
  reason: Reason;
}

/** All named inputs that want a gradient and get none that is of use, up to so many. */
export function findings(graph: Facts, most: number): Finding[] {
  if (!graph.backward) return [];
  const found: Finding[] = graph.unused.slice(0, most).map((name) => ({
    name,
    value: null,
    problem: "missing",
    reason: { text: "No gate reads it.", gate: null },
  }));
  for (const [value, name] of graph.names) {
    if (found.length >= most) break;
    if (!graph.needs(value)) continue;
    const reason = why(graph, value);
    if (!reason) continue;
    const gradient = graph.gradient(value);
    const problem = !gradient ? "missing" : sizeOf(gradient) === 0 ? "zero" : "not finite";
    found.push({ name, value, problem, reason });
  }
  return found;
}
