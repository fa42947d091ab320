// Expression trees: their value. The library's gates are traced into the same trees.

import type { Tree } from "./data";

/** Rounds to the precision in which the library computes. */
export type Rounding = (x: number) => number;

const identity: Rounding = (x) => x;

export const roundingOf = (dtype: string): Rounding => (dtype === "f32" ? Math.fround : identity);

/** The error function, to double precision: a power series near 0, a continued fraction further out. */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 80 && Math.abs(term) > 1e-17 * Math.abs(sum); n += 1) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (sum * 2) / Math.sqrt(Math.PI);
  }
  if (size > 6) return Math.sign(x);
  let fraction = 0;
  for (let n = 60; n > 0; n -= 1) {
    fraction = n / 2 / (size + fraction);
  }
  const complement = Math.exp(-x * x) / (Math.sqrt(Math.PI) * (size + fraction));
  return Math.sign(x) * (1 - complement);
}

const FUNCTIONS: Record<string, (...x: number[]) => number> = {
  neg: (a = 0) => -a,
  add: (a = 0, b = 0) => a + b,
  sub: (a = 0, b = 0) => a - b,
  mul: (a = 0, b = 0) => a * b,
  div: (a = 0, b = 0) => a / b,
  // JavaScript gives NaN for 1^NaN and 1^∞, where the standard for floating point gives 1.
  pow: (a = 0, b = 0) => (a === 1 ? 1 : a ** b),
  if_gt: (a = 0, b = 0, yes = 0, no = 0) => (a > b ? yes : no),
  if_ge: (a = 0, b = 0, yes = 0, no = 0) => (a >= b ? yes : no),
  if_eq: (a = 0, b = 0, yes = 0, no = 0) => (a === b ? yes : no),
  exp: Math.exp as (...x: number[]) => number,
  expm1: Math.expm1 as (...x: number[]) => number,
  log: Math.log as (...x: number[]) => number,
  log1p: Math.log1p as (...x: number[]) => number,
  sqrt: Math.sqrt as (...x: number[]) => number,
  sin: Math.sin as (...x: number[]) => number,
  cos: Math.cos as (...x: number[]) => number,
  tanh: Math.tanh as (...x: number[]) => number,
  sigmoid: (a = 0) => 1 / (1 + Math.exp(-a)),
  erf: (a = 0) => erf(a),
  relu: (a = 0) => (a > 0 || Number.isNaN(a) ? a : 0),
  abs: Math.abs as (...x: number[]) => number,
  sign: Math.sign as (...x: number[]) => number,
  max: Math.max,
  min: Math.min,
  inf: () => Number.POSITIVE_INFINITY,
  nan: () => Number.NaN,
};

/** The first operation of a tree that this page cannot compute. */
export function unknownOperation(tree: Tree): string | null {
  if (!Array.isArray(tree)) return null;
  const [operation, ...parts] = tree as [string, ...Tree[]];
  if (!(operation in FUNCTIONS)) return operation;
  for (const part of parts) {
    const found = unknownOperation(part);
    if (found) return found;
  }
  return null;
}

/** The value of a tree whose names stand for these numbers. */
export function evaluate(tree: Tree, names: Readonly<Record<string, number>>, round: Rounding): number {
  if (typeof tree === "number") return round(tree);
  if (typeof tree === "string") {
    const known = names[tree];
    if (known === undefined) throw new RangeError(`the formula mentions ${tree}, which has no value`);
    return known;
  }
  const [operation, ...parts] = tree;
  const compute = FUNCTIONS[operation];
  if (!compute) throw new RangeError(`the page cannot compute ${operation}`);
  return round(compute(...parts.map((part) => evaluate(part, names, round))));
}

/** The same tree with names replaced by other trees. */
export function substitute(tree: Tree, replace: (name: string) => Tree | undefined): Tree {
  if (typeof tree === "number") return tree;
  if (typeof tree === "string") return replace(tree) ?? tree;
  const [operation, ...parts] = tree;
  return [operation, ...parts.map((part) => substitute(part, replace))];
}
