//! Reading elements: iteration, conversion to `Vec`, comparison.

use super::{Array, DType, Element, Layout, dispatch, layout::Rows};
use crate::error::{Error, Result};
use crate::kernel::Kernels as _;
use crate::kernel::zip::mapped;

/// Iterates over the elements of an array in row-major order, whatever its strides.
///
/// ```
/// use chainrule::Array;
/// let a = Array::literal([[1, 2], [3, 4]])?;
/// let columns = a.transpose(0, 1)?;
/// let mut elements = columns.iter::<i64>()?;
/// assert_eq!((elements.len(), elements.next(), elements.next()), (4, Some(1), Some(3)));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Iter<'a, T> {
    buffer: &'a [T],
    rows: Rows,
    place: isize,
    left_in_row: usize,
    left: usize,
}

impl<'a, T: Element> Iter<'a, T> {
    fn new(buffer: &'a [T], layout: &Layout) -> Self {
        Iter { buffer, rows: layout.rows(), place: 0, left_in_row: 0, left: layout.shape.elements() }
    }
}

impl<T: Element> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.left_in_row == 0 {
            self.place = self.rows.next()? as isize;
            self.left_in_row = self.rows.length;
        }
        let value = self.buffer[self.place as usize];
        self.left_in_row -= 1;
        self.left -= 1;
        self.place += self.rows.stride;
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T: Element> ExactSizeIterator for Iter<'_, T> {}

impl Array {
    /// The elements in row-major order.
    ///
    /// # Errors
    /// `T` isn't the array's element type.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::from_vec(vec![1i64, 2, 3, 4], [2, 2]).unwrap().transpose(0, 1).unwrap();
    /// assert_eq!(a.iter::<i64>().unwrap().collect::<Vec<_>>(), [1, 3, 2, 4]);
    /// ```
    pub fn iter<T: Element>(&self) -> Result<Iter<'_, T>> {
        let buffer = self.buffer::<T>().ok_or_else(|| wrong_type(self.dtype(), T::DTYPE))?;
        Ok(Iter::new(buffer, &self.0.layout))
    }

    /// The elements in row-major order as a vector.
    ///
    /// # Errors
    /// `T` isn't the array's element type.
    ///
    /// ```
    /// use chainrule::{Array, Slice};
    /// let a = Array::arange(0, 5, 1)?.slice(0, Slice::from(..).step(2))?;
    /// assert_eq!(a.to_vec::<i64>()?, [0, 2, 4]);
    /// assert_eq!(
    ///     a.to_vec::<f32>().unwrap_err().to_string(),
    ///     "the elements are i64, not f32; convert first: cast(DType::F32)"
    /// );
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        match self.as_slice::<T>() {
            Some(slice) => Ok(slice.to_vec()),
            None => Ok(self.iter::<T>()?.collect()),
        }
    }

    /// The elements in row-major order, converted to `f64` whatever their type.
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(Array::literal([1u8, 255])?.to_f64_vec(), [1.0, 255.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn to_f64_vec(&self) -> Vec<f64> {
        dispatch!(self.dtype(), T => {
            self.converted::<T, f64>(Element::to_f64)
        })
    }

    /// The elements in row-major order, converted to `i64` (floats are truncated).
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(Array::literal([1.9, -1.9])?.to_i64_vec(), [1, -1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn to_i64_vec(&self) -> Vec<i64> {
        dispatch!(self.dtype(), T => {
            self.converted::<T, i64>(Element::to_i64)
        })
    }

    /// The elements in row-major order, each converted.
    fn converted<T: Element, R>(&self, convert: impl Fn(T) -> R + Copy) -> Vec<R> {
        if let Some(slice) = self.as_slice::<T>() {
            return mapped(slice, convert);
        }
        let source = self.buffer::<T>().expect("the caller dispatched on the element type");
        let rows = self.0.layout.rows();
        let (length, stride) = (rows.length as isize, rows.stride);
        let mut values = Vec::with_capacity(self.elements());
        for start in rows {
            let place = |i: isize| (start as isize + i * stride) as usize;
            values.extend((0..length).map(|i| convert(source[place(i)])));
        }
        values
    }

    /// The element at this index (one number a dimension, negative ones count from the end), as `f64`.
    ///
    /// # Errors
    /// An index is out of range, or there are more or fewer than dimensions.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [2, 2]).unwrap();
    /// assert_eq!(a.get(&[1, -1]).unwrap(), 4.0);
    /// ```
    pub fn get(&self, index: &[isize]) -> Result<f64> {
        if index.len() != self.rank() {
            return Err(Error::index(format!(
                "an element of an array with {} dimensions has {} indices, not {}",
                self.rank(),
                self.rank(),
                index.len()
            )));
        }
        index.iter().try_fold(self.clone(), |array, &i| array.select(0, i))?.item()
    }

    /// Whether shape, element type and every element are equal (NaN equals NaN here).
    ///
    /// ```
    /// use chainrule::{Array, DType};
    /// let a = Array::literal([1.0, f64::NAN])?;
    /// assert!(a.same_as(&a.copied()));
    /// assert!(!a.same_as(&a.cast(DType::F64))); // another element type
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn same_as(&self, other: &Array) -> bool {
        self.meta() == other.meta()
            && dispatch!(self.dtype(), T => {
                let (a, b) = (self.in_order(), other.in_order());
                let mut pairs = a.values::<T>().iter().zip(b.values::<T>());
                pairs.all(|(a, b)| a == b || (a.to_f64().is_nan() && b.to_f64().is_nan()))
            })
    }

    /// Whether every element is within `absolute + relative·|other|` of the other's (NaN equals NaN,
    /// infinities by sign), for arrays of the same shape.
    ///
    /// ```
    /// use chainrule::Array;
    /// let (a, b) = (Array::literal([1.0, 100.0])?, Array::literal([1.0, 100.1])?);
    /// assert!(a.all_close(&b, 1e-2, 0.0) && !a.all_close(&b, 1e-4, 1e-4));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn all_close(&self, other: &Array, relative: f64, absolute: f64) -> bool {
        self.shape() == other.shape()
            && self.to_f64_vec().iter().zip(other.to_f64_vec()).all(|(&a, b)| {
                a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= absolute + relative * b.abs()
            })
    }

    /// Whether no element is NaN or infinite.
    ///
    /// ```
    /// use chainrule::Array;
    /// assert!(Array::literal([1.0, 2.0])?.all_finite());
    /// assert!(!Array::literal([1.0, f64::INFINITY])?.all_finite());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn all_finite(&self) -> bool {
        match self.dtype() {
            DType::F32 => f32::all_finite(self.contiguous().values()),
            DType::F64 => f64::all_finite(self.contiguous().values()),
            _ => true,
        }
    }
}

fn wrong_type(actual: DType, asked: DType) -> Error {
    Error::dtype(format!("the elements are {actual}, not {asked}"))
        .hint(format!("convert first: cast(DType::{asked:?})"))
}
