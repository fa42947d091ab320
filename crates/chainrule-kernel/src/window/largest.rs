//! Max pooling: the largest element of each window, and its place. For squares of 2×2 see [`square`].
//!
//! The rows that a row of windows sees are combined first, then this one row with itself, moved on by one tap after
//! another. All of that is straight vector code, without a branch, which random numbers would make the processor
//! guess wrong. Where windows are further apart than 1, their taps lie side by side in the phases of the row.

use super::{Range, Windows, each_plane, square};
use crate::Value;
use crate::{multiversion, pool};

/// Elements that are compared at a time.
const LANES: usize = 8;

/// Windows beside each other that see equally many elements and begin equally far from each other.
struct Stretch {
    first: usize,
    count: usize,
    /// Where the first window begins.
    start: usize,
    /// The distance between the beginnings of two windows.
    apart: usize,
    /// The distance between two taps.
    step: usize,
    /// Where the first window's taps lie in the combined row, or in its phases.
    taps: Vec<usize>,
}

/// The windows of a plane, and how a window's taps are counted: rank `row·2^bits + column` ascends with the place.
struct Plan {
    stretches: Vec<Stretch>,
    /// For each row of windows, where the rows that it sees begin.
    rows: Vec<Vec<usize>>,
    bits: u32,
    width: usize,
    /// Windows beside each other.
    columns: usize,
    /// Elements of one phase of a row.
    phase: usize,
}

impl Plan {
    fn of(windows: &Windows) -> Plan {
        let [_, height, width] = windows.input;
        let taps = |range: &Range| (range.end - range.start).div_ceil(range.step);
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut most = 1;
        for (i, range) in windows.ranges[2].iter().enumerate() {
            most = most.max(taps(range));
            if let Some(last) = stretches.last_mut()
                && (last.taps.len(), last.step) == (taps(range), range.step)
                && range.start > last.start
                && (last.count == 1 || range.start == last.start + last.count * last.apart)
            {
                last.apart = (range.start - last.start) / last.count;
                last.count += 1;
            } else {
                let (start, step, taps) = (range.start, range.step, range.places().collect());
                stretches.push(Stretch { first: i, count: 1, start, apart: 1, step, taps });
            }
        }
        let closest = stretches.iter().map(|stretch| stretch.apart).filter(|&apart| apart > 1).min();
        let phase = closest.map_or(0, |closest| width.div_ceil(closest) + 2 * LANES);
        for stretch in stretches.iter_mut().filter(|stretch| stretch.apart > 1) {
            let apart = stretch.apart;
            stretch.taps.iter_mut().for_each(|tap| *tap = *tap % apart * phase + *tap / apart);
        }
        let row = |outer: &Range, inner: &Range| {
            outer.places().flat_map(|i0| inner.places().map(move |i1| (i0 * height + i1) * width)).collect()
        };
        let [outer, inner, columns] = &windows.ranges;
        let rows = outer.iter().flat_map(|outer| inner.iter().map(move |inner| row(outer, inner))).collect();
        let bits = most.next_power_of_two().ilog2();
        Plan { stretches, rows, bits, width, columns: columns.len(), phase }
    }
}

/// What a row of windows is computed in.
struct Line<T> {
    /// The rows combined, and which one each element came from.
    row: (Vec<T>, Vec<u32>),
    /// Its phases.
    phases: (Vec<T>, Vec<u32>),
    /// Each window's largest element, and its rank.
    best: (Vec<T>, Vec<u32>),
}

impl<T: Value> Line<T> {
    fn new(plan: &Plan) -> Line<T> {
        let room = |count: usize| (vec![T::default(); count], vec![0; count]);
        let apart = plan.stretches.iter().map(|stretch| stretch.apart).max().unwrap_or(1);
        Line {
            row: room(plan.width + 2 * LANES),
            phases: room(apart * plan.phase),
            best: room(plan.columns + LANES),
        }
    }
}

/// The largest ones of `count` elements from each of these places on, and their ranks where `RANKED`: of equals the
/// first, of NaNs the last. The i-th place's elements have rank `i·2^bits`, or so much more than some others.
#[inline(always)]
fn largest_of<T: Value, const RANKED: bool, const L: usize>(
    (x, others): (&[T], Option<&[u32]>),
    places: &[usize],
    bits: u32,
    (best, ranks): (&mut [T], &mut [u32]),
) {
    let count = best.len();
    // A last block lies over the one before.
    for start in (0..count).step_by(L).map(|start| start.min(count - L)) {
        let mut m = block::<T, L>(x, places[0] + start);
        let mut old = match others {
            Some(others) if RANKED => block::<u32, L>(others, places[0] + start),
            _ => [0; L],
        };
        for (p, place) in places.iter().enumerate().skip(1) {
            let x = block::<T, L>(x, place + start);
            if !RANKED {
                for i in 0..L {
                    m[i] = if (x[i] > m[i]) | (x[i] != x[i]) { x[i] } else { m[i] };
                }
                continue;
            }
            let mut new = others.map_or([0; L], |others| block::<u32, L>(others, place + start));
            for i in 0..L {
                new[i] += (p as u32) << bits;
                let nan = (x[i] != x[i]) & ((m[i] == m[i]) | (new[i] > old[i]));
                let better = (x[i] > m[i]) | ((x[i] == m[i]) & (new[i] < old[i])) | nan;
                m[i] = if better { x[i] } else { m[i] };
                old[i] = if better { new[i] } else { old[i] };
            }
        }
        best[start..start + L].copy_from_slice(&m);
        if RANKED {
            ranks[start..start + L].copy_from_slice(&old);
        }
    }
}

/// So many elements from a place on.
#[inline(always)]
fn block<T: Copy + Default, const L: usize>(x: &[T], start: usize) -> [T; L] {
    let mut block = [T::default(); L];
    block.copy_from_slice(&x[start..start + L]);
    block
}

/// Puts the elements of a row apart: phase p begins at `p·phase`. Behind the row is room for two blocks.
#[inline(always)]
fn put_apart<T: Copy + Default>(row: &[T], width: usize, apart: usize, phase: usize, phases: &mut [T]) {
    if apart == 2 {
        for start in (0..width.div_ceil(2)).step_by(LANES) {
            let (low, high) = (block::<T, LANES>(row, 2 * start), block::<T, LANES>(row, 2 * start + LANES));
            let half = LANES / 2;
            let (mut even, mut odd) = (low, low);
            for i in 0..half {
                (even[i], odd[i]) = (low[2 * i], low[2 * i + 1]);
                (even[half + i], odd[half + i]) = (high[2 * i], high[2 * i + 1]);
            }
            phases[start..start + LANES].copy_from_slice(&even);
            phases[phase + start..phase + start + LANES].copy_from_slice(&odd);
        }
        return;
    }
    for (first, phase) in phases.chunks_exact_mut(phase).enumerate().take(apart) {
        for (to, from) in phase.iter_mut().zip(row[..width].iter().skip(first).step_by(apart)) {
            *to = *from;
        }
    }
}

#[inline(always)]
fn row_by<T: Value, const RANKED: bool>(x: &[T], rows: &[usize], plan: &Plan, line: &mut Line<T>) {
    let Line { row, phases, best } = line;
    let width = plan.width;
    let combined = (&mut row.0[..width], &mut row.1[..width]);
    if width >= LANES {
        largest_of::<T, RANKED, LANES>((x, None), rows, plan.bits, combined);
    } else {
        largest_of::<T, RANKED, 1>((x, None), rows, plan.bits, combined);
    }
    for stretch in &plan.stretches {
        let mut source = (&row.0, &row.1);
        if stretch.apart > 1 {
            put_apart(&row.0, width, stretch.apart, plan.phase, &mut phases.0);
            if RANKED {
                put_apart(&row.1, width, stretch.apart, plan.phase, &mut phases.1);
            }
            source = (&phases.0, &phases.1);
        }
        // What lies behind the last window is computed for nothing: the next stretch overwrites it.
        let place = stretch.first..stretch.first + stretch.count.next_multiple_of(LANES);
        let best = (&mut best.0[place.clone()], &mut best.1[place]);
        largest_of::<T, RANKED, LANES>((source.0, Some(source.1)), &stretch.taps, 0, best);
    }
}

multiversion! {
    /// The largest element of each of the windows that see these rows of a plane.
    fn largest_of_row[T: Value](x: &[T], rows: &[usize], plan: &Plan, line: &mut Line<T>) {
        row_by::<T, false>(x, rows, plan, line);
    }
}

multiversion! {
    /// The same, with their ranks.
    fn ranks_of_row[T: Value](x: &[T], rows: &[usize], plan: &Plan, line: &mut Line<T>) {
        row_by::<T, true>(x, rows, plan, line);
    }
}

/// `visit(window, place)` for each window of a plane, and the place of its largest element.
#[inline(always)]
fn each_place<T: Value>(x: &[T], plan: &Plan, line: &mut Line<T>, mut visit: impl FnMut(usize, usize)) {
    let mut first = 0;
    for rows in &plan.rows {
        ranks_of_row(x, rows, plan, line);
        for stretch in &plan.stretches {
            let ranks = &line.best.1[stretch.first..stretch.first + stretch.count];
            let mut start = stretch.start;
            for (i, rank) in ranks.iter().enumerate() {
                let column = (rank & ((1 << plan.bits) - 1)) as usize * stretch.step;
                visit(first + stretch.first + i, rows[(rank >> plan.bits) as usize] + start + column);
                start += stretch.apart;
            }
        }
        first += plan.columns;
    }
}

/// `each(plane, x, plan, line, out)` for each plane, with its elements, its part of `out`, and room for a row of windows.
fn with_lines<T: Value, O: Send>(
    x: &[T],
    windows: &Windows,
    out: &mut [O],
    outputs: usize,
    each: impl Fn(usize, &[T], &Plan, &mut Line<T>, &mut [O]) + Sync,
) {
    let (plan, size) = (Plan::of(windows), windows.plane());
    each_plane(
        out,
        outputs,
        size,
        || Line::new(&plan),
        |plane, line, out| each(plane, &x[plane * size..(plane + 1) * size], &plan, line, out),
    );
}

/// The largest element of each window of each plane; NaN where one is NaN.
pub(crate) fn largest<T: Value>(x: &[T], windows: &Windows, out: &mut [T]) {
    if let Some(columns) = windows.squares() {
        let planes = square::planes_at_once(windows);
        return pool::chunks_mut(out, planes * windows.outputs(), |start, out| {
            let first = start / windows.outputs() * windows.plane();
            square::largest(&x[first..], windows.input[2], columns, out);
        });
    }
    with_lines(x, windows, out, windows.outputs(), |_, x, plan, line, out| {
        for (rows, out) in plan.rows.iter().zip(out.chunks_exact_mut(plan.columns)) {
            largest_of_row(x, rows, plan, line);
            out.copy_from_slice(&line.best.0[..plan.columns]);
        }
    });
}

/// The place in its plane of each window's largest element: the first of equals, the last NaN.
pub(crate) fn places_of_largest<T: Value>(x: &[T], windows: &Windows, out: &mut [i64]) {
    with_lines(x, windows, out, windows.outputs(), |_, x, plan, line, out| {
        each_place(x, plan, line, |o, place| out[o] = place as i64);
    });
}

/// Adds each window's upstream gradient at its largest element; `out` is the gradient of `x`.
pub(crate) fn largest_gradient<T: Value + std::ops::AddAssign>(
    x: &[T],
    upstream: &[T],
    windows: &Windows,
    out: &mut [T],
) {
    let outputs = windows.outputs();
    if let Some(columns) = windows.squares() {
        let planes = square::planes_at_once(windows);
        return pool::chunks_mut(out, planes * windows.plane(), |start, out| {
            let (x, g) = (&x[start..start + out.len()], &upstream[start / windows.plane() * outputs..]);
            square::largest_gradient(x, g, windows.input[2], columns, out);
        });
    }
    with_lines(x, windows, out, windows.plane(), |plane, x, plan, line, out| {
        let upstream = &upstream[plane * outputs..(plane + 1) * outputs];
        out.fill(T::default());
        each_place(x, plan, line, |o, place| out[place] += upstream[o]);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of many kinds, with equal elements and NaNs among them, against the definition.
    #[test]
    fn windows_agree_with_the_definition() {
        let slide = |size: usize, taps: usize, stride: usize, step: usize, padding: usize| -> Vec<Range> {
            let reach = (taps - 1) * step + 1;
            let count = (size + 2 * padding - reach) / stride + 1;
            let range = |i: usize| {
                let first = (0..taps).map(|t| i * stride + t * step).find(|&place| place >= padding);
                let start = first.unwrap_or(padding) - padding;
                Range { start, end: (i * stride + reach - padding).min(size), step }
            };
            (0..count).map(range).collect()
        };
        let even = |size: usize, count: usize| -> Vec<Range> {
            let edge = |i: usize| i * size / count;
            (0..count)
                .map(|i| Range { start: edge(i), end: ((i + 1) * size).div_ceil(count), step: 1 })
                .collect()
        };
        let sizes = [
            (1, 56, slide(56, 3, 2, 1, 0), slide(56, 3, 2, 1, 0)),
            (1, 9, slide(9, 3, 1, 1, 1), slide(9, 3, 2, 1, 1)),
            (1, 13, slide(13, 2, 2, 1, 0), slide(13, 5, 3, 2, 2)),
            (1, 4, slide(4, 1, 1, 1, 0), slide(3, 2, 1, 1, 1)),
            (1, 11, even(11, 4), even(11, 4)),
            (2, 7, slide(7, 3, 2, 1, 1), even(6, 6)),
            (1, 20, even(20, 1), even(33, 1)),
        ];
        for (depth, height, inner, columns) in sizes {
            let width = columns.last().map_or(0, |range| range.end);
            let outer = vec![Range { start: 0, end: depth, step: 1 }];
            let windows = Windows { input: [depth, height, width], ranges: [outer, inner, columns] };
            let number = |i: usize| match (i * 7919) % 23 {
                0 | 1 => f32::NAN,
                other => (other % 5) as f32 - 2.0,
            };
            let planes = 3;
            let x: Vec<f32> = (0..planes * windows.plane()).map(number).collect();
            let g: Vec<f32> = (0..planes * windows.outputs()).map(|i| i as f32 + 1.0).collect();
            let (mut y, mut places, mut dx) = (vec![9.0; g.len()], vec![0; g.len()], vec![9.0; x.len()]);
            largest(&x, &windows, &mut y);
            places_of_largest(&x, &windows, &mut places);
            largest_gradient(&x, &g, &windows, &mut dx);
            let mut expected = vec![0.0; x.len()];
            let mut o = 0;
            for plane in 0..planes {
                for i0 in &windows.ranges[0] {
                    for i1 in &windows.ranges[1] {
                        for i2 in &windows.ranges[2] {
                            let mut best: Option<usize> = None;
                            for place in i0.places().flat_map(|i0| {
                                i1.places().flat_map(move |i1| {
                                    i2.places().map(move |i2| (i0 * height + i1) * width + i2)
                                })
                            }) {
                                let at = |place: usize| x[plane * windows.plane() + place];
                                if best.is_none_or(|best| at(place) > at(best) || at(place).is_nan()) {
                                    best = Some(place);
                                }
                            }
                            let best = best.unwrap_or(0);
                            let at = plane * windows.plane() + best;
                            assert_eq!(
                                (places[o], y[o].to_bits()),
                                (best as i64, x[at].to_bits()),
                                "{windows:?} at {o}"
                            );
                            expected[at] += g[o];
                            o += 1;
                        }
                    }
                }
            }
            assert_eq!(dx, expected, "{windows:?}");
        }
    }
}
