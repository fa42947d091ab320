// Shows why gradients are zero, missing or not finite, with ways to the gates responsible.

import { html } from "./dom";
import type { Facts } from "./facts";
import { findings, type Reason } from "./why";

/** Shows a gate. */
type Go = (gate: number) => void;

export function question(graph: Facts, value: number): string {
  if (graph.value(value).notFinite > 0) return `Why is ${graph.nameOf(value)} not finite?`;
  const gradient = graph.gradient(value);
  if (!gradient) return `Why has ${graph.nameOf(value)} no gradient?`;
  return `Why is the gradient of ${graph.nameOf(value)} ${gradient.notFinite > 0 ? "not finite" : "zero"}?`;
}

function wayTo(graph: Facts, gate: number, go: Go): HTMLElement {
  const button = html("button", { type: "button", class: "link" }, `Go to ${graph.nameOfGate(gate)}`);
  button.addEventListener("click", () => go(gate));
  return button;
}

/** The reason for one value; `here` is the gate that is shown already. */
export function reasonLine(graph: Facts, value: number, reason: Reason, here: number, go: Go): HTMLElement {
  const text = ` ${reason.text} `;
  const line = html("p", { class: "reason" }, html("strong", {}, question(graph, value)), text);
  const { gate } = reason;
  if (gate !== null && gate !== here) line.append(wayTo(graph, gate, go));
  return line;
}

/** Lists the parameters that don't learn (`what` they are called), up to so many; hides the place where all do. Returns how many don't. */
export function drawFindings(
  place: HTMLDetailsElement,
  graph: Facts,
  what: string,
  most: number,
  go: Go,
): number {
  const found = findings(graph, most);
  place.hidden = found.length === 0;
  place.replaceChildren();
  if (place.hidden) return 0;
  const body = html("tbody");
  for (const { name, problem, reason } of found) {
    const text = html("td", {}, `${reason.text} `);
    if (reason.gate !== null) text.append(wayTo(graph, reason.gate, go));
    body.append(html("tr", {}, html("th", { scope: "row" }, name), html("td", {}, problem), text));
  }
  const count = `${found.length}${found.length === most ? " or more" : ""}`;
  const title =
    found.length === 1
      ? `${found[0]?.name} gets no usable gradient`
      : `${count} ${what} get no usable gradient`;
  const table = html("table", {}, body);
  place.append(html("summary", {}, title), html("div", { class: "scroll" }, table));
  return found.length;
}
