//! Views: other layouts over the same elements, without copying.

use super::{Array, Layout, NewShape, Shape};
use crate::error::{Error, Result};

/// A range of a dimension with a step, as in `start:stop:step`.
///
/// Negative numbers count from the end; missing ones mean "from the beginning" and "to the end". Bounds are
/// clamped to the dimension. A negative step walks backwards.
///
/// ```
/// use chainrule::{Array, Slice};
/// let a = Array::arange(0.0, 5.0, 1.0).unwrap();
/// assert_eq!(a.slice(0, Slice::from(1..4)).unwrap().to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0]);
/// assert_eq!(a.slice(0, Slice::from(-2..)).unwrap().to_vec::<f32>().unwrap(), [3.0, 4.0]);
/// assert_eq!(a.slice(0, Slice::from(..).step(-2)).unwrap().to_vec::<f32>().unwrap(), [4.0, 2.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The first index, or the end of the dimension that the step starts from.
    pub start: Option<isize>,
    /// The index before which to stop, or the other end.
    pub stop: Option<isize>,
    /// The distance between two indices; not 0.
    pub step: isize,
}

impl Slice {
    /// The same range with another step.
    ///
    /// ```
    /// use chainrule::{Array, Slice};
    /// let a = Array::arange(0, 6, 1)?;
    /// assert_eq!(a.slice(0, Slice::from(1..).step(2))?.to_vec::<i64>()?, [1, 3, 5]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn step(self, step: isize) -> Slice {
        Slice { step, ..self }
    }

    /// The first index and the number of indices in a dimension of this size.
    ///
    /// # Errors
    /// The step is 0.
    ///
    /// ```
    /// use chainrule::Slice;
    /// assert_eq!(Slice::from(-3..).resolve(10)?, (7, 3));
    /// assert_eq!(Slice::from(..).step(-2).resolve(10)?, (9, 5));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn resolve(&self, size: usize) -> Result<(usize, usize)> {
        if self.step == 0 {
            return Err(Error::argument("the step of a slice must not be 0"));
        }
        let size = size as isize;
        let forward = self.step > 0;
        let (first, last) = if forward { (0, size) } else { (-1, size - 1) };
        let place = |index: isize| (if index < 0 { index + size } else { index }).clamp(first, last);
        let start = self.start.map_or(if forward { first } else { last }, place);
        let stop = self.stop.map_or(if forward { last } else { first }, place);
        let distance = if forward { stop - start } else { start - stop };
        let length = if distance > 0 { (distance as usize - 1) / self.step.unsigned_abs() + 1 } else { 0 };
        Ok((start.max(0) as usize, length))
    }
}

macro_rules! slice_from {
    ($($range:ty: |$r:ident| $start:expr, $stop:expr;)*) => {$(
        impl From<$range> for Slice {
            fn from($r: $range) -> Slice {
                Slice { start: $start, stop: $stop, step: 1 }
            }
        }
    )*};
}

slice_from! {
    std::ops::Range<isize>: |r| Some(r.start), Some(r.end);
    std::ops::RangeFrom<isize>: |r| Some(r.start), None;
    std::ops::RangeTo<isize>: |r| None, Some(r.end);
    std::ops::RangeFull: |_r| None, None;
}

impl Array {
    /// The same elements in the same order under another shape; copies only where strides demand it. One size
    /// may be −1 and is computed.
    ///
    /// # Errors
    /// The numbers of elements differ.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::arange(0, 6, 1)?.reshape([2, 3])?;
    /// assert_eq!(a.to_string(), "tensor([[0, 1, 2],\n        [3, 4, 5]])");
    /// assert!(a.reshape([4]).is_err());
    /// assert_eq!(*Array::zeros([4, 6]).reshape([3, -1, 2])?.shape(), [3, 4, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn reshape(&self, shape: impl NewShape) -> Result<Array> {
        let shape = shape.resolve(self.shape())?;
        if shape.elements() != self.elements() {
            return Err(Error::shape(format!(
                "the shape {} with {} elements can't become {shape} with {}",
                self.shape(),
                self.elements(),
                shape.elements()
            )));
        }
        Ok(match self.0.layout.reshape(&shape) {
            Some(layout) => self.with_layout(layout),
            None => {
                crate::error::check_memory(shape.elements(), self.dtype().size())?;
                let copy = self.copied();
                copy.with_layout(Layout::contiguous(shape))
            }
        })
    }

    /// Like [`Array::reshape`], but refuses where elements would have to be copied.
    ///
    /// # Errors
    /// The numbers of elements differ, or the strides don't allow the shape.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::zeros([2, 3]);
    /// assert!(a.view([6])?.shares_buffer(&a));
    /// assert!(a.transpose(0, 1)?.view([6]).is_err()); // would have to copy
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn view(&self, shape: impl NewShape) -> Result<Array> {
        let shape = shape.resolve(self.shape())?;
        if shape.elements() != self.elements() {
            return self.reshape(shape);
        }
        let layout = self.0.layout.reshape(&shape).ok_or_else(|| {
            Error::shape(format!(
                "an array of shape {} with strides {:?} can't be seen as {shape} without copying",
                self.shape(),
                self.strides()
            ))
            .hint("use reshape, which copies where it must")
        })?;
        Ok(self.with_layout(layout))
    }

    /// Dimensions in another order: dimension `i` of the result is `order[i]` of this.
    ///
    /// # Errors
    /// `order` doesn't name every dimension once.
    ///
    /// ```
    /// use chainrule::Array;
    /// let images = Array::zeros([8, 3, 32, 48]); // batch, channels, height, width
    /// assert_eq!(*images.permute(&[0, 2, 3, 1])?.shape(), [8, 32, 48, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn permute(&self, order: &[isize]) -> Result<Array> {
        if order.len() != self.rank() {
            return Err(Error::shape(format!(
                "a permutation of {} dimensions has {} numbers, not {}",
                self.rank(),
                self.rank(),
                order.len()
            )));
        }
        let order = dims(self.shape(), order)?;
        Ok(self.with_layout(self.0.layout.permute(&order)))
    }

    /// Two dimensions exchanged.
    ///
    /// # Errors
    /// A dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::literal([[1, 2, 3], [4, 5, 6]])?;
    /// assert_eq!(a.transpose(0, 1)?.to_string(), "tensor([[1, 4],\n        [2, 5],\n        [3, 6]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn transpose(&self, dim0: isize, dim1: isize) -> Result<Array> {
        let (dim0, dim1) = (self.shape().dim(dim0)?, self.shape().dim(dim1)?);
        if self.rank() == 0 {
            return Ok(self.clone());
        }
        let mut order: Vec<usize> = (0..self.rank()).collect();
        order.swap(dim0, dim1);
        Ok(self.with_layout(self.0.layout.permute(&order)))
    }

    /// `length` elements of a dimension from `start` on (negative: from the end).
    ///
    /// # Errors
    /// The range leaves the dimension.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::arange(0, 6, 1)?;
    /// assert_eq!(a.narrow(0, 1, 3)?.to_vec::<i64>()?, [1, 2, 3]);
    /// assert!(a.narrow(0, 4, 3).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn narrow(&self, dim: isize, start: isize, length: usize) -> Result<Array> {
        let dim = self.real_dim(dim)?;
        let size = self.shape()[dim];
        let first = if start < 0 { start + size as isize } else { start };
        if first < 0 || first as usize > size || length > size - first as usize {
            return Err(Error::index(format!(
                "{length} elements from {start} on leave dimension {dim} of size {size}"
            )));
        }
        Ok(self.with_layout(self.0.layout.slice(dim, first as usize, 1, length)))
    }

    /// A range of a dimension, with a step; see [`Slice`].
    ///
    /// # Errors
    /// The dimension doesn't exist, or the step is 0.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::arange(0, 6, 1)?;
    /// assert_eq!(a.slice(0, 1..-1)?.to_vec::<i64>()?, [1, 2, 3, 4]);
    /// assert_eq!(a.slice(0, 4..100)?.to_vec::<i64>()?, [4, 5]); // clamped
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn slice(&self, dim: isize, range: impl Into<Slice>) -> Result<Array> {
        let range = range.into();
        let dim = self.real_dim(dim)?;
        let (start, length) = range.resolve(self.shape()[dim])?;
        Ok(self.with_layout(self.0.layout.slice(dim, start, range.step, length)))
    }

    /// The array at one index of a dimension, without that dimension.
    ///
    /// # Errors
    /// The index is out of range.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::literal([[1, 2], [3, 4]])?;
    /// assert_eq!(a.select(0, -1)?.to_vec::<i64>()?, [3, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn select(&self, dim: isize, index: isize) -> Result<Array> {
        let dim = self.real_dim(dim)?;
        let size = self.shape()[dim] as isize;
        if index < -size || index >= size {
            return Err(Error::index(format!(
                "index {index} is out of range for dimension {dim} of size {size}"
            )));
        }
        let index = if index < 0 { index + size } else { index };
        Ok(self.with_layout(self.0.layout.select(dim, index as usize)))
    }

    /// Stretches dimensions of size 1, and adds dimensions in front, without copying.
    ///
    /// # Errors
    /// A size differs and isn't 1.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::literal([1, 2])?.expand([3, 2])?;
    /// assert_eq!(a.to_vec::<i64>()?, [1, 2, 1, 2, 1, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn expand(&self, shape: impl Into<Shape>) -> Result<Array> {
        Ok(self.with_layout(self.0.layout.expand(&shape.into())?))
    }

    /// Removes the dimension if its size is 1.
    ///
    /// # Errors
    /// The dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(*Array::zeros([2, 1, 3]).squeeze(1)?.shape(), [2, 3]);
    /// assert_eq!(*Array::zeros([2, 1, 3]).squeeze(0)?.shape(), [2, 1, 3]); // nothing to remove
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn squeeze(&self, dim: isize) -> Result<Array> {
        let dim = self.shape().dim(dim)?;
        if self.rank() == 0 || self.shape()[dim] != 1 {
            return Ok(self.clone());
        }
        Ok(self.with_layout(self.0.layout.select(dim, 0)))
    }

    /// Adds a dimension of size 1 before `dim` (−1: after the last).
    ///
    /// # Errors
    /// The place doesn't exist.
    ///
    /// ```
    /// use chainrule::{Array, Shape};
    /// let a = Array::zeros([2, 3]);
    /// assert_eq!(
    ///     (*a.unsqueeze(0)?.shape(), *a.unsqueeze(-1)?.shape()),
    ///     (Shape::from([1, 2, 3]), Shape::from([2, 3, 1]))
    /// );
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn unsqueeze(&self, dim: isize) -> Result<Array> {
        let places = self.rank() as isize + 1;
        if dim < -places || dim >= places {
            return Err(Error::index(format!(
                "a dimension can be inserted at {} to {}, not at {dim}",
                -places,
                places - 1
            )));
        }
        let dim = if dim < 0 { dim + places } else { dim };
        Ok(self.with_layout(self.0.layout.unsqueeze(dim as usize)?))
    }

    /// The elements where the index in `dim2` minus that in `dim1` is `offset`, as a new last dimension.
    ///
    /// # Errors
    /// The dimensions are the same, or don't exist.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::literal([[1, 2, 3], [4, 5, 6], [7, 8, 9]])?;
    /// assert_eq!(a.diagonal(0, 0, 1)?.to_vec::<i64>()?, [1, 5, 9]);
    /// assert_eq!(a.diagonal(1, 0, 1)?.to_vec::<i64>()?, [2, 6]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn diagonal(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Array> {
        let (dim1, dim2) = (self.real_dim(dim1)?, self.real_dim(dim2)?);
        if dim1 == dim2 {
            return Err(Error::argument(format!(
                "a diagonal needs two different dimensions, not {dim1} twice"
            )));
        }
        Ok(self.with_layout(self.0.layout.diagonal(offset, dim1, dim2)))
    }

    /// The place of a dimension that must really exist (a 0-d array has none to cut).
    fn real_dim(&self, dim: isize) -> Result<usize> {
        if self.rank() == 0 {
            return Err(Error::shape("a 0-d array has no dimension to select from"));
        }
        self.shape().dim(dim)
    }
}

/// Dimensions counted from either end as places from the front, each at most once.
///
/// # Errors
/// A dimension doesn't exist or appears twice.
pub(crate) fn dims(shape: &Shape, dims: &[isize]) -> Result<Vec<usize>> {
    let mut places = Vec::with_capacity(dims.len());
    for &dim in dims {
        let place = shape.dim(dim)?;
        if places.contains(&place) {
            return Err(Error::argument(format!(
                "dimension {dim} appears twice in the list of dimensions {dims:?}"
            )));
        }
        places.push(place);
    }
    Ok(places)
}
