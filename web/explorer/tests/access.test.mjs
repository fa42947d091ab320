// Roles, names, contrasts and the like on every kind of page, by axe's rules, in both colour schemes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { explain, launch, open, pitfalls, train } from "./browser.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// axe takes formulas in MathML for no text, and a drawn `sin` with its index for a label that the name must repeat
// letter for letter.
const rules = { "empty-table-header": { enabled: false }, "label-content-name-mismatch": { enabled: false } };

let browser;
const files = {};
before(async () => {
  browser = await launch();
  files.circuit = explain("x*y + sin(x)*x", "x=2", "y=3").file;
  files.vectors = explain("-log(dot(softmax(v), [0,1,0]))", "v=[1,2,3]").file;
  files.network = train("--epochs", "1", "--hidden", "24,16");
  files.other = train("--epochs", "1", "--hidden", "24,16", "--seed", "1");
  files.pitfalls = pitfalls();
});
after(() => browser?.close());

const STATES = [
  ["a circuit", "circuit", async (page) => page.keyboard.press("ArrowLeft")],
  ["a circuit of vectors", "vectors", async (page) => page.click("#numbers summary")],
  ["a quiz", "circuit", async (page) => page.click("#quiz")],
  ["a network", "network", async (page) => page.click("#open-all")],
  ["parameters that don't learn", "pitfalls", async (page) => page.click("#findings summary")],
  [
    "two runs compared",
    "network",
    async (page) => {
      await page.setInputFiles("#other", files.other);
      await page.waitForSelector("#comparison table");
    },
  ],
];

for (const [name, file, prepare] of STATES) {
  test(`no barrier: ${name}`, async () => {
    for (const colorScheme of ["light", "dark"]) {
      const { page, complaints } = await open(browser, files[file], { colorScheme });
      await prepare(page);
      await page.evaluate(axe);
      const { violations, passes } = await page.evaluate((options) => globalThis.axe.run(options), {
        rules,
      });
      const found = violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]);
      assert.deepEqual(found, [], colorScheme);
      assert.ok(passes.length > 20);
      assert.deepEqual(complaints, []);
      await page.close();
    }
  });
}
