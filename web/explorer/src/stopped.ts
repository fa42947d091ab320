// Why a gate passes only zeros on to one of its inputs, although a gradient arrives at it.

import { type Facts, sizeOf } from "./facts";
import { pretty } from "./format";

/** Gates that are constant between jumps. */
const STEPS = ["Floor", "Ceil", "Trunc", "Round", "Sign", "Heaviside", "DivFloor", "DivTrunc"];
/** Gates that are flat outside of some range. */
const LIMITED = ["Clamp", "Hardtanh", "Hardsigmoid", "Hardswish", "Hardshrink", "Softshrink", "Threshold"];
/** Gates that flatten towards both ends. */
const SATURATING = ["Sigmoid", "Tanh", "Erf", "Erfc", "Softmax", "Hardsigmoid"];
/** Gates that multiply each of their first two inputs by the other one. */
const PRODUCTS = ["Mul", "MatMul", "Linear", "Conv", "ConvTranspose"];

/** Smaller gradients than this one may become 0 by a product with another number below 1. */
const VANISHED = 1e-36;

/** The largest gradient that arrives at a gate. */
export function arriving(graph: Facts, gate: number): number {
  return Math.max(
    ...graph.outputs(gate).map((output) => {
      const gradient = graph.gradient(output);
      return gradient ? sizeOf(gradient) : 0;
    }),
  );
}

const isZero = (graph: Facts, value: number): boolean => {
  const { least, most, notFinite } = graph.value(value);
  return least === 0 && most === 0 && notFinite === 0;
};

/** The rest of a sentence that begins with the gate: "passes nothing on: …". */
export function stopped(graph: Facts, gate: number, input: number): string {
  const kind = graph.kind(gate);
  const arrived = pretty(arriving(graph, gate));
  const tooSmall = `receives only ${arrived}, whose product with the local gradient is too small for the element type.`;
  if (arriving(graph, gate) < VANISHED) return tooSmall;
  const inputs = graph.inputs(gate);
  const { single } = graph.value(input);
  const [output] = graph.outputs(gate);
  const places = inputs.flatMap((other, place) => (other === input ? [place] : []));
  if (places.length > 1) return `reads ${graph.nameOf(input)} ${places.length} times, and the terms cancel.`;
  const [place = 0] = places;
  const other = inputs[place === 0 ? 1 : 0];
  if (PRODUCTS.includes(kind) && place < 2 && other !== undefined) {
    const name = graph.nameOf(other);
    if (isZero(graph, other))
      return `multiplies the gradient by ${name}, which is 0${single ? "" : " in every element"}.`;
    if (kind === "Mul" && graph.value(other).zeros === 0) return tooSmall;
    if (kind === "Mul") return `multiplies the gradient by ${name}, which is 0 wherever a gradient arrives.`;
  }
  if (kind === "Relu")
    return graph.value(input).most <= 0
      ? `is dead here: ${single ? "its input is not" : "none of its inputs is"} above 0, so it passes nothing on.`
      : "passes nothing on: wherever a gradient arrives, its input is not above 0.";
  if (kind === "Dropout") return "passes nothing on: it left out every element at which a gradient arrives.";
  if (kind === "Where") return "passes nothing on: wherever a gradient arrives, it took its other input.";
  if (kind === "Maximum" || kind === "Minimum")
    return `passes nothing on: wherever a gradient arrives, its other input is ${kind === "Maximum" ? "larger" : "smaller"}.`;
  if (STEPS.includes(kind)) return "passes nothing on: it is a step, flat wherever it has a derivative.";
  if (LIMITED.includes(kind))
    return "passes nothing on: wherever a gradient arrives, its input lies beyond its limits, where it is flat.";
  if (kind === "NllLoss") return "passes nothing on: no example counts, by their labels and weights.";
  const gradient = output === undefined ? null : graph.gradient(output);
  if (kind === "Softmax" && gradient && gradient.least === gradient.most)
    return "passes nothing on: all its outputs receive the same gradient, and their sum is always 1.";
  if (SATURATING.includes(kind))
    return "passes nothing on: it is saturated, so flat that its derivative is 0 to the last digit.";
  const everywhere = single ? "" : " in every element";
  return `passes nothing on: the gradient that arrives times the local gradient is 0${everywhere}.`;
}
