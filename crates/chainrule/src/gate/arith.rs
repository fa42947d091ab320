//! Arithmetic: sums, differences, products, quotients, powers.
//!
//! ```
//! use chainrule::param;
//! let (a, b) = (param(3.0), param(4.0));
//! ((&a * &b - &a) / &b).backward()?;
//! assert_eq!(a.grad().unwrap().item()?, 0.75); // ∂/∂a = (b − 1)/b
//! assert_eq!(b.grad().unwrap().item()?, 0.1875); // ∂/∂b = a/b²
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::elementwise::promoted;
use super::{Entry, Gate, GateRef, Next, Sample, SavedAs, TorchNode, Use};
use crate::array::{Array, DType, Meta};
use crate::error::{Error, ErrorKind, Result};
use crate::gates;
use crate::tensor::{Operand, Tensor};

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[
    Add::ENTRY,
    Sub::ENTRY,
    Rsub::ENTRY,
    Mul::ENTRY,
    Div::ENTRY,
    Rdiv::ENTRY,
    Neg::ENTRY,
    Pow::ENTRY,
    Reciprocal::ENTRY,
    Square::ENTRY,
];

pub(super) fn f64s<const N: usize>(values: [f64; N]) -> Array {
    sample_of(&values, &[N])
}

pub(super) fn matrix<const R: usize, const C: usize>(rows: [[f64; C]; R]) -> Array {
    sample_of(rows.as_flattened(), &[R, C])
}

/// Compiled once: there are many samples, and none needs to be made fast.
#[cold]
#[inline(never)]
fn sample_of(values: &[f64], sizes: &[usize]) -> Array {
    Array::filled(values.to_vec(), crate::Shape::new(sizes).expect("a sample has few dimensions"))
}

fn binary_samples(gate: impl Into<GateRef>) -> Vec<Sample> {
    let gate = gate.into();
    let of = |a: Array, b: Array| Sample::new(gate.clone(), [a, b]);
    vec![
        of(f64s([1.5, -2.0, 0.5]), f64s([0.7, 1.3, -2.1])),
        of(Array::scalar(2.0f64), Array::scalar(-3.0f64)),
        of(matrix([[1.1, 2.2, -0.3], [0.4, -1.5, 0.6]]), f64s([0.9, -1.2, 2.5])),
        of(matrix([[1.1], [0.4]]), matrix([[0.5, 1.5, 2.5]])),
        of(Array::scalar(1.7f64), matrix([[0.5, 1.5, 2.5]])),
        of(Array::zeros_of([0, 3], DType::F64), f64s([1.0, 2.0, 3.0])),
        of(f64s([1.0, 2.0, 3.0]), f64s([1.0, 2.0, 3.0, 4.0])).refused(ErrorKind::Shape),
    ]
}

pub(super) fn not_bool(name: &str, inputs: &[Meta]) -> Result<()> {
    if inputs.iter().any(|meta| meta.dtype == DType::Bool) {
        return Err(
            Error::dtype(format!("{name} isn't defined for bool")).hint("cast to a number type first")
        );
    }
    Ok(())
}

gates! {
    /// Sum: `y = a + b`.
    ///
    /// Shapes broadcast; element types promote. Also as the operator `+`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!((tensor([1.0, 2.0]) + 1.0).to_string(), "tensor([2., 3.])");
    /// ```
    Add(a, b) -> y as "add" {
        value: a + b;
        local: [1.0, 1.0];
        integer: |_: &Add, [a, b, _]: [i64; 3]| Some(a.wrapping_add(b));
        samples: binary_samples(Add);
    }
}

gates! {
    /// Difference: `y = a − b`.
    ///
    /// Shapes broadcast; element types promote. Also as the operator `-`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0]).sub(&tensor([3.0, 1.0]))?.to_string(), "tensor([-2.,  1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Sub(a, b) -> y as "sub" {
        value: a - b;
        local: [1.0, -1.0];
        integer: |_: &Sub, [a, b, _]: [i64; 3]| Some(a.wrapping_sub(b));
        check: |_: &Sub, inputs: &[Meta]| not_bool("a difference", inputs);
        samples: {
            let mut all = binary_samples(Sub);
            let truths = Array::filled(vec![true, false, true], [3].into());
            all.push(Sample::new(Sub, [f64s([1.0, 2.0, 3.0]), truths]).refused(ErrorKind::DType));
            all
        };
    }
}

gates! {
    /// Reversed difference: `y = b − a`, as PyTorch records a number minus a tensor.
    ///
    /// ```
    /// use chainrule::param;
    /// assert_eq!((2.0 - param([1.0, 2.0])).to_string(), "tensor([1., 0.], grad_fn=<RsubBackward1>)");
    /// ```
    Rsub(a, b) -> y as "rsub" {
        value: b - a;
        local: [-1.0, 1.0];
        integer: |_: &Rsub, [a, b, _]: [i64; 3]| Some(b.wrapping_sub(a));
        check: |_: &Rsub, inputs: &[Meta]| not_bool("a difference", inputs);
        grad_fn: |_: &Rsub| "RsubBackward1";
        samples: binary_samples(Rsub);
    }
}

gates! {
    /// Product: `y = a·b`, element by element.
    ///
    /// Shapes broadcast; element types promote. Also as the operator `*`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!((tensor([1.0, 2.0]) * tensor([3.0, 4.0])).to_string(), "tensor([3., 8.])");
    /// ```
    Mul(a, b) -> y as "mul" {
        value: a * b;
        local: [b, a];
        integer: |_: &Mul, [a, b, _]: [i64; 3]| Some(a.wrapping_mul(b));
        samples: binary_samples(Mul);
    }
}

gates! {
    /// Quotient: `y = a / b`; integers become floats first.
    ///
    /// Shapes broadcast; element types promote. Also as the operator `/`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!((tensor([1, 2]) / tensor([2, 2])).to_string(), "tensor([0.5000, 1.0000])");
    /// ```
    Div(a, b) -> y as "div" {
        value: a / b;
        local: [1.0 / b, -(a / b / b)]; // b² could overflow, or be 0
        samples: binary_samples(Div);
    }
}

gates! {
    /// Reversed quotient: `y = b / a`: what a number divided by a tensor is.
    ///
    /// PyTorch records two nodes for it, a reciprocal and a product; one rounding is closer.
    ///
    /// ```
    /// use chainrule::param;
    /// assert_eq!((2.0 / param([1.0, 4.0])).to_string(), "tensor([2.0000, 0.5000], grad_fn=<MulBackward0>)");
    /// ```
    Rdiv(a, b) -> y as "rdiv" {
        value: b / a;
        local: [-(b / a / a), 1.0 / a]; // a² could overflow, or be 0
        grad_fn: |_: &Rdiv| "MulBackward0";
        torch_nodes: |_: &Rdiv, used: &Use| {
            let reciprocal = TorchNode::new("ReciprocalBackward0", [Next::Input(0)]);
            let result = SavedAs::Other(used.inputs[0].shape);
            vec![
                TorchNode::new("MulBackward0", [Next::Node(1), Next::Input(1)]),
                reciprocal.saving("result", result),
            ]
        };
        samples: binary_samples(Rdiv);
    }
}

gates! {
    /// Negation: `y = −x`. Also as the operator `-`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!((-tensor([1.0, -2.0])).to_string(), "tensor([-1.,  2.])");
    /// ```
    Neg(x) -> y as "neg" {
        value: -x;
        local: [-1.0];
        integer: |_: &Neg, [x, ..]: [i64; 3]| Some(x.wrapping_neg());
        check: |_: &Neg, inputs: &[Meta]| not_bool("negation", inputs);
        samples: vec![Sample::new(Neg, [f64s([1.5, -2.0, 0.0])])];
    }
}

gates! {
    /// Power: `y = aᵇ`.
    ///
    /// Shapes broadcast; element types promote. The gradient of an exponent needs a positive base.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0, 3.0]).pow(2.0)?.to_string(), "tensor([1., 4., 9.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Pow { number: bool }(a, b) -> y as "pow" {
        value: a.pow(b);
        local: [
            b.if_eq(R::constant(0.0), R::constant(0.0), b * a.pow(b - 1.0)),
            a.if_eq(R::constant(0.0), b.if_ge(R::constant(0.0), R::constant(0.0), y * a.log()), y * a.log())
        ];
        integer: |_: &Pow, [a, b, _]: [i64; 3]| Some(integer_power(a, b));
        check: |_: &Pow, inputs: &[Meta]| match promoted(inputs) {
            DType::Bool => not_bool("a power", inputs),
            _ => Ok(()),
        };
        grad_fn: |gate: &Pow| if gate.number { "PowBackward0" } else { "PowBackward1" };
        at_kink: "∂y/∂a = 0 where b = 0, also at a = 0; ∂y/∂b = 0 where a = 0 and b ≥ 0";
        samples: vec![
            Sample::new(Pow::TENSORS, [f64s([1.5, 2.0, 0.5]), f64s([0.7, -1.3, 3.0])]),
            Sample::new(Pow::NUMBER, [f64s([1.5, -2.0, 0.5]), Array::scalar(3.0f64)]).constant(1),
            Sample::new(Pow::TENSORS, [matrix([[1.1, 2.2], [0.4, 1.5]]), Array::scalar(3.0f64)]),
            Sample::new(Pow::TENSORS, [f64s([-1.5, -2.0]), f64s([2.0, 3.0])]).constant(1),
            Sample::new(Pow::TENSORS, [f64s([0.0, 2.0]), f64s([0.0, 0.0])]).at_kink([f64s([0.0, 0.0]), f64s([0.0, 2f64.ln()])]),
            Sample::new(Pow::TENSORS, [f64s([f64::NAN, 0.0, -8.0, 0.0]), f64s([0.0, -1.0, 1.0 / 3.0, 0.0])])
                .gives([f64s([1.0, f64::INFINITY, f64::NAN, 1.0])]),
        ];
    }
}

/// aᵇ, wrapped around; to a negative exponent only ±1 have an integer result other than 0.
fn integer_power(a: i64, b: i64) -> i64 {
    match (a, b) {
        (1, _) => 1,
        (-1, _) => 1 - 2 * (b & 1),
        (_, ..0) => 0,
        (mut base, mut rest) => {
            let mut power = 1i64;
            while rest > 0 {
                if rest & 1 == 1 {
                    power = power.wrapping_mul(base);
                }
                base = base.wrapping_mul(base);
                rest >>= 1;
            }
            power
        }
    }
}

impl Pow {
    /// The power to a tensor of exponents.
    ///
    /// ```
    /// use chainrule::gate::{arith::Pow, Gate};
    /// assert_eq!(Gate::grad_fn(&Pow::TENSORS), "PowBackward1");
    /// ```
    pub const TENSORS: Pow = Pow { number: false };
    /// The power to a plain number: the same, but for the name that PyTorch gives its node.
    ///
    /// ```
    /// use chainrule::gate::{arith::Pow, Gate};
    /// assert_eq!(Gate::grad_fn(&Pow::NUMBER), "PowBackward0");
    /// ```
    pub const NUMBER: Pow = Pow { number: true };
}

gates! {
    /// Reciprocal: `y = 1/x`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([2.0, -4.0]).reciprocal()?.to_string(), "tensor([ 0.5000, -0.2500])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Reciprocal(x) -> y as "reciprocal" {
        value: 1.0 / x;
        local: [-(y * y)];
        samples: vec![Sample::new(Reciprocal, [f64s([1.5, -2.0, 0.3])])];
    }
}

gates! {
    /// Square: `y = x²`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([3.0, -4.0]).square()?.to_string(), "tensor([ 9., 16.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Square(x) -> y as "square" {
        value: x * x;
        local: [2.0 * x];
        integer: |_: &Square, [x, ..]: [i64; 3]| Some(x.wrapping_mul(x));
        check: |_: &Square, inputs: &[Meta]| not_bool("a square", inputs);
        grad_fn: |_: &Square| "PowBackward0";
        samples: vec![Sample::new(Square, [f64s([1.5, -2.0, 0.0])])];
    }
}

macro_rules! binary_methods {
    ($($(#[doc = $doc:expr])* $method:ident, $Gate:ident;)*) => {
        impl Tensor {$(
            $(#[doc = $doc])*
            ///
            /// # Errors
            /// The shapes don't broadcast, or the element types aren't accepted.
            #[track_caller]
            #[inline]
            pub fn $method(&self, other: impl Operand) -> Result<Tensor> {
                // A static, so that the gate's loops are compiled here and not in every crate that calls this.
                static GATE: &dyn $crate::gate::Gate = &$Gate;
                Tensor::apply_with(GATE, self, other, std::panic::Location::caller())
            }
        )*}
    };
}
pub(super) use binary_methods;

binary_methods! {
    /// `self + other`: see [`Add`].
    ///
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let x = param([1.0, 2.0]);
    /// let y = x.add(&tensor([[10.0], [20.0]]))?; // broadcast to 2 × 2
    /// y.sum()?.backward()?;
    /// assert_eq!(y.shape(), [2, 2]);
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([2., 2.])"); // summed back
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    add, Add;
    /// `self − other`: see [`Sub`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0]).sub(0.5)?.to_string(), "tensor([0.5000, 1.5000])");
    /// assert!(tensor([1.0, 2.0]).sub(&tensor([1.0, 2.0, 3.0])).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    sub, Sub;
    /// `other − self`: see [`Rsub`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0]).rsub(1.0)?.to_string(), "tensor([ 0., -1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    rsub, Rsub;
    /// `self · other`, element by element: see [`Mul`].
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let (a, b) = (param([1.0, 2.0]), tensor([3.0, 4.0]));
    /// a.mul(&b)?.sum()?.backward()?;
    /// assert_eq!(a.grad().unwrap().to_string(), "tensor([3., 4.])"); // the other factor
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    mul, Mul;
}

impl Tensor {
    /// `self / other`: see [`Div`].
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let b = param(2.0);
    /// tensor(8.0).div(&b)?.backward()?;
    /// assert_eq!(b.grad().unwrap().item()?, -2.0); // −a/b²
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast.
    #[track_caller]
    #[inline]
    pub fn div(&self, other: impl Operand) -> Result<Tensor> {
        static GATE: &dyn Gate = &Div;
        Tensor::apply_with(GATE, self, other, std::panic::Location::caller())
    }

    /// `other / self`: see [`Rdiv`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2]).rdiv(1)?.to_string(), "tensor([1.0000, 0.5000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast.
    #[track_caller]
    #[inline]
    pub fn rdiv(&self, other: impl Operand) -> Result<Tensor> {
        static GATE: &dyn Gate = &Rdiv;
        Tensor::apply_with(GATE, self, other, std::panic::Location::caller())
    }

    /// `self` to the power `other`: see [`Pow`].
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let x = param([1.0, 2.0]);
    /// x.pow(3.0)?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([ 3., 12.])"); // 3x²
    /// assert_eq!(tensor(2.0).pow(&tensor([0.5, 10.0]))?.to_string(), "tensor([   1.4142, 1024.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast, the elements are `bool`, or integers are raised to a number that is a negative
    /// integer: the result wouldn't be integers.
    #[track_caller]
    #[inline]
    pub fn pow(&self, other: impl Operand) -> Result<Tensor> {
        let location = std::panic::Location::caller();
        if !self.dtype().is_float() && other.as_number().is_some_and(|exponent| exponent < 0.0) {
            let integer = other.with(self, |exponent| !exponent.dtype().is_float());
            if integer {
                return Err(Error::argument("integers have no integer power to a negative integer")
                    .hint("cast to a float type, or give the exponent as a float")
                    .at_gate("Pow")
                    .with_inputs([self.meta()]));
            }
        }
        static TENSORS: &dyn Gate = &Pow::TENSORS;
        static NUMBER: &dyn Gate = &Pow::NUMBER;
        let gate = if other.as_number().is_some() { NUMBER } else { TENSORS };
        Tensor::apply_with(gate, self, other, location)
    }
}

macro_rules! unary_methods {
    ($($(#[doc = $doc:expr])* $method:ident, $Gate:ident;)*) => {
        impl Tensor {$(
            $(#[doc = $doc])*
            ///
            /// # Errors
            /// The element type isn't accepted.
            #[track_caller]
            #[inline]
            pub fn $method(&self) -> Result<Tensor> {
                Tensor::apply_one(GateRef::Static(&$Gate), &[self], std::panic::Location::caller())
            }
        )*}
    };
}
pub(super) use unary_methods;

unary_methods! {
    /// `−self`: see [`Neg`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, -2.0]).neg()?.to_string(), "tensor([-1.,  2.])");
    /// assert!(tensor([true]).neg().is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    neg, Neg;
    /// `1 / self`: see [`Reciprocal`].
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(2.0);
    /// x.reciprocal()?.backward()?;
    /// assert_eq!(x.grad().unwrap().item()?, -0.25); // −1/x²
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    reciprocal, Reciprocal;
}

impl Tensor {
    /// `self²`: see [`Square`]; truth values become integers.
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let x = param([3.0, -4.0]);
    /// x.square()?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([ 6., -8.])"); // 2x
    /// assert_eq!(tensor([true, false]).square()?.to_string(), "tensor([1, 0])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    #[track_caller]
    #[inline]
    pub fn square(&self) -> Result<Tensor> {
        let location = std::panic::Location::caller();
        if self.dtype() == DType::Bool {
            return Tensor::apply_one(GateRef::Static(&Square), &[&self.cast(DType::I64)?], location);
        }
        Tensor::apply_one(GateRef::Static(&Square), &[self], location)
    }
}
