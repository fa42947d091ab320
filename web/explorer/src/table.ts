// Every number of the circuit as a table: for readers of the screen, for print, and for copying.

import { at, type Graph } from "./data";
import { html } from "./dom";
import { gateFormula } from "./explain";
import { prettyAll } from "./format";
import { math } from "./mathml";
import { lossName, nameOf } from "./names";
import type { Run } from "./replay";

export function numbersTable(graph: Graph, run: Run): HTMLTableElement {
  const loss = lossName(graph);
  const heads = ["gate", "value", `upstream ∂${loss}/∂gate`, "to", "local", "passed on"];
  const head = html("thead", {}, html("tr", {}, ...heads.map((text) => html("th", { scope: "col" }, text))));
  const table = html("table", { class: "numbers" }, head);
  const show = (numbers: readonly number[] | null | undefined, id: number) =>
    numbers ? prettyAll(numbers, at(graph.values, id).shape.length, 8) : "—";
  for (const gate of graph.gates) {
    const output = at(gate.outputs, 0);
    const body = html("tbody");
    const inputs = gate.inputs
      .map((id, input) => ({ id, input }))
      .filter(({ id }) => at(graph.values, id).needs);
    const rows = Math.max(1, inputs.length);
    for (let i = 0; i < rows; i += 1) {
      const line = html("tr");
      if (i === 0) {
        const formula = html("th", { scope: "rowgroup", rowspan: rows });
        formula.innerHTML = math(gateFormula(graph, gate));
        line.append(
          formula,
          html("td", { rowspan: rows, class: "value" }, show(run.values[output], output)),
          html("td", { rowspan: rows, class: "gradient" }, show(run.gradients[output], output)),
        );
      }
      const input = inputs[i];
      const cell = (text: string, kind = "") => html("td", { class: kind }, text);
      if (input) {
        const local = at(at(run.local, gate.id), input.input);
        line.append(
          cell(nameOf(graph, input.id)),
          cell(local ? show(local, output) : "rule", "local"),
          cell(show(at(at(run.passed, gate.id), input.input), input.id), "gradient"),
        );
      } else {
        line.append(cell("—"), cell("—"), cell("—"));
      }
      body.append(line);
    }
    table.append(body);
  }
  return table;
}
