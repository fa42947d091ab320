// What runs first: reads the data and sets up the page for a small graph or for a network.

import { readContent } from "./data";
import { byId, html } from "./dom";
import { unpack } from "./network/data";
import { NetworkPage } from "./network/page";
import { CircuitPage } from "./page";
import { setUpTheme } from "./theme";

/** Puts the page's parts in place. */
function build(template: string): void {
  const parts = byId(template, HTMLTemplateElement).content;
  byId("main", HTMLElement).replaceChildren(parts.cloneNode(true));
}

async function start(): Promise<void> {
  setUpTheme();
  const content = readContent(document.getElementById("graph")?.textContent ?? "");
  const library = content.kind === "circuit" ? content.graph.library : content.library;
  byId("made", HTMLElement).textContent = `chainrule ${library}`;
  if (content.kind === "circuit") {
    build("circuit-page");
    new CircuitPage(content.graph);
    return;
  }
  byId("title", HTMLElement).textContent = content.title;
  const keys = [
    html("kbd", {}, "/"),
    " search · ",
    html("kbd", {}, "↑"),
    " ",
    html("kbd", {}, "↓"),
    " choose · ",
  ];
  keys.push(
    html("kbd", {}, "Enter"),
    " open and fold · ",
    html("kbd", {}, "←"),
    " ",
    html("kbd", {}, "→"),
    " step",
  );
  byId("keys", HTMLElement).replaceChildren(...keys);
  build("network-page");
  new NetworkPage(await unpack(content.packed));
}

start().catch((error: unknown) => {
  const text = error instanceof Error ? error.message : String(error);
  byId("main", HTMLElement).prepend(
    html("p", { class: "alert", role: "alert" }, `The page can't be shown: ${text}`),
  );
});
