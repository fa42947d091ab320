// Formulas as MathML, made from expression trees.

import type { Tree } from "./data";
import { pretty } from "./format";

export const escapeText = (text: string): string =>
  text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");

/** How tightly a formula's outermost operation binds. */
enum Level {
  Choice = 0,
  Sum = 1,
  Product = 2,
  Power = 4,
  Atom = 5,
}

interface Piece {
  markup: string;
  level: Level;
}

const row = (...parts: string[]): string => `<mrow>${parts.join("")}</mrow>`;
const operator = (text: string): string => `<mo>${text}</mo>`;
const fenced = (inner: string): string => row("<mo>(</mo>", inner, "<mo>)</mo>");

/** A name; digits at its end are an index: w0 is w with subscript 0. */
export function nameMarkup(name: string): string {
  const indexed = /^(\p{L}+)_?(\d+)$/u.exec(name);
  if (indexed) return `<msub><mi>${indexed[1]}</mi><mn>${indexed[2]}</mn></msub>`;
  return `<mi>${escapeText(name)}</mi>`;
}

const POWER_OF_TEN = /^(.*)e(-?\d+)$/;

/** A number; very large and very small ones as a multiple of a power of ten. */
export function numberMarkup(x: number): string {
  const text = pretty(x);
  const negative = text.startsWith("−");
  const size = negative ? text.slice(1) : text;
  const scientific = POWER_OF_TEN.exec(size);
  const plain = scientific
    ? row(
        `<mn>${scientific[1]}</mn>`,
        operator("·"),
        `<msup><mn>10</mn><mn>${scientific[2]?.replace("-", "−")}</mn></msup>`,
      )
    : `<mn>${size}</mn>`;
  return negative ? row('<mo form="prefix">−</mo>', plain) : plain;
}

const SIGNS: Record<string, string> = { if_gt: "&gt;", if_ge: "≥", if_eq: "=" };
const TURNED: Record<string, string> = { if_gt: "&lt;", if_ge: "≤", if_eq: "=" };
const NAMES: Record<string, string> = { log: "ln", sigmoid: "σ", expm1: "expm1", log1p: "log1p" };

function within(piece: Piece, least: Level): string {
  return piece.level < least ? fenced(piece.markup) : piece.markup;
}

function call(operation: string, parts: readonly Tree[]): string {
  const inner = parts.map((part) => render(part).markup).join("<mo separator='true'>,</mo>");
  return row(`<mi>${escapeText(NAMES[operation] ?? operation)}</mi>`, "<mo>&#x2061;</mo>", fenced(inner));
}

const isNumber = (tree: Tree | undefined): boolean =>
  typeof tree === "number" || (Array.isArray(tree) && tree[0] === "value");

function render(tree: Tree): Piece {
  if (typeof tree === "number") {
    return { markup: numberMarkup(tree), level: tree < 0 ? Level.Sum : Level.Atom };
  }
  if (typeof tree === "string") return { markup: nameMarkup(tree), level: Level.Atom };
  const [operation, ...parts] = tree;
  const part = (i: number, least: Level): string => within(render(parts[i] ?? 0), least);
  switch (operation) {
    case "inf":
      return { markup: numberMarkup(Number.POSITIVE_INFINITY), level: Level.Atom };
    case "nan":
      return { markup: numberMarkup(Number.NaN), level: Level.Atom };
    case "value": {
      const x = Number(parts[0]);
      const markup = `<mrow class="value">${numberMarkup(x)}</mrow>`;
      return { markup, level: x < 0 || Object.is(x, -0) ? Level.Sum : Level.Atom };
    }
    case "neg":
      return { markup: row('<mo form="prefix">−</mo>', part(0, Level.Product)), level: Level.Sum };
    case "add":
      return { markup: row(part(0, Level.Sum), operator("+"), part(1, Level.Product)), level: Level.Sum };
    case "sub":
      return { markup: row(part(0, Level.Sum), operator("−"), part(1, Level.Product)), level: Level.Sum };
    case "mul": {
      const sign = isNumber(parts[1]) ? operator("×") : operator("·");
      return { markup: row(part(0, Level.Product), sign, part(1, Level.Product)), level: Level.Product };
    }
    case "div":
      return {
        markup: `<mfrac>${part(0, Level.Choice)}${part(1, Level.Choice)}</mfrac>`,
        level: Level.Product,
      };
    case "pow":
      return { markup: `<msup>${part(0, Level.Atom)}${part(1, Level.Choice)}</msup>`, level: Level.Power };
    case "exp":
      return { markup: `<msup><mi>e</mi>${part(0, Level.Choice)}</msup>`, level: Level.Power };
    case "sqrt":
      return { markup: `<msqrt>${part(0, Level.Choice)}</msqrt>`, level: Level.Atom };
    case "abs":
      return { markup: row("<mo>|</mo>", part(0, Level.Choice), "<mo>|</mo>"), level: Level.Atom };
    case "vector": {
      const inner = parts.map((item) => render(item).markup).join("<mo separator='true'>,</mo>");
      return { markup: row("<mo>[</mo>", inner, "<mo>]</mo>"), level: Level.Atom };
    }
    case "if_gt":
    case "if_ge":
    case "if_eq": {
      // What changes stands in front of what it is compared with: x < 0 and not 0 > x.
      const turned = typeof parts[0] === "number" && typeof parts[1] !== "number";
      const [left, right] = turned ? [1, 0] : [0, 1];
      const sign = (turned ? TURNED : SIGNS)[operation] ?? "";
      const condition = row(part(left, Level.Sum), operator(sign), part(right, Level.Sum));
      const line = (value: string, words: string, test: string) =>
        `<mtr><mtd>${value}</mtd><mtd><mtext>${words}</mtext>${test}</mtd></mtr>`;
      const table = `<mtable class="cases">${line(part(2, Level.Sum), "if\u00a0", condition)}${line(part(3, Level.Sum), "else", "")}</mtable>`;
      return { markup: row('<mo stretchy="true">{</mo>', table), level: Level.Choice };
    }
    default:
      return { markup: call(operation, parts), level: Level.Atom };
  }
}

/** The formula of a tree, to stand inside a `math` element. */
export const formula = (tree: Tree): string => render(tree).markup;

/** A formula as a factor: in parentheses where it needs them. */
export const factor = (tree: Tree): string => within(render(tree), Level.Product);

/** A number as a factor, in the colour of its kind. */
export const numberFactor = (x: number, kind: string): string => {
  const markup = numberMarkup(x);
  return `<mrow class="${kind}">${x < 0 ? fenced(markup) : markup}</mrow>`;
};

/** ∂a/∂b */
export const partial = (a: string, b: string): string =>
  `<mfrac><mrow><mo form="prefix" lspace="0" rspace="0">∂</mo>${nameMarkup(a)}</mrow><mrow><mo form="prefix" lspace="0" rspace="0">∂</mo>${nameMarkup(b)}</mrow></mfrac>`;

/** A formula with a word under it. */
export const captioned = (inner: string, caption: string): string =>
  `<munder><mrow>${inner}</mrow><mtext class="caption">${escapeText(caption)}</mtext></munder>`;

export const math = (inner: string, label = ""): string =>
  `<math${label ? ` aria-label="${escapeText(label)}"` : ""}><mstyle displaystyle="true">${inner}</mstyle></math>`;
