// What happens at a step, as formulas with the numbers in them.

import { at, type Gate, type Graph, isElementwise, type Tree } from "./data";
import { substitute } from "./expr";
import { pretty, prettyAll } from "./format";
import {
  captioned,
  escapeText,
  factor,
  formula,
  math,
  nameMarkup,
  numberFactor,
  numberMarkup,
  partial,
} from "./mathml";
import { lossName, nameOf, outputName } from "./names";
import type { Run } from "./replay";
import type { Plan, Step } from "./steps";

export interface Explanation {
  title: string;
  /** Markup of the formulas. */
  body: string;
  /** The same in a sentence, for readers of the screen. */
  spoken: string;
}

const equals = "<mo>=</mo>";
const line = (...pieces: string[]): string => `<div class="line">${pieces.join("")}</div>`;
const piece = (inner: string): string => math(inner);
const kindOf = (kind: string, inner: string): string => `<mrow class="${kind}">${inner}</mrow>`;

/** An array as a formula. */
function arrayMarkup(values: readonly number[], rank: number, kind: string): string {
  if (rank === 0) return kindOf(kind, numberMarkup(at(values, 0)));
  return `<mtext class="${kind}">${escapeText(prettyAll(values, rank, 8))}</mtext>`;
}

const rankOf = (graph: Graph, id: number): number => at(graph.values, id).shape.length;

/** A formula of a gate with the names of its inputs on this page. */
export function ownNames(graph: Graph, gate: Gate, tree: Tree): Tree {
  const { rule } = gate;
  if (!isElementwise(rule)) return tree;
  return substitute(tree, (name) => {
    if (name === "y") return outputName(graph, gate);
    const place = rule.inputs.indexOf(name);
    const id = gate.inputs[place];
    if (id === undefined) return undefined;
    const value = at(graph.values, id);
    return value.kind === "constant" && value.value.length === 1 ? at(value.value, 0) : nameOf(graph, id);
  });
}

/** A formula of a gate with the values of its inputs in place of the names. */
function ownNumbers(gate: Gate, tree: Tree, run: Run): Tree {
  const { rule } = gate;
  if (!isElementwise(rule)) return tree;
  return substitute(tree, (name) => {
    const id = name === "y" ? at(gate.outputs, 0) : gate.inputs[rule.inputs.indexOf(name)];
    return id === undefined ? undefined : ["value", at(at(run.values, id), 0)];
  });
}

const allScalars = (graph: Graph, gate: Gate): boolean =>
  [...gate.inputs, ...gate.outputs].every((id) => rankOf(graph, id) === 0);

/** The gate's formula as markup: y = a·b with this page's names. */
export function gateFormula(graph: Graph, gate: Gate): string {
  const { rule } = gate;
  if (!isElementwise(rule)) {
    const inputs = gate.inputs.map((id) => nameMarkup(nameOf(graph, id))).join("<mo separator='true'>,</mo>");
    return `${nameMarkup(outputName(graph, gate))}${equals}<mi>${escapeText(gate.name)}</mi><mo>&#x2061;</mo><mo>(</mo>${inputs}<mo>)</mo>`;
  }
  return `${nameMarkup(outputName(graph, gate))}${equals}${formula(ownNames(graph, gate, rule.value))}`;
}

/** What a gate computes, where that is no formula of numbers. */
const ruleText = (gate: Gate): string =>
  isElementwise(gate.rule) ? "" : `<span class="note">${escapeText(gate.rule.text)}</span>`;

const source = (gate: Gate): string => (gate.at ? ` <span class="source">${escapeText(gate.at)}</span>` : "");

function forward(graph: Graph, run: Run, gate: Gate): Explanation {
  const output = at(gate.outputs, 0);
  const value = at(run.values, output);
  const pieces = [piece(gateFormula(graph, gate))];
  if (isElementwise(gate.rule) && allScalars(graph, gate)) {
    pieces.push(piece(equals + formula(ownNumbers(gate, gate.rule.value, run))));
  }
  pieces.push(piece(equals + arrayMarkup(value, rankOf(graph, output), "value")));
  const rule = isElementwise(gate.rule) ? "" : `<p class="rule">${escapeText(gate.rule.text)}</p>`;
  return {
    title: `Forward through ${gate.name}`,
    body: `${line(...pieces)}${rule}<p class="note">The gate computes its value from its inputs and remembers what the backward pass will need.${source(gate)}</p>`,
    spoken: `${outputName(graph, gate)} = ${prettyAll(value, rankOf(graph, output))}`,
  };
}

/** The running sum at a fork: one term a path. */
function fork(graph: Graph, plan: Plan, run: Run, id: number, step: number): string {
  const terms = at(plan.terms, id);
  if (terms.length < 2) return "";
  const rank = rankOf(graph, id);
  const arrived = terms.filter((term) => at(plan.backwardStep, term.gate) <= step);
  const name = nameOf(graph, id);
  const loss = lossName(graph);
  const parts = arrived.map((term) => at(at(run.passed, term.gate), term.input) ?? []);
  const missing = terms.length - arrived.length;
  const through = (gate: number) => `through ${outputName(graph, at(graph.gates, gate))}`;
  const sum = arrived
    .map((term, i) => {
      const numbers = at(parts, i);
      const shown =
        rank === 0 ? numberFactor(at(numbers, 0), "gradient") : arrayMarkup(numbers, rank, "gradient");
      return captioned(shown, through(term.gate));
    })
    .join("<mo>+</mo>");
  const total = at(parts, 0).map((_, i) => parts.reduce((all, part) => all + at(part, i), 0));
  const rest = missing > 0 ? "<mo>+</mo><mo>…</mo>" : "";
  const result =
    arrived.length > 1
      ? piece(
          `<mo>${missing > 0 ? "→" : "="}</mo>${arrayMarkup(missing > 0 ? total : (run.gradients[id] ?? total), rank, "gradient")}`,
        )
      : "";
  const words =
    missing > 0
      ? `${arrived.length} of ${terms.length} paths so far`
      : `all ${terms.length} paths have arrived: gradients add up at a fork`;
  return `<div class="fork">${line(
    piece(partial(loss, name)),
    piece(`${equals}${sum}${rest}`),
    result,
  )}<span class="note">${words}</span></div>`;
}

function backwardLine(graph: Graph, plan: Plan, run: Run, gate: Gate, input: number, step: number): string {
  const id = at(gate.inputs, input);
  const passed = at(at(run.passed, gate.id), input);
  if (!passed) return "";
  const output = at(gate.outputs, 0);
  const loss = lossName(graph);
  const [y, x] = [outputName(graph, gate), nameOf(graph, id)];
  const several = at(plan.terms, id).length > 1;
  const left = several ? `<mtext>to </mtext>${nameMarkup(x)}<mo>:</mo>` : partial(loss, x) + equals;
  const chain = captioned(kindOf("gradient", partial(loss, y)), "upstream");
  const local = captioned(kindOf("local", partial(y, x)), "local");
  const result = arrayMarkup(passed, rankOf(graph, id), "gradient");
  const end = several ? captioned(result, "passed on") : kindOf("result", result);
  const { rule } = gate;
  if (!isElementwise(rule)) {
    const text = rule.gradients[Math.min(input, rule.gradients.length - 1)] ?? "";
    const words = `<span class="note">by the rule ${escapeText(text)}</span>`;
    return line(piece(left + end), words) + fork(graph, plan, run, id, step);
  }
  const pieces = [piece(left), piece(`${chain}<mo>·</mo>${local}`)];
  const upstream = run.gradients[output] ?? [];
  const localNumbers = at(at(run.local, gate.id), input);
  const symbolic = ownNames(graph, gate, at(rule.local, input));
  if (allScalars(graph, gate) && localNumbers) {
    const g = numberFactor(at(upstream, 0), "gradient");
    if (typeof symbolic !== "number") {
      pieces.push(piece(`${equals}${g}<mo>·</mo>${kindOf("local", factor(symbolic))}`));
    }
    pieces.push(piece(`${equals}${g}<mo>×</mo>${numberFactor(at(localNumbers, 0), "local")}`));
  } else {
    const given = arrayMarkup(upstream, rankOf(graph, output), "gradient");
    pieces.push(piece(`${equals}${given}<mo>·</mo>${kindOf("local", factor(symbolic))}`));
  }
  pieces.push(piece(equals + end));
  return line(...pieces) + fork(graph, plan, run, id, step);
}

function backward(graph: Graph, plan: Plan, run: Run, gate: Gate, step: number): Explanation {
  const output = at(gate.outputs, 0);
  const loss = lossName(graph);
  const upstream = run.gradients[output] ?? [];
  const rows = gate.inputs.map((_, input) => backwardLine(graph, plan, run, gate, input, step));
  const spoken = gate.inputs.flatMap((id, input) => {
    const passed = at(at(run.passed, gate.id), input);
    return passed ? [`${prettyAll(passed, rankOf(graph, id))} to ${nameOf(graph, id)}`] : [];
  });
  return {
    title: `Backward through ${gate.name}`,
    body: `<p class="given">${math(gateFormula(graph, gate))}${ruleText(gate)}<span class="note">upstream: ${math(
      `${partial(loss, outputName(graph, gate))}${equals}${arrayMarkup(upstream, rankOf(graph, output), "gradient")}`,
    )}</span>${source(gate)}</p>${rows.join("")}`,
    spoken: `upstream ${prettyAll(upstream, rankOf(graph, output))}; passes ${spoken.join(" and ")}`,
  };
}

/** Explains a step. */
export function explain(graph: Graph, plan: Plan, run: Run, index: number): Explanation {
  const step: Step = at(plan.steps, index);
  const loss = lossName(graph);
  const gate = (id: number): Gate => at(graph.gates, id);
  switch (step.kind) {
    case "start":
      return {
        title: "Before the first gate",
        body: '<p class="note">Only the inputs are known. Step forward: each gate computes its value from the values on its wires.</p>',
        spoken: "only the inputs are known",
      };
    case "forward":
      return forward(graph, run, gate(step.gate));
    case "seed":
      return {
        title: "The backward pass begins",
        body: `${line(
          piece(partial(loss, loss)),
          piece(
            equals + arrayMarkup(run.gradients[graph.output] ?? [], rankOf(graph, graph.output), "gradient"),
          ),
        )}<p class="note">Each gate now multiplies what arrives at its output (upstream) by its local gradient and passes the product on to its inputs.</p>`,
        spoken: `the gradient of ${loss} with respect to itself is 1`,
      };
    case "backward":
      return backward(graph, plan, run, gate(step.gate), index);
    case "end": {
      const value = at(run.values, graph.output);
      const inputs = graph.values.filter((one) => one.kind === "input" && run.gradients[one.id]);
      const gradients = inputs.map((one) =>
        piece(
          `${partial(loss, one.name)}${equals}${arrayMarkup(run.gradients[one.id] ?? [], one.shape.length, "gradient")}`,
        ),
      );
      const change = inputs[0];
      const first = change ? at(run.gradients[change.id] ?? [0], 0) : 0;
      const reading =
        change && change.shape.length === 0
          ? `<p class="note">Read them as rates: if ${escapeText(change.name)} grows by a little h, ${loss} changes by about ${pretty(first)} · h.</p>`
          : "";
      return {
        title: "All gradients",
        body: `${`<div class="line spread">${piece(`${nameMarkup(loss)}${equals}${arrayMarkup(value, rankOf(graph, graph.output), "value")}`)}${gradients.join("")}</div>`}${reading}`,
        spoken: `${loss} = ${prettyAll(value, rankOf(graph, graph.output))}`,
      };
    }
  }
}
