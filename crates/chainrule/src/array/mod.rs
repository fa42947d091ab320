//! `Array`: n-dimensional values without gradients.
//!
//! An array is a layout (shape, strides, offset) over elements that views share. Cloning and viewing never
//! copy elements, nor do they go to the allocator once a thread has made a few views; writing copies first where
//! the elements are shared, so an array that someone holds never changes under them.
//!
//! ```
//! use chainrule::Array;
//! let a = Array::arange(0, 6, 1)?.reshape([2, 3])?;
//! let column = a.select(1, 0)?; // a view: no element was copied
//! assert!(column.shares_buffer(&a));
//! assert_eq!(column.to_vec::<i64>()?, [0, 3]);
//! # Ok::<(), chainrule::Error>(())
//! ```

mod arith;
mod create;
mod display;
mod dtype;
mod elements;
mod layout;
mod literal;
#[cfg(feature = "ndarray")]
mod ndarray;
mod random;
mod shape;
pub(crate) mod storage;
mod views;

pub use create::arange_length;
pub use display::PrintOptions;
pub use dtype::DType;
pub use elements::Iter;
pub(crate) use layout::Layout;
pub use layout::Strides;
pub use literal::{Literal, Number};
pub use random::{Generator, manual_seed};
pub use shape::{MAX_RANK, Meta, NewShape, Shape};
pub use storage::Element;
pub(crate) use storage::{Float, dispatch, dispatch_float};
pub use views::Slice;
pub(crate) use views::dims;

use std::borrow::Cow;

use storage::{Data, Storage};

use crate::error::{Error, Result};
use crate::kernel::recycled::Shared;
use crate::kernel::zip::{fill, zip_with};

/// N-dimensional values: element type, shape, strides and elements. No gradients, no graph.
///
/// ```
/// use chainrule::Array;
/// let a = Array::from_vec(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]).unwrap();
/// let column = a.select(1, -1).unwrap();
/// assert_eq!(column.to_vec::<f32>().unwrap(), [3.0, 6.0]);
/// assert_eq!(*a.transpose(0, 1).unwrap().shape(), [3, 2]);
/// ```
#[derive(Debug, Clone)]
pub struct Array(Shared<Elements>);

/// What an array is; behind one pointer, as arrays move through every gate.
#[derive(Debug, Clone)]
struct Elements {
    storage: Storage,
    layout: Layout,
}

impl Array {
    // Constructors are inlined always: what an optimiser for size puts together by itself it copies as a whole.
    #[inline(always)]
    fn of(storage: Storage, layout: Layout) -> Array {
        Array(Shared::new(Elements { storage, layout }))
    }

    /// A 0-d array.
    ///
    /// ```
    /// use chainrule::{Array, DType};
    /// assert_eq!(Array::scalar(2.5f64).dtype(), DType::F64);
    /// ```
    #[inline]
    pub fn scalar<T: Element>(value: T) -> Array {
        Array::one(value, Shape::SCALAR)
    }

    /// An array of this shape from its elements in row-major order; keeps `T`.
    ///
    /// # Errors
    /// The number of elements isn't the shape's.
    ///
    /// ```
    /// use chainrule::{Array, DType};
    /// let a = Array::from_vec(vec![1u8, 2, 3], [3]).unwrap();
    /// assert_eq!(a.dtype(), DType::U8);
    /// assert!(Array::from_vec(vec![1.0f32], [2, 2]).is_err());
    /// ```
    pub fn from_vec<T: Element>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Array> {
        let shape = shape.into();
        if values.len() != shape.elements() {
            return Err(Error::shape(format!(
                "{} values can't fill the shape {shape}, which has {} elements",
                values.len(),
                shape.elements()
            )));
        }
        Ok(Array::filled(values, shape))
    }

    /// Like [`Array::from_vec`] where the number of elements is known to be right.
    #[inline(never)]
    pub(crate) fn filled<T: Element>(values: Vec<T>, shape: Shape) -> Array {
        debug_assert_eq!(values.len(), shape.elements());
        Array::of(T::wrap(Data::from_vec(values)), Layout::contiguous(shape))
    }

    /// An array whose elements `write` writes; what it finds there is arbitrary.
    #[inline]
    pub(crate) fn made<T: Element>(shape: &Shape, write: impl FnOnce(&mut [T])) -> Array {
        let mut array = Array::fresh::<T>(shape);
        let own = array.0.get_mut().and_then(|own| T::data_mut(&mut own.storage));
        write(own.expect("nobody else has the array yet").slice_mut());
        array
    }

    /// An array whose elements are arbitrary. (One copy of it serves every gate.)
    #[inline(never)]
    fn fresh<T: Element>(shape: &Shape) -> Array {
        Array::of(T::wrap(Data::fresh(shape.elements())), Layout::contiguous(*shape))
    }

    /// An array with a single element.
    #[inline]
    pub(crate) fn one<T: Element>(value: T, shape: Shape) -> Array {
        debug_assert_eq!(shape.elements(), 1);
        Array::of(T::wrap(Data::One(value)), Layout::contiguous(shape))
    }

    /// The value of type `T` that every element shows, where the layout says that it is one and the same.
    #[inline]
    pub(crate) fn repeated<T: Element>(&self) -> Option<T> {
        let buffer = T::data(&self.0.storage)?.slice();
        let same = match self.is_contiguous() {
            true => self.shape().iter().all(|&size| size == 1),
            false => {
                self.shape().iter().zip(&*self.strides()).all(|(&size, &stride)| size == 1 || stride == 0)
            }
        };
        if same { buffer.get(self.0.layout.offset).copied() } else { None }
    }

    /// Shape and element type without elements: views of it show what they would be.
    pub(crate) fn phantom(meta: Meta) -> Array {
        Array::constant(0.0, Meta::new(meta.dtype, [])).with_layout(Layout::contiguous(meta.shape))
    }

    /// Overwrites the elements that a layout of this array shows with those of `source`, of the same shape.
    pub(crate) fn write_at(&mut self, layout: &Layout, source: &Array) {
        let source = source.contiguous();
        dispatch!(self.dtype(), T => {
            let Some(out) = self.make_mut::<T>() else { return };
            let rows = layout.rows();
            let (length, stride) = (rows.length, rows.stride);
            for (start, values) in rows.zip(source.values::<T>().chunks(length.max(1))) {
                for (i, value) in values.iter().enumerate() {
                    out[(start as isize + i as isize * stride) as usize] = *value;
                }
            }
        })
    }

    /// The element type.
    ///
    /// ```
    /// use chainrule::{Array, DType};
    /// assert_eq!(Array::literal([true])?.dtype(), DType::Bool);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[inline]
    pub fn dtype(&self) -> DType {
        self.0.storage.dtype()
    }

    /// The sizes of the dimensions.
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(*Array::zeros([2, 3]).shape(), [2, 3]);
    /// ```
    #[inline]
    pub fn shape(&self) -> &Shape {
        &self.0.layout.shape
    }

    /// Element type and shape.
    ///
    /// ```
    /// use chainrule::{Array, DType, Meta};
    /// assert_eq!(Array::zeros([2, 3]).meta(), Meta::new(DType::F32, [2, 3]));
    /// ```
    #[inline(always)]
    pub fn meta(&self) -> Meta {
        Meta { dtype: self.dtype(), shape: self.0.layout.shape }
    }

    /// Whether the array has this element type and shape.
    #[inline]
    pub(crate) fn is_a(&self, meta: &Meta) -> bool {
        self.dtype() == meta.dtype && self.0.layout.shape == meta.shape
    }

    /// The number of dimensions.
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(Array::zeros([2, 3]).rank(), 2);
    /// ```
    #[inline]
    pub fn rank(&self) -> usize {
        self.0.layout.shape.rank()
    }

    /// The number of elements.
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(Array::zeros([2, 3]).elements(), 6);
    /// assert_eq!(Array::scalar(1.0f32).elements(), 1);
    /// ```
    #[inline]
    pub fn elements(&self) -> usize {
        self.0.layout.shape.elements()
    }

    /// For each dimension, how many elements apart its neighbours lie in the buffer.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::zeros([2, 3]);
    /// assert_eq!(a.strides(), [3, 1]);
    /// assert_eq!(a.transpose(0, 1)?.strides(), [1, 3]);
    /// assert_eq!(a.select(0, 0)?.expand([4, 3])?.strides(), [0, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn strides(&self) -> Strides {
        self.0.layout.strides()
    }

    /// Whether the elements lie in row-major order without gaps.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::zeros([2, 3]);
    /// assert!(a.is_contiguous() && !a.transpose(0, 1)?.is_contiguous());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.0.layout.is_contiguous()
    }

    /// Whether both arrays are views of the same buffer. (Single elements lie in the array itself: never.)
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::zeros([2, 3]);
    /// assert!(a.reshape([6])?.shares_buffer(&a));
    /// assert!(!a.copied().shares_buffer(&a));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn shares_buffer(&self, other: &Array) -> bool {
        self.0.storage.same(&other.0.storage)
    }

    /// The bytes that the elements of this shape take (views of larger buffers count their own elements).
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(Array::zeros([2, 3]).bytes(), 24);
    /// ```
    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype().size()
    }

    /// The elements in row-major order, where they lie so in memory; see [`Array::contiguous`].
    ///
    /// `None` for another element type and for a layout that is not contiguous.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::literal([[1.0, 2.0], [3.0, 4.0]])?;
    /// assert_eq!(a.as_slice::<f32>(), Some(&[1.0, 2.0, 3.0, 4.0][..]));
    /// assert_eq!(a.as_slice::<f64>(), None);
    /// assert_eq!(a.transpose(0, 1)?.as_slice::<f32>(), None);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[inline]
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        let data = T::data(&self.0.storage)?;
        let (start, length) = (self.0.layout.offset, self.elements());
        if length == 0 {
            return Some(&[]);
        }
        self.is_contiguous().then(|| &data.slice()[start..start + length])
    }

    /// Like [`Array::as_slice`] after [`Array::contiguous`], in gates that have checked the element type.
    #[inline]
    pub(crate) fn values<T: Element>(&self) -> &[T] {
        self.as_slice().expect("the caller checked the element type and made the array contiguous")
    }

    /// The value of a 0-d array's only element, if it is of type `T` (the engine's fast path).
    #[inline(always)]
    pub(crate) fn inline_value<T: Element>(&self) -> Option<T> {
        match T::data(&self.0.storage) {
            Some(Data::One(value)) if self.rank() == 0 => Some(*value),
            _ => None,
        }
    }

    /// The whole buffer behind a strided view, with which [`Layout::rows`] are indexed.
    pub(crate) fn buffer<T: Element>(&self) -> Option<&[T]> {
        T::data(&self.0.storage).map(Data::slice)
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// The same elements seen through another layout.
    fn with_layout(&self, layout: Layout) -> Array {
        Array::of(self.0.storage.clone(), layout)
    }

    /// The elements of the buffer at `offset + Σ indexᵢ·strideᵢ`; the caller makes sure that all of them exist.
    #[cfg(feature = "archives")]
    pub(crate) fn strided(&self, shape: Shape, strides: &[usize], offset: usize) -> Array {
        self.with_layout(Layout::strided(shape, strides, offset))
    }

    /// The same array if it is contiguous, else a row-major copy.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::literal([[1, 2], [3, 4]])?.transpose(0, 1)?;
    /// assert_eq!(a.contiguous().as_slice::<i64>(), Some(&[1, 3, 2, 4][..]));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn contiguous(&self) -> Array {
        if self.is_contiguous() { self.clone() } else { self.copied() }
    }

    /// [`Array::contiguous`] without counting a reference where the array is.
    #[inline]
    pub(crate) fn in_order(&self) -> Cow<'_, Array> {
        if self.is_contiguous() { Cow::Borrowed(self) } else { Cow::Owned(self.copied()) }
    }

    /// A row-major copy that shares nothing.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::zeros([3]);
    /// let mut b = a.copied();
    /// b.make_mut::<f32>().unwrap()[0] = 1.0;
    /// assert_eq!(a.to_vec::<f32>()?, [0.0, 0.0, 0.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn copied(&self) -> Array {
        dispatch!(self.dtype(), T => {
            let mut out = crate::kernel::memory::take::<T>(self.elements());
            self.write_to(&mut out);
            Array::filled(out, *self.shape())
        })
    }

    /// Writes the elements in row-major order.
    pub(crate) fn write_to<T: Element>(&self, out: &mut [T]) {
        let source = self.buffer::<T>().expect("the caller dispatched on the element type");
        if let Some(slice) = self.as_slice::<T>() {
            out.copy_from_slice(slice);
            return;
        }
        let rows = self.0.layout.rows();
        let (length, stride) = (rows.length, rows.stride);
        for (start, out) in rows.zip(out.chunks_exact_mut(length.max(1))) {
            match stride {
                0 => fill(out, source[start]),
                1 => out.copy_from_slice(&source[start..start + length]),
                _ => {
                    let mut place = start as isize;
                    for value in out {
                        *value = source[place as usize];
                        place += stride;
                    }
                }
            }
        }
    }

    /// The elements for writing, in row-major order; copies first where they are shared or strided.
    ///
    /// `None` for another element type.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::zeros([3]);
    /// let mut b = a.clone();
    /// b.make_mut::<f32>().unwrap()[1] = 5.0;
    /// assert_eq!(b.to_vec::<f32>()?, [0.0, 5.0, 0.0]);
    /// assert_eq!(a.to_vec::<f32>()?, [0.0, 0.0, 0.0]); // copied on write
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn make_mut<T: Element>(&mut self) -> Option<&mut [T]> {
        if T::DTYPE != self.dtype() {
            return None;
        }
        let length = self.elements();
        // A view of a part of a buffer is copied out first, so that writing never copies the whole buffer.
        let whole = self.buffer::<T>().map(<[T]>::len) == Some(length);
        if !self.is_contiguous() || (!whole && !self.is_unique()) {
            *self = self.copied();
        } else if !self.0.is_only() {
            *self = self.with_layout(self.0.layout.clone());
        }
        let start = if length == 0 { 0 } else { self.0.layout.offset };
        let own = self.0.get_mut().expect("an array that was just made has no other handle");
        let data = T::data_mut(&mut own.storage)?;
        Some(&mut data.slice_mut()[start..start + length])
    }

    /// Whether writing would need no copy.
    pub(crate) fn is_unique(&self) -> bool {
        self.is_contiguous() && self.0.is_only() && self.0.storage.is_unique()
    }

    /// The array with another element type; the same array where the type is the same.
    ///
    /// Floats become integers by truncation, numbers become `bool` by `x ≠ 0`.
    ///
    /// ```
    /// use chainrule::{Array, DType};
    /// let a = Array::from_vec(vec![-1.7f32, 0.0, 2.5], [3]).unwrap();
    /// assert_eq!(a.cast(DType::I64).to_vec::<i64>().unwrap(), [-1, 0, 2]);
    /// assert_eq!(a.cast(DType::Bool).to_vec::<bool>().unwrap(), [true, false, true]);
    /// ```
    pub fn cast(&self, dtype: DType) -> Array {
        if dtype == self.dtype() {
            return self.clone();
        }
        let source = self.contiguous();
        dispatch!(self.dtype(), From => dispatch!(dtype, To => {
            let values = source.values::<From>();
            // Integers go through i64, which holds all of them exactly; f64 would round large ones.
            let convert: fn(From) -> To = if From::DTYPE.is_float() || To::DTYPE.is_float() {
                |x| To::from_f64(x.to_f64())
            } else {
                |x| To::from_i64(x.to_i64())
            };
            let mut out = crate::kernel::memory::take::<To>(values.len());
            zip_with(&mut out, values, |out, x| *out = convert(x));
            Array::filled(out, *self.shape())
        }))
    }

    /// The only element, as `f64`.
    ///
    /// # Errors
    /// The array doesn't have exactly one element.
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(Array::scalar(3i64).item().unwrap(), 3.0);
    /// assert!(Array::from_vec(vec![1.0f32, 2.0], [2]).unwrap().item().is_err());
    /// ```
    pub fn item(&self) -> Result<f64> {
        if self.elements() != 1 {
            return Err(Error::shape(format!(
                "an array with {} elements can't be turned into one number",
                self.elements()
            ))
            .hint("reduce it first (sum, mean…), or read all elements with to_vec"));
        }
        Ok(dispatch!(self.dtype(), T => self.buffer::<T>().map_or(0.0, |b| b[self.0.layout.offset].to_f64())))
    }
}
