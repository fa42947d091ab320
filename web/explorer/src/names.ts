// What values and gates are called on the page.

import { at, type Gate, type Graph } from "./data";
import { pretty } from "./format";

/** The output is the loss, L, unless an input has taken that name. */
export const lossName = (graph: Graph): string =>
  graph.values.some((value) => value.name === "L") ? "loss" : "L";

export function nameOf(graph: Graph, id: number): string {
  const value = at(graph.values, id);
  if (id === graph.output && value.kind === "gate") return lossName(graph);
  if (value.kind === "constant" && value.value.length === 1) return pretty(at(value.value, 0));
  return value.kind === "constant" ? "const" : value.name;
}

/** A name and the index that stands below its line: `w0`, `x_12`. */
export function indexed(name: string): [string, string | null] {
  const found = /^(\p{L}+)_?(\d+)$/u.exec(name);
  return found ? [found[1] ?? "", found[2] ?? ""] : [name, null];
}

export const outputName = (graph: Graph, gate: Gate): string => nameOf(graph, at(gate.outputs, 0));

const SYMBOLS: Record<string, string> = {
  Add: "+",
  Sub: "−",
  Rsub: "−",
  Mul: "×",
  Div: "÷",
  Rdiv: "÷",
  Neg: "−x",
  Pow: "aᵇ",
  Reciprocal: "1/x",
  Square: "x²",
  Exp: "eˣ",
  Log: "ln",
  Sqrt: "√",
  Abs: "|x|",
  Sin: "sin",
  Cos: "cos",
  Tanh: "tanh",
  Sigmoid: "σ",
  Relu: "ReLU",
  Maximum: "max",
  Minimum: "min",
  MatMul: "@",
  Sum: "Σ",
  Mean: "mean",
  Softmax: "softmax",
  View: "view",
  Cat: "cat",
  Vector: "[ ]",
  Sign: "sign",
  Erf: "erf",
};

/** The sign in a gate's circle. */
export const symbolOf = (gate: Gate): string => SYMBOLS[gate.name] ?? gate.name;
