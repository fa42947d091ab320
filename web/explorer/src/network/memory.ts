// How much memory the values kept for the backward pass take, step by step.

import type { Network } from "./data";

/** Bytes alive after each step: as many forward steps as gates, then as many backward. */
export function memoryCurve(network: Network): Float64Array {
  const { count } = network;
  const change = new Float64Array(2 * count + 1);
  const firstSaved = new Map<number, number>();
  const lastUsed = new Map<number, number>();
  for (let gate = 0; gate < count; gate += 1) {
    for (const value of network.saved(gate)) {
      if (!firstSaved.has(value)) firstSaved.set(value, gate);
      // Backward runs from the last gate: the earliest gate that reads it there is the last to let go.
      if (!lastUsed.has(value)) lastUsed.set(value, 2 * count - 1 - gate);
    }
  }
  for (const [value, gate] of firstSaved) {
    // Inputs and constants exist anyway.
    if ((network.maker[value] ?? -1) < 0) continue;
    const { bytes } = network.shape(value);
    change[gate] = (change[gate] ?? 0) + bytes;
    const end = (lastUsed.get(value) ?? 2 * count - 1) + 1;
    change[end] = (change[end] ?? 0) - bytes;
  }
  const alive = new Float64Array(2 * count);
  let now = 0;
  for (let step = 0; step < 2 * count; step += 1) {
    now += change[step] ?? 0;
    alive[step] = now;
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
