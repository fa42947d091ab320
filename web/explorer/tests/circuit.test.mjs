// The page of a small graph, in a real browser.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { changed, explain, launch, open } from "./browser.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const PRODUCT = ["(x+y)*z", "x=-2", "y=5", "z=-4"];
const NEURON = ["1/(1+exp(-(w0*x0+w1*x1+w2)))", "w0=2", "x0=-1", "w1=-3", "x1=-2", "w2=-3"];
const FORK = ["x*y + sin(x)*x", "x=2", "y=3"];
const EVERYTHING = [
  "max(relu(a*b+c), tanh(a-c)) + (a/b)^2 + abs(c)*exp(-a) - log(b) + sqrt(b)*erf(a)*cos(c) + min(sigmoid(a), sign(b), log1p(b)) + expm1(c)",
  "a=1.5",
  "b=2",
  "c=-0.5",
];
const VECTORS = ["dot(softmax(v), [0,1,0]) + sum(relu(v*2 - w)) * a", "v=[1,2,3]", "w=[0.5,5,1]", "a=0.3"];

async function withPage(source, body, options) {
  const made = explain(...source);
  const { page, complaints } = await open(browser, made.file, options);
  try {
    await body(page, made);
    assert.deepEqual(complaints, []);
  } finally {
    await page.close();
  }
}

const where = (page) => page.textContent("#where");
const formulas = async (page) => (await page.textContent("#formulas")).replace(/\s+/g, "");
const gradient = (page, name) => page.textContent(`[data-gradient-of="${name}"]`);
/** All texts of a kind on the drawing that are not empty. */
const labels = (page, kind) =>
  page.$$eval(`#canvas text.${kind}`, (all) => all.map((one) => one.textContent).filter(Boolean));

/** The library's format, written a second time: at most four digits, ties to even. */
function printed(x) {
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e6 || size < 1e-4) return x.toExponential(4).replace("e+", "e").replace(/^-/, "−");
  return String(Number(x.toFixed(4))).replace("-", "−");
}

for (const source of [PRODUCT, NEURON, FORK, EVERYTHING, VECTORS]) {
  test(`every number equals the library's: ${source[0]}`, () =>
    withPage(source, async (page, { library }) => {
      assert.match(await page.textContent("#replay"), /^replay: all \d+ numbers equal$/);
      for (const input of library.inputs) {
        for (const [i, x] of input.gradient.entries()) {
          const name = input.gradient.length > 1 ? `${input.name}[${i}]` : input.name;
          assert.equal(await gradient(page, name), printed(x), `the gradient of ${name}`);
          assert.equal(Number(await page.inputValue(`[data-input="${name}"]`)), input.value[i]);
        }
      }
      // The table has a row for each input of each gate, in the library's order.
      await page.click("#numbers summary");
      const bodies = await page.$$eval("#table tbody", (all) =>
        all.map((body) => [...body.querySelectorAll("td")].map((cell) => cell.textContent)),
      );
      assert.equal(bodies.length, library.gates.length);
      const one = (list) => (list.length === 1 ? printed(list[0]) : `[${list.map(printed).join(", ")}]`);
      for (const [i, gate] of library.gates.entries()) {
        assert.equal(bodies[i][0], one(gate.value), `the value of ${gate.name}`);
        assert.equal(bodies[i][1], gate.upstream ? one(gate.upstream) : "—", `upstream of ${gate.name}`);
        const passed = gate.inputs.filter((input) => input.passed).map((input) => one(input.passed));
        const shown = bodies[i].slice(2).filter((_, place) => place % 3 === 2);
        assert.deepEqual(
          passed,
          shown.filter((text) => text !== "—"),
          `what ${gate.name} passes on`,
        );
      }
      // And the drawing shows the values that the table has.
      const drawn = await labels(page, "value");
      for (const gate of library.gates) {
        if (gate.value.length === 1)
          assert.ok(drawn.includes(printed(gate.value[0])), `${gate.name} is drawn`);
      }
    }));
}

test("stepping forward and backward, by keyboard", () =>
  withPage(PRODUCT, async (page) => {
    assert.equal(await where(page), "all done");
    await page.keyboard.press("Home");
    assert.equal(await where(page), "start");
    assert.deepEqual(await labels(page, "value"), ["−2", "5", "−4"]);
    assert.deepEqual(await labels(page, "gradient"), []);
    await page.keyboard.press("ArrowRight");
    assert.equal(await where(page), "forward 1 of 2");
    assert.match(await formulas(page), /g1=x\+y=−2\+5=3/);
    assert.deepEqual((await labels(page, "value")).sort(), ["3", "5", "−2", "−4"].sort());
    for (let i = 0; i < 2; i += 1) await page.keyboard.press("ArrowRight");
    assert.equal(await where(page), "turning back");
    assert.deepEqual(await labels(page, "gradient"), ["1"]);
    await page.keyboard.press("ArrowRight");
    assert.equal(await where(page), "backward 1 of 2");
    assert.match(await formulas(page), /upstream·∂L∂g1local=1·z=1×\(−4\)=−4/);
    assert.deepEqual((await labels(page, "gradient")).sort(), ["1", "3", "−4"]);
    assert.deepEqual((await labels(page, "local")).sort(), ["3", "−4"]);
    await page.keyboard.press("ArrowLeft");
    assert.equal(await where(page), "turning back");
    await page.keyboard.press("End");
    assert.equal(await where(page), "all done");
  }));

test("play, pause, and scrub", () =>
  withPage(PRODUCT, async (page) => {
    // The page's clock is the test's, so that nothing depends on how fast the machine is.
    await page.clock.install();
    await page.selectOption("#speed", { label: "fast" });
    await page.locator("body").press("Space");
    await page.clock.runFor(2 * 450);
    assert.equal(await where(page), "forward 2 of 2");
    assert.equal(await page.textContent("#play"), "Pause");
    await page.click("#play");
    assert.equal(await page.textContent("#play"), "Play");
    await page.clock.runFor(10_000);
    assert.equal(await where(page), "forward 2 of 2");
    await page.click("#play");
    await page.clock.runFor(3 * 450);
    assert.equal(await where(page), "backward 2 of 2");
    await page.clock.runFor(10_000);
    assert.equal(await where(page), "all done");
    assert.equal(await page.textContent("#play"), "Play");
    await page.locator("#scrub").fill("4");
    assert.equal(await where(page), "backward 1 of 2");
    assert.equal(await page.getAttribute("#scrub", "aria-valuetext"), "backward 1 of 2");
    await page.click('[data-gate="g1"]');
    assert.equal(await where(page), "backward 2 of 2");
  }));

test("gates and inputs are reached and pressed with the keyboard", () =>
  withPage(PRODUCT, async (page) => {
    const focused = () =>
      page.evaluate(
        () => ({ ...document.activeElement.dataset }).gate ?? document.activeElement.dataset.leaf,
      );
    await page.focus("#stage");
    const seen = [];
    for (let i = 0; i < 5; i += 1) {
      await page.keyboard.press("Tab");
      seen.push(await focused());
      const width = await page.evaluate(
        () => getComputedStyle(document.activeElement.querySelector("rect")).strokeWidth,
      );
      assert.ok(Number.parseFloat(width) >= 3, "what has the focus is marked");
    }
    assert.deepEqual(seen, ["x", "y", "z", "g1", "L"]);
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Space");
    assert.equal(await where(page), "backward 2 of 2");
    assert.equal(await page.textContent("#play"), "Play");
    await page.focus('[data-leaf="y"]');
    await page.keyboard.press("ArrowUp");
    assert.equal(await page.inputValue('[data-input="y"]'), "5.1");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.dataset.input), "y");
    // From there to the nudge of the same row.
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    assert.match(await page.textContent(".measured-cell strong"), /^−4$/);
    assert.equal(
      await page.getAttribute(".nudge[aria-pressed=true]", "aria-label"),
      "Nudge y and measure the slope",
    );
  }));

test("a quiz asks for what can be answered", async () => {
  // Only arrays: nothing to ask.
  await withPage(["sum(v)", "v=[1,2]"], async (page) => {
    assert.ok(!(await page.locator("#quiz").isVisible()));
    await page.keyboard.press("q");
    assert.equal(await where(page), "all done");
  });
  // An infinite gradient is nobody's answer.
  await withPage(["sqrt(x) + y", "x=0", "y=2"], async (page) => {
    await page.click("#quiz");
    const asked = await page.$$eval(".fields input", (all) => all.map((one) => one.dataset.gradient));
    assert.deepEqual(asked.sort(), ["g1", "y"]);
  });
});

test("at a fork the sum grows by one term a path", () =>
  withPage(FORK, async (page, { library }) => {
    const x = library.inputs.find((input) => input.name === "x").gradient[0];
    const seen = [];
    await page.keyboard.press("Home");
    for (let i = 0; (await where(page)) !== "all done" && i < 20; i += 1) {
      await page.keyboard.press("ArrowRight");
      const text = await formulas(page);
      const words = /(\d)of3pathssofar|all(3)paths/.exec(text);
      if (words) seen.push(words[1] ?? words[2]);
    }
    assert.deepEqual(seen, ["1", "2", "3"]);
    assert.equal(await gradient(page, "x"), printed(x));
  }));

test("editing a leaf recomputes everything, as the library would", async () => {
  const other = explain("x*y + sin(x)*x", "x=-0.75", "y=3").library;
  await withPage(FORK, async (page) => {
    await page.fill('[data-input="x"]', "-0.75");
    for (const input of other.inputs) {
      assert.equal(await gradient(page, input.name), printed(input.gradient[0]));
    }
    assert.ok((await labels(page, "value")).includes(printed(other.value)));
    await page.click("#reset");
    assert.equal(await page.inputValue('[data-input="x"]'), "2");
    assert.equal(await gradient(page, "y"), "2");
    // A drag of 40 pixels on the drawing is ten steps of 0.1.
    const box = await page.locator('[data-leaf="y"]').boundingBox();
    await page.mouse.move(box.x + 20, box.y + 12);
    await page.mouse.down();
    await page.mouse.move(box.x + 60, box.y + 12, { steps: 4 });
    await page.mouse.up();
    assert.equal(await page.inputValue('[data-input="y"]'), "4");
    assert.equal(await gradient(page, "y"), "2");
    // And a click goes to the field, arrows change it without the mouse.
    await page.click('[data-leaf="y"]');
    assert.equal(await page.evaluate(() => document.activeElement.dataset.input), "y");
    await page.locator('[data-leaf="y"]').press("ArrowDown");
    assert.equal(await page.inputValue('[data-input="y"]'), "3.9");
  });
});

test("a nudge measures what the gradient says", () =>
  withPage(NEURON, async (page, { library }) => {
    await page.selectOption("#nudge-step", "0.00001");
    for (const input of library.inputs) {
      await page.click(`[data-nudge="${input.name}"]`);
      const measured = await page.textContent(`[data-measured="${input.name}"] strong`);
      assert.equal(measured, printed(input.gradient[0]));
    }
    // It follows a change.
    await page.fill('[data-input="w0"]', "0.5");
    assert.equal(await page.textContent('[data-measured="x0"] strong'), await gradient(page, "x0"));
  }));

test("the quiz hides the gradients, checks and explains", () =>
  withPage(PRODUCT, async (page) => {
    await page.locator("body").press("q");
    assert.deepEqual(await labels(page, "gradient"), []);
    assert.deepEqual(await labels(page, "local"), []);
    assert.equal(await gradient(page, "x"), "?");
    const field = (name) => page.locator(`.fields [data-gradient="${name}"]`);
    const feedback = () => page.textContent("#feedback");
    const answer = async (name, text) => {
      await field(name).fill(text);
      await field(name).press("Enter");
    };
    await answer("g1", "4");
    assert.match(await feedback(), /sign/);
    assert.equal(await field("g1").getAttribute("aria-invalid"), "true");
    await answer("g1", "-4");
    assert.match(await feedback(), /Right.*1 of 4 right/);
    await answer("z", "six");
    assert.match(await feedback(), /Type a number/);
    await answer("z", "6/2");
    assert.match(await feedback(), /2 of 4 right/);
    await answer("x", "1");
    assert.match(await feedback(), /local gradient/);
    await answer("x", "-2");
    assert.match(await feedback(), /the value of x/);
    await answer("x", "−4");
    await page.click("#reveal");
    assert.equal(await field("y").inputValue(), "−4");
    assert.match(await feedback(), /3 of 4 right, 1 shown/);
    await page.click("#quiz");
    assert.equal(await gradient(page, "x"), "−4");
    assert.equal(await page.locator(".fields input").count(), 0);
  }));

test("a page whose numbers can't be reproduced says so", async () => {
  const { file } = explain(...PRODUCT);
  const wrong = changed(file, (data) => {
    data.values[3].value[0] = 3.001;
  });
  const { page } = await open(browser, wrong);
  assert.equal(await page.textContent("#replay"), "replay differs");
  assert.match(
    await page.textContent('[role="alert"]'),
    /the value of g1 is 3.001 in the library and 3 on this page/,
  );
  await page.close();
});

test("a page with a gate that it can't compute shows the library's numbers", async () => {
  const { file } = explain(...VECTORS);
  const foreign = changed(file, (data) => {
    for (const gate of data.gates) if (gate.name === "Softmax") gate.name = "Wavelet";
  });
  const { page, complaints } = await open(browser, foreign);
  assert.equal(await page.textContent("#replay"), "numbers from the library");
  assert.match(await page.textContent("#inputs"), /no formula to recompute Wavelet/);
  assert.ok(await page.locator('[data-input="a"]').isDisabled());
  assert.deepEqual(complaints, []);
  await page.close();
});

/** The contrast of a text with what lies behind it. */
const contrast = (page, selector, background) =>
  page.evaluate(
    ([text, back]) => {
      const luminance = (colour) => {
        const parts = colour
          .match(/[\d.]+/g)
          .slice(0, 3)
          .map((x) => Number(x) / 255);
        const [r, g, b] = parts.map((x) => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const element = document.querySelector(text);
      const style = getComputedStyle(element);
      const a = luminance(element instanceof SVGElement ? style.fill : style.color);
      const b = luminance(getComputedStyle(document.querySelector(back)).backgroundColor);
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    },
    [selector, background],
  );

for (const colorScheme of ["light", "dark"]) {
  test(`legible in ${colorScheme} mode`, () =>
    withPage(
      NEURON,
      async (page) => {
        const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const bright = Number(paper.match(/\d+/)[0]) > 128;
        assert.equal(bright, colorScheme === "light");
        for (const kind of ["value", "gradient", "local", "gate-name"]) {
          const found = await contrast(page, `#canvas text.${kind}`, ".stage-frame");
          assert.ok(found >= 4.5, `${kind} has a contrast of ${found.toFixed(1)}`);
        }
        assert.ok((await contrast(page, "#play", "#play")) >= 4.5);
        // The button goes from the system's colours to light, to dark, and back.
        await page.click("#theme");
        await page.click("#theme");
        assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
      },
      { colorScheme },
    ));
}

test("nothing jumps while stepping, and wide drawings scroll inside their frame", () =>
  withPage(
    NEURON,
    async (page) => {
      // 200 % zoom of a 1280-pixel window leaves 640.
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
      await page.keyboard.press("Home");
      const tops = new Set();
      for (let i = 0; i < 19; i += 1) {
        await page.keyboard.press("ArrowRight");
        const boxes = await page.evaluate(() =>
          ["#stage", "#canvas", ".player", ".explanation"].map((id) => {
            const { top, width } = document.querySelector(id).getBoundingClientRect();
            return `${top + scrollY} ${width}`;
          }),
        );
        tops.add(boxes.join());
      }
      assert.equal(tops.size, 1);
      const shifts = await page.evaluate(
        () =>
          new Promise((resolve) => {
            let total = 0;
            new PerformanceObserver((list) => {
              for (const entry of list.getEntries()) total += entry.value;
            }).observe({ type: "layout-shift", buffered: true });
            setTimeout(() => resolve(total), 100);
          }),
      );
      assert.ok(shifts < 0.02, `layout shifts add up to ${shifts}`);
    },
    { viewport: { width: 640, height: 400 } },
  ));

test("what is focusable has a name, in an order that makes sense", () =>
  withPage(PRODUCT, async (page) => {
    const nameless = await page.$$eval("button, input, select, [tabindex]", (all) =>
      all
        .filter((one) => !one.getAttribute("aria-label") && !one.textContent.trim() && !one.labels?.length)
        .map((one) => one.outerHTML),
    );
    assert.deepEqual(nameless, []);
    const first = [];
    for (let i = 0; i < 12; i += 1) {
      await page.keyboard.press("Tab");
      first.push(
        await page.evaluate(() => {
          const { id, dataset } = document.activeElement;
          return id || dataset.leaf || dataset.gate || "";
        }),
      );
    }
    assert.deepEqual(first.slice(0, 7), ["theme", "stage", "x", "y", "z", "g1", "L"]);
    assert.match(
      await page.getAttribute('[data-gate="g1"]', "aria-label"),
      /Gate g1: Add, value 3, gradient −4/,
    );
    // A gate is reached and chosen without the mouse.
    await page.locator('[data-gate="g1"]').press("Enter");
    assert.equal(await where(page), "backward 2 of 2");
    assert.match(
      await page.textContent("#spoken"),
      /Backward through Add: upstream −4; passes −4 to x and −4 to y/,
    );
  }));

test("prints the circuit and the table without the controls", () =>
  withPage(PRODUCT, async (page) => {
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    await page.emulateMedia({ media: "print" });
    assert.ok(await page.locator("#canvas svg").isVisible());
    assert.ok(await page.locator("#table table").isVisible());
    assert.ok(!(await page.locator(".player").isVisible()));
    assert.ok(!(await page.locator("#theme").isVisible()));
  }));

/** The inputs that the page says get no usable gradient: name, problem, reason. */
const findings = (page) =>
  page.$$eval("#findings tr", (all) =>
    all.map((row) => [...row.children].map((cell) => cell.textContent.trim())),
  );

test("why a gradient is zero, missing or not finite", async () => {
  const cases = [
    [["relu(x)*y", "x=-1", "y=2"], "x", "zero", /^g1 \(Relu\) is dead here: its input is not above 0/],
    [["x*y", "x=3", "y=0"], "x", "zero", /^L \(Mul\) multiplies the gradient by y, which is 0\./],
    [["sign(x) + y", "x=1.5", "y=2"], "x", "zero", /^g1 \(Sign\) .* it is a step/],
    [["tanh(x)*y", "x=90", "y=2"], "x", "zero", /^g1 \(Tanh\) .* it is saturated/],
    [["x - x + y", "x=1", "y=2"], "x", "zero", /^g1 \(Sub\) reads x 2 times, and the terms cancel/],
    [["sqrt(x) + y", "x=0", "y=2"], "x", "not finite", /^g1 \(Sqrt\) .* its local gradient is infinite/],
    [["log(x)*x*y", "x=0", "y=2"], "y", "not finite", /first value that isn't finite is .* g1 \(Log\)/],
    [["sum(softmax(v))", "v=[1,1,1,1]"], "v", "zero", /^g1 \(Softmax\) .* their sum is always 1/],
  ];
  for (const [source, name, problem, reason] of cases) {
    await withPage(source, async (page) => {
      const found = (await findings(page)).find(([input]) => input === name);
      assert.equal(found?.[1], problem, source[0]);
      assert.match(found[2], reason);
      assert.ok(await page.locator("#findings").isVisible());
      // The way to the gate leads to the step at which it says so.
      await page.click("#findings button.link");
      assert.match(await page.textContent("#formulas .reason"), /^Why (is|has)/);
    });
  }
});

test("the reason for a dead gate comes and goes with the input's value", () =>
  withPage(["relu(x) + y", "x=1", "y=2"], async (page) => {
    const shown = () => page.locator("#findings").isVisible();
    assert.ok(!(await shown()));
    await page.fill('[data-input="x"]', "-1");
    assert.equal(await page.textContent("#findings summary"), "x gets no usable gradient");
    await page.keyboard.press("Escape");
    await page.keyboard.press("q");
    assert.ok(!(await shown()), "a quiz doesn't tell");
    await page.keyboard.press("Escape");
    await page.keyboard.press("q");
    assert.ok(await shown());
    await page.click("#findings button.link");
    assert.equal(await where(page), "backward 2 of 2");
    const text = await page.textContent("#formulas .reason");
    assert.match(text, /Why is the gradient of x zero\? g1 \(Relu\) is dead here/);
    assert.match(await page.textContent("#spoken"), /Why is the gradient of x zero\?/);
    await page.fill('[data-input="x"]', "1");
    assert.ok(!(await shown()));
  }));

test("fits a telephone", () =>
  withPage(
    ["relu(x)*y + z", "x=-1", "y=2", "z=3"],
    async (page) => {
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
      const boxes = await page.$$eval(".legend li, .zoom", (all) =>
        all.map((one) => one.getBoundingClientRect().toJSON()),
      );
      const zoom = boxes.pop();
      for (const box of boxes)
        assert.ok(box.right <= zoom.left || box.bottom <= zoom.top || box.top >= zoom.bottom);
      // Fields and nudges are in sight; reasons are read without scrolling aside.
      for (const selector of [".nudge", "#findings"]) {
        const { x, width } = await page.locator(selector).first().boundingBox();
        assert.ok(x >= 0 && x + width <= 390, selector);
      }
      assert.ok(
        await page.$eval(
          "#findings .scroll",
          (one) => one.scrollWidth <= one.clientWidth && one.clientWidth > 200,
        ),
      );
    },
    { viewport: { width: 390, height: 844 }, hasTouch: true },
  ));
