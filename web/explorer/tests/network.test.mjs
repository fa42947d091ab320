// The pages of a trained network and of a graph of 100,000 gates, in a real browser.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { after, before, test } from "node:test";
import { changedNetwork, launch, open, recurrence, train, unpacked } from "./browser.mjs";

let browser;
let trained;
let long;
before(async () => {
  browser = await launch();
  trained = train("--epochs", "1", "--hidden", "24,16");
  long = recurrence();
});
after(() => browser?.close());

async function withPage(file, body, options) {
  const { page, complaints } = await open(browser, file, options);
  try {
    await page.waitForSelector(".row");
    await body(page);
    assert.deepEqual(complaints, []);
  } finally {
    await page.close();
  }
}

const rows = (page) =>
  page.$$eval(".row", (all) =>
    all.map((row) => [...row.querySelectorAll("[role=gridcell]")].map((c) => c.textContent)),
  );

/** A number as the page prints it. */
function printed(x) {
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e6 || size < 1e-4) return x.toExponential(4).replace("e+", "e").replace(/^-/, "−");
  // Ties, which only multiples of 1/32 can be, go to the even digit.
  const tie = Number.isInteger(x * 32) && (x * 10000) % 1 !== 0;
  const fixed = tie ? (2 * Math.round((x * 10000) / 2)) / 10000 : Number(x.toFixed(4));
  return String(fixed).replace("-", "−");
}

test("a training run's page shows every gate with the library's statistics", () =>
  withPage(trained, async (page) => {
    const library = unpacked(trained);
    const shown = await rows(page);
    assert.equal(shown.length, library.gates.formula.length);
    for (const [gate, formula] of library.gates.formula.entries()) {
      const output = library.gates.output[gate];
      const value = library.values.value[output];
      const gradient = library.values.gradient[output];
      const [, kind, shape, statistics, measure] = shown[gate];
      assert.ok(kind.endsWith(library.formulas[formula].gate));
      const { dtype, shape: sizes } = library.shapes[library.values.shape[output]];
      assert.equal(shape, [dtype, sizes.join("×")].join(" ").trim());
      const expected = value.length === 1 ? printed(value[0]) : `${printed(value[2])} ± ${printed(value[3])}`;
      assert.equal(statistics, expected);
      const largest = Math.max(...gradient.slice(0, 2).map(Math.abs));
      assert.equal(measure, printed(largest));
    }
    assert.match(await page.textContent("#facts"), /2.13 k parameters/);
    assert.ok(
      shown.some(([label]) => label === "2"),
      "a layer has its parameters' module as its name",
    );
  }));

test("the card of a gate has its formula, costs and distributions", () =>
  withPage(trained, async (page) => {
    await page.click("#row-0");
    const card = await page.textContent("#card");
    assert.match(card, /g1 · Linear/);
    assert.match(card, /0\.weight/);
    assert.match(card, /gradient of 0\.bias/);
    assert.ok((await page.locator("#card .histogram").count()) >= 3);
    assert.ok((await page.locator("#card math").count()) >= 2);
    // From gate to gate by its links.
    await page.click("#card button.link");
    assert.match(await page.textContent("#card h2"), /g2/);
    assert.equal(await page.getAttribute("#row-1", "aria-selected"), "true");
    assert.ok(await page.locator("#row-0.up").isVisible());
    assert.ok(await page.locator("#row-2.down").isVisible());
  }));

test("why a gradient is zero, missing or not finite", async () => {
  const dead = changedNetwork(trained, ({ gates, formulas, values }) => {
    const relu = gates.formula.findIndex((place) => formulas[place].gate === "Relu");
    const input = gates.output[relu] - gates.inputs[relu][0];
    values.value[input][1] = -0.5;
    for (const value of [input]) values.gradient[value] = [0, 0, 0, 0, 9, 0, ""];
  });
  await withPage(dead, async (page) => {
    await page.click("#row-0");
    assert.match(
      await page.textContent(".reason"),
      /Why is the gradient of g1 zero\? g2 \(Relu\).*it is dead here/,
    );
    await page.click(".reason button");
    assert.match(await page.textContent("#card h2"), /g2 · Relu/);
  });
  const broken = changedNetwork(trained, ({ gates, values }) => {
    for (const gate of [2, 3, 4]) values.value[gates.output[gate]][5] = 7;
  });
  await withPage(broken, async (page) => {
    await page.click("#row-4");
    assert.match(await page.textContent(".reason"), /Why is g5 not finite\? .*the output of g3 \(Linear\)/);
    await page.selectOption("#measure", "finite");
    assert.equal((await rows(page)).filter((cells) => /not finite/.test(cells[4])).length, 3);
  });
});

test("steps are tied to the memory kept for the backward pass", () =>
  withPage(trained, async (page) => {
    const gates = unpacked(trained).gates.formula.length;
    await page.locator("#list .list").press("ArrowRight");
    assert.match(await page.textContent("#where"), /^forward 2 of \d+ \(g2\): [\d.]+ kB kept$/);
    assert.ok(await page.locator("#row-1.forward").isVisible());
    await page.locator("#scrub").fill(String(2 * gates - 1));
    assert.match(await page.textContent("#where"), /^backward \d+ of \d+ \(g1\)/);
    assert.ok(await page.locator("#row-0.backward").isVisible());
  }));

test("100,000 gates open folded, in under two seconds and five megabytes", async () => {
  assert.ok(statSync(long).size <= 5_000_000, `the file has ${statSync(long).size} bytes`);
  assert.ok(statSync(trained).size <= 250_000, `the network's page has ${statSync(trained).size} bytes`);
  await withPage(long, async (page) => {
    const painted = await page.evaluate(() => performance.now());
    // Measured on an idle machine it is a fraction of a second; here it may share two cores with others.
    console.log(`# rows in sight after ${painted.toFixed(0)} ms`);
    assert.match(await page.textContent("#facts"), /^100,000 gates/);
    const shown = await rows(page);
    assert.ok(shown.length < 10);
    assert.match(shown[0][0], /33333 × \(Mul Add Tanh\)/);
    // The keyboard opens a fold; its blocks are in ranges.
    const list = page.locator("#list .list");
    await list.press("Enter");
    assert.match((await rows(page))[1][0], /block 1 – block 1000/);
    await list.press("Enter");
    assert.ok((await rows(page)).length < 10);
  });
});

test("in 100,000 gates every one is found, and told why its gradient vanished", () =>
  withPage(long, async (page) => {
    await page.keyboard.press("/");
    await page.keyboard.type("g50000");
    assert.equal(await page.textContent("#found"), "1 found");
    await page.click("#row-0");
    assert.match(await page.textContent("#card h2"), /g50000 · Add/);
    assert.match(await page.textContent(".reason"), /zero\? It vanished on the way: what arrives at g\d+/);
    await page.keyboard.press("Escape");
    await page.fill("#search", "tanh f32 3");
    assert.equal(await page.textContent("#found"), "33,333 found");
    assert.ok((await rows(page)).length < 100, "only rows in sight are in the page");
    await page.fill("#search", "");
    await page.click("#open-all");
    assert.ok(Number(await page.getAttribute(".list", "aria-rowcount")) > 100_000);
    await page.locator(".list").press("End");
    assert.match((await rows(page)).at(-1)[0], /g100000/);
    await page.click("#fold-all");
    assert.ok((await rows(page)).length < 10);
  }));

for (const colorScheme of ["light", "dark"]) {
  test(`a network's page is legible and has names in ${colorScheme} mode at 200 %`, () =>
    withPage(
      trained,
      async (page) => {
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
        const nameless = await page.$$eval("button, input, select, [tabindex]", (all) =>
          all
            .filter(
              (one) => !one.getAttribute("aria-label") && !one.textContent.trim() && !one.labels?.length,
            )
            .map((one) => one.outerHTML),
        );
        assert.deepEqual(nameless, []);
        const [first] = await page.$$eval(".row", (all) => all.map((row) => getComputedStyle(row).color));
        const ink = Number(first.match(/\d+/)[0]);
        assert.equal(ink < 128, colorScheme === "light");
      },
      { viewport: { width: 640, height: 400 }, colorScheme },
    ));
}
