//! Choosing and comparing: maximum, minimum, clamp, where, and the comparisons.
//!
//! ```
//! use chainrule::tensor;
//! let x = tensor([-1.0, 2.0, 3.0]);
//! let y = x.gt(0.0)?.where_(&x, &x.zeros_like())?;
//! assert_eq!(y.to_string(), "tensor([0., 2., 3.])");
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::arith::{binary_methods, f64s, matrix};
use super::elementwise::{broadcast, expect_inputs, promoted};
use super::index::indices;
use super::{Context, Entry, Gate, GateRef, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves};
use crate::array::{Array, DType, Element, Meta, Shape, dispatch};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::gates;
use crate::kernel::choose::{choose, compare};
use crate::kernel::{self, memory};
use crate::tensor::{Operand, Tensor};

/// The gates of this family.
pub(super) const GATES: &[Entry] =
    &[Maximum::ENTRY, Minimum::ENTRY, Clamp::ENTRY, ClampBetween::ENTRY, Where::ENTRY, Compare::ENTRY];

fn tie(gate: impl Into<GateRef>) -> Vec<Sample> {
    let gate = gate.into();
    vec![
        Sample::new(gate.clone(), [f64s([1.0, -2.0, 3.0]), f64s([0.5, 2.0, 7.0])]),
        Sample::new(gate.clone(), [matrix([[1.0], [-2.0]]), f64s([0.5, 2.0, 7.0])]),
        Sample::new(gate.clone(), [f64s([1.0]), f64s([1.0])]).at_kink([f64s([0.5]), f64s([0.5])]),
        Sample::new(gate, [f64s([f64::NAN, 1.0]), f64s([2.0, f64::NAN])])
            .at_kink([f64s([1.0, 1.0]), f64s([1.0, 1.0])]),
    ]
}

gates! {
    /// The larger of two: `y = max(a, b)`; NaN where either is NaN.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 5.0]).maximum(&tensor([3.0, 4.0]))?.to_string(), "tensor([3., 5.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Maximum(a, b) -> y as "maximum" {
        value: a.maximum(b);
        local: [
            a.if_eq(b, R::constant(0.5), b.if_gt(a, R::constant(0.0), R::constant(1.0))),
            a.if_eq(b, R::constant(0.5), a.if_gt(b, R::constant(0.0), R::constant(1.0))),
        ];
        integer: |_: &Maximum, [a, b, _]: [i64; 3]| Some(a.max(b));
        at_kink: "where a = b each input gets half of the gradient; where one is NaN, all of it";
        samples: tie(Maximum);
    }
}

gates! {
    /// The smaller of two: `y = min(a, b)`; NaN where either is NaN.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 5.0]).minimum(&tensor([3.0, 4.0]))?.to_string(), "tensor([1., 4.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Minimum(a, b) -> y as "minimum" {
        value: a.minimum(b);
        local: [
            a.if_eq(b, R::constant(0.5), a.if_gt(b, R::constant(0.0), R::constant(1.0))),
            a.if_eq(b, R::constant(0.5), b.if_gt(a, R::constant(0.0), R::constant(1.0))),
        ];
        integer: |_: &Minimum, [a, b, _]: [i64; 3]| Some(a.min(b));
        at_kink: "where a = b each input gets half of the gradient; where one is NaN, all of it";
        samples: tie(Minimum);
    }
}

gates! {
    /// Limits: `y = min(max(x, low), high)`; an infinite limit doesn't bind, and `high` wins over `low`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(
    ///     tensor([-2.0, 0.5, 3.0]).clamp(-1.0, 1.0)?.to_string(),
    ///     "tensor([-1.0000,  0.5000,  1.0000])"
    /// );
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    Clamp { low: f64, high: f64 }(x) -> y as "clamp" {
        value: x.maximum(R::constant(low)).minimum(R::constant(high));
        local: [{
            let (one, zero) = (R::constant(1.0), R::constant(0.0));
            let below = if high == f64::INFINITY { one } else { R::constant(high).if_gt(x, one, zero) };
            if low == f64::NEG_INFINITY { below } else { x.if_gt(R::constant(low), below, zero) }
        }];
        integer: |gate: &Clamp, [x, ..]: [i64; 3]| {
            // Limits that no integer has turn integers into floats; infinite ones saturate.
            let whole = |limit: f64| limit.is_infinite() || limit.fract() == 0.0;
            (whole(gate.low) && whole(gate.high)).then(|| x.max(gate.low as i64).min(gate.high as i64))
        };
        at_kink: "∂y/∂x = 0 on a limit";
        samples: vec![
            Sample::new(Clamp { low: -1.0, high: 1.0 }, [f64s([-2.0, 0.5, 3.0])]),
            Sample::new(Clamp { low: f64::NEG_INFINITY, high: 1.0 }, [f64s([-2.0, 0.5, 3.0])]),
            Sample::new(Clamp { low: 0.0, high: 1.0 }, [f64s([0.0, 1.0, f64::NAN, -1.0])])
                .at_kink([f64s([0.0; 4])])
                .gives([f64s([0.0, 1.0, f64::NAN, 0.0])]),
            Sample::new(Clamp { low: 0.0, high: f64::INFINITY }, [f64s([f64::INFINITY, -1.0])])
                .at_kink([f64s([1.0, 0.0])]),
            Sample::new(Clamp { low: 2.0, high: 1.0 }, [f64s([0.0, 1.5, 3.0])]).gives([f64s([1.0; 3])]),
            Sample::new(Clamp { low: 0.0, high: f64::INFINITY }, [indices([(1 << 53) + 1, -1])])
                .gives([indices([(1 << 53) + 1, 0])]),
            Sample::new(Clamp { low: 1.5, high: 2.0 }, [indices([1, 2, 3])])
                .gives([f64s([1.5, 2.0, 2.0]).cast(DType::F32)]),
        ];
    }
}

gates! {
    /// Limits that are tensors: `y = min(max(x, low), high)`; `high` wins over `low`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (x, low, high) = (tensor([-2.0, 0.5, 3.0]), tensor([-1.0]), tensor([1.0, 1.0, 2.0]));
    /// let y = x.clamp_between(Some(&low), Some(&high))?;
    /// assert_eq!(y.to_string(), "tensor([-1.0000,  0.5000,  2.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ClampBetween(x, low, high) -> y as "clamp_between" {
        value: x.maximum(low).minimum(high);
        local: [
            {
                let shared = x.if_eq(low, R::constant(0.5), x.if_eq(high, R::constant(0.5), R::constant(1.0)));
                let inside = high.if_gt(low, shared, R::constant(1.0));
                low.if_gt(x, R::constant(0.0), x.if_gt(high, R::constant(0.0), inside))
            },
            {
                let shared = high.if_gt(low, x.if_eq(low, R::constant(0.5), R::constant(0.0)), R::constant(0.0));
                high.if_ge(low, low.if_gt(x, R::constant(1.0), shared), R::constant(0.0))
            },
            {
                let shared = high.if_gt(low, x.if_eq(high, R::constant(0.5), R::constant(0.0)), R::constant(0.0));
                let ordered = high.if_ge(low, x.if_gt(high, R::constant(1.0), shared), R::constant(0.0));
                low.if_gt(high, R::constant(1.0), ordered)
            },
        ];
        integer: |_: &ClampBetween, [x, low, high]: [i64; 3]| Some(x.max(low).min(high));
        grad_fn: |_: &ClampBetween| "ClampBackward0";
        at_kink: "on one limit x and the limit get half of the gradient each; where both limits meet x gets it";
        samples: vec![
            Sample::new(ClampBetween, [f64s([-2.0, 0.5, 3.0]), f64s([-1.0]), f64s([1.0, 1.0, 2.0])]),
            Sample::new(ClampBetween, [f64s([0.5]), f64s([2.0]), f64s([1.0])]),
            Sample::new(ClampBetween, [f64s([0.0, 1.0, 0.0]), f64s([0.0; 3]), f64s([1.0, 1.0, 0.0])])
                .at_kink([f64s([0.5, 0.5, 1.0]), f64s([0.5, 0.0, 0.0]), f64s([0.0, 0.5, 0.0])]),
            Sample::new(ClampBetween, [f64s([f64::NAN, 0.0, 2.0]), f64s([0.0, f64::NAN, f64::NAN]), f64s([1.0; 3])])
                .at_kink([f64s([1.0, 1.0, 0.0]), f64s([0.0; 3]), f64s([0.0; 3])])
                .gives([f64s([f64::NAN; 3])]),
        ];
    }
}

binary_methods! {
    /// The larger of two: see [`Maximum`].
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let (a, b) = (param([1.0, 2.0, 3.0]), tensor([2.0, 2.0, 2.0]));
    /// a.maximum(&b)?.sum()?.backward()?;
    /// assert_eq!(a.grad().unwrap().to_string(), "tensor([0.0000, 0.5000, 1.0000])"); // a tie is shared
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    maximum, Maximum;
    /// The smaller of two: see [`Minimum`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0, 3.0]).minimum(2.0)?.to_string(), "tensor([1., 2., 2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    minimum, Minimum;
}

impl Tensor {
    /// `min(max(x, low), high)`: see [`Clamp`].
    ///
    /// # Errors
    /// A limit is NaN.
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let x = param([-2.0, 0.5, 3.0]);
    /// x.clamp(-1.0, 1.0)?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([0., 1., 0.])");
    /// assert_eq!(tensor([-2, 5]).clamp(0.0, f64::INFINITY)?.to_string(), "tensor([0, 5])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn clamp(&self, low: f64, high: f64) -> Result<Tensor> {
        if low.is_nan() || high.is_nan() {
            return Err(Error::argument("a limit is NaN").at_gate("Clamp"));
        }
        Tensor::apply(Clamp { low, high }, &[self])
    }

    /// `a` where this `bool` tensor is true, else `b`: PyTorch's `torch.where(self, a, b)`, see [`Where`].
    ///
    /// # Errors
    /// The condition isn't `bool`, or the shapes don't broadcast.
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let (a, b) = (param([1.0, 2.0]), param([10.0, 20.0]));
    /// let y = tensor([true, false]).where_(&a, &b)?;
    /// y.sum()?.backward()?;
    /// assert_eq!(y.to_string(), "tensor([ 1., 20.], grad_fn=<WhereBackward0>)");
    /// assert_eq!(a.grad().unwrap().to_string(), "tensor([1., 0.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn where_(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        Tensor::apply(GateRef::Static(&Where), &[self, a, b])
    }
}

documented! {
    /// Choice: `y = a` where the condition is true, else `b`.
    ///
    /// The condition is `bool`; shapes broadcast; the element types of `a` and `b` promote. The gradient goes to
    /// the input that was chosen, so NaN on the other side does no harm.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([true, false]).where_(&tensor([1.0, 2.0]), &tensor([3.0, 4.0]))?;
    /// assert_eq!(y.to_string(), "tensor([1., 4.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Where;
}

impl Where {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Where",
        method: "where_",
        doc: Where::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let condition = || Array::filled(vec![true, false, true], [3].into());
            vec![
                Sample::new(Where, [condition(), f64s([1.0, 2.0, 3.0]), f64s([4.0, 5.0, 6.0])]),
                Sample::new(
                    Where,
                    [condition(), Array::scalar(2.0f64), matrix([[4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])],
                ),
                Sample::new(Where, [f64s([1.0]), f64s([1.0]), f64s([1.0])]).refused(ErrorKind::DType),
            ]
        },
    };
}

/// An input beside others: of this type, and one element or as many as the output.
fn beside(x: &Array, dtype: DType, shape: &Shape) -> Result<Array> {
    let x = x.cast(dtype);
    if x.elements() == 1 { Ok(x) } else { Ok(x.expand(*shape)?.contiguous()) }
}

fn operand<T: Element>(x: &Array) -> kernel::map::Operand<'_, T> {
    match x.buffer::<T>() {
        Some(buffer) if x.elements() == 1 => kernel::map::Operand::One(buffer[x.layout().offset]),
        _ => kernel::map::Operand::Slice(x.values()),
    }
}

impl Gate for Where {
    fn name(&self) -> &'static str {
        "Where"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 3)?;
        if inputs[0].dtype != DType::Bool {
            return Err(Error::dtype(format!("the condition must be bool, not {}", inputs[0].dtype))
                .hint("compare first: x.gt(0.0)"));
        }
        Ok([Meta { dtype: promoted(&inputs[1..]), shape: broadcast(inputs)? }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let condition = inputs[0].expand(shape)?.contiguous();
        let (a, b) = (beside(inputs[1], dtype, &shape)?, beside(inputs[2], dtype, &shape)?);
        Ok([dispatch!(dtype, T => {
            let mut out = memory::take::<T>(shape.elements());
            choose(condition.values(), operand::<T>(&a), operand::<T>(&b), &mut out);
            Array::filled(out, shape)
        })]
        .into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let condition = saved.input(0)?;
        let zero = Tensor::from_array(Array::constant(0.0, Meta::new(g.dtype(), [])));
        Ok([
            None,
            if needs.input(1) { Some(condition.where_(g, &zero)?) } else { None },
            if needs.input(2) { Some(condition.where_(&zero, g)?) } else { None },
        ]
        .into_iter()
        .collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "y = a where c, else b",
            ["c has no gradient", "∂L/∂a = g where c, else 0", "∂L/∂b = 0 where c, else g"],
        )
    }
}

documented! {
    /// Comparison, element by element; the result is `bool` and has no gradient.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0, 3.0]).gt(2.0)?.to_string(), "tensor([False, False,  True])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub enum Compare {
        /// `a = b`
        Eq,
        /// `a ≠ b`
        Ne,
        /// `a < b`
        Lt,
        /// `a ≤ b`
        Le,
        /// `a > b`
        Gt,
        /// `a ≥ b`
        Ge,
    }
}

impl Compare {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Compare",
        method: "eq, ne, lt, le, gt, ge",
        doc: Compare::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let operands = || [f64s([1.0, 2.0, f64::NAN]), f64s([1.0, 3.0, 1.0])];
            vec![
                Sample::new(Compare::Gt, operands()).rough(),
                Sample::new(Compare::Eq, operands()).rough(),
                Sample::new(Compare::Le, [f64s([1.0, 2.0]), f64s([1.0, 2.0, 3.0])]).refused(ErrorKind::Shape),
            ]
        },
    };

    /// Compares element by element; the kind of comparison is chosen outside the loops.
    pub(super) fn run<T: Element>(
        self,
        a: kernel::map::Operand<'_, T>,
        b: kernel::map::Operand<'_, T>,
        out: &mut [bool],
    ) {
        match self {
            Compare::Eq => compare(a, b, out, |a, b| a == b),
            Compare::Ne => compare(a, b, out, |a, b| a != b),
            Compare::Lt => compare(a, b, out, |a, b| a < b),
            Compare::Le => compare(a, b, out, |a, b| a <= b),
            Compare::Gt => compare(a, b, out, |a, b| a > b),
            Compare::Ge => compare(a, b, out, |a, b| a >= b),
        }
    }
}

impl Gate for Compare {
    fn name(&self) -> &'static str {
        match self {
            Compare::Eq => "Eq",
            Compare::Ne => "Ne",
            Compare::Lt => "Lt",
            Compare::Le => "Le",
            Compare::Gt => "Gt",
            Compare::Ge => "Ge",
        }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 2)?;
        Ok([Meta { dtype: DType::Bool, shape: broadcast(inputs)? }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let shape = context.output(0).shape;
        let dtype = promoted(&[inputs[0].meta(), inputs[1].meta()]);
        let (a, b) = (beside(inputs[0], dtype, &shape)?, beside(inputs[1], dtype, &shape)?);
        let mut out = memory::take::<bool>(shape.elements());
        dispatch!(dtype, T => {
            self.run(operand::<T>(&a), operand::<T>(&b), &mut out)
        });
        Ok([Array::filled(out, shape)].into())
    }

    fn formula(&self) -> Formula {
        let sign = match self {
            Compare::Eq => "=",
            Compare::Ne => "≠",
            Compare::Lt => "<",
            Compare::Le => "≤",
            Compare::Gt => ">",
            Compare::Ge => "≥",
        };
        Formula::rule(&format!("y = (a {sign} b)"), ["no gradient", "no gradient"])
    }
}

macro_rules! comparisons {
    ($($(#[doc = $doc:expr])* $method:ident, $variant:ident;)*) => {
        impl Tensor {$(
            $(#[doc = $doc])*
            ///
            /// # Errors
            /// The shapes don't broadcast.
            #[track_caller]
            pub fn $method(&self, other: impl Operand) -> Result<Tensor> {
                static GATE: &dyn Gate = &Compare::$variant;
                Tensor::apply_with(GATE, self, other, std::panic::Location::caller())
            }
        )*}
    };
}

comparisons! {
    /// Where the elements are equal: see [`Compare`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2, 3]).eq(2)?.to_string(), "tensor([False,  True, False])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    eq, Eq;
    /// Where the elements differ: see [`Compare`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(
    ///     tensor([1.0, f64::NAN]).ne(&tensor([1.0, f64::NAN]))?.to_string(),
    ///     "tensor([False,  True])"
    /// );
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ne, Ne;
    /// Where this is smaller: see [`Compare`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2, 3]).lt(2)?.to_string(), "tensor([ True, False, False])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    lt, Lt;
    /// Where this is smaller or equal: see [`Compare`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2, 3]).le(2)?.to_string(), "tensor([ True,  True, False])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    le, Le;
    /// Where this is larger: see [`Compare`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(
    ///     tensor([[1], [3]]).gt(&tensor([0, 2]))?.to_string(),
    ///     "tensor([[ True, False],\n        [ True,  True]])"
    /// );
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    gt, Gt;
    /// Where this is larger or equal: see [`Compare`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2, 3]).ge(2)?.to_string(), "tensor([False,  True,  True])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ge, Ge;
}
