//! What slices hold.

use std::fmt::{Debug, Display};

use crate::fold::{self, Blocks};
use crate::memory::Recycled;

/// A type that kernels read and write: `bool`, `u8`, `i32`, `i64`, `f32` or `f64`, and no other.
///
/// ```
/// use chainrule_kernel::Value;
/// fn mean<T: Value>(x: &[T]) -> f64 {
///     x.iter().map(|x| x.double()).sum::<f64>() / x.len() as f64
/// }
/// assert_eq!((mean(&[1i32, 2]), mean(&[true, false])), (1.5, 0.5));
/// ```
pub trait Value: Copy + Default + PartialEq + PartialOrd + Debug + Display + Send + Sync + Recycled {
    /// The value as `f64` (`true` is 1).
    ///
    /// ```
    /// use chainrule_kernel::Value;
    /// assert_eq!((true.double(), 7u8.double()), (1.0, 7.0));
    /// ```
    fn double(self) -> f64;
    /// The nearest value of this type: for integers x is truncated towards zero, then `i32` and `i64` saturate and
    /// `u8` wraps around; NaN becomes 0, and `bool` is `x ≠ 0`.
    ///
    /// ```
    /// use chainrule_kernel::Value;
    /// assert_eq!((i32::of_double(-1.9), i32::of_double(1e10), u8::of_double(257.0)), (-1, i32::MAX, 1));
    /// assert!(bool::of_double(f64::NAN));
    /// ```
    fn of_double(x: f64) -> Self;
    /// The largest (or smallest) of the rows of each block; NaN where one is NaN.
    ///
    /// ```
    /// use chainrule_kernel::{Value, fold::Blocks};
    /// let (mut out, rows) = ([0.0; 2], Blocks { outer: 2, count: 3, inner: 1 });
    /// f64::extremes(&[1.0, 9.0, 5.0, 3.0, 4.0, f64::NAN], rows, true, &mut out);
    /// assert!(out[0] == 9.0 && out[1].is_nan());
    /// ```
    fn extremes(x: &[Self], blocks: Blocks, largest: bool, out: &mut [Self]);
    /// For each block and column, the row of the first element that equals its extreme (NaN equals NaN); 0 where none
    /// does.
    ///
    /// ```
    /// use chainrule_kernel::{Value, fold::Blocks};
    /// let (mut out, rows) = ([0; 2], Blocks { outer: 2, count: 3, inner: 1 });
    /// i64::places(&[1, 9, 5, 3, 4, 4], rows, &[9, 4], &mut out);
    /// assert_eq!(out, [1, 1]);
    /// ```
    fn places(x: &[Self], blocks: Blocks, extremes: &[Self], out: &mut [i64]);
}

macro_rules! value {
    ($($T:ty: $double:expr, $of_double:expr;)*) => {$(
        impl Value for $T {
            #[inline(always)]
            fn double(self) -> f64 {
                $double(self)
            }
            #[inline(always)]
            fn of_double(x: f64) -> $T {
                $of_double(x)
            }
            // Loops, compiled here for each type as those of `Kernels` are.
            #[inline(never)]
            fn extremes(x: &[$T], blocks: Blocks, largest: bool, out: &mut [$T]) {
                match largest {
                    true => fold::fold(x, blocks, <$T>::default(), out, #[inline(always)] |a, b| fold::further(a, b, b > a)),
                    false => fold::fold(x, blocks, <$T>::default(), out, #[inline(always)] |a, b| fold::further(a, b, b < a)),
                }
            }
            #[inline(never)]
            fn places(x: &[$T], blocks: Blocks, extremes: &[$T], out: &mut [i64]) {
                fold::place_of(x, blocks, extremes, out);
            }
        }
    )*};
}

value! {
    bool: |x| x as u8 as f64, |x: f64| x != 0.0;
    u8: |x| x as f64, |x: f64| x as i64 as u8;
    i32: |x| x as f64, |x: f64| x as i32;
    i64: |x| x as f64, |x: f64| x as i64;
    f32: |x| x as f64, |x: f64| x as f32;
    f64: |x| x, |x: f64| x;
}
