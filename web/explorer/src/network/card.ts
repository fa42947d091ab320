// All that is known of one gate, or of a fold.

import { at } from "../data";
import { html, svg } from "../dom";
import { pretty } from "../format";
import { escapeText } from "../mathml";
import type { Network, Statistics } from "./data";
import type { Node } from "./fold";
import { bytesText, countText } from "./memory";
import { type Reason, why } from "./why";

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
  const bytes = saved.reduce((sum, one) => sum + network.shape(one).bytes, 0);
  const facts: [string, string][] = [
    ["output", `${network.shapeText(value)} (${countText(elements)} elements)`],
    ["multiply-adds", countText(network.cost(gate))],
    [
      "kept for backward",
      saved.length
        ? `${saved.map((one) => network.nameOf(one)).join(", ")} (${bytesText(bytes)})`
        : "nothing",
    ],
  ];
  const source = network.source(gate);
  if (source) facts.push(["source", source]);
  const table = html(
    "dl",
    {},
    ...facts.flatMap(([name, text]) => [html("dt", {}, name), html("dd", {}, text)]),
  );
  const parts: HTMLElement[] = [head, rule, table];
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
  for (const input of inputs) {
    if ((network.maker[input] ?? -1) >= 0 || !network.needs(input)) continue;
    const own = network.gradient(input);
    const name = network.nameOf(input);
    parts.push(statisticsBlock(`gradient of ${name}`, own, network.elements(input), "gradient"));
    const cause = why(network, input);
    if (cause) parts.push(reasonLine(network, input, cause, gate, go));
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

function question(network: Network, value: number): string {
  if (network.value(value).notFinite > 0) return `Why is ${network.nameOf(value)} not finite?`;
  const gradient = network.gradient(value);
  if (!gradient) return `Why has ${network.nameOf(value)} no gradient?`;
  return `Why is the gradient of ${network.nameOf(value)} ${gradient.notFinite > 0 ? "not finite" : "zero"}?`;
}

function reasonLine(
  network: Network,
  value: number,
  { text, gate: cause }: Reason,
  gate: number,
  go: Go,
): HTMLElement {
  const line = html("p", { class: "reason" }, html("strong", {}, question(network, value)), ` ${text} `);
  if (cause !== null && cause !== gate) {
    const button = html("button", { type: "button", class: "link" }, `Go to ${network.nameOfGate(cause)}`);
    button.addEventListener("click", () => go(cause));
    line.append(button);
  }
  return line;
}

export function foldCard(network: Network, node: Node): HTMLElement[] {
  const kinds = new Map<string, number>();
  let cost = 0;
  let bytes = 0;
  for (let gate = node.from; gate < node.to; gate += 1) {
    const { gate: kind } = network.formula(gate);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    cost += network.cost(gate);
    for (const value of network.saved(gate)) bytes += network.shape(value).bytes;
  }
  const body = html("tbody");
  for (const [kind, count] of [...kinds].sort((a, b) => b[1] - a[1])) {
    body.append(html("tr", {}, html("th", { scope: "row" }, kind), html("td", {}, String(count))));
  }
  const range = `${network.nameOfGate(node.from)} to ${network.nameOfGate(node.to - 1)}`;
  return [
    html("h2", {}, node.label),
    html(
      "dl",
      {},
      html("dt", {}, "gates"),
      html("dd", {}, `${countText(node.to - node.from)} (${escapeText(range)})`),
      html("dt", {}, "multiply-adds"),
      html("dd", {}, countText(cost)),
      html("dt", {}, "kept for backward"),
      html("dd", {}, bytesText(bytes)),
    ),
    html("table", { class: "numbers" }, body),
  ];
}
