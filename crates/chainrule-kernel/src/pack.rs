//! Writing the right side of a product into panels, out of whatever lies in memory.
//!
//! The source is a matrix, or an image as the taps of a convolution see it: then it is found by offsets, and
//! never written down whole. Either its rows run through memory, and are copied, or its columns do, and are
//! turned in squares. Copies go by whole vectors even where fewer elements are wanted: what is too much is
//! overwritten by what belongs there.

use super::simd::{SIDE, Simd, prefetch};
use super::tile::panel;

/// Places of lines in memory.
#[derive(Clone, Copy)]
pub(crate) enum Lines<'a> {
    /// At multiples of a stride.
    Even(usize),
    /// Anywhere.
    At(&'a [usize]),
}

impl Lines<'_> {
    #[inline(always)]
    fn at(&self, line: usize) -> usize {
        match self {
            Lines::Even(stride) => line * stride,
            Lines::At(places) => places[line],
        }
    }
}

/// Neighbouring elements of a line: from index `index` on, `length` ones, `place` behind the line's place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) index: usize,
    pub(crate) place: usize,
    pub(crate) length: usize,
}

/// A matrix to be packed.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) order: Order<'a>,
}

/// How a matrix lies in memory.
#[derive(Clone, Copy)]
pub(crate) enum Order<'a> {
    /// A line is a row; the runs cover the columns, in ascending order.
    Rows(Lines<'a>, &'a [Run]),
    /// A line is a column; the runs cover the rows, in ascending order.
    Columns(Lines<'a>, &'a [Run]),
    /// Neither: the strides of rows and columns.
    Strides(usize, usize),
}

/// Which part of a matrix is packed.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) row: usize,
    pub(crate) rows: usize,
    pub(crate) column: usize,
    pub(crate) columns: usize,
}

/// Panels that are written side by side, so that reading goes along the source's rows.
const TOGETHER: usize = 16;

/// Elements between rows that no prefetcher of the processor's connects.
const FAR: usize = 1024;

/// Writes a part of the source as panels.
///
/// # Safety
/// The part lies within the source, and `out` has room for its panels.
#[inline(always)]
pub(super) unsafe fn pack<V: Simd>(source: &Source<'_, V::Element>, part: Part, out: *mut V::Element) {
    let mut column = 0;
    while column < part.columns {
        let columns = (TOGETHER * 2 * V::LANES).min(part.columns - column);
        let here = Part { column: part.column + column, columns, ..part };
        // SAFETY: the caller's promise; panels to the left take `column·rows` elements.
        unsafe {
            let out = out.add(column * part.rows);
            match source.order {
                Order::Rows(lines, runs) => copy::<V>(source.data, lines, runs, here, out),
                Order::Columns(lines, runs) => turn::<V>(source.data, lines, runs, here, out),
                Order::Strides(row, step) => each::<V>(source.data, row, step, here, out),
            }
        }
        column += columns;
    }
}

/// The runs that meet `count` elements from `start` on.
fn meeting(runs: &[Run], start: usize, count: usize) -> impl Iterator<Item = Run> {
    let first = runs.partition_point(|run| run.index + run.length <= start);
    runs[first..].iter().take_while(move |run| run.index < start + count).map(move |run| {
        let skip = start.saturating_sub(run.index);
        let index = run.index + skip - start;
        Run { index, place: run.place + skip, length: (run.length - skip).min(count - index) }
    })
}

/// Packs a matrix whose rows run through memory.
#[inline(always)]
unsafe fn copy<V: Simd>(
    data: &[V::Element],
    lines: Lines<'_>,
    runs: &[Run],
    part: Part,
    out: *mut V::Element,
) {
    // What is copied for every row, and where to: no piece reaches over a panel's edge.
    let mut pieces = [Run::default(); 2 * 16 * TOGETHER + TOGETHER];
    let mut widths = [0u8; 2 * 16 * TOGETHER + TOGETHER];
    let (mut count, mut reach) = (0, 0);
    for mut run in meeting(runs, part.column, part.columns) {
        while run.length > 0 {
            let start = run.index / (2 * V::LANES) * (2 * V::LANES);
            let width = panel(V::LANES, part.columns, start);
            let length = run.length.min(start + width - run.index);
            let index = start * part.rows + run.index - start;
            pieces[count] = Run { index, place: run.place, length };
            widths[count] = width as u8;
            reach = reach.max(run.place + length.next_multiple_of(V::LANES));
            count += 1;
            run = Run { index: run.index + length, place: run.place + length, length: run.length - length };
        }
    }
    // Rows that are far from each other have to be asked for.
    let ahead = match lines {
        Lines::Even(stride) if stride >= FAR => 4 * stride,
        _ => 0,
    };
    for row in 0..part.rows {
        let line = lines.at(part.row + row);
        // Whole vectors reach into the next row of the panel, so not in the last one.
        let whole = row + 1 < part.rows && line + reach <= data.len();
        for (piece, &width) in pieces[..count].iter().zip(&widths) {
            // SAFETY: the runs and lines are within the source; `out` holds the panels.
            unsafe {
                let from = data.as_ptr().add(line + piece.place);
                let to = out.add(piece.index + row * usize::from(width));
                if ahead > 0 {
                    prefetch(from.wrapping_add(ahead), piece.length);
                }
                if whole {
                    V::load(from).store(to);
                    if piece.length > V::LANES {
                        V::load(from.add(V::LANES)).store(to.add(V::LANES));
                    }
                } else {
                    std::ptr::copy_nonoverlapping(from, to, piece.length);
                }
            }
        }
    }
}

/// Packs a matrix whose columns run through memory.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn turn<V: Simd>(
    data: &[V::Element],
    lines: Lines<'_>,
    runs: &[Run],
    part: Part,
    out: *mut V::Element,
) {
    let mut start = 0;
    while start < part.columns {
        let width = panel(V::LANES, part.columns, start);
        // SAFETY: `out` holds the panels.
        let out = unsafe { out.add(start * part.rows) };
        let wide = SIDE.min(width);
        for side in (0..width).step_by(wide) {
            // Columns beyond the last one show it again.
            let (mut line, mut last) = ([0; SIDE], 0);
            for (i, line) in line.iter_mut().enumerate() {
                *line = lines.at(part.column + (start + side + i).min(part.columns - 1));
                last = last.max(*line);
            }
            for run in meeting(runs, part.row, part.rows) {
                for step in (0..run.length).step_by(SIDE) {
                    let (row, place) = (run.index + step, run.place + step);
                    // SAFETY: the runs and lines are within the source; `out` holds the panels.
                    unsafe {
                        let to = out.add(row * width + side);
                        if wide == SIDE && row + SIDE <= part.rows && last + place + SIDE <= data.len() {
                            let mut from = [data.as_ptr(); SIDE];
                            for i in 0..SIDE {
                                from[i] = from[i].add(line[i] + place);
                            }
                            V::transpose(from, to, width);
                        } else {
                            for p in 0..SIDE.min(run.length - step) {
                                for i in 0..wide {
                                    *to.add(p * width + i) = *data.as_ptr().add(line[i] + place + p);
                                }
                            }
                        }
                    }
                }
            }
        }
        start += width;
    }
}

/// Packs a matrix of any strides.
#[inline(always)]
unsafe fn each<V: Simd>(
    data: &[V::Element],
    row_stride: usize,
    column_stride: usize,
    part: Part,
    out: *mut V::Element,
) {
    let mut start = 0;
    while start < part.columns {
        let width = panel(V::LANES, part.columns, start);
        for row in 0..part.rows {
            for i in 0..width.min(part.columns - start) {
                let place = (part.row + row) * row_stride + (part.column + start + i) * column_stride;
                // SAFETY: the part lies within the source; `out` holds the panels.
                unsafe { *out.add(start * part.rows + row * width + i) = *data.as_ptr().add(place) };
            }
        }
        start += width;
    }
}
