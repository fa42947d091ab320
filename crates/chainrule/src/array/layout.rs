//! `Layout`: which elements of a buffer an array shows, and in which order.
//!
//! A view is a new layout over the same buffer; all of the rules for views are here, on numbers alone.

use std::fmt;
use std::ops::Deref;

use super::{MAX_RANK, Shape};
use crate::error::{Error, Result};
use crate::kernel::recycled::Shared;

/// Shape, strides (in elements, negative allowed) and offset of an array in its buffer.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) shape: Shape,
    /// `None` for row-major order without gaps, which nearly all arrays have: they are made and moved so often that
    /// strides which follow from the shape would be a burden. Others lie in memory that serves again, so that views
    /// don't go to the allocator.
    strides: Option<Shared<[isize; MAX_RANK]>>,
    pub(crate) offset: usize,
}

/// For each dimension, how many elements apart its neighbours lie in the buffer: see [`Array::strides`](super::Array::strides).
///
/// ```
/// use chainrule::Array;
/// let strides = Array::zeros([2, 3]).strides();
/// assert_eq!((strides.len(), strides[0]), (2, 3)); // a slice of numbers
/// ```
#[derive(Clone, Copy)]
pub struct Strides {
    rank: usize,
    steps: [isize; MAX_RANK],
}

impl Deref for Strides {
    type Target = [isize];
    fn deref(&self) -> &[isize] {
        &self.steps[..self.rank]
    }
}

impl<const N: usize> PartialEq<[isize; N]> for Strides {
    fn eq(&self, other: &[isize; N]) -> bool {
        self[..] == other[..]
    }
}

impl fmt::Debug for Strides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self[..])
    }
}

impl Layout {
    /// The layout of a whole buffer in row-major order.
    #[inline(always)]
    pub(crate) fn contiguous(shape: Shape) -> Layout {
        Layout { shape, strides: None, offset: 0 }
    }

    /// A layout with these strides.
    fn with_steps(shape: Shape, steps: [isize; MAX_RANK], offset: usize) -> Layout {
        let strides = if is_row_major(&shape, &steps) { None } else { Some(Shared::new(steps)) };
        Layout { shape, strides, offset }
    }

    /// A layout with these strides, one a dimension.
    #[cfg(feature = "archives")]
    pub(crate) fn strided(shape: Shape, strides: &[usize], offset: usize) -> Layout {
        let mut steps = [0; MAX_RANK];
        for (to, &stride) in steps.iter_mut().zip(strides) {
            *to = stride as isize;
        }
        Layout::with_steps(shape, steps, offset)
    }

    pub(crate) fn strides(&self) -> Strides {
        Strides { rank: self.shape.rank(), steps: self.steps() }
    }

    /// The strides; what stands after the last dimension's doesn't count.
    fn steps(&self) -> [isize; MAX_RANK] {
        match &self.strides {
            Some(strides) => **strides,
            None => row_major(&self.shape),
        }
    }

    /// Whether the elements lie in row-major order without gaps (they may start anywhere).
    #[inline]
    pub(crate) fn is_contiguous(&self) -> bool {
        self.strides.is_none()
    }

    /// The layout with dimensions reordered: dimension `i` of the result is `order[i]` of this.
    pub(crate) fn permute(&self, order: &[usize]) -> Layout {
        let (shape, steps) = self.reordered(order);
        Layout::with_steps(shape, steps, self.offset)
    }

    fn reordered(&self, order: &[usize]) -> (Shape, [isize; MAX_RANK]) {
        let own = self.steps();
        let mut sizes = [0; MAX_RANK];
        let mut steps = [0; MAX_RANK];
        for (to, &from) in order.iter().enumerate() {
            sizes[to] = self.shape[from];
            steps[to] = own[from];
        }
        (Shape::trusted(&sizes[..order.len()]), steps)
    }

    /// `length` elements of dimension `dim` from `start` on, every `step`-th.
    pub(crate) fn slice(&self, dim: usize, start: usize, step: isize, length: usize) -> Layout {
        let mut steps = self.steps();
        let mut offset = self.offset;
        if length > 0 {
            offset = offset.wrapping_add_signed(start as isize * steps[dim]);
        }
        // A step that long leaves one element at most, whose stride is never used.
        steps[dim] = steps[dim].wrapping_mul(step);
        Layout::with_steps(self.shape.with_size(dim, length), steps, offset)
    }

    /// The layout without dimension `dim`, at position `index` of it.
    pub(crate) fn select(&self, dim: usize, index: usize) -> Layout {
        let mut steps = self.steps();
        let offset = self.offset.wrapping_add_signed(index as isize * steps[dim]);
        steps.copy_within(dim + 1.., dim);
        Layout::with_steps(self.shape.without(dim), steps, offset)
    }

    /// The layout with a dimension of size 1 inserted.
    pub(crate) fn unsqueeze(&self, dim: usize) -> Result<Layout> {
        let shape = self.shape.with_inserted(dim, 1)?;
        let mut steps = self.steps();
        steps.copy_within(dim..MAX_RANK - 1, dim + 1);
        steps[dim] = 1;
        Ok(Layout::with_steps(shape, steps, self.offset))
    }

    /// The layout stretched to `shape`: dimensions of size 1 are repeated by a stride of 0.
    pub(crate) fn expand(&self, shape: &Shape) -> Result<Layout> {
        let refused = || {
            Error::shape(format!(
                "the shape {} can't be expanded to {shape}: sizes must be equal or 1, matched from the last dimension",
                self.shape
            ))
        };
        // Literal shapes may be too large for anything.
        Shape::new(shape)?;
        let added = shape.rank().checked_sub(self.shape.rank()).ok_or_else(refused)?;
        let own = self.steps();
        let mut steps = [0; MAX_RANK];
        for dim in added..shape.rank() {
            let size = self.shape[dim - added];
            if size == shape[dim] {
                steps[dim] = own[dim - added];
            } else if size != 1 {
                return Err(refused());
            }
        }
        Ok(Layout::with_steps(*shape, steps, self.offset))
    }

    /// The diagonal of two dimensions, as a new last dimension.
    pub(crate) fn diagonal(&self, offset: isize, dim1: usize, dim2: usize) -> Layout {
        let (rows, columns) = (self.shape[dim1] as isize, self.shape[dim2] as isize);
        let length =
            if offset >= 0 { rows.min(columns - offset) } else { (rows + offset).min(columns) }.max(0);
        let kept: Vec<usize> = (0..self.shape.rank()).filter(|&d| d != dim1 && d != dim2).collect();
        let own = self.steps();
        let (shape, mut steps) = self.reordered(&kept);
        let mut start = self.offset;
        if length > 0 {
            let (row, column) = ((-offset).max(0), offset.max(0));
            start = start.wrapping_add_signed(row * own[dim1] + column * own[dim2]);
        }
        let mut sizes = shape.to_vec();
        sizes.push(length as usize);
        steps[kept.len()] = own[dim1] + own[dim2];
        Layout::with_steps(Shape::trusted(&sizes), steps, start)
    }

    /// The same elements in the same order under another shape, where strides allow it without copying.
    pub(crate) fn reshape(&self, shape: &Shape) -> Option<Layout> {
        if self.is_contiguous() {
            return Some(Layout { shape: *shape, strides: None, offset: self.offset });
        }
        // Old dimensions are merged into the longest runs that one stride describes; each run must be
        // the product of a run of new dimensions.
        let own = self.steps();
        let mut steps = [0; MAX_RANK];
        let mut new = shape.rank();
        let mut old = self.shape.rank();
        while old > 0 {
            old -= 1;
            if self.shape[old] == 1 {
                continue;
            }
            let step = own[old];
            let mut run = self.shape[old];
            while old > 0 && (self.shape[old - 1] == 1 || own[old - 1] == step * run as isize) {
                old -= 1;
                run *= self.shape[old];
            }
            let mut filled = 1;
            while new > 0 && (filled < run || shape[new - 1] == 1) {
                new -= 1;
                steps[new] = step * filled as isize;
                filled *= shape[new];
            }
            if filled != run {
                return None;
            }
        }
        let whole = shape[..new].iter().all(|&size| size == 1);
        whole.then(|| Layout::with_steps(*shape, steps, self.offset))
    }

    /// The rows of the array: runs of elements that one stride describes, in row-major order.
    pub(crate) fn rows(&self) -> Rows {
        // Dimensions that one stride spans are walked as one, so that the rows are as long as possible.
        let mut sizes = [0usize; MAX_RANK];
        let mut strides = [0isize; MAX_RANK];
        let mut rank = 0;
        let own = self.steps();
        for (dim, &stride) in own.iter().enumerate().take(self.shape.rank()) {
            let size = self.shape[dim];
            if size == 1 {
                continue;
            }
            if rank > 0 && strides[rank - 1] == stride * size as isize {
                sizes[rank - 1] *= size;
                strides[rank - 1] = stride;
            } else {
                (sizes[rank], strides[rank]) = (size, stride);
                rank += 1;
            }
        }
        let (length, stride) = match rank {
            0 => (1, 1),
            _ => (sizes[rank - 1], strides[rank - 1]),
        };
        Rows {
            outer: rank.saturating_sub(1),
            sizes,
            strides,
            position: [0; MAX_RANK],
            next: (self.shape.elements() > 0).then_some(self.offset),
            length,
            stride,
        }
    }
}

/// Whether these are the strides of a row-major array of this shape, where they matter.
fn is_row_major(shape: &Shape, steps: &[isize; MAX_RANK]) -> bool {
    let mut expected = 1;
    for dim in (0..shape.rank()).rev() {
        let size = shape[dim];
        if size == 0 {
            return true;
        }
        if size != 1 && steps[dim] != expected {
            // Without elements there are no gaps.
            return shape[..dim].contains(&0);
        }
        expected *= size as isize;
    }
    true
}

/// Strides of a row-major array of this shape.
#[inline]
fn row_major(shape: &Shape) -> [isize; MAX_RANK] {
    let mut strides = [0; MAX_RANK];
    let mut step = 1;
    for dim in (0..shape.rank()).rev() {
        strides[dim] = step;
        step *= shape[dim].max(1) as isize;
    }
    strides
}

/// Iterates over the rows of a layout: yields the place of each row's first element.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    outer: usize,
    sizes: [usize; MAX_RANK],
    strides: [isize; MAX_RANK],
    position: [usize; MAX_RANK],
    next: Option<usize>,
    /// Elements in each row.
    pub(crate) length: usize,
    /// Distance between two elements of a row.
    pub(crate) stride: isize,
}

impl Iterator for Rows {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let start = self.next?;
        self.next = None;
        let mut place = start as isize;
        for dim in (0..self.outer).rev() {
            self.position[dim] += 1;
            place += self.strides[dim];
            if self.position[dim] < self.sizes[dim] {
                self.next = Some(place as usize);
                break;
            }
            place -= self.strides[dim] * self.sizes[dim] as isize;
            self.position[dim] = 0;
        }
        Some(start)
    }
}
