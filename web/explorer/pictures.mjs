// Makes the documentation's pictures of the page: `npm run pictures`. It needs Chromium and the built program and
// examples; times are worth showing if CHAINRULE names a release build.

import { mkdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { cost, explain, launch, open, pitfalls } from "./tests/browser.mjs";

const folder = fileURLToPath(new URL("../../docs/images/", import.meta.url));
mkdirSync(folder, { recursive: true });
const browser = await launch();

async function picture(name, file, size, prepare) {
  const { page, complaints } = await open(browser, file, { viewport: size });
  if (complaints.length > 0) throw new Error(complaints.join("\n"));
  await prepare(page);
  // Animations stand still.
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.waitForTimeout(300);
  const path = `${folder}${name}.png`;
  await page.screenshot({ path });
  await page.close();
  const { size: bytes } = statSync(path);
  console.log(`docs/images/${name}.png: ${(bytes / 1000).toFixed(0)} kB`);
  if (bytes > 200_000) throw new Error("a picture of the documentation has at most 200 kB");
}

const fork = explain("x*y + sin(x)*x", "x=2", "y=3");
await picture("explorer-circuit", fork.file, { width: 1280, height: 720 }, async (page) => {
  for (let i = 0; i < 2; i += 1) await page.keyboard.press("ArrowLeft");
});

const alexnet = cost("alexnet", "--batch", "1", "--threads", "1", "--steps", "25");
await picture("explorer-network", alexnet.file, { width: 1280, height: 720 }, async (page) => {
  await page.click("#open-all");
  await page.click("#row-4");
  await page.fill("#scrub", "30");
  await page.locator("#list .list").evaluate((list) => list.scrollTo(0, 0));
});

await picture("explorer-findings", pitfalls(), { width: 1280, height: 400 }, async (page) => {
  await page.click("#findings summary");
});
await browser.close();
