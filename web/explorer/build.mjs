// Builds the page: one HTML file with the styles and the script inside, which the library embeds, packed.
// `node build.mjs --check` only compares, and fails if the committed page is not what the source builds to.

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

const target = new URL("../../crates/chainrule/src/explorer/page.html.gz", import.meta.url);

async function bundle(entry) {
  const result = await build({
    absWorkingDir: fileURLToPath(new URL(".", import.meta.url)),
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    charset: "utf8",
    format: "iife",
    target: ["es2022", "chrome109", "firefox115", "safari16.4"],
    legalComments: "none",
  });
  return result.outputFiles[0].text.trim();
}

const script = (await bundle("src/main.ts")).replace(/<\/(?=script)/gi, "<\\/").replace(/<!--/g, "<\\!--");
const style = await bundle("src/style.css");
const template = await readFile(new URL("src/template.html", import.meta.url), "utf8");
const page = template.replace("/*STYLE*/", () => style).replace("/*SCRIPT*/", () => script);

if (process.argv.includes("--check")) {
  if (gunzipSync(await readFile(target)).toString("utf8") !== page) {
    console.error(
      "crates/chainrule/src/explorer/page.html.gz is out of date: run `npm run build` in web/explorer",
    );
    process.exit(1);
  }
} else {
  const packed = gzipSync(page, { level: 9 });
  await writeFile(target, packed);
  console.log(
    `page.html: ${(page.length / 1024).toFixed(1)} KiB, packed ${(packed.length / 1024).toFixed(1)} KiB`,
  );
}
