//! `+ - * /` and negation, between tensors and with numbers.
//!
//! Operators can't return a `Result`; they panic with the very message that the named methods return.

use std::ops;
use std::panic::Location;

use super::Tensor;
use super::apply::{scalar_pair, scalar_single};
use crate::array::{Array, DType, Number, dispatch};
use crate::error::Result;
use crate::gate::{Gate, arith};

/// The other operand of a gate: a tensor, or a number that takes on the tensor's element type.
///
/// As in PyTorch a number changes the result's type only where the tensor's can't express its kind: a float
/// beside an integer tensor gives f32, an integer beside a `bool` tensor i64.
///
/// ```
/// use chainrule::tensor;
/// let x = tensor([1, 2]);
/// assert_eq!(x.add(&tensor([10, 20]))?.to_string(), "tensor([11, 22])");
/// assert_eq!(x.add(3)?.to_string(), "tensor([4, 5])");
/// assert_eq!(x.add(0.5)?.to_string(), "tensor([1.5000, 2.5000])");
/// # Ok::<(), chainrule::Error>(())
/// ```
pub trait Operand {
    /// Runs `body` with the operand as a tensor beside `other`.
    ///
    /// ```
    /// use chainrule::{DType, Operand, Tensor};
    /// let x = Tensor::new([1.0, 2.0], DType::F64)?;
    /// assert_eq!(2i64.with(&x, |two| two.to_string()), "tensor(2., dtype=torch.float64)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn with<R>(&self, other: &Tensor, body: impl FnOnce(&Tensor) -> R) -> R;

    /// The operand beside a 0-d f32, where it is a number.
    ///
    /// ```
    /// use chainrule::{tensor, Operand};
    /// assert_eq!(0.5f64.as_number(), Some(0.5));
    /// assert_eq!(tensor(0.5).as_number(), None);
    /// ```
    fn as_number(&self) -> Option<f32> {
        None
    }
}

impl Operand for Tensor {
    #[inline]
    fn with<R>(&self, _other: &Tensor, body: impl FnOnce(&Tensor) -> R) -> R {
        body(self)
    }
}

impl<T: Operand + ?Sized> Operand for &T {
    #[inline]
    fn with<R>(&self, other: &Tensor, body: impl FnOnce(&Tensor) -> R) -> R {
        (**self).with(other, body)
    }

    #[inline]
    fn as_number(&self) -> Option<f32> {
        (**self).as_number()
    }
}

/// A truth value never changes the other operand's type.
impl Operand for bool {
    fn with<R>(&self, _other: &Tensor, body: impl FnOnce(&Tensor) -> R) -> R {
        body(&Tensor::from_array(Array::scalar(*self)))
    }
}

/// A number as a 0-d tensor of the type it takes beside a tensor of type `dtype`.
#[inline]
fn number_beside(number: impl Number, dtype: DType) -> Tensor {
    let own = number.default_dtype();
    let dtype = match (own, dtype) {
        (DType::F32, d) if !d.is_float() => DType::F32,
        (DType::I64 | DType::U8, DType::Bool) => DType::I64,
        (_, d) => d,
    };
    Tensor::from_array(dispatch!(dtype, T => Array::scalar(number.convert::<T>())))
}

#[track_caller]
#[inline]
fn expect(result: Result<Tensor>) -> Tensor {
    match result {
        Ok(tensor) => tensor,
        Err(error) => panic!("{error}"),
    }
}

/// The operator on scalars of which some may be given away; on any other operands the method of that name.
macro_rules! operate {
    ($Gate:ident, $a:expr, $b:expr, |$x:ident, $y:ident| $otherwise:expr) => {{
        static GATE: &dyn Gate = &arith::$Gate;
        match scalar_pair(GATE, $a, $b, Location::caller()) {
            Ok(result) => result,
            Err(($x, $y)) => expect($otherwise),
        }
    }};
}

macro_rules! operators {
    ($($Trait:ident $method:ident),*) => {$(
        operators!(@ $Trait $method, [Tensor, &Tensor], [Tensor, &Tensor]);
    )*};
    (@ $Trait:ident $method:ident, [$($L:ty),*], $R:tt) => {$(
        operators!(@@ $Trait $method, $L, $R);
    )*};
    (@@ $Trait:ident $method:ident, $L:ty, [$($R:ty),*]) => {$(
        impl ops::$Trait<$R> for $L {
            type Output = Tensor;
            #[track_caller]
            #[inline]
            fn $method(self, other: $R) -> Tensor {
                operate!($Trait, self, other, |a, b| Tensor::$method(&a, &b))
            }
        }
    )*};
}

macro_rules! operators_with_number {
    ($T:ty, $($Trait:ident $method:ident),*) => {$(
        operators_with_number!(@@ $T, $Trait $method, Tensor);
        operators_with_number!(@@ $T, $Trait $method, &Tensor);
    )*};
    (@@ $T:ty, Sub sub, $L:ty) => {
        operators_with_number!(@right $T, Sub sub, $L);
        impl ops::Sub<$L> for $T {
            type Output = Tensor;
            #[track_caller]
            fn sub(self, other: $L) -> Tensor {
                operate!(Rsub, other, self as f32, |x, _number| Tensor::rsub(&x, self))
            }
        }
    };
    (@@ $T:ty, Div div, $L:ty) => {
        operators_with_number!(@right $T, Div div, $L);
        impl ops::Div<$L> for $T {
            type Output = Tensor;
            #[track_caller]
            fn div(self, other: $L) -> Tensor {
                operate!(Rdiv, other, self as f32, |x, _number| Tensor::rdiv(&x, self))
            }
        }
    };
    (@@ $T:ty, $Trait:ident $method:ident, $L:ty) => {
        operators_with_number!(@right $T, $Trait $method, $L);
        impl ops::$Trait<$L> for $T {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: $L) -> Tensor {
                operate!($Trait, self as f32, other, |_number, x| self.with(&x, |number| number.$method(&x)))
            }
        }
    };
    (@right $T:ty, $Trait:ident $method:ident, $L:ty) => {
        impl ops::$Trait<$T> for $L {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: $T) -> Tensor {
                operate!($Trait, self, other as f32, |x, _number| Tensor::$method(&x, other))
            }
        }
    };
}

macro_rules! number_operand {
    ($($T:ty),*) => {$(
        impl Operand for $T {
            #[inline]
            fn with<R>(&self, other: &Tensor, body: impl FnOnce(&Tensor) -> R) -> R {
                body(&number_beside(*self, other.dtype()))
            }

            #[inline]
            fn as_number(&self) -> Option<f32> {
                Some(*self as f32)
            }
        }
        operators_with_number!($T, Add add, Sub sub, Mul mul, Div div);
    )*};
}

operators!(Add add, Sub sub, Mul mul, Div div);
// One float and one integer type only: with more of them, a literal's type would be ambiguous.
number_operand!(f64, i64);

impl ops::Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        static NEG: &dyn Gate = &arith::Neg;
        match scalar_single(NEG, self, Location::caller()) {
            Ok(y) => y,
            Err(x) => expect(Tensor::neg(&x)),
        }
    }
}

impl ops::Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        expect(Tensor::neg(self))
    }
}
