// The pages of a trained network and of a graph of 100,000 gates, in a real browser.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { after, before, test } from "node:test";
import {
  changedNetwork,
  cost,
  launch,
  open,
  pitfalls,
  recurrence,
  timeToShow,
  train,
  unpacked,
  written,
} from "./browser.mjs";

let browser;
let trained;
let long;
let alexnet;
before(async () => {
  browser = await launch();
  trained = train("--epochs", "1", "--hidden", "24,16");
  long = recurrence();
  alexnet = cost("alexnet", "--batch", "1", "--steps", "1");
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

/** What a row shows, in its order. */
const [LABEL, KIND, SHAPE, STATISTICS, MEASURE] = [0, 1, 2, 3, 4];

test("a training run's page shows every gate with the library's statistics", () =>
  withPage(trained, async (page) => {
    const library = unpacked(trained);
    await page.click("#open-all");
    await page.selectOption("#measure", "gradient");
    // Modules have rows of their own, before those of their gates.
    const shown = (await rows(page)).filter((row) => !/ gates?$/.test(row[KIND]));
    assert.equal(shown.length, library.gates.formula.length);
    for (const [gate, formula] of library.gates.formula.entries()) {
      const output = library.gates.output[gate];
      const value = library.values.value[output];
      const gradient = library.values.gradient[output];
      const row = shown[gate];
      assert.ok(row[KIND].endsWith(library.formulas[formula].gate));
      const { dtype, shape: sizes } = library.shapes[library.values.shape[output]];
      assert.equal(row[SHAPE], [dtype, sizes.join("×")].join(" ").trim());
      const expected = value.length === 1 ? printed(value[0]) : `${printed(value[2])} ± ${printed(value[3])}`;
      assert.equal(row[STATISTICS], expected);
      const largest = Math.max(...gradient.slice(0, 2).map(Math.abs));
      assert.equal(row[MEASURE], printed(largest));
    }
    assert.match(await page.textContent("#facts"), /2.13 k parameters/);
    assert.match(await page.textContent("#facts"), /forward [\d.]+ .s, backward [\d.]+ .s/);
    assert.match(await page.textContent("#replay"), /^numerical check: \d+ gates passed$/);
    assert.ok(
      shown.some(([label]) => label.endsWith("2")),
      "a layer's gate has its module as its name",
    );
  }));

/** A quantity as the page prints it. */
function scaled(x, units) {
  let size = x;
  let unit = 0;
  while (size >= 1000 && unit + 1 < units.length) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toPrecision(3)}${units[unit]}`;
}
const counted = (x) => scaled(x, ["", " k", " M", " G", " T"]);
const bytes = (x) => scaled(x, [" B", " kB", " MB", " GB"]);

/** The fact of this name on the card. */
const fact = (page, name) =>
  page.$$eval(
    "#card dt",
    (all, wanted) => all.find((one) => one.textContent === wanted)?.nextElementSibling.textContent,
    name,
  );

test("AlexNet folds into its modules, and every cost equals the library's", () =>
  withPage(alexnet.file, async (page) => {
    const { library } = alexnet;
    assert.match(
      await page.textContent("#facts"),
      new RegExp(`${bytes(library.step.kept_bytes)} kept for backward`),
    );
    await page.click("#fold-all");
    const labels = (await rows(page)).map((row) => row[LABEL].replace(/[▸▾]/, ""));
    for (const module of ["features", "avgpool", "flatten", "classifier"]) {
      assert.ok(labels.includes(module), `${module} in ${labels}`);
    }
    assert.ok(labels.length < 12);
    await page.click("#open-all");
    assert.equal(await page.getAttribute(".list", "aria-rowcount"), String(2 + library.gates.length));
    // Every gate, by its own search, so that rows out of sight are checked, too.
    for (const gate of library.gates) {
      await page.fill("#search", `${gate.name} ${gate.gate}`);
      const places = (await rows(page)).map((row) =>
        new RegExp(`\\b${gate.name}\\b`).test(`${row[LABEL]} ${row[KIND]}`),
      );
      await page.click(`#row-${places.indexOf(true)}`);
      assert.match(await page.textContent("#card h2"), new RegExp(`^${gate.name} · ${gate.gate}$`));
      const [forward, backward] = [gate.forward_work, gate.backward_work];
      const back = backward.multiply_adds > 0 ? counted(backward.multiply_adds) : "none";
      assert.equal(
        await fact(page, "multiply-adds"),
        `${counted(forward.multiply_adds)} forward, ${back} backward`,
      );
      const moved = [forward, backward].reduce((sum, w) => sum + w.bytes_read + w.bytes_written, 0);
      assert.equal(await fact(page, "bytes moved"), bytes(moved));
      assert.equal(await fact(page, "adds to memory"), bytes(gate.kept_bytes));
      if (gate.module) assert.ok((await fact(page, "module")).startsWith(gate.module));
      const time = await fact(page, "time");
      const [, number, unit] = /^([\d.]+) (.?s) forward/.exec(time);
      const seconds = Number(number) * { ns: 1e-9, µs: 1e-6, ms: 1e-3, s: 1 }[unit];
      assert.ok(Math.abs(seconds - gate.forward_seconds) <= 0.006 * gate.forward_seconds + 1e-9, time);
    }
  }));

test("search finds gates by name, kind, module and shape", () =>
  withPage(alexnet.file, async (page) => {
    const found = async (text) => {
      await page.fill("#search", text);
      return Number((await page.textContent("#found")).replace(/\D/g, ""));
    };
    assert.equal(await found("conv"), 5);
    assert.equal(await found("classifier linear"), 3);
    assert.equal(await found("f32 1×64×55×55"), 2);
    assert.equal(await found("g1"), alexnet.library.gates.filter(({ name }) => /^g1/.test(name)).length);
    assert.equal(await found("features.0.weight"), 1);
    assert.equal(await found("wavelet"), 0);
  }));

test("gates are coloured by time, memory, gradient and what isn't finite", () =>
  withPage(alexnet.file, async (page) => {
    await page.click("#open-all");
    for (const measure of ["time", "memory", "gradient", "cost", "finite"]) {
      await page.selectOption("#measure", measure);
      const heats = await page.$$eval(".list-wires circle", (all) =>
        all.map((one) => Number.parseFloat(one.style.getPropertyValue("--heat"))),
      );
      if (measure === "finite") assert.ok(heats.every((heat) => heat === 0));
      else assert.ok(Math.max(...heats) > Math.min(...heats), measure);
    }
    const colours = await page.$$eval(".list-wires circle", (all) =>
      all.map((one) => getComputedStyle(one).fill),
    );
    assert.equal(new Set(colours).size, 1, "nothing is alarming");
  }));

test("a gate's own numerical check is on its card", async () => {
  await withPage(trained, async (page) => {
    await page.click("#open-all");
    await page.click("#row-1");
    assert.match(
      await page.textContent("#card .check"),
      /^Numerical check passed: \d gradients? by differences; largest relative error/,
    );
  });
  const wrong = changedNetwork(trained, ({ checks }) => {
    checks[1].faults = ["the gate Relu is wrong: the gradient of its input 0 gives 1, differences give 2"];
  });
  await withPage(wrong, async (page) => {
    assert.equal(await page.textContent("#replay"), "numerical check: 1 gates FAILED");
    const [{ name }] = unpacked(wrong)
      .checks.slice(1, 2)
      .map(({ gate }) => ({ name: `g${gate + 1}` }));
    await page.fill("#search", name);
    await page.click("#row-0");
    assert.match(await page.textContent("#card .alert"), /check failed: the gate Relu is wrong/);
  });
});

test("two runs are compared by stable names", async () => {
  const other = train("--epochs", "1", "--hidden", "24,16", "--seed", "1");
  const table = (page) =>
    page.$$eval("#comparison tbody tr", (all) =>
      all.map((row) => [...row.children].map((cell) => cell.textContent)),
    );
  await withPage(trained, async (page) => {
    await page.setInputFiles("#other", other);
    await page.waitForSelector("#comparison table");
    const [here, there] = [unpacked(trained), unpacked(other)];
    const gates = here.gates.formula.length;
    assert.match(await page.textContent("#comparison"), new RegExp(`${gates} gates are in both`));
    const found = await table(page);
    assert.ok(found.some(([id]) => id === "2/Linear#1"));
    for (const [id, valueHere, valueThere] of found) {
      const place = here.gates.module.findIndex((module, gate) => {
        const name = module < 0 ? "" : here.modules[module].name;
        return `${name ? `${name}/` : ""}${here.formulas[here.gates.formula[gate]].gate}#1` === id;
      });
      const mean = (network) => {
        const statistics = network.values.value[network.gates.output[place]];
        return printed(statistics.length === 1 ? statistics[0] : statistics[2]);
      };
      assert.deepEqual([valueHere, valueThere], [mean(here), mean(there)], id);
    }
    assert.equal(await page.inputValue("#measure"), "difference");
    // A name leads to its gate.
    await page.click("#comparison tbody button");
    assert.match(await page.textContent("#card h2"), / · /);
  });
  // The same run has no differences; a gate more is named, and moves no other name. Here the file is dropped.
  const longer = changedNetwork(trained, (network) => {
    network.formulas.push({ ...network.formulas[0], gate: "Wavelet" });
    network.gates.formula[1] = network.formulas.length - 1;
  });
  await withPage(longer, async (page) => {
    const { readFileSync } = await import("node:fs");
    await page.evaluate(
      (text) => {
        const dropped = new DataTransfer();
        dropped.items.add(new File([text], "run.html", { type: "text/html" }));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, cancelable: true }));
      },
      readFileSync(trained, "utf8"),
    );
    await page.waitForSelector("#comparison .note");
    const text = await page.textContent("#comparison");
    assert.match(text, /0 of them with other numbers/);
    assert.match(text, /Only here: 1 \(.*Wavelet#1\)/);
    assert.match(text, /Only there: 1 \(.*Relu#1\)/);
  });
  await withPage(trained, async (page) => {
    await page.setInputFiles("#other", written("notes.html", "<p>nothing of ours</p>"));
    assert.match(
      await page.textContent("#comparison [role=alert]"),
      /notes.html: this file is no page of chainrule/,
    );
  });
});

test("the card of a gate has its formula, costs and distributions", () =>
  withPage(trained, async (page) => {
    await page.click("#row-0");
    const card = await page.textContent("#card");
    assert.match(card, /g1 · Linear/);
    assert.match(card, /module0: Linear\(in_features=64, out_features=24, bias=True\)/);
    assert.match(card, /source\S+\.rs:\d+/);
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
      /Why is the gradient of g1 zero\? g2 \(Relu\) is dead here/,
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

test("every way not to learn is named with its gate", () =>
  withPage(pitfalls(), async (page) => {
    assert.equal(await page.textContent("#findings summary"), "19 parameter tensors get no usable gradient");
    await page.click("#findings summary");
    const found = await page.$$eval("#findings tr", (all) =>
      all.map((row) => [...row.children].map((cell) => cell.textContent.trim())),
    );
    const expected = {
      forgotten: ["missing", /^No gate reads it/],
      "detached.weight": ["missing", /\(Detach\) cuts the graph/],
      "under_no_grad.weight": ["missing", /\(Exp\) ran under no_grad/],
      "integer.weight": ["missing", /\(ToCopy\) has no derivative: its output is i64/],
      "compared.weight": ["missing", /\(Gt\) has no derivative: its output is bool/],
      "leads_nowhere.weight": ["missing", /leads to the output/],
      "dead_relu.weight": ["zero", /\(Relu\) is dead here/],
      "dropped.weight": ["zero", /\(Dropout\) passes nothing on: it left out every element/],
      "masked.weight": ["zero", /\(Mul\) multiplies the gradient by constant, which is 0 in every element/],
      "not_chosen.weight": ["zero", /\(Where\) .* it took its other input/],
      "smaller.weight": ["zero", /\(Maximum\) .* its other input is larger/],
      "clamped.weight": ["zero", /\(Clamp\) .* beyond its limits/],
      "rounded.weight": ["zero", /\(Round\) .* it is a step/],
      "saturated.weight": ["zero", /\(Tanh\) .* saturated/],
      "probabilities.weight": ["zero", /\(Softmax\) .* their sum is always 1/],
      "cancelled.weight": ["zero", /\(Sub\) reads g\d+ 2 times, and the terms cancel/],
      "vanished.weight": ["zero", /\(Mul\) receives only 1\.0000e-30.* too small/],
      "root_at_zero.weight": ["not finite", /\(Sqrt\) .* its local gradient is infinite or NaN/],
      "chosen_too_late.weight": ["not finite", /\(Log\) .* as g\d+ isn't finite/],
    };
    assert.deepEqual(
      found.map(([name]) => name),
      Object.keys(expected),
    );
    for (const [name, problem, text] of found) {
      assert.equal(problem, expected[name][0], name);
      assert.match(text, expected[name][1]);
    }
    // Each leads to the gate responsible, wherever it is folded in.
    await page.click("#findings tr:nth-child(7) button");
    assert.match(await page.textContent("#card h2"), /^g29 · Relu$/);
    assert.match(await page.textContent("#card .reason"), /dead here/);
  }));

test("a network that learns has nothing to look at", () =>
  withPage(alexnet.file, async (page) => {
    assert.ok(!(await page.locator("#findings").isVisible()));
  }));

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

test("detach and no_grad are named where a gradient ends", async () => {
  // The second layer's input is cut off, once by detach and once by no_grad.
  const cut = (kind) =>
    changedNetwork(trained, (network) => {
      const { gates, values } = network;
      network.formulas.push({ ...network.formulas[0], gate: kind });
      gates.formula[1] = network.formulas.length - 1;
      values.needs[gates.output[1]] = 0;
      for (const value of [gates.output[0], gates.output[1]]) values.gradient[value] = null;
    });
  for (const [kind, expected] of [
    ["Detach", /Why has g1 no gradient\? g2 \(Detach\) cuts the graph: no gradient goes through detach/],
    ["Relu", /Why has g1 no gradient\? g2 \(Relu\) ran under no_grad: the gradient ends there/],
  ]) {
    await withPage(cut(kind), async (page) => {
      await page.fill("#search", "g1 linear");
      await page.click("#row-0");
      assert.match(await page.textContent(".reason"), expected);
      await page.click(".reason button");
      assert.match(await page.textContent("#card h2"), new RegExp(`g2 · ${kind}`));
    });
  }
});

test("pages of three sizes are shown in time and are small enough", async () => {
  const sizes = [
    [alexnet.file, 250_000, 500],
    [trained, 250_000, 500],
    [long, 5_000_000, 2000],
  ];
  for (const [file, most, milliseconds] of sizes) {
    const { size } = statSync(file);
    assert.ok(size <= most, `the file has ${size} bytes`);
    const time = await timeToShow(browser, file, ".row", milliseconds);
    console.log(`# ${size} bytes, shown after ${time.toFixed(0)} ms of the processor's time`);
    assert.ok(time <= milliseconds, `it is shown after ${time.toFixed(0)} ms`);
  }
});

test("a network prints all rows and the card, without the controls", () =>
  withPage(alexnet.file, async (page) => {
    await page.click("#open-all");
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    await page.emulateMedia({ media: "print" });
    assert.ok(await page.locator("#card").isVisible());
    // Nothing is cut: the last gate stands inside the list's frame.
    const last = alexnet.library.gates.length + 1;
    const [row, frame] = await Promise.all([
      page.locator(`#row-${last}`).boundingBox(),
      page.locator("#list").boundingBox(),
    ]);
    assert.ok(row.y + row.height <= frame.y + frame.height + 1);
    for (const id of ["search", "scrub", "compare"]) assert.ok(!(await page.locator(`#${id}`).isVisible()));
  }));

test("nothing jumps while a network is stepped through and coloured", () =>
  withPage(alexnet.file, async (page) => {
    await page.click("#open-all");
    const tops = new Set();
    for (let i = 0; i < 8; i += 1) {
      await page.click("#forward");
      await page.selectOption("#measure", ["time", "memory", "gradient", "cost"][i % 4]);
      tops.add(
        await page.evaluate(() =>
          [".memory", ".list-frame", "#card"]
            .map((id) => document.querySelector(id).getBoundingClientRect().top)
            .join(),
        ),
      );
    }
    assert.equal(tops.size, 1);
  }));

test("100,000 gates open folded", () =>
  withPage(long, async (page) => {
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
  }));

test("in 100,000 gates every one is found, and told why its gradient vanished", () =>
  withPage(long, async (page) => {
    await page.keyboard.press("/");
    await page.keyboard.type("g50000");
    assert.equal(await page.textContent("#found"), "1 found");
    await page.click("#row-0");
    assert.match(await page.textContent("#card h2"), /g50000 · Add/);
    assert.match(
      await page.textContent(".reason"),
      /zero\? g\d+ \(\w+\) receives only [\d.]+e-\d+, whose product/,
    );
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
