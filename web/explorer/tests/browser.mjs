// A real browser for the tests, and the pages that they look at.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { deflateSync, inflateSync } from "node:zlib";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const program = process.env.CHAINRULE ?? join(target, "debug", "chainrule");
const browserPath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const folder = mkdtempSync(join(tmpdir(), "explorer-"));
let pages = 0;
/** Milliseconds to wait for what must happen; a busy machine may need them. */
const PATIENCE = 60_000;
/** A page has so many tries to be shown in time: the best one counts. */
const TRIES = 3;

/** The page and the library's own numbers for an expression. */
export function explain(expression, ...values) {
  if (!existsSync(program)) {
    throw new Error(`${program} isn't built: run cargo build, or set CHAINRULE to the program`);
  }
  pages += 1;
  const file = join(folder, `${pages}.html`);
  const run = (...more) =>
    execFileSync(program, ["explain", expression, ...values, ...more], { encoding: "utf8" });
  const text = run();
  const library = JSON.parse(run("--json", "--html", file));
  return { file, library, text };
}

/** The page of a network's training step, and the library's own numbers for it. */
export function cost(...options) {
  pages += 1;
  const file = join(folder, `${pages}.html`);
  const text = execFileSync(program, ["cost", ...options, "--json", "--html", file], { encoding: "utf8" });
  return { file, library: JSON.parse(text) };
}

/** The page of a training run. */
export function train(...options) {
  pages += 1;
  const run = join(folder, `run-${pages}`);
  execFileSync(program, ["train", "--quiet", "--out", run, ...options]);
  return join(run, "explorer.html");
}

/** The page that an example of the library writes. */
function writtenBy(name) {
  const example = join(dirname(program), "examples", name);
  if (!existsSync(example)) throw new Error(`${example} isn't built: run cargo build --examples`);
  const file = join(folder, `${name}.html`);
  execFileSync(example, [file]);
  return file;
}

/** A graph of 100,000 gates. */
export const recurrence = () => writtenBy("05_explorer");

/** A network with a parameter for each reason not to learn. */
export const pitfalls = () => writtenBy("pitfalls");

/** What the library packed into a network's page. */
export function unpacked(file) {
  const [, json] = /<script id="graph" type="application\/json">(.*?)<\/script>/s.exec(
    readFileSync(file, "utf8"),
  );
  return JSON.parse(inflateSync(Buffer.from(JSON.parse(json).network, "base64")));
}

/** The same page with the network changed. */
export function changedNetwork(file, change) {
  const network = unpacked(file);
  change(network);
  return changed(file, (data) => {
    data.network = deflateSync(JSON.stringify(network)).toString("base64");
  });
}

/** The same page with its data changed. */
export function changed(file, change) {
  const html = readFileSync(file, "utf8");
  const [, json] = /<script id="graph" type="application\/json">(.*?)<\/script>/s.exec(html);
  const data = JSON.parse(json);
  change(data);
  const other = file.replace(".html", "-changed.html");
  writeFileSync(
    other,
    html.replace(json, () => JSON.stringify(data)),
  );
  return other;
}

/** A file of any text. */
export function written(name, text) {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/**
 * How long a page takes from its first byte until it is shown, in milliseconds of the processor: what other
 * programs do on this machine doesn't count. Of several tries the best, unless the first is within the budget.
 */
export async function timeToShow(browser, file, selector, budget) {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < TRIES && best > budget; i += 1)
    best = Math.min(best, await oneLoad(browser, file, selector));
  return best;
}

async function oneLoad(browser, file, selector) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(PATIENCE);
  const client = await page.context().newCDPSession(page);
  await client.send("Performance.enable", { timeDomain: "threadTicks" });
  await page.goto(pathToFileURL(file).href);
  await page.waitForSelector(selector);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
  const { metrics } = await client.send("Performance.getMetrics");
  await page.close();
  return 1000 * metrics.find(({ name }) => name === "TaskDuration").value;
}

export function launch() {
  return chromium.launch({
    executablePath: browserPath,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** Opens a page; nothing may reach the console or leave the machine. */
export async function open(browser, file, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, ...options });
  page.setDefaultTimeout(PATIENCE);
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith("file:") && !request.url().startsWith("data:")) {
      complaints.push(`a request to ${request.url()}`);
    }
  });
  await page.goto(pathToFileURL(file).href);
  return { page, complaints };
}
