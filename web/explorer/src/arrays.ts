// Arrays as far as small graphs need them: broadcasting, and the gates whose formulas are text.

import { at } from "./data";
import type { Rounding } from "./expr";

export interface Values {
  shape: readonly number[];
  data: readonly number[];
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, n) => size * n, 1);

const sum = (list: readonly number[], round: Rounding): number =>
  list.reduce((total, x) => round(total + x), 0);

/** For each place of `shape`, the place in an array of shape `from` that is broadcast to it. */
export function broadcastPlaces(from: readonly number[], shape: readonly number[]): number[] {
  const places: number[] = [];
  const missing = shape.length - from.length;
  for (let flat = 0; flat < sizeOf(shape); flat += 1) {
    let rest = flat;
    let place = 0;
    let stride = 1;
    for (let dim = shape.length - 1; dim >= missing; dim -= 1) {
      const index = rest % at(shape, dim);
      rest = Math.floor(rest / at(shape, dim));
      const size = at(from, dim - missing);
      place += size === 1 ? 0 : index * stride;
      stride *= size;
    }
    places.push(place);
  }
  return places;
}

/** Sums a gradient back to the shape that was broadcast. */
export function sumTo(from: readonly number[], gradient: Values, round: Rounding): number[] {
  const total = new Array<number>(sizeOf(from)).fill(0);
  broadcastPlaces(from, gradient.shape).forEach((place, flat) => {
    total[place] = round(at(total, place) + at(gradient.data, flat));
  });
  return total;
}

/** A gate whose formula is text: its value, and what it passes to its inputs. */
export interface ArrayGate {
  fits(inputs: readonly Values[], output: readonly number[]): boolean;
  value(inputs: readonly Values[], output: readonly number[], round: Rounding): number[];
  passed(
    inputs: readonly Values[],
    output: Values,
    upstream: readonly number[],
    round: Rounding,
  ): (readonly number[])[];
}

/** The same elements in another shape. */
const reshape: ArrayGate = {
  fits: (inputs, output) => inputs.length === 1 && sizeOf(at(inputs, 0).shape) === sizeOf(output),
  value: (inputs) => [...at(inputs, 0).data],
  passed: (_inputs, _output, upstream) => [upstream],
};

/** Sum (share 1) or mean (share 1/n) of all elements. */
const total = (share: (n: number) => number): ArrayGate => ({
  fits: (inputs, output) => inputs.length === 1 && sizeOf(output) === 1,
  value: ([x], _output, round) => {
    const data = x?.data ?? [];
    return [round(sum(data, round) * share(data.length))];
  },
  passed: ([x], _output, upstream, round) => {
    const n = x?.data.length ?? 0;
    return [new Array<number>(n).fill(round(at(upstream, 0) * share(n)))];
  },
});

function softmax(x: readonly number[], round: Rounding): number[] {
  const largest = Math.max(...x);
  const powers = x.map((e) => round(Math.exp(round(e - largest))));
  const all = sum(powers, round);
  return powers.map((e) => round(e / all));
}

/** Matrices as rows × columns; a vector on the left is a row, on the right a column. */
function matrixSizes(a: Values, b: Values): [number, number, number] | null {
  if (a.shape.length > 2 || b.shape.length > 2 || a.shape.length === 0 || b.shape.length === 0) return null;
  const rows = a.shape.length === 2 ? at(a.shape, 0) : 1;
  const inner = at(a.shape, a.shape.length - 1);
  const columns = b.shape.length === 2 ? at(b.shape, 1) : 1;
  return inner === at(b.shape, 0) ? [rows, inner, columns] : null;
}

function product(
  [rows, inner, columns]: readonly [number, number, number],
  a: (i: number, k: number) => number,
  b: (k: number, j: number) => number,
  round: Rounding,
): number[] {
  const result: number[] = [];
  for (let i = 0; i < rows; i += 1) {
    for (let j = 0; j < columns; j += 1) {
      let total = 0;
      for (let k = 0; k < inner; k += 1) total += a(i, k) * b(k, j);
      result.push(round(total));
    }
  }
  return result;
}

const vector = (inputs: readonly Values[]): boolean =>
  inputs.length === 1 && at(inputs, 0).shape.length === 1;

/** The gates by the library's names for them. */
export const ARRAY_GATES: Readonly<Record<string, ArrayGate>> = {
  View: reshape,
  Squeeze: reshape,
  Unsqueeze: reshape,
  Sum: total(() => 1),
  Mean: total((n) => 1 / n),
  Cat: {
    fits: (inputs) => inputs.every((x) => x.shape.length === 1),
    value: (inputs) => inputs.flatMap((x) => [...x.data]),
    passed: (inputs, _output, upstream) => {
      let start = 0;
      return inputs.map((x) => {
        start += x.data.length;
        return upstream.slice(start - x.data.length, start);
      });
    },
  },
  // Numbers put together to a vector: each is passed its element.
  Vector: {
    fits: (inputs) => inputs.every((x) => x.shape.length === 0),
    value: (inputs) => inputs.flatMap((x) => [...x.data]),
    passed: (inputs, _output, upstream) => inputs.map((_, i) => [at(upstream, i)]),
  },
  Softmax: {
    fits: vector,
    value: (inputs, _output, round) => softmax(at(inputs, 0).data, round),
    passed: (_inputs, { data }, upstream, round) => {
      const products = data.map((y, i) => round(y * at(upstream, i)));
      const all = sum(products, round);
      return [data.map((y, i) => round(y * round(at(upstream, i) - all)))];
    },
  },
  LogSoftmax: {
    fits: vector,
    value: (inputs, _output, round) => {
      const x = at(inputs, 0).data;
      const largest = Math.max(...x);
      const log = round(
        Math.log(
          sum(
            x.map((e) => round(Math.exp(round(e - largest)))),
            round,
          ),
        ),
      );
      return x.map((e) => round(round(e - largest) - log));
    },
    passed: (_inputs, { data }, upstream, round) => {
      const all = sum(upstream, round);
      return [data.map((y, i) => round(at(upstream, i) - round(Math.exp(y) * all)))];
    },
  },
  MatMul: {
    fits: (inputs) => inputs.length === 2 && matrixSizes(at(inputs, 0), at(inputs, 1)) !== null,
    value: (inputs, _output, round) => {
      const [a, b] = [at(inputs, 0), at(inputs, 1)];
      const sizes = matrixSizes(a, b) ?? [0, 0, 0];
      const [, inner, columns] = sizes;
      return product(
        sizes,
        (i, k) => at(a.data, i * inner + k),
        (k, j) => at(b.data, k * columns + j),
        round,
      );
    },
    passed: (inputs, _output, upstream, round) => {
      const [a, b] = [at(inputs, 0), at(inputs, 1)];
      const [rows, inner, columns] = matrixSizes(a, b) ?? [0, 0, 0];
      const g = (i: number, j: number) => at(upstream, i * columns + j);
      return [
        product([rows, columns, inner], g, (j, k) => at(b.data, k * columns + j), round),
        product([inner, rows, columns], (k, i) => at(a.data, i * inner + k), g, round),
      ];
    },
  },
};
