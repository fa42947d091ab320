//! `Layout`: which elements of a buffer an array shows, and in which order.
//!
//! A view is a new layout over the same buffer; all of the rules for views are here, on numbers alone.

use super::{MAX_RANK, Shape};
use crate::error::{Error, Result};

/// Shape, strides (in elements, negative allowed) and offset of an array in its buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) shape: Shape,
    strides: [isize; MAX_RANK],
    pub(crate) offset: usize,
}

impl Layout {
    /// The layout of a whole buffer in row-major order.
    #[inline]
    pub(crate) fn contiguous(shape: Shape) -> Layout {
        Layout { shape, strides: row_major(&shape), offset: 0 }
    }

    /// A layout with these strides, one a dimension.
    #[cfg(feature = "archives")]
    pub(crate) fn strided(shape: Shape, strides: &[usize], offset: usize) -> Layout {
        let mut all = [0; MAX_RANK];
        for (to, &stride) in all.iter_mut().zip(strides) {
            *to = stride as isize;
        }
        Layout { shape, strides: all, offset }
    }

    pub(crate) fn strides(&self) -> &[isize] {
        &self.strides[..self.shape.rank()]
    }

    /// Whether the elements lie in row-major order without gaps (they may start anywhere).
    #[inline]
    pub(crate) fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for dim in (0..self.shape.rank()).rev() {
            let size = self.shape[dim];
            if size == 0 {
                return true;
            }
            if size != 1 && self.strides[dim] != expected {
                // Without elements there are no gaps.
                return self.shape[..dim].contains(&0);
            }
            expected *= size as isize;
        }
        true
    }

    /// The layout with dimensions reordered: dimension `i` of the result is `order[i]` of this.
    pub(crate) fn permute(&self, order: &[usize]) -> Layout {
        let mut sizes = [0; MAX_RANK];
        let mut strides = [0; MAX_RANK];
        for (to, &from) in order.iter().enumerate() {
            sizes[to] = self.shape[from];
            strides[to] = self.strides[from];
        }
        Layout { shape: Shape::trusted(&sizes[..order.len()]), strides, offset: self.offset }
    }

    /// `length` elements of dimension `dim` from `start` on, every `step`-th.
    pub(crate) fn slice(&self, dim: usize, start: usize, step: isize, length: usize) -> Layout {
        let mut layout = *self;
        layout.shape = self.shape.with_size(dim, length);
        if length > 0 {
            layout.offset = layout.offset.wrapping_add_signed(start as isize * self.strides[dim]);
        }
        // A step that long leaves one element at most, whose stride is never used.
        layout.strides[dim] = layout.strides[dim].wrapping_mul(step);
        layout
    }

    /// The layout without dimension `dim`, at position `index` of it.
    pub(crate) fn select(&self, dim: usize, index: usize) -> Layout {
        let offset = self.offset.wrapping_add_signed(index as isize * self.strides[dim]);
        let mut strides = self.strides;
        strides.copy_within(dim + 1.., dim);
        Layout { shape: self.shape.without(dim), strides, offset }
    }

    /// The layout with a dimension of size 1 inserted.
    pub(crate) fn unsqueeze(&self, dim: usize) -> Result<Layout> {
        let shape = self.shape.with_inserted(dim, 1)?;
        let mut strides = self.strides;
        strides.copy_within(dim..MAX_RANK - 1, dim + 1);
        strides[dim] = 1;
        Ok(Layout { shape, strides, offset: self.offset })
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
        let mut strides = [0; MAX_RANK];
        for dim in added..shape.rank() {
            let own = self.shape[dim - added];
            if own == shape[dim] {
                strides[dim] = self.strides[dim - added];
            } else if own != 1 {
                return Err(refused());
            }
        }
        Ok(Layout { shape: *shape, strides, offset: self.offset })
    }

    /// The diagonal of two dimensions, as a new last dimension.
    pub(crate) fn diagonal(&self, offset: isize, dim1: usize, dim2: usize) -> Layout {
        let (rows, columns) = (self.shape[dim1] as isize, self.shape[dim2] as isize);
        let length =
            if offset >= 0 { rows.min(columns - offset) } else { (rows + offset).min(columns) }.max(0);
        let kept: Vec<usize> = (0..self.shape.rank()).filter(|&d| d != dim1 && d != dim2).collect();
        let mut layout = self.permute(&kept);
        if length > 0 {
            let (row, column) = ((-offset).max(0), offset.max(0));
            layout.offset =
                layout.offset.wrapping_add_signed(row * self.strides[dim1] + column * self.strides[dim2]);
        }
        let last = kept.len();
        let mut sizes = layout.shape.to_vec();
        sizes.push(length as usize);
        layout.shape = Shape::trusted(&sizes);
        layout.strides[last] = self.strides[dim1] + self.strides[dim2];
        layout
    }

    /// The same elements in the same order under another shape, where strides allow it without copying.
    pub(crate) fn reshape(&self, shape: &Shape) -> Option<Layout> {
        if self.is_contiguous() {
            return Some(Layout { shape: *shape, strides: row_major(shape), offset: self.offset });
        }
        // Old dimensions are merged into the longest runs that one stride describes; each run must be
        // the product of a run of new dimensions.
        let mut strides = [0; MAX_RANK];
        let mut new = shape.rank();
        let mut old = self.shape.rank();
        while old > 0 {
            old -= 1;
            if self.shape[old] == 1 {
                continue;
            }
            let step = self.strides[old];
            let mut run = self.shape[old];
            while old > 0 && (self.shape[old - 1] == 1 || self.strides[old - 1] == step * run as isize) {
                old -= 1;
                run *= self.shape[old];
            }
            let mut filled = 1;
            while new > 0 && (filled < run || shape[new - 1] == 1) {
                new -= 1;
                strides[new] = step * filled as isize;
                filled *= shape[new];
            }
            if filled != run {
                return None;
            }
        }
        shape[..new].iter().all(|&size| size == 1).then_some(Layout {
            shape: *shape,
            strides,
            offset: self.offset,
        })
    }

    /// The rows of the array: runs of elements that one stride describes, in row-major order.
    pub(crate) fn rows(&self) -> Rows {
        // Dimensions that one stride spans are walked as one, so that the rows are as long as possible.
        let mut sizes = [0usize; MAX_RANK];
        let mut strides = [0isize; MAX_RANK];
        let mut rank = 0;
        for dim in 0..self.shape.rank() {
            let (size, stride) = (self.shape[dim], self.strides[dim]);
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
