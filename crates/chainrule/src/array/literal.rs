//! Literals: Rust numbers, and nested arrays, slices and vectors of them, as array contents.

use super::{Array, DType, Element, MAX_RANK, Shape};
use crate::error::{Error, Result};

/// A Rust number or `bool` as an operand or fill value.
///
/// ```
/// use chainrule::{Array, DType, Number};
/// assert_eq!(
///     (1.5f64.default_dtype(), 3i32.default_dtype(), true.default_dtype()),
///     (DType::F32, DType::I64, DType::Bool)
/// );
/// assert_eq!(Array::full([2], 3u8).to_string(), "tensor([3, 3], dtype=torch.uint8)");
/// ```
pub trait Number: Copy {
    /// The element type PyTorch's `tensor(…)` gives it: floats f32, integers i64 (`u8` stays), `bool` bool.
    ///
    /// ```
    /// use chainrule::{DType, Number};
    /// assert_eq!(2.5f64.default_dtype(), DType::F32);
    /// ```
    fn default_dtype(self) -> DType;
    /// The value as `f64`.
    ///
    /// ```
    /// use chainrule::Number;
    /// assert_eq!((7u8.as_f64(), true.as_f64()), (7.0, 1.0));
    /// ```
    fn as_f64(self) -> f64;
    /// The value converted to an element type.
    ///
    /// ```
    /// use chainrule::Number;
    /// assert_eq!(2.9f64.convert::<i64>(), 2);
    /// ```
    fn convert<T: Element>(self) -> T;
}

macro_rules! number {
    ($($T:ty => $dtype:ident, $via:ident as $V:ty;)*) => {$(
        impl Number for $T {
            fn default_dtype(self) -> DType {
                DType::$dtype
            }
            fn as_f64(self) -> f64 {
                f64::from(self as $V as f64)
            }
            fn convert<T: Element>(self) -> T {
                T::$via(self as $V)
            }
        }
        impl Literal for $T {
            type Number = $T;
            const RANK: usize = 0;
            fn sizes(&self, _sizes: &mut Vec<usize>) {}
            fn collect(&self, _sizes: &[usize], out: &mut Vec<$T>) -> bool {
                out.push(*self);
                true
            }
        }
    )*};
}

number! {
    f32 => F32, from_f64 as f64;
    f64 => F32, from_f64 as f64;
    i64 => I64, from_i64 as i64;
    i32 => I64, from_i64 as i64;
    u8 => U8, from_i64 as i64;
    usize => I64, from_i64 as i64;
}

impl Number for bool {
    fn default_dtype(self) -> DType {
        DType::Bool
    }
    fn as_f64(self) -> f64 {
        f64::from(u8::from(self))
    }
    fn convert<T: Element>(self) -> T {
        T::from_i64(i64::from(self))
    }
}

/// Anything that spells out an array: a number, or a nested array, slice or vector of numbers.
///
/// ```
/// use chainrule::{tensor, DType};
/// assert_eq!(tensor([[1.0, 2.0], [3.0, 4.0]]).shape(), [2, 2]);
/// assert_eq!(tensor(vec![1, 2, 3]).dtype(), DType::I64);
/// assert_eq!(tensor(true).dtype(), DType::Bool);
/// ```
pub trait Literal {
    /// The numbers it is made of.
    type Number: Number + Default;
    /// How many dimensions it has.
    const RANK: usize;
    /// Appends the sizes of its dimensions, judged by its first elements.
    ///
    /// ```
    /// use chainrule::Literal;
    /// let mut sizes = Vec::new();
    /// [[1, 2, 3], [4, 5, 6]].sizes(&mut sizes);
    /// assert_eq!(sizes, [2, 3]);
    /// ```
    fn sizes(&self, sizes: &mut Vec<usize>);
    /// Appends its numbers in row-major order; false where a part has another size than `sizes` says.
    ///
    /// ```
    /// use chainrule::Literal;
    /// let mut numbers = Vec::new();
    /// assert!([[1, 2], [3, 4]].collect(&[2, 2], &mut numbers));
    /// assert_eq!(numbers, [1, 2, 3, 4]);
    /// assert!(!vec![vec![1, 2], vec![3]].collect(&[2, 2], &mut Vec::new()));
    /// ```
    fn collect(&self, sizes: &[usize], out: &mut Vec<Self::Number>) -> bool;
}

impl Literal for bool {
    type Number = bool;
    const RANK: usize = 0;
    fn sizes(&self, _sizes: &mut Vec<usize>) {}
    fn collect(&self, _sizes: &[usize], out: &mut Vec<bool>) -> bool {
        out.push(*self);
        true
    }
}

impl<L: Literal> Literal for [L] {
    type Number = L::Number;
    const RANK: usize = L::RANK + 1;
    fn sizes(&self, sizes: &mut Vec<usize>) {
        sizes.push(self.len());
        match self.first() {
            Some(first) => first.sizes(sizes),
            None => sizes.extend([0; MAX_RANK].iter().take(L::RANK)),
        }
    }
    fn collect(&self, sizes: &[usize], out: &mut Vec<L::Number>) -> bool {
        sizes.first() == Some(&self.len()) && self.iter().all(|part| part.collect(&sizes[1..], out))
    }
}

macro_rules! literal_like_slice {
    ($([$($generic:tt)*] $T:ty),*) => {$(
        impl<$($generic)*> Literal for $T {
            type Number = L::Number;
            const RANK: usize = L::RANK + 1;
            fn sizes(&self, sizes: &mut Vec<usize>) {
                self[..].sizes(sizes);
            }
            fn collect(&self, sizes: &[usize], out: &mut Vec<L::Number>) -> bool {
                self[..].collect(sizes, out)
            }
        }
    )*};
}

literal_like_slice!([L: Literal, const N: usize] [L; N], [L: Literal] Vec<L>);

impl<L: Literal + ?Sized> Literal for &L {
    type Number = L::Number;
    const RANK: usize = L::RANK;
    fn sizes(&self, sizes: &mut Vec<usize>) {
        (**self).sizes(sizes);
    }
    fn collect(&self, sizes: &[usize], out: &mut Vec<L::Number>) -> bool {
        (**self).collect(sizes, out)
    }
}

impl Array {
    /// An array spelled out; the element type follows PyTorch (floats f32, integers i64, `bool` bool).
    ///
    /// # Errors
    /// Rows of different lengths, or more than [`MAX_RANK`] dimensions.
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(Array::literal([[1, 2], [3, 4]])?.to_string(), "tensor([[1, 2],\n        [3, 4]])");
    /// let error = Array::literal(vec![vec![1, 2], vec![3]]).unwrap_err();
    /// assert!(error.to_string().starts_with("rows of different lengths"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn literal<L: Literal>(literal: L) -> Result<Array> {
        Array::literal_of(literal, L::Number::default().default_dtype())
    }

    /// An array spelled out, of this element type.
    ///
    /// # Errors
    /// As [`Array::literal`].
    ///
    /// ```
    /// use chainrule::{Array, DType};
    /// let a = Array::literal_of([0.1, 0.2], DType::F64).unwrap();
    /// assert_eq!(a.to_vec::<f64>().unwrap(), [0.1, 0.2]);
    /// ```
    pub fn literal_of<L: Literal>(literal: L, dtype: DType) -> Result<Array> {
        let mut sizes = Vec::new();
        literal.sizes(&mut sizes);
        let shape = Shape::new(&sizes)?;
        let mut numbers = Vec::with_capacity(shape.elements());
        if !literal.collect(&sizes, &mut numbers) {
            return Err(Error::shape(format!(
                "rows of different lengths; by its first rows the literal would be {shape}"
            )));
        }
        Ok(
            super::dispatch!(dtype, T => Array::filled(numbers.iter().map(|n| n.convert::<T>()).collect(), shape)),
        )
    }
}
