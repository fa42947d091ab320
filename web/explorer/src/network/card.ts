// All that is known of one gate, or of a fold.

import { at } from "../data";
import { html, svg } from "../dom";
import type { Statistics } from "../facts";
import { pretty } from "../format";
import { reasonLine } from "../reasons";
import { why } from "../why";
import type { Network } from "./data";
import type { Node } from "./fold";
import { bytesText, countText, timeText } from "./memory";

type Go = (gate: number) => void;

function histogram(s: Statistics, kind: string): SVGSVGElement {
  const width = 10;
  const bars = s.bars.map((height, i) =>
    svg("rect", { x: i * width, y: 60 - height * 4, width: width - 1, height: height * 4 }),
  );
  return svg(
    "svg",
    {
      class: `histogram ${kind}`,
      viewBox: `0 0 ${s.bars.length * width} 60`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `Histogram from ${pretty(s.least)} to ${pretty(s.most)}`,
    },
    ...bars,
  );
}

function statisticsBlock(title: string, s: Statistics | null, elements: number, kind: string): HTMLElement {
  const block = html("section", { class: "statistics" }, html("h3", { class: kind }, title));
  if (!s) {
    block.append(html("p", { class: "note" }, "none"));
    return block;
  }
  if (s.single) {
    block.append(html("p", { class: `big ${kind}` }, pretty(s.mean)));
    return block;
  }
  const share = (count: number) => `${pretty((100 * count) / elements)} %`;
  block.append(
    histogram(s, kind),
    html("p", { class: "ends" }, html("span", {}, pretty(s.least)), html("span", {}, pretty(s.most))),
    html(
      "p",
      { class: "note" },
      `mean ${pretty(s.mean)}, deviation ${pretty(s.deviation)}, zeros ${share(s.zeros)}`,
    ),
  );
  if (s.notFinite > 0)
    block.append(html("p", { class: "alert" }, `${countText(s.notFinite)} elements are NaN or infinite`));
  return block;
}

/** A value as a link to its gate, or as text. */
function valueLine(network: Network, value: number, go: Go): HTMLElement {
  const gate = network.maker[value] ?? -1;
  const name = network.nameOf(value);
  const item = html("li");
  if (gate >= 0) {
    const button = html("button", { type: "button", class: "link" }, `${name} ${network.formula(gate).gate}`);
    button.addEventListener("click", () => go(gate));
    item.append(button);
  } else {
    item.append(html("strong", {}, name));
  }
  item.append(html("span", { class: "note" }, ` ${network.shapeText(value)}`));
  return item;
}

function list(title: string, items: HTMLElement[]): HTMLElement {
  const most = 12;
  const shown = items.slice(0, most);
  if (items.length > most)
    shown.push(html("li", { class: "note" }, `and ${countText(items.length - most)} more`));
  return html("section", {}, html("h3", {}, title), html("ul", {}, ...shown));
}

/** Forward and backward. */
const both = (forward: number, backward: number, text: (x: number) => string): string =>
  `${text(forward)} forward, ${backward > 0 ? text(backward) : "none"} backward`;

/** What the gate's own numerical check found. */
function checkLines(network: Network, gate: number): HTMLElement[] {
  const check = network.check(gate);
  if (!check) {
    if (network.checks.length === 0) return [];
    const reached =
      network.gradient(network.first(gate)) !== null && network.inputs(gate).some((x) => network.needs(x));
    const reason = reached
      ? `a gate of ${countText(network.cost(gate))} multiply-adds takes long to run dozens of times`
      : "no gradient goes through this gate";
    return [html("p", { class: "note" }, `Numerical check: left out, as ${reason}.`)];
  }
  const [fault] = check.faults;
  if (fault !== undefined) {
    return [html("p", { class: "alert check" }, `Numerical check failed: ${fault}`)];
  }
  const compared = check.compared - check.kinks;
  const kinks = check.kinks > 0 ? `, ${check.kinks} left out at a kink` : "";
  const what = `${compared} ${compared === 1 ? "gradient" : "gradients"} by differences`;
  const error = compared > 0 ? `; largest relative error ${pretty(Number(check.relative))}` : "";
  return [html("p", { class: "check good" }, `Numerical check passed: ${what}${error}${kinks}`)];
}

export function gateCard(network: Network, gate: number, go: Go): HTMLElement[] {
  const value = network.first(gate);
  const formula = network.formula(gate);
  const elements = network.elements(value);
  const head = html("h2", {}, `${network.nameOfGate(gate)} · ${formula.gate}`);
  const rule = html("div", { class: "formulas" });
  const inputs = network.inputs(gate);
  const gradients = formula.gradients_mathml.slice(0, Math.max(1, inputs.length));
  rule.innerHTML = [formula.mathml, ...gradients].map((math) => `<div class="line">${math}</div>`).join("");
  const saved = network.saved(gate);
  const facts: [string, string][] = [];
  const module = network.module(gate);
  if (module) {
    const layer = network.layer(module);
    facts.push(["module", layer ? `${module}: ${layer}` : module]);
  }
  facts.push(["output", `${network.shapeText(value)} (${countText(elements)} elements)`]);
  const { costs } = network;
  if (costs) {
    facts.push(["time", both(at(costs.forward, gate), at(costs.backward, gate), timeText)]);
    facts.push(["multiply-adds", both(network.cost(gate), at(costs.backward_cost, gate), countText)]);
    facts.push(["bytes moved", bytesText(at(costs.moved, gate))]);
  } else {
    facts.push(["multiply-adds", `${countText(network.cost(gate))} forward`]);
  }
  facts.push(["kept for backward", saved.map((one) => network.nameOf(one)).join(", ") || "nothing"]);
  facts.push(["adds to memory", bytesText(network.kept(gate))]);
  const source = network.source(gate);
  if (source) facts.push(["source", source]);
  const table = html(
    "dl",
    {},
    ...facts.flatMap(([name, text]) => [html("dt", {}, name), html("dd", {}, text)]),
  );
  const parts: HTMLElement[] = [head, rule, table, ...checkLines(network, gate)];
  const reason = why(network, value);
  if (reason) parts.push(reasonLine(network, value, reason, gate, go));
  parts.push(
    statisticsBlock("value", network.value(value), elements, "value"),
    statisticsBlock("gradient", network.gradient(value), elements, "gradient"),
    list(
      "reads",
      inputs.map((input) => valueLine(network, input, go)),
    ),
  );
  for (const input of new Set(inputs.filter((one) => network.needs(one)))) {
    const cause = why(network, input);
    const isLeaf = (network.maker[input] ?? -1) < 0;
    if (isLeaf) {
      const title = `gradient of ${network.nameOf(input)}`;
      parts.push(statisticsBlock(title, network.gradient(input), network.elements(input), "gradient"));
    }
    // Of what another gate made, this card tells where this gate is responsible.
    if (cause && (isLeaf || cause.gate === gate)) parts.push(reasonLine(network, input, cause, gate, go));
  }
  const readers = network.outputs(gate).flatMap((output) => at(network.readers, output));
  parts.push(
    list(
      "read by",
      readers.map((reader) => valueLine(network, network.first(reader), go)),
    ),
  );
  return parts;
}

export function foldCard(network: Network, node: Node): HTMLElement[] {
  const kinds = new Map<string, number>();
  let cost = 0;
  let bytes = 0;
  for (let gate = node.from; gate < node.to; gate += 1) {
    const { gate: kind } = network.formula(gate);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    cost += network.cost(gate);
    bytes += network.kept(gate);
  }
  const body = html("tbody");
  for (const [kind, count] of [...kinds].sort((a, b) => b[1] - a[1])) {
    body.append(html("tr", {}, html("th", { scope: "row" }, kind), html("td", {}, String(count))));
  }
  const range = `${network.nameOfGate(node.from)} to ${network.nameOfGate(node.to - 1)}`;
  const facts: [string, string][] = [["gates", `${countText(node.to - node.from)} (${range})`]];
  const layer = node.kind === "module" ? network.layer(node.label) : null;
  if (layer) facts.unshift(["module", layer]);
  const { costs } = network;
  if (costs) {
    const sum = (column: readonly number[]): number => {
      let all = 0;
      for (let gate = node.from; gate < node.to; gate += 1) all += at(column, gate);
      return all;
    };
    facts.push(["time", both(sum(costs.forward), sum(costs.backward), timeText)]);
    facts.push(["multiply-adds", both(cost, sum(costs.backward_cost), countText)]);
    facts.push(["bytes moved", bytesText(sum(costs.moved))]);
  } else {
    facts.push(["multiply-adds", `${countText(cost)} forward`]);
  }
  facts.push(["kept for backward", bytesText(bytes)]);
  const inside = network.checks.filter(({ gate }) => node.from <= gate && gate < node.to);
  const failed = inside.filter(({ faults }) => faults.length > 0).length;
  if (inside.length > 0)
    facts.push([
      "numerical check",
      failed > 0 ? `${failed} FAILED` : `${countText(inside.length)} gates passed`,
    ]);
  return [
    html("h2", {}, node.label),
    html("dl", {}, ...facts.flatMap(([name, text]) => [html("dt", {}, name), html("dd", {}, text)])),
    html("table", { class: "numbers" }, body),
  ];
}
