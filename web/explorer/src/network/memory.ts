// How much memory the values kept for the backward pass take, step by step.

import type { Network } from "./data";

/** Bytes alive after each step: as many forward steps as gates, then as many backward. */
export function memoryCurve(network: Network): Float64Array {
  const { count } = network;
  const alive = new Float64Array(2 * count);
  let now = 0;
  for (let gate = 0; gate < count; gate += 1) {
    now += network.kept(gate);
    alive[gate] = now;
  }
  // Backward runs from the last gate. What several gates read goes with the earliest of them, which kept it first.
  for (let gate = count - 1; gate >= 0; gate -= 1) {
    alive[2 * count - 1 - gate] = now;
    now -= network.kept(gate);
  }
  return alive;
}

/** Bytes in a unit that reads well. */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit + 1 < units.length) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toPrecision(3)} ${units[unit]}`;
}

/** A count in a unit that reads well: 1.2 M. */
export function countText(count: number): string {
  const units = ["", " k", " M", " G", " T"];
  let size = count;
  let unit = 0;
  while (size >= 1000 && unit + 1 < units.length) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toPrecision(3)}${units[unit]}`;
}

/** Nanoseconds in a unit that reads well. */
export function timeText(nanoseconds: number): string {
  const units = ["ns", "µs", "ms", "s"];
  let size = nanoseconds;
  let unit = 0;
  while (size >= 1000 && unit + 1 < units.length) {
    size /= 1000;
    unit += 1;
  }
  return `${size === 0 ? 0 : size.toPrecision(size >= 100 ? Math.ceil(Math.log10(size + 1)) : 3)} ${units[unit]}`;
}
