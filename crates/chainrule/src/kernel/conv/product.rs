//! `C += A·B` where B is never written down: its elements are found in an image by two lists of offsets.
//!
//! In a convolution each element of B is a pixel of the input seen through one tap of the kernel; its place is
//! the pixel's plus the tap's. Forward, B has a row a tap and a column a pixel; for the weights' gradient it is
//! the other way round.

use super::tile::{ROWS, Tile};

/// A matrix whose element in row i and column j is `data[rows[i] + columns[j]]`.
#[derive(Clone, Copy)]
pub(super) struct Indexed<'a, T> {
    pub(super) data: &'a [T],
    pub(super) rows: &'a [usize],
    pub(super) columns: &'a [usize],
}

/// Rows of B that are packed at a time: a tile's rows of A and a panel of B stay in the first cache.
const DEPTH: usize = 384;

/// A matrix in memory that tasks on several threads write, each other elements.
#[derive(Clone, Copy)]
pub(super) struct Output<T> {
    start: *mut T,
    length: usize,
}

// SAFETY: `accumulate` and `fill` are unsafe; their callers keep the elements that they write apart.
unsafe impl<T: Send> Sync for Output<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Output<T> {}

impl<T: Tile> Output<T> {
    pub(super) fn new(out: &mut [T]) -> Output<T> {
        Output { start: out.as_mut_ptr(), length: out.len() }
    }

    /// Elements `start` to `start + length` for writing.
    ///
    /// # Safety
    /// No other task uses these elements meanwhile, and the slice that this was made from is still borrowed.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn part(&self, start: usize, length: usize) -> &mut [T] {
        assert!(start + length <= self.length);
        // SAFETY: within the slice, as asserted; the caller keeps others away.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), length) }
    }
}

/// `C += A·B`: A is `rows` rows of `b.rows.len()` elements, `left` apart; C's rows start at `first` and are
/// `wide` apart.
///
/// # Safety
/// No other task uses these elements of C meanwhile, and the slice that `c` was made from is still borrowed.
pub(super) unsafe fn accumulate<T: Tile>(
    a: &[T],
    left: usize,
    rows: usize,
    b: Indexed<'_, T>,
    c: Output<T>,
    first: usize,
    wide: usize,
) {
    let (depth, columns) = (b.rows.len(), b.columns.len());
    if rows == 0 || depth == 0 || columns == 0 {
        return;
    }
    assert!(a.len() >= (rows - 1) * left + depth);
    assert!(c.length >= first + (rows - 1) * wide + columns);
    let panels = columns.div_ceil(T::COLUMNS);
    let mut packed = super::super::memory::take::<T>(panels * T::COLUMNS * DEPTH.min(depth));
    let mut edge = [T::default(); ROWS * 16];
    for start in (0..depth).step_by(DEPTH) {
        let deep = DEPTH.min(depth - start);
        for panel in 0..panels {
            let from = panel * T::COLUMNS;
            pack(
                b,
                start,
                &b.columns[from..columns.min(from + T::COLUMNS)],
                &mut packed[from * deep..(from + T::COLUMNS) * deep],
            );
        }
        for row in (0..rows).step_by(ROWS) {
            let height = ROWS.min(rows - row);
            for panel in 0..panels {
                let column = panel * T::COLUMNS;
                let width = T::COLUMNS.min(columns - column);
                let place = first + row * wide + column;
                // SAFETY: A and C hold these elements, as asserted above; the panel was packed whole.
                unsafe {
                    let a = a.as_ptr().add(row * left + start);
                    let b = packed.as_ptr().add(column * deep);
                    if width == T::COLUMNS {
                        T::tile(height, deep, a, left, b, c.start.add(place), wide);
                        continue;
                    }
                    edge.fill(T::default());
                    T::tile(height, deep, a, left, b, edge.as_mut_ptr(), T::COLUMNS);
                }
                for (i, sums) in edge.chunks_exact(T::COLUMNS).take(height).enumerate() {
                    // SAFETY: the caller keeps other tasks away from these elements.
                    let out = unsafe { c.part(place + i * wide, width) };
                    super::super::map::add_assign(out, &sums[..width]);
                }
            }
        }
    }
    super::super::memory::give(packed);
}

/// Writes one panel: for each row from `start` on, the elements in these columns, then zeros.
#[inline]
fn pack<T: Tile>(b: Indexed<'_, T>, start: usize, columns: &[usize], out: &mut [T]) {
    let rows = &b.rows[start..start + out.len() / T::COLUMNS];
    let adjacent = columns.len() == T::COLUMNS && columns.windows(2).all(|pair| pair[1] == pair[0] + 1);
    if adjacent {
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(T::COLUMNS)) {
            let from = row + columns[0];
            out.copy_from_slice(&b.data[from..from + T::COLUMNS]);
        }
        return;
    }
    for (&row, out) in rows.iter().zip(out.chunks_exact_mut(T::COLUMNS)) {
        let data = &b.data[row..];
        for (out, &column) in out.iter_mut().zip(columns) {
            *out = data[column];
        }
        out[columns.len()..].fill(T::default());
    }
}
