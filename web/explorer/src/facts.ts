// What must be known of a graph to say why a gradient is zero, missing or not finite: the same of a network, of which
// the page has statistics, and of a circuit, of which it has every number.

import { at, type Graph } from "./data";
import { nameOf } from "./names";
import type { Run } from "./replay";

export interface Statistics {
  least: number;
  most: number;
  mean: number;
  deviation: number;
  zeros: number;
  notFinite: number;
  /** Heights from 0 to 15; none for a single number. */
  bars: number[];
  single: boolean;
}

/** The largest size of an element; NaN if one isn't finite. */
export const sizeOf = (s: Statistics): number =>
  s.notFinite > 0 ? Number.NaN : Math.max(Math.abs(s.least), Math.abs(s.most));

/** Gates and values by their places; a gate's outputs are values. */
export interface Facts {
  /** How many gates there are. */
  readonly count: number;
  /** The gate that made a value; -1 where none did. */
  readonly maker: ArrayLike<number>;
  /** The gates that read a value. */
  readonly readers: readonly (readonly number[])[];
  /** The inputs. */
  readonly names: ReadonlyMap<number, string>;
  /** Names of parameters that no gate reads. */
  readonly unused: readonly string[];
  /** Whether the backward pass has run. */
  readonly backward: boolean;
  kind(gate: number): string;
  inputs(gate: number): number[];
  outputs(gate: number): number[];
  nameOfGate(gate: number): string;
  nameOf(value: number): string;
  dtype(value: number): string;
  /** Whether a gradient of the value is wanted. */
  needs(value: number): boolean;
  value(value: number): Statistics;
  gradient(value: number): Statistics | null;
}

function statisticsOf(numbers: readonly number[]): Statistics {
  const finite = numbers.filter(Number.isFinite);
  const { length } = finite;
  const mean = finite.reduce((sum, x) => sum + x, 0) / length;
  return {
    least: Math.min(...finite),
    most: Math.max(...finite),
    mean,
    deviation: Math.sqrt(finite.reduce((sum, x) => sum + (x - mean) ** 2, 0) / length),
    zeros: finite.filter((x) => x === 0).length,
    notFinite: numbers.length - length,
    bars: [],
    single: numbers.length === 1,
  };
}

/** A circuit after a run, which may be one with other inputs than the library's. */
export class CircuitFacts implements Facts {
  readonly maker: number[];
  readonly readers: number[][];
  readonly names: Map<number, string>;

  constructor(
    private readonly graph: Graph,
    private readonly run: Run,
  ) {
    this.maker = graph.values.map(() => -1);
    this.readers = graph.values.map(() => []);
    for (const gate of graph.gates) {
      for (const output of gate.outputs) this.maker[output] = gate.id;
      for (const input of new Set(gate.inputs)) at(this.readers, input).push(gate.id);
    }
    const inputs = graph.values.filter(({ kind }) => kind === "input");
    this.names = new Map(inputs.map(({ id, name }) => [id, name]));
  }

  get count(): number {
    return this.graph.gates.length;
  }
  get unused(): readonly string[] {
    return this.graph.unused;
  }
  get backward(): boolean {
    return this.run.gradients[this.graph.output] !== null;
  }
  kind(gate: number): string {
    return at(this.graph.gates, gate).name;
  }
  inputs(gate: number): number[] {
    return at(this.graph.gates, gate).inputs;
  }
  outputs(gate: number): number[] {
    return at(this.graph.gates, gate).outputs;
  }
  nameOfGate(gate: number): string {
    return nameOf(this.graph, at(this.outputs(gate), 0));
  }
  nameOf(value: number): string {
    return nameOf(this.graph, value);
  }
  dtype(value: number): string {
    return at(this.graph.values, value).dtype;
  }
  needs(value: number): boolean {
    return at(this.graph.values, value).needs;
  }
  value(value: number): Statistics {
    return statisticsOf(at(this.run.values, value));
  }
  gradient(value: number): Statistics | null {
    const numbers = this.run.gradients[value];
    return numbers ? statisticsOf(numbers) : null;
  }
}
