// Two runs side by side: the gates of both are matched by stable names, and their numbers compared.

import { readContent } from "../data";
import { html } from "../dom";
import { type Statistics, sizeOf } from "../facts";
import { pretty } from "../format";
import { type Network, unpack } from "./data";
import { countText, timeText } from "./memory";

/** A table of so many rows is long enough; the list shows all. */
const MOST_ROWS = 40;

/** A gate of this run and what differs in the other. */
export interface Difference {
  gate: number;
  id: string;
  /** 0 where both are the same, 1 where they have nothing in common. */
  value: number;
  gradient: number;
  other: number;
}

export interface Comparison {
  differences: Difference[];
  /** Names of gates that only one of the runs has. */
  onlyHere: string[];
  onlyThere: string[];
}

/** Names that stay when gates are added elsewhere: module, kind, and the number among those of its kind there. */
export function stableIds(network: Network): string[] {
  const counts = new Map<string, number>();
  return Array.from({ length: network.count }, (_, gate) => {
    const module = network.module(gate);
    const name = `${module ? `${module}/` : ""}${network.formula(gate).gate}`;
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return `${name}#${count}`;
  });
}

/** How far two distributions lie apart, over the larger of their sizes. */
function distance(a: Statistics | null, b: Statistics | null): number {
  if (!a || !b) return a === b ? 0 : 1;
  if (a.notFinite > 0 || b.notFinite > 0) return a.notFinite === b.notFinite ? 0 : 1;
  const size = Math.max(sizeOf(a), sizeOf(b));
  if (size === 0) return 0;
  const parts = [a.least - b.least, a.most - b.most, a.mean - b.mean, a.deviation - b.deviation];
  return Math.min(1, Math.max(...parts.map(Math.abs)) / size);
}

export function compareRuns(here: Network, there: Network): Comparison {
  const places = new Map(stableIds(there).map((id, gate) => [id, gate]));
  const differences: Difference[] = [];
  const onlyHere: string[] = [];
  stableIds(here).forEach((id, gate) => {
    const other = places.get(id);
    if (other === undefined) {
      onlyHere.push(id);
      return;
    }
    places.delete(id);
    const [a, b] = [here.first(gate), there.first(other)];
    const same = here.shapeText(a) === there.shapeText(b);
    differences.push({
      gate,
      id,
      other,
      value: same ? distance(here.value(a), there.value(b)) : 1,
      gradient: same ? distance(here.gradient(a), there.gradient(b)) : 1,
    });
  });
  return { differences, onlyHere, onlyThere: [...places.keys()] };
}

/** A share of 1 in percent. */
export function percent(share: number): string {
  return `${pretty(Number((100 * share).toPrecision(3)))} %`;
}

/** Reads the network out of another page's text. */
export async function readRun(text: string): Promise<{ title: string; network: Network }> {
  const page = new DOMParser().parseFromString(text, "text/html");
  const content = page.getElementById("graph")?.textContent;
  if (!content) throw new Error("this file is no page of chainrule's explorer");
  const found = readContent(content);
  if (found.kind !== "network") throw new Error("this page shows a small graph, not a network");
  return { title: found.title, network: await unpack(found.packed) };
}

const mean = (s: Statistics | null): string => (s ? pretty(s.mean) : "none");
const most = (s: Statistics | null): string => (s ? pretty(sizeOf(s)) : "none");

/** The gates that differ most, as a table. */
export function differenceTable(
  here: Network,
  there: Network,
  title: string,
  comparison: Comparison,
  go: (gate: number) => void,
): HTMLElement[] {
  const { differences, onlyHere, onlyThere } = comparison;
  const size = (d: Difference): number => Math.max(d.value, d.gradient);
  const found = differences.filter((d) => size(d) > 0).sort((a, b) => size(b) - size(a));
  const timed = here.costs !== null && there.costs !== null;
  const heads = [
    "gate",
    "mean value here",
    "there",
    "differs",
    "largest |gradient| here",
    "there",
    "differs",
  ];
  if (timed) heads.push("time here", "there");
  const rows = found.slice(0, MOST_ROWS).map((d) => {
    const [a, b] = [here.first(d.gate), there.first(d.other)];
    const button = html("button", { type: "button", class: "link" }, d.id);
    button.addEventListener("click", () => go(d.gate));
    const cells = [
      mean(here.value(a)),
      mean(there.value(b)),
      percent(d.value),
      most(here.gradient(a)),
      most(there.gradient(b)),
      percent(d.gradient),
    ];
    if (timed) cells.push(timeText(here.time(d.gate)), timeText(there.time(d.other)));
    const head = html("th", { scope: "row" }, button);
    return html("tr", {}, head, ...cells.map((text) => html("td", {}, text)));
  });
  const parts: HTMLElement[] = [
    html(
      "p",
      { class: "note" },
      `Compared with “${title}”: ${countText(differences.length)} gates are in both, ${countText(found.length)} of them with other numbers` +
        (found.length > MOST_ROWS ? `; the ${MOST_ROWS} that differ most:` : "."),
    ),
  ];
  for (const [names, where] of [
    [onlyHere, "here"],
    [onlyThere, "there"],
  ] as const) {
    if (names.length === 0) continue;
    const shown = names.slice(0, 8).join(", ") + (names.length > 8 ? "…" : "");
    parts.push(html("p", { class: "note" }, `Only ${where}: ${countText(names.length)} (${shown})`));
  }
  if (rows.length > 0) {
    const head = html("tr", {}, ...heads.map((text) => html("th", { scope: "col" }, text)));
    const table = html("table", { class: "numbers" }, html("thead", {}, head), html("tbody", {}, ...rows));
    parts.push(html("div", { class: "scroll" }, table));
  }
  return parts;
}

/** How much each gate differs, for the list. */
export const sizes = (comparison: Comparison): Map<number, number> =>
  new Map(comparison.differences.map((d) => [d.gate, Math.max(d.value, d.gradient)]));
