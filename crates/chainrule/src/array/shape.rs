//! `Shape`: the sizes of an array's dimensions, held without allocation, and how shapes combine.

use std::fmt;
use std::ops::Deref;

use super::DType;
use crate::error::{Error, Result};

/// The largest number of dimensions an array may have.
///
/// Shapes are stored inside the array itself, so that a view costs no allocation; this is the price.
pub const MAX_RANK: usize = 8;

/// The sizes of an array's dimensions, outermost first.
///
/// ```
/// use chainrule::Shape;
/// let shape = Shape::from([2, 3]);
/// assert_eq!(shape.elements(), 6);
/// assert_eq!(&shape[..], &[2, 3]);
/// assert_eq!(shape.to_string(), "[2, 3]");
/// ```
#[derive(Clone, Copy)]
pub struct Shape {
    /// Shapes are copied at every turn, and 64 bytes go in four moves: the number of dimensions needs a word of its own
    /// only where the last one is free, so it is kept there, as `FEWER` + rank.
    sizes: [usize; MAX_RANK],
}

/// What the last word of a shape with less than [`MAX_RANK`] dimensions has over its rank: no array has as large a size.
const FEWER: usize = usize::MAX - (MAX_RANK - 1);

impl Shape {
    /// The shape of a 0-d array (one element).
    pub const SCALAR: Shape = Shape { sizes: [0, 0, 0, 0, 0, 0, 0, FEWER] };

    /// A shape from its sizes.
    ///
    /// # Errors
    /// More than [`MAX_RANK`] dimensions, or more elements than an `i64` counts.
    ///
    /// ```
    /// use chainrule::Shape;
    /// let sizes: Vec<usize> = "2x3".split('x').map(|size| size.parse().unwrap()).collect();
    /// assert_eq!(Shape::new(&sizes)?, Shape::from([2, 3]));
    /// assert!(Shape::new(&[1; 9]).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(sizes: &[usize]) -> Result<Shape> {
        if sizes.len() > MAX_RANK {
            return Err(Error::shape(format!(
                "an array has at most {MAX_RANK} dimensions, not {}",
                sizes.len()
            )));
        }
        // Zero-size dimensions count as 1 here: [0, huge, huge] must be refused too, its strides overflow.
        let product = sizes.iter().try_fold(1usize, |n, &s| n.checked_mul(s.max(1)));
        if product.is_none_or(|n| n > i64::MAX as usize / 8) {
            return Err(Error::shape(format!("the shape {sizes:?} has more elements than memory can hold")));
        }
        Ok(Shape::trusted(sizes))
    }

    /// A shape whose sizes are known to be within the limits.
    pub(crate) fn trusted(sizes: &[usize]) -> Shape {
        let mut shape = Shape::SCALAR;
        shape.sizes[MAX_RANK - 1] += sizes.len() & (MAX_RANK - 1);
        for (to, &size) in shape.sizes.iter_mut().zip(sizes) {
            *to = size.min(FEWER - 1);
        }
        shape
    }

    /// The number of dimensions.
    ///
    /// ```
    /// use chainrule::Shape;
    /// assert_eq!(Shape::from([2, 3]).rank(), 2);
    /// ```
    #[inline]
    pub fn rank(&self) -> usize {
        self.sizes[MAX_RANK - 1].wrapping_sub(FEWER).min(MAX_RANK)
    }

    /// The number of elements: the product of the sizes (1 for a 0-d array), or the largest number there is.
    ///
    /// ```
    /// use chainrule::Shape;
    /// assert_eq!(Shape::from([2, 3]).elements(), 6);
    /// assert_eq!(Shape::SCALAR.elements(), 1);
    /// ```
    #[inline]
    pub fn elements(&self) -> usize {
        self.iter().fold(1, |product: usize, &size| product.saturating_mul(size))
    }

    /// Turns a dimension counted from the front (0…) or the back (−1…) into its place from the front.
    ///
    /// As in PyTorch, a 0-d array answers to 0 and −1.
    ///
    /// # Errors
    /// The dimension does not exist.
    ///
    /// ```
    /// use chainrule::Shape;
    /// let shape = Shape::from([2, 3, 4]);
    /// assert_eq!((shape.dim(1)?, shape.dim(-1)?), (1, 2));
    /// assert!(shape.dim(3).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn dim(&self, dim: isize) -> Result<usize> {
        let rank = self.rank().max(1) as isize;
        if dim < -rank || dim >= rank {
            return Err(Error::index(format!(
                "dimension {dim} is out of range for a shape with {} dimensions (expected {} to {})",
                self.rank(),
                -rank,
                rank - 1
            )));
        }
        Ok(if dim < 0 { (dim + rank) as usize } else { dim as usize })
    }

    /// The shape to which both broadcast: sizes are matched from the last dimension, 1 stretches.
    ///
    /// # Errors
    /// Two sizes differ and neither is 1.
    ///
    /// ```
    /// use chainrule::Shape;
    /// let (a, b) = (Shape::from([3, 1]), Shape::from([2, 1, 4]));
    /// assert_eq!(a.broadcast(&b).unwrap(), Shape::from([2, 3, 4]));
    /// ```
    pub fn broadcast(&self, other: &Shape) -> Result<Shape> {
        if self == other {
            return Ok(*self);
        }
        let rank = self.rank().max(other.rank());
        let mut sizes = [0; MAX_RANK];
        for from_end in 1..=rank {
            let a = self.size_from_end(from_end);
            let b = other.size_from_end(from_end);
            sizes[rank - from_end] = match (a, b) {
                _ if a == b => a,
                (1, _) => b,
                (_, 1) => a,
                _ => {
                    return Err(Error::shape(format!(
                        "the sizes {a} and {b} at dimension {} do not broadcast: they must be equal, or one of them 1",
                        rank - from_end
                    )));
                }
            };
        }
        Shape::new(&sizes[..rank])
    }

    /// The size of the n-th dimension from the end (1 is the last), or 1 where there is none.
    fn size_from_end(&self, n: usize) -> usize {
        if n <= self.rank() { self.sizes[self.rank() - n] } else { 1 }
    }

    /// A shape of these sizes for the same number of elements; one size may be −1 and is computed.
    ///
    /// # Errors
    /// The sizes don't say what the shape is, or are too large.
    fn with_sizes(&self, sizes: &[isize]) -> Result<Shape> {
        let unknown = sizes.iter().filter(|&&size| size == -1).count();
        let known: Vec<usize> = sizes
            .iter()
            .map(|&size| if size == -1 { 1 } else { usize::try_from(size).unwrap_or(0) })
            .collect();
        let known = Shape::new(&known)?;
        if unknown > 1 || sizes.iter().any(|&size| size < -1) || (unknown == 1 && known.elements() == 0) {
            return Err(Error::argument(format!("the sizes {sizes:?} don't say what the shape is"))
                .hint("one size may be -1, and is computed from the others"));
        }
        match sizes.iter().position(|&size| size == -1) {
            Some(dim) => Ok(known.with_size(dim, self.elements() / known.elements())),
            None => Ok(known),
        }
    }

    /// The shape without dimension `dim`.
    pub(crate) fn without(&self, dim: usize) -> Shape {
        let mut shape = *self;
        if dim < self.rank() {
            let rank = self.rank() - 1;
            shape.sizes.copy_within(dim + 1..=rank, dim);
            shape.sizes[MAX_RANK - 1] = FEWER + rank;
        }
        shape
    }

    /// The shape with one more dimension of this size before `dim`.
    ///
    /// # Errors
    /// The shape has [`MAX_RANK`] dimensions already.
    pub(crate) fn with_inserted(&self, dim: usize, size: usize) -> Result<Shape> {
        let mut sizes = self.to_vec();
        sizes.insert(dim, size);
        Shape::new(&sizes)
    }

    /// The shape with the size of `dim` replaced.
    pub(crate) fn with_size(&self, dim: usize, size: usize) -> Shape {
        let mut shape = *self;
        if dim < shape.rank() {
            shape.sizes[dim] = size.min(FEWER - 1);
        }
        shape
    }
}

impl Deref for Shape {
    type Target = [usize];
    #[inline]
    fn deref(&self) -> &[usize] {
        &self.sizes[..self.rank()]
    }
}

impl PartialEq for Shape {
    #[inline]
    fn eq(&self, other: &Shape) -> bool {
        // A call to compare slices takes longer than the few sizes.
        self.rank() == other.rank() && self.iter().zip(&other[..]).all(|(a, b)| a == b)
    }
}

impl Eq for Shape {}

impl<const N: usize> PartialEq<[usize; N]> for Shape {
    fn eq(&self, other: &[usize; N]) -> bool {
        self[..] == other[..]
    }
}

impl std::hash::Hash for Shape {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self[..].hash(state);
    }
}

/// Arrays of up to eight sizes become shapes; see [`Shape::new`] for sizes known at run time only.
impl<const N: usize> From<[usize; N]> for Shape {
    fn from(sizes: [usize; N]) -> Shape {
        const { assert!(N <= MAX_RANK, "an array has at most 8 dimensions") };
        Shape::trusted(&sizes)
    }
}

/// What `reshape` and `view` take: a [`Shape`], or sizes of any integer type, of which one may be −1 and is then
/// computed from the number of elements.
///
/// ```
/// use chainrule::tensor;
/// let x = tensor([[1, 2, 3], [4, 5, 6]]);
/// assert_eq!(x.reshape([3, -1])?.shape(), [3, 2]);
/// assert_eq!(x.reshape(x.shape())?.shape(), [2, 3]);
/// assert!(x.reshape([-1, -1]).is_err());
/// # Ok::<(), chainrule::Error>(())
/// ```
pub trait NewShape {
    /// The shape that an array of shape `current` gets.
    ///
    /// # Errors
    /// The sizes don't say what it is, or are too large.
    ///
    /// ```
    /// use chainrule::{NewShape, Shape};
    /// let current = Shape::from([2, 6]);
    /// assert_eq!([3, -1].resolve(&current)?, Shape::from([3, 4]));
    /// assert!([-1, -1].resolve(&current).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn resolve(self, current: &Shape) -> Result<Shape>;
}

impl NewShape for Shape {
    fn resolve(self, _current: &Shape) -> Result<Shape> {
        Ok(self)
    }
}

impl<T: Copy + TryInto<isize>> NewShape for &[T] {
    fn resolve(self, current: &Shape) -> Result<Shape> {
        // A size that no isize holds is refused like any other that memory can't hold.
        let sizes: Vec<isize> = self.iter().map(|&size| size.try_into().unwrap_or(isize::MAX)).collect();
        current.with_sizes(&sizes)
    }
}

impl<T: Copy + TryInto<isize>, const N: usize> NewShape for [T; N] {
    fn resolve(self, current: &Shape) -> Result<Shape> {
        self[..].resolve(current)
    }
}

impl<T: Copy + TryInto<isize>, const N: usize> NewShape for &[T; N] {
    fn resolve(self, current: &Shape) -> Result<Shape> {
        self[..].resolve(current)
    }
}

impl<T: Copy + TryInto<isize>> NewShape for &Vec<T> {
    fn resolve(self, current: &Shape) -> Result<Shape> {
        self[..].resolve(current)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self[..])
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self[..])
    }
}

/// What is known of an array without its values: element type and shape.
///
/// ```
/// use chainrule::{Array, DType};
/// let meta = Array::zeros([2, 3]).meta();
/// assert_eq!((meta.dtype, meta.shape.elements()), (DType::F32, 6));
/// assert_eq!(meta.to_string(), "f32[2, 3]");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Meta {
    /// The element type.
    pub dtype: DType,
    /// The shape.
    pub shape: Shape,
}

impl Meta {
    /// Element type and shape together.
    ///
    /// ```
    /// use chainrule::{DType, Meta};
    /// assert_eq!(Meta::new(DType::I64, [5]).to_string(), "i64[5]");
    /// ```
    pub fn new(dtype: DType, shape: impl Into<Shape>) -> Meta {
        Meta { dtype, shape: shape.into() }
    }
}

impl fmt::Display for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_is_kept_beside_sizes_of_all_kinds() {
        let sizes = [2, 3, 4, 5, 6, 7, 8, 9];
        for rank in 0..=MAX_RANK {
            let shape = Shape::trusted(&sizes[..rank]);
            assert_eq!((shape.rank(), &shape[..]), (rank, &sizes[..rank]));
            assert_eq!(shape, Shape::new(&sizes[..rank]).unwrap());
            for dim in 0..rank {
                let rest: Vec<usize> = (0..rank).filter(|&other| other != dim).map(|i| sizes[i]).collect();
                assert_eq!(shape.without(dim)[..], rest);
                assert_eq!(shape.without(dim).with_inserted(dim, sizes[dim]).unwrap(), shape);
                assert_eq!(shape.with_size(dim, 1)[dim], 1);
            }
        }
        // No size, however impossible, is taken for a rank.
        for size in (0..20).map(|less| usize::MAX - less) {
            assert_eq!(Shape::from([1, 1, 1, 1, 1, 1, 1, size]).rank(), MAX_RANK);
            assert_eq!(Shape::from([1; 8]).with_size(7, size).rank(), MAX_RANK);
        }
    }
}
