// A network's data: unpacked, with the links between gates in both directions.

import { at } from "../data";
import type { Facts, Statistics } from "../facts";

type JsonNumber = number | string;
/** One number, or smallest, largest, mean, deviation, zeros, not finite and the bars of a histogram. */
type JsonStatistics = JsonNumber[];

export interface Shape {
  dtype: string;
  shape: number[];
  bytes: number;
}

export interface Formula {
  gate: string;
  text: string;
  gradients: string[];
  mathml: string;
  gradients_mathml: string[];
}

interface Packed {
  formulas: Formula[];
  shapes: Shape[];
  places: string[];
  inputs: [number, string][];
  constants: number[];
  values: {
    shape: number[];
    needs: number[];
    value: JsonStatistics[];
    gradient: (JsonStatistics | null)[];
  };
  gates: {
    formula: number[];
    inputs: number[][];
    output: number[];
    outputs: number[];
    cost: number[];
    saves: number[][];
    place: number[];
    /** Empty where no modules were recorded. */
    module: number[];
  };
  modules: Module[];
  /** Names of parameters that no gate reads, where there are any. */
  unused?: string[];
  output: number;
  backward: boolean;
  costs?: Costs;
  checks: Check[];
}

export interface Module {
  /** Its full name: `features.0`; empty for the network itself. */
  name: string;
  /** What it is, as PyTorch prints it. */
  layer: string;
}

/** Columns over the gates; times are in nanoseconds. */
export interface Costs {
  runs: number;
  forward: number[];
  backward: number[];
  backward_cost: number[];
  moved: number[];
  /** Bytes that the gate keeps for its backward pass and no earlier one does. */
  kept: number[];
}

/** What a gate's numerical check found. */
export interface Check {
  gate: number;
  compared: number;
  kinks: number;
  relative: JsonNumber;
  faults: string[];
}

/** The place of a gate among the gates, and of a value among the values: both are plain numbers. */
export class Network implements Facts {
  readonly count: number;
  /** The gate that makes each value; −1 for inputs and constants. */
  readonly maker: Int32Array;
  readonly readers: number[][];
  readonly names: Map<number, string>;
  private readonly constant: Set<number>;
  private readonly layers: Map<string, string>;
  private readonly checked: Map<number, Check>;
  private keptAtFirst: number[] | null = null;
  private readonly packed: Packed;

  constructor(packed: Packed) {
    this.packed = packed;
    this.count = packed.gates.formula.length;
    const values = packed.values.shape.length;
    this.maker = new Int32Array(values).fill(-1);
    this.readers = Array.from({ length: values }, () => []);
    this.names = new Map(packed.inputs);
    this.constant = new Set(packed.constants);
    this.layers = new Map(packed.modules.map(({ name, layer }) => [name, layer]));
    this.checked = new Map(packed.checks.map((check) => [check.gate, check]));
    for (let gate = 0; gate < this.count; gate += 1) {
      for (const value of this.outputs(gate)) this.maker[value] = gate;
      for (const value of new Set(this.inputs(gate))) at(this.readers, value).push(gate);
    }
  }

  get output(): number {
    return this.packed.output;
  }
  get unused(): readonly string[] {
    return this.packed.unused ?? [];
  }
  get backward(): boolean {
    return this.packed.backward;
  }

  formulaPlace(gate: number): number {
    return at(this.packed.gates.formula, gate);
  }
  kind(gate: number): string {
    return this.formula(gate).gate;
  }
  formula(gate: number): Formula {
    return at(this.packed.formulas, this.formulaPlace(gate));
  }
  outputs(gate: number): number[] {
    const first = at(this.packed.gates.output, gate);
    return Array.from({ length: at(this.packed.gates.outputs, gate) }, (_, i) => first + i);
  }
  first(gate: number): number {
    return at(this.packed.gates.output, gate);
  }
  inputs(gate: number): number[] {
    const first = this.first(gate);
    return at(this.packed.gates.inputs, gate).map((back) => first - back);
  }
  cost(gate: number): number {
    return at(this.packed.gates.cost, gate);
  }
  source(gate: number): string | null {
    const place = at(this.packed.gates.place, gate);
    return place < 0 ? null : at(this.packed.places, place);
  }
  get costs(): Costs | null {
    return this.packed.costs ?? null;
  }
  /** Forward and backward, in nanoseconds; 0 where nothing was measured. */
  time(gate: number): number {
    const { costs } = this;
    return costs ? at(costs.forward, gate) + at(costs.backward, gate) : 0;
  }
  get hasModules(): boolean {
    return this.packed.modules.some(({ name }) => name !== "");
  }
  /** The module that ran a gate; empty where none did. */
  module(gate: number): string {
    const place = this.packed.gates.module[gate] ?? -1;
    return place < 0 ? "" : at(this.packed.modules, place).name;
  }
  /** What a module is, where gates of its own were recorded. */
  layer(module: string): string | null {
    return this.layers.get(module) ?? null;
  }
  get checks(): readonly Check[] {
    return this.packed.checks;
  }
  check(gate: number): Check | null {
    return this.checked.get(gate) ?? null;
  }
  /** Bytes that a gate keeps for its backward pass and no earlier one does; inputs and constants exist anyway. */
  kept(gate: number): number {
    if (this.costs) return at(this.costs.kept, gate);
    this.keptAtFirst ??= this.findKept();
    return at(this.keptAtFirst, gate);
  }
  private findKept(): number[] {
    const seen = new Set<number>();
    return Array.from({ length: this.count }, (_, gate) => {
      let bytes = 0;
      for (const value of this.saved(gate)) {
        if (seen.has(value) || (this.maker[value] ?? -1) < 0) continue;
        seen.add(value);
        bytes += this.shape(value).bytes;
      }
      return bytes;
    });
  }
  /** The values that a gate keeps for its backward pass. */
  saved(gate: number): number[] {
    const inputs = this.inputs(gate);
    return at(this.packed.gates.saves, gate).map((i) =>
      i < inputs.length ? at(inputs, i) : this.first(gate) + i - inputs.length,
    );
  }

  shapePlace(value: number): number {
    return at(this.packed.values.shape, value);
  }
  shape(value: number): Shape {
    return at(this.packed.shapes, this.shapePlace(value));
  }
  dtype(value: number): string {
    return this.shape(value).dtype;
  }
  needs(value: number): boolean {
    return at(this.packed.values.needs, value) === 1;
  }
  isConstant(value: number): boolean {
    return this.constant.has(value);
  }
  value(value: number): Statistics {
    return statistics(at(this.packed.values.value, value));
  }
  gradient(value: number): Statistics | null {
    const found = this.packed.values.gradient[value];
    return found ? statistics(found) : null;
  }

  elements(value: number): number {
    return this.shape(value).shape.reduce((all, n) => all * n, 1);
  }
  nameOfGate(gate: number): string {
    return `g${gate + 1}`;
  }
  nameOf(value: number): string {
    const gate = this.maker[value] ?? -1;
    if (gate >= 0) {
      const place = value - this.first(gate);
      return this.nameOfGate(gate) + (place > 0 ? `.${place}` : "");
    }
    return this.names.get(value) ?? "constant";
  }
  shapeText(value: number): string {
    const { dtype, shape } = this.shape(value);
    return shape.length === 0 ? dtype : `${dtype} ${shape.join("×")}`;
  }
}

function statistics(json: JsonStatistics): Statistics {
  const [least = Number.NaN, most = least, mean = least, deviation = 0, zeros = 0, notFinite = 0, bars = ""] =
    json;
  if (json.length < 2) {
    const x = Number(least);
    return {
      least: x,
      most: x,
      mean: x,
      deviation: 0,
      zeros: x === 0 ? 1 : 0,
      notFinite: Number.isFinite(x) ? 0 : 1,
      bars: [],
      single: true,
    };
  }
  return {
    least: Number(least),
    most: Number(most),
    mean: Number(mean),
    deviation: Number(deviation),
    zeros: Number(zeros),
    notFinite: Number(notFinite),
    bars: [...String(bars)].map((digit) => Number.parseInt(digit, 16)),
    single: false,
  };
}

/** Undoes the library's packing: base64, then zlib. */
export async function unpack(text: string): Promise<Network> {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Network((await new Response(stream).json()) as Packed);
}
