// What the library writes into the page. Its other half is crates/chainrule/src/explorer/page.rs.

/** An expression: a number, a name, or a list that begins with the operation. */
export type Tree = number | string | readonly [string, ...Tree[]];

/** A number; those without a notation in JSON are strings. */
type JsonNumber = number | string;

interface JsonValue {
  name: string;
  kind: "input" | "constant" | "gate";
  shape: number[];
  dtype: string;
  needs: boolean;
  value: JsonNumber[];
  gradient: JsonNumber[] | null;
}

interface JsonGate {
  name: string;
  rule: number;
  inputs: number[];
  outputs: number[];
  local: (JsonNumber[] | null)[];
  passed: (JsonNumber[] | null)[];
  at?: string;
}

/** A gate with a formula for each element. */
export interface ElementwiseRule {
  gate: string;
  inputs: string[];
  value: Tree;
  local: Tree[];
}

/** A gate whose formula is text. */
export interface TextRule {
  gate: string;
  text: string;
  gradients: string[];
}

export type Rule = ElementwiseRule | TextRule;

interface JsonGraph {
  format: number;
  library: string;
  title: string;
  expression?: Tree;
  values: JsonValue[];
  gates: JsonGate[];
  rules: Rule[];
  /** Names of parameters that no gate reads, where there are any. */
  unused?: string[];
  output: number;
}

/** An input, a constant, or the output of a gate. */
export interface Value {
  /** Its place in the list of values. */
  id: number;
  name: string;
  kind: "input" | "constant" | "gate";
  shape: number[];
  dtype: string;
  needs: boolean;
  /** As the library computed them. */
  value: number[];
  gradient: number[] | null;
}

/** A gate; inputs and outputs are places in the list of values. */
export interface Gate {
  id: number;
  name: string;
  rule: Rule;
  inputs: number[];
  outputs: number[];
  local: (number[] | null)[];
  passed: (number[] | null)[];
  at: string | null;
}

export interface Graph {
  library: string;
  title: string;
  expression: Tree | null;
  values: Value[];
  gates: Gate[];
  /** Names of parameters that no gate reads. */
  unused: string[];
  output: number;
}

const FORMAT = 1;

const numbers = (list: JsonNumber[]): number[] => list.map(Number);
const optional = (list: JsonNumber[] | null): number[] | null => (list ? numbers(list) : null);

/** The element at a place that must be there. */
export function at<T>(list: readonly T[], place: number): T {
  const item = list[place];
  if (item === undefined) {
    throw new RangeError(`the page's data has no item ${place} in a list of ${list.length}`);
  }
  return item;
}

export const isElementwise = (rule: Rule): rule is ElementwiseRule => "value" in rule;

/** What a page holds: a circuit, or a network that is still packed. */
export type Content =
  | { kind: "circuit"; graph: Graph }
  | { kind: "network"; packed: string; title: string; library: string };

/** Reads the page's data. */
export function readContent(text: string): Content {
  const json = JSON.parse(text) as JsonGraph & { network?: string };
  if (json.format !== FORMAT) {
    throw new Error(`the page reads data of format ${FORMAT}, and was given ${json.format}`);
  }
  const { title, library } = json;
  if (json.network !== undefined) return { kind: "network", packed: json.network, title, library };
  return { kind: "circuit", graph: readGraph(json) };
}

function readGraph(json: JsonGraph): Graph {
  return {
    library: json.library,
    title: json.title,
    expression: json.expression ?? null,
    values: json.values.map((value, id) => ({
      ...value,
      id,
      value: numbers(value.value),
      gradient: optional(value.gradient),
    })),
    gates: json.gates.map((gate, id) => ({
      id,
      name: gate.name,
      rule: at(json.rules, gate.rule),
      inputs: gate.inputs,
      outputs: gate.outputs,
      local: gate.local.map(optional),
      passed: gate.passed.map(optional),
      at: gate.at ?? null,
    })),
    unused: json.unused ?? [],
    output: json.output,
  };
}
