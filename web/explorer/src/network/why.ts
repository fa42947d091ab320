// Why a gradient is zero, missing or NaN: the gate that is responsible.

import { pretty } from "../format";
import { type Network, sizeOf } from "./data";

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
      return { text: `${network.nameOf(here)} was given with NaN or infinite elements.`, gate: null };
    }
    const bad = network.inputs(gate).find((input) => network.value(input).notFinite > 0);
    if (bad === undefined) {
      const text = `The first value that isn't finite is the output of ${gateText(network, gate)}, whose inputs are all finite.`;
      return { text, gate };
    }
    here = bad;
  }
}

/** Why no gradient goes through a gate whose input wants one. */
function cutBy(network: Network, gate: number): string {
  const name = gateText(network, gate);
  if (network.formula(gate).gate === "Detach")
    return `${name} cuts the graph: no gradient goes through detach.`;
  if (network.shape(network.first(gate)).dtype.startsWith("f"))
    return `${name} ran under no_grad: the gradient ends there.`;
  return `${name} has no derivative: the gradient ends there.`;
}

function missing(network: Network, value: number): Reason {
  if (!network.backward) return { text: "The backward pass hasn't run.", gate: null };
  if (!network.needs(value)) {
    const gate = network.maker[value] ?? -1;
    if (gate < 0) {
      const text = network.isConstant(value)
        ? "It is a constant: nothing asks for its gradient."
        : "Its element type has no gradients.";
      return { text, gate: null };
    }
    const cut = network.inputs(gate).some((input) => network.needs(input));
    if (cut) return { text: cutBy(network, gate), gate };
    return { text: "No input that wants a gradient leads to it: everything before it is constant.", gate };
  }
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
  return { text: "Nothing that reads it leads to the output.", gate: null };
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
  const gate = network.readers[here]?.[0];
  if (gate === undefined)
    return { text: "The gradient that the backward pass began with isn't finite.", gate: null };
  const text = `${gateText(network, gate)} receives a finite gradient and passes on one that isn't: its local gradient is infinite or NaN at this point.`;
  return { text, gate };
}

/** Smaller gradients than this one may become 0 by a product with another number below 1. */
const VANISHED = 1e-36;

const arriving = (network: Network, output: number): number => {
  const gradient = network.gradient(output);
  return gradient ? sizeOf(gradient) : 0;
};

/** From a value towards the output: the first gate that receives a gradient and passes on zeros. */
function zero(network: Network, value: number): Reason {
  let here = value;
  for (let steps = 0; steps <= network.count; steps += 1) {
    const readers = (network.readers[here] ?? []).filter((gate) =>
      network.outputs(gate).some((output) => network.gradient(output) !== null),
    );
    const stopping = readers.find((gate) =>
      network.outputs(gate).some((output) => {
        const gradient = network.gradient(output);
        return gradient !== null && sizeOf(gradient) !== 0;
      }),
    );
    if (stopping !== undefined) {
      const { gate: kind } = network.formula(stopping);
      const name = gateText(network, stopping);
      const arrived = Math.max(...network.outputs(stopping).map((output) => arriving(network, output)));
      if (arrived < VANISHED) {
        const text = `It vanished on the way: what arrives at ${name} is only ${pretty(arrived)}, and its product with the local gradient is too small for the element type.`;
        return { text, gate: stopping };
      }
      const dead = kind === "Relu" && network.value(here).most <= 0;
      const because = dead
        ? "none of its inputs is above 0, so it is dead here"
        : "its local gradient is 0 wherever a gradient arrives";
      return { text: `${name} passes nothing on: ${because}.`, gate: stopping };
    }
    const [next] = readers;
    if (next === undefined) break;
    here = network.first(next);
  }
  return { text: "The gradient is already zero where the backward pass begins.", gate: null };
}
