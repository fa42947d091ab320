// Why a gradient is zero, missing or NaN: the gate that is responsible.

import { type Network, sizeOf } from "./data";
import { arriving, stopped } from "./stopped";

export interface Reason {
  text: string;
  /** The gate to look at. */
  gate: number | null;
}

const gateText = (network: Network, gate: number): string =>
  `${network.nameOfGate(gate)} (${network.formula(gate).gate})`;

/** Nothing to explain, or the reason. */
export function why(network: Network, value: number): Reason | null {
  if (network.value(value).notFinite > 0) return notFiniteValue(network, value);
  const gradient = network.gradient(value);
  if (!gradient) return missing(network, value);
  if (gradient.notFinite > 0) return notFiniteGradient(network, value);
  if (sizeOf(gradient) === 0) return zero(network, value);
  return null;
}

/** The earliest gate on the way to a value whose output isn't finite although its inputs are. */
function notFiniteValue(network: Network, value: number): Reason {
  let here = value;
  for (;;) {
    const gate = network.maker[here] ?? -1;
    if (gate < 0) {
      const text = `${network.nameOf(here)} was given with NaN or infinite elements.`;
      return { text, gate: network.readers[here]?.[0] ?? null };
    }
    const bad = network.inputs(gate).find((input) => network.value(input).notFinite > 0);
    if (bad === undefined) {
      const text = `The first value that isn't finite is the output of ${gateText(network, gate)}, whose inputs are all finite.`;
      return { text, gate };
    }
    here = bad;
  }
}

const isFloat = (network: Network, value: number): boolean => /^b?f/.test(network.shape(value).dtype);

/** Why no gradient goes through a gate whose input wants one. */
function cutBy(network: Network, gate: number): string {
  const name = gateText(network, gate);
  if (network.formula(gate).gate === "Detach")
    return `${name} cuts the graph: no gradient goes through detach.`;
  if (isFloat(network, network.first(gate))) return `${name} ran under no_grad: the gradient ends there.`;
  const { dtype } = network.shape(network.first(gate));
  return `${name} has no derivative: its output is ${dtype}, and only floating-point numbers have gradients.`;
}

/** Why nothing asks for the gradient of what no gate made. */
function unwanted(network: Network, value: number): string {
  const { dtype } = network.shape(value);
  if (!isFloat(network, value))
    return `Its elements are ${dtype}: only floating-point numbers have gradients.`;
  if (network.names.has(value)) return "It doesn't require one: it is data, or a frozen parameter.";
  return "It is a constant: nothing asks for its gradient.";
}

function missing(network: Network, value: number): Reason {
  if (!network.backward) return { text: "The backward pass hasn't run.", gate: null };
  if (!network.needs(value)) {
    const gate = network.maker[value] ?? -1;
    if (gate < 0) return { text: unwanted(network, value), gate: null };
    const cut = network.inputs(gate).some((input) => network.needs(input));
    if (cut) return { text: cutBy(network, gate), gate };
    return { text: "No input that wants a gradient leads to it: everything before it is constant.", gate };
  }
  const readers = network.readers[value] ?? [];
  if (readers.length === 0) return { text: "No gate reads it.", gate: null };
  const seen = new Set<number>();
  const stack = [value];
  while (stack.length > 0) {
    const here = stack.pop();
    if (here === undefined || seen.has(here)) continue;
    seen.add(here);
    for (const gate of network.readers[here] ?? []) {
      for (const output of network.outputs(gate)) {
        if (!network.needs(output)) return { text: cutBy(network, gate), gate };
        stack.push(output);
      }
    }
  }
  return { text: "Nothing that reads it leads to the output.", gate: readers[0] ?? null };
}

/** From a value towards the output: the last gate at which the gradient was still finite. */
function notFiniteGradient(network: Network, value: number): Reason {
  let here = value;
  for (let steps = 0; steps <= network.count; steps += 1) {
    const next = (network.readers[here] ?? []).find((gate) =>
      network.outputs(gate).some((output) => (network.gradient(output)?.notFinite ?? 0) > 0),
    );
    if (next === undefined) break;
    here = network.first(next);
  }
  const readers = (network.readers[here] ?? []).filter((gate) =>
    network.outputs(gate).some((output) => network.gradient(output) !== null),
  );
  const [first] = readers;
  if (first === undefined)
    return { text: "The gradient that the backward pass began with isn't finite.", gate: null };
  // A local gradient is seldom finite where a value of the gate isn't.
  for (const gate of readers) {
    const own = [...network.inputs(gate), ...network.outputs(gate)];
    const bad = own.find((other) => network.value(other).notFinite > 0);
    if (bad === undefined) continue;
    const cause = notFiniteValue(network, bad);
    return {
      ...cause,
      text: `${gateText(network, gate)} receives a finite gradient and passes on one that isn't, as ${network.nameOf(bad)} isn't finite. ${cause.text}`,
    };
  }
  const names = readers.map((gate) => gateText(network, gate));
  const text =
    names.length === 1
      ? `${names[0]} receives a finite gradient and passes on one that isn't: its local gradient is infinite or NaN at this point.`
      : `One of ${names.slice(0, 4).join(", ")}${names.length > 4 ? "…" : ""} receives a finite gradient and passes on one that isn't.`;
  return { text, gate: first };
}

/** From a value towards the output: the first gate that receives a gradient and passes on zeros. */
function zero(network: Network, value: number): Reason {
  let here = value;
  for (let steps = 0; steps <= network.count; steps += 1) {
    const readers = (network.readers[here] ?? []).filter((gate) =>
      network.outputs(gate).some((output) => network.gradient(output) !== null),
    );
    const stopping = readers.filter((gate) => arriving(network, gate) !== 0);
    const [first] = stopping;
    if (first !== undefined) {
      const text =
        stopping.length === 1
          ? `${gateText(network, first)} ${stopped(network, first, here)}`
          : `What ${stopping.length} gates pass on adds up to 0: ${stopping
              .slice(0, 4)
              .map((gate) => gateText(network, gate))
              .join(", ")}${stopping.length > 4 ? "…" : ""}.`;
      return { text, gate: first };
    }
    const [next] = readers;
    if (next === undefined) break;
    here = network.first(next);
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
export function findings(network: Network, most: number): Finding[] {
  if (!network.backward) return [];
  const found: Finding[] = network.unused.slice(0, most).map((name) => ({
    name,
    value: null,
    problem: "missing",
    reason: { text: "No gate reads it.", gate: null },
  }));
  for (const [value, name] of network.names) {
    if (found.length >= most) break;
    if (!network.needs(value)) continue;
    const reason = why(network, value);
    if (!reason) continue;
    const gradient = network.gradient(value);
    const problem = !gradient ? "missing" : sizeOf(gradient) === 0 ? "zero" : "not finite";
    found.push({ name, value, problem, reason });
  }
  return found;
}
