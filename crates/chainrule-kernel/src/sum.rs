//! Sums that are accurate and the same for any number of threads.
//!
//! Lanes add up blocks, and blocks are added pairwise, so that the error grows with the logarithm of the
//! length and vector units are kept busy.

use std::sync::atomic::{AtomicU32, Ordering};

use super::map::Float;
use super::{memory, multiversion, pool};

/// Elements added up by lanes before pairwise addition takes over. [`Sums`] are set from multiples of it on.
///
/// ```
/// use chainrule_kernel::sum::{BLOCK, Sums};
/// let sums = Sums::new(BLOCK + 3);
/// sums.set(BLOCK, &[1.0, 2.0, 3.0]); // the second block
/// ```
pub const BLOCK: usize = 1024;
const LANES: usize = 32;

/// Elements that one thread adds up at a time.
const GRAIN: usize = 64 * BLOCK;

/// The sum of all elements.
pub(crate) fn sum<T: Float + Add>(x: &[T]) -> T {
    if x.len() <= GRAIN {
        return pairwise(x);
    }
    let mut parts = vec![T::default(); x.len().div_ceil(GRAIN)];
    pool::chunks_mut(&mut parts, 1, |i, part| {
        part[0] = pairwise(&x[i * GRAIN..x.len().min((i + 1) * GRAIN)])
    });
    pairwise(&parts)
}

/// Addition, named for the bounds of this file.
pub(crate) trait Add: Sized + std::ops::AddAssign + std::ops::Add<Output = Self> {}
impl<T: std::ops::AddAssign + std::ops::Add<Output = T>> Add for T {}

fn pairwise<T: Float + Add>(x: &[T]) -> T {
    halves(0, x.len(), &|first, length| block(&x[first..first + length]))
}

/// Adds up blocks pairwise, from this element on.
fn halves<T: Add>(first: usize, length: usize, block: &dyn Fn(usize, usize) -> T) -> T {
    if length <= BLOCK {
        return block(first, length);
    }
    // Halves at a multiple of the block, so that the cut depends on the length alone.
    let half = (length / 2).next_multiple_of(BLOCK);
    halves(first, half, block) + halves(first + half, length - half, block)
}

/// The sum of elements that are never together in memory: blocks of them are added up as they come by, on any thread. It
/// has the bits of [`Kernels::sum`](crate::Kernels::sum).
///
/// ```
/// use chainrule_kernel::Kernels;
/// use chainrule_kernel::sum::{BLOCK, Sums};
/// let x: Vec<f32> = (0..5000).map(|i| i as f32 * 0.1).collect();
/// let sums = Sums::new(x.len());
/// for (i, block) in x.chunks(2 * BLOCK).enumerate() {
///     sums.set(i * 2 * BLOCK, block);
/// }
/// assert_eq!(sums.total(), f32::sum(&x));
/// ```
#[derive(Debug)]
pub struct Sums {
    length: usize,
    blocks: Vec<AtomicU32>,
}

impl Sums {
    /// For so many elements, which count as 0 until they are set.
    ///
    /// ```
    /// assert_eq!(chainrule_kernel::sum::Sums::new(10).total(), 0.0);
    /// ```
    pub fn new(length: usize) -> Sums {
        Sums { length, blocks: (0..length.div_ceil(BLOCK)).map(|_| AtomicU32::new(0)).collect() }
    }

    /// Adds up elements from this one on, which is the first of a block; so many that a block or all of them end there.
    /// What was set for these blocks before is replaced.
    ///
    /// # Panics
    /// There are no such elements.
    ///
    /// ```
    /// let sums = chainrule_kernel::sum::Sums::new(3);
    /// sums.set(0, &[1.0, 2.0, 3.0]);
    /// assert_eq!(sums.total(), 6.0);
    /// ```
    pub fn set(&self, first: usize, x: &[f32]) {
        for (sum, x) in self.blocks[first / BLOCK..].iter().zip(x.chunks(BLOCK)) {
            sum.store(block(x).to_bits(), Ordering::Relaxed);
        }
    }

    /// The sum of all elements, when all are set.
    ///
    /// ```
    /// use chainrule_kernel::sum::{BLOCK, Sums};
    /// let sums = Sums::new(BLOCK + 1);
    /// sums.set(0, &[0.5; BLOCK]);
    /// sums.set(BLOCK, &[0.25]);
    /// assert_eq!(sums.total(), 512.25);
    /// ```
    pub fn total(&self) -> f32 {
        let block = |first: usize, _| f32::from_bits(self.blocks[first / BLOCK].load(Ordering::Relaxed));
        let part = |first| halves(first, GRAIN.min(self.length - first), &block);
        match self.length <= GRAIN {
            true => part(0),
            false => pairwise(&(0..self.length).step_by(GRAIN).map(part).collect::<Vec<f32>>()),
        }
    }
}

multiversion! {
    fn block[T: Float + Add](x: &[T]) -> T {
        if x.len() < LANES {
            return x.iter().fold(T::default(), |sum, value| sum + *value);
        }
        let mut lanes = [T::default(); LANES];
        let (chunks, rest) = x.as_chunks::<LANES>();
        for chunk in chunks {
            for i in 0..LANES {
                lanes[i] += chunk[i];
            }
        }
        for (lane, value) in lanes.iter_mut().zip(rest) {
            *lane += *value;
        }
        total(lanes)
    }
}

multiversion! {
    /// Whether no element is infinite or NaN: all others, times 0, are 0.
    pub(crate) fn all_finite[T: Float + std::ops::Mul<Output = T>](x: &[T]) -> bool {
        let zero = T::default();
        let (chunks, rest) = x.as_chunks::<BLOCK>();
        let finite = |chunk: &[T; BLOCK]| chunk.iter().fold(true, |all, &x| all & (x * zero == zero));
        chunks.iter().all(finite) && rest.iter().all(|&x| x * zero == zero)
    }
}

/// The sum of all lanes: of halves, of their halves, and so on. It must not be inlined, for where the compiler sees that
/// two lanes meet at the end, it adds up all along in vectors of two.
#[inline(never)]
fn total<T: Add + Copy>(mut lanes: [T; LANES]) -> T {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            let other = lanes[i + width];
            lanes[i] += other;
        }
    }
    lanes[0]
}

/// `out[r]` = the sum of row r of a matrix with rows of this length.
pub(crate) fn sum_rows<T: Float + Add>(x: &[T], columns: usize, out: &mut [T]) {
    let grain = (BLOCK * 32 / columns.max(1)).max(1);
    pool::chunks_mut(out, grain, |start, out| {
        for (i, out) in out.iter_mut().enumerate() {
            *out = pairwise(&x[(start + i) * columns..(start + i + 1) * columns]);
        }
    });
}

/// `out[c]` = the sum of column c of a matrix with rows of this length.
pub(crate) fn sum_columns<T: Float + Add>(x: &[T], columns: usize, out: &mut [T]) {
    out.fill(T::default());
    if columns == 0 || x.is_empty() {
        return;
    }
    // Columns are cut among threads, rows are added in blocks; both cuts depend on the shape alone.
    let rows = x.len() / columns;
    let wide = if x.len() < 64 * BLOCK { columns } else { columns.div_ceil(8).max(16) };
    pool::chunks_mut(out, wide, |start, out| {
        let add = |first: usize, sum: &mut [T]| {
            for row in first..rows.min(first + 64) {
                let begin = row * columns + start;
                super::map::add_assign(sum, &x[begin..begin + sum.len()]);
            }
        };
        if rows <= 64 {
            return add(0, out);
        }
        let mut part = memory::take(out.len());
        for first in (0..rows).step_by(64) {
            part.fill(T::default());
            add(first, &mut part);
            super::map::add_assign(out, &part);
        }
        memory::give(part);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_to_a_few_ulp_and_do_not_depend_on_threads() {
        let x: Vec<f32> = (0..300_003).map(|i| (i as i64 * 7919 % 1000) as f32 * 0.001 - 0.3).collect();
        let exact: f64 = x.iter().map(|&x| f64::from(x)).sum();
        let sums: Vec<u32> = [1, 2, 3]
            .iter()
            .map(|&threads| {
                pool::set_num_threads(threads);
                sum(&x).to_bits()
            })
            .collect();
        assert!(sums.iter().all(|&bits| bits == sums[0]));
        assert!((f64::from(f32::from_bits(sums[0])) - exact).abs() < exact.abs() * 1e-6);
    }

    #[test]
    fn sums_of_blocks_are_the_bits_of_a_sum() {
        for length in [1, 31, BLOCK, BLOCK + 1, GRAIN, GRAIN + 1, 5 * GRAIN + 7 * BLOCK + 3] {
            let x: Vec<f32> = (0..length).map(|i| (i * 7919 % 1000) as f32 * 0.001 - 0.3).collect();
            let sums = Sums::new(length);
            (0..length).step_by(3 * BLOCK).for_each(|i| sums.set(i, &x[i..length.min(i + 3 * BLOCK)]));
            assert_eq!(sums.total().to_bits(), sum(&x).to_bits(), "{length}");
        }
    }

    #[test]
    fn rows_and_columns_agree_with_naive_sums() {
        for (rows, columns) in [(0, 3), (1, 1), (3, 5), (200, 700), (5000, 20)] {
            let x: Vec<f64> = (0..rows * columns).map(|i| (i % 17) as f64).collect();
            let mut by_row = vec![0.0; rows];
            let mut by_column = vec![0.0; columns];
            sum_rows(&x, columns, &mut by_row);
            sum_columns(&x, columns, &mut by_column);
            for r in 0..rows {
                assert_eq!(by_row[r], x[r * columns..(r + 1) * columns].iter().sum::<f64>());
            }
            for c in 0..columns {
                assert_eq!(by_column[c], (0..rows).map(|r| x[r * columns + c]).sum::<f64>());
            }
        }
    }
}
