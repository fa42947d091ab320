//! Where an array's elements live: one inline value, or a shared buffer, which holds a few in itself.
//!
//! Scalars are held in the array itself because graphs of scalars would otherwise spend their time in
//! the allocator, and small networks on looking for memory. Buffers are shared between views and copied on write.

use super::DType;
use crate::kernel::memory;
use crate::kernel::recycled::Shared;

/// A type that arrays can hold: `bool`, `u8`, `i32`, `i64`, `f32` or `f64`.
///
/// ```
/// use chainrule::{Array, DType, Element};
/// fn largest<T: Element>(array: &Array) -> Option<T> {
///     array
///         .iter::<T>()
///         .ok()?
///         .fold(None, |best, x| if best.is_none_or(|best| x > best) { Some(x) } else { best })
/// }
/// assert_eq!(largest::<i64>(&Array::literal([3, 9, 4])?), Some(9));
/// assert_eq!(<f64 as Element>::DTYPE, DType::F64);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub trait Element: crate::kernel::Value + private::Stored {
    /// The element type as data.
    const DTYPE: DType;
    /// The value as `f64` (`true` is 1).
    ///
    /// ```
    /// use chainrule::Element;
    /// assert_eq!((true.to_f64(), (-3i32).to_f64()), (1.0, -3.0));
    /// ```
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self.double()
    }
    /// The nearest value of this type: integers are truncated towards zero, then `i32` and `i64` saturate and
    /// `u8` wraps around; NaN becomes 0, and `bool` is `x ≠ 0`.
    ///
    /// ```
    /// use chainrule::Element;
    /// assert_eq!((i32::from_f64(-2.9), i32::from_f64(1e12), bool::from_f64(0.5)), (-2, i32::MAX, true));
    /// ```
    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self::of_double(x)
    }
    /// The value as `i64`, truncated towards zero and saturating (NaN: 0).
    ///
    /// ```
    /// use chainrule::Element;
    /// assert_eq!((2.9f32.to_i64(), f64::INFINITY.to_i64()), (2, i64::MAX));
    /// ```
    fn to_i64(self) -> i64;
    /// The value of this type; narrower integers wrap around, as PyTorch's casts do.
    ///
    /// ```
    /// use chainrule::Element;
    /// assert_eq!((u8::from_i64(257), f32::from_i64(3)), (1, 3.0));
    /// ```
    fn from_i64(x: i64) -> Self;
}

/// One element or a shared buffer of them.
#[derive(Debug, Clone)]
pub enum Data<T: memory::Recycled> {
    One(T),
    Many(Shared<Buffer<T>>),
}

/// Elements that arrays share.
#[derive(Debug)]
pub enum Buffer<T: memory::Recycled> {
    /// So few that they need no memory of their own.
    Few(usize, [T; FEW]),
    /// They lie on the heap, in memory that is recycled when the last user lets go.
    Many(Vec<T>),
}

/// How many elements are few.
const FEW: usize = 16;

impl<T: memory::Recycled> Buffer<T> {
    #[inline]
    fn slice(&self) -> &[T] {
        match self {
            Buffer::Few(length, elements) => &elements[..*length],
            Buffer::Many(elements) => elements,
        }
    }

    #[inline]
    fn slice_mut(&mut self) -> &mut [T] {
        match self {
            Buffer::Few(length, elements) => &mut elements[..*length],
            Buffer::Many(elements) => elements,
        }
    }
}

impl<T: memory::Recycled> Drop for Buffer<T> {
    #[inline]
    fn drop(&mut self) {
        if let Buffer::Many(elements) = self {
            memory::give(std::mem::take(elements));
        }
    }
}

impl<T: memory::Recycled> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        match self {
            Buffer::Few(length, elements) => Buffer::Few(*length, *elements),
            Buffer::Many(elements) => {
                let mut copy = memory::take(elements.len());
                copy.copy_from_slice(elements);
                Buffer::Many(copy)
            }
        }
    }
}

impl<T: memory::Recycled> Data<T> {
    #[inline]
    pub(crate) fn from_vec(values: Vec<T>) -> Self {
        match values[..] {
            [only] => {
                memory::give(values);
                Data::One(only)
            }
            _ => Data::Many(Shared::new(Buffer::Many(values))),
        }
    }

    /// So many elements of arbitrary value.
    #[inline]
    pub(crate) fn fresh(length: usize) -> Self {
        match length {
            1 => Data::One(T::default()),
            // Each written where it will lie.
            ..=FEW => Data::Many(Shared::new(Buffer::Few(length, [T::default(); FEW]))),
            _ => Data::Many(Shared::new(Buffer::Many(memory::take(length)))),
        }
    }

    #[inline]
    pub(crate) fn slice(&self) -> &[T] {
        match self {
            Data::One(value) => std::slice::from_ref(value),
            Data::Many(buffer) => buffer.slice(),
        }
    }

    /// The elements for writing; copies them first where another array shares them.
    pub(crate) fn slice_mut(&mut self) -> &mut [T] {
        match self {
            Data::One(value) => std::slice::from_mut(value),
            Data::Many(buffer) => {
                if !buffer.is_only() {
                    *buffer = Shared::new(Buffer::clone(buffer));
                }
                buffer.get_mut().expect("a buffer that was just made has no other reference").slice_mut()
            }
        }
    }

    /// Whether no other array shares the elements.
    pub(crate) fn is_unique(&self) -> bool {
        match self {
            Data::One(_) => true,
            Data::Many(buffer) => buffer.is_only(),
        }
    }

    fn same(&self, other: &Self) -> bool {
        matches!((self, other), (Data::Many(a), Data::Many(b)) if Shared::ptr_eq(a, b))
    }
}

/// The elements of an array of any type.
#[derive(Debug, Clone)]
pub enum Storage {
    Bool(Data<bool>),
    U8(Data<u8>),
    I32(Data<i32>),
    I64(Data<i64>),
    F32(Data<f32>),
    F64(Data<f64>),
}

/// Runs the body with `T` standing for the element type named by a [`DType`].
macro_rules! dispatch {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::array::DType::Bool => {
                type $T = bool;
                $body
            }
            $crate::array::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::array::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::array::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::array::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::array::DType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}
pub(crate) use dispatch;

/// Runs the body with `T` = `f32` or `f64`; `otherwise` for the other element types.
macro_rules! dispatch_float {
    ($dtype:expr, $T:ident => $body:expr, otherwise => $other:expr) => {
        match $dtype {
            $crate::array::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::array::DType::F64 => {
                type $T = f64;
                $body
            }
            _ => $other,
        }
    };
}
pub(crate) use dispatch_float;

impl Storage {
    #[inline]
    pub(crate) fn dtype(&self) -> DType {
        match self {
            Storage::Bool(_) => DType::Bool,
            Storage::U8(_) => DType::U8,
            Storage::I32(_) => DType::I32,
            Storage::I64(_) => DType::I64,
            Storage::F32(_) => DType::F32,
            Storage::F64(_) => DType::F64,
        }
    }

    pub(crate) fn is_unique(&self) -> bool {
        dispatch!(self.dtype(), T => <T as private::Stored>::data(self).is_some_and(Data::is_unique))
    }

    /// Whether both are views of the same buffer.
    pub(crate) fn same(&self, other: &Storage) -> bool {
        match (self, other) {
            (Storage::Bool(a), Storage::Bool(b)) => a.same(b),
            (Storage::U8(a), Storage::U8(b)) => a.same(b),
            (Storage::I32(a), Storage::I32(b)) => a.same(b),
            (Storage::I64(a), Storage::I64(b)) => a.same(b),
            (Storage::F32(a), Storage::F32(b)) => a.same(b),
            (Storage::F64(a), Storage::F64(b)) => a.same(b),
            _ => false,
        }
    }
}

/// Numbers that can be differentiated: f32 and f64, with their kernels.
pub(crate) trait Float: Element + crate::kernel::Kernels {}
impl Float for f32 {}
impl Float for f64 {}

/// Keeps [`Element`] closed: storage has one variant for each type.
pub(crate) mod private {
    use super::{Data, Storage, memory};

    pub trait Stored: memory::Recycled {
        fn wrap(data: Data<Self>) -> Storage
        where
            Self: Sized;
        fn data(storage: &Storage) -> Option<&Data<Self>>
        where
            Self: Sized;
        fn data_mut(storage: &mut Storage) -> Option<&mut Data<Self>>
        where
            Self: Sized;
    }
}

macro_rules! element {
    ($T:ty, $variant:ident, $to_i64:expr, $from_i64:expr) => {
        impl private::Stored for $T {
            #[inline(always)]
            fn wrap(data: Data<$T>) -> Storage {
                Storage::$variant(data)
            }
            #[inline(always)]
            fn data(storage: &Storage) -> Option<&Data<$T>> {
                match storage {
                    Storage::$variant(data) => Some(data),
                    _ => None,
                }
            }
            fn data_mut(storage: &mut Storage) -> Option<&mut Data<$T>> {
                match storage {
                    Storage::$variant(data) => Some(data),
                    _ => None,
                }
            }
        }
        impl Element for $T {
            const DTYPE: DType = DType::$variant;
            #[inline(always)]
            fn to_i64(self) -> i64 {
                $to_i64(self)
            }
            #[inline(always)]
            fn from_i64(x: i64) -> $T {
                $from_i64(x)
            }
        }
    };
}

element!(bool, Bool, |x| x as i64, |x: i64| x != 0);
element!(u8, U8, |x| x as i64, |x: i64| x as u8);
element!(i32, I32, |x| x as i64, |x: i64| x as i32);
element!(i64, I64, |x| x, |x: i64| x);
element!(f32, F32, |x| x as i64, |x: i64| x as f32);
element!(f64, F64, |x| x as i64, |x: i64| x as f64);
