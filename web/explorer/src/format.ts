// Numbers as the library prints them: at most four digits after the point, ties to the even digit.

/** Whether a number lies exactly between two with `digits` digits, so that the last digit must be chosen. */
function isTie(scaled: number): boolean {
  return Number.isFinite(scaled) && Math.abs(scaled % 1) === 0.5;
}

function evenNeighbour(scaled: number): number {
  return 2 * Math.round(scaled / 2);
}

/** A number as text, as in the output of `chainrule explain`. */
export function short(x: number): string {
  if (x === 0) return "0";
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  const size = Math.abs(x);
  if (size >= 1e6 || size < 1e-4) {
    return x.toExponential(4).replace("e+", "e");
  }
  // Only multiples of 1/32 can lie exactly between two numbers of four digits.
  const tie = Number.isInteger(x * 32) && isTie(x * 10000);
  const fixed = (tie ? evenNeighbour(x * 10000) / 10000 : x).toFixed(4);
  return fixed.replace(/\.?0+$/, "");
}

/** The same with a real minus sign, for reading. */
export function pretty(x: number): string {
  return short(x).replace("-", "−").replace("e−", "e-").replace("inf", "∞");
}

/** A value in one line; long vectors are cut. */
export function prettyAll(values: readonly number[], rank: number, most = 4): string {
  if (rank === 0 && values.length === 1) return pretty(values[0] ?? Number.NaN);
  const shown = values.slice(0, values.length > most ? most - 1 : most).map(pretty);
  return `[${shown.join(", ")}${values.length > most ? ", …" : ""}]`;
}
