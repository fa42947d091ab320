//! Elementwise gates: one formula, applied at every place.
//!
//! The calculus of such a gate is written down once, generic over [`Real`]. Instantiated with f32 and f64 it
//! becomes vectorised kernels, forward and backward; with tensors, the gradient that can itself be
//! differentiated; with [`Dependence`], the list of what must be saved; with symbols, the gate's formula.
//!
//! ```
//! use chainrule::gate::{functions::Tanh, Gate, Needs, Saves};
//! // `y = tanh x` and `∂y/∂x = 1 − y²` are all that its block says; what must be saved follows from it.
//! assert_eq!(Tanh.saves(&Needs::new([true])), Saves::output(0));
//! assert_eq!(Tanh.formula().gradient(0).unwrap(), "∂y/∂x = 1 - y*y");
//! ```

use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Sub};

use super::lifted::Lifted;
pub(crate) use super::places::map;
use super::{
    Context, Gate, Gradients, Metas, Needs, Outputs, Saved, Saves, ScalarGate, Tangents, TorchNode, Use,
    places,
};
use crate::array::Float;
use crate::array::{Array, DType, Meta, Shape};
use crate::error::{Error, Result};
use crate::formula::{self, Formula};
pub use crate::kernel::map::Operand;
use crate::kernel::map::{Body, Float as _};
pub use crate::kernel::real::Real;
use crate::tensor::Tensor;

/// The most inputs an elementwise gate has.
pub const MAX_INPUTS: usize = 3;

/// An elementwise gate: every such type is a [`Gate`].
///
/// Inputs are broadcast to a common shape and promoted to a common element type. Where a gate has fewer than
/// three inputs, the rest of `x` is 0. The macro [`gates!`](crate::gates) writes this implementation.
///
/// ```
/// use chainrule::gate::{arith::Mul, Elementwise};
/// assert_eq!(<Mul as Elementwise>::INPUTS, ["a", "b"]);
/// assert_eq!(Elementwise::value(&Mul, [3.0, 4.0, 0.0]), 12.0);
/// assert_eq!(Mul.local(0, [3.0, 4.0, 0.0], 12.0), 4.0); // ∂(a·b)/∂a = b
/// ```
pub trait Elementwise: Debug + Send + Sync + 'static {
    /// The gate's name.
    const NAME: &'static str;
    /// The names of its inputs in formulas; the output's is `y`.
    const INPUTS: &'static [&'static str];

    /// `y` from the inputs.
    ///
    /// ```
    /// use chainrule::gate::{arith::Div, Elementwise};
    /// assert_eq!(Elementwise::value(&Div, [1.0, 4.0, 0.0]), 0.25);
    /// ```
    fn value<R: Real>(&self, x: [R; MAX_INPUTS]) -> R
    where
        f64: Add<R, Output = R> + Sub<R, Output = R> + Mul<R, Output = R> + Div<R, Output = R>;

    /// The local gradient ∂y/∂x of this input, from the inputs and `y`.
    ///
    /// ```
    /// use chainrule::gate::{arith::Div, Elementwise};
    /// assert_eq!(Div.local(1, [1.0, 4.0, 0.0], 0.25), -0.0625); // −a/b²
    /// ```
    fn local<R: Real>(&self, input: usize, x: [R; MAX_INPUTS], y: R) -> R
    where
        f64: Add<R, Output = R> + Sub<R, Output = R> + Mul<R, Output = R> + Div<R, Output = R>;

    /// The value for integers; `None` where integers become floats first.
    ///
    /// ```
    /// use chainrule::gate::{arith::{Div, Mul}, Elementwise};
    /// assert_eq!(Mul.integer([3, 4, 0]), Some(12));
    /// assert_eq!(Div.integer([3, 4, 0]), None); // integers are divided as floats
    /// ```
    fn integer(&self, x: [i64; MAX_INPUTS]) -> Option<i64> {
        let _ = x;
        None
    }

    /// Rules beyond broadcasting.
    ///
    /// # Errors
    /// The inputs break one.
    ///
    /// ```
    /// use chainrule::gate::{
    ///     arith::{Add, Sub},
    ///     Elementwise,
    /// };
    /// use chainrule::{DType, Meta};
    /// let truths = [Meta::new(DType::Bool, [2]); 2];
    /// assert!(Add.check(&truths).is_ok());
    /// assert_eq!(
    ///     Sub.check(&truths).unwrap_err().to_string(),
    ///     "a difference isn't defined for bool; cast to a number type first"
    /// );
    /// ```
    fn check(&self, inputs: &[Meta]) -> Result<()> {
        let _ = inputs;
        Ok(())
    }

    /// See [`Gate::grad_fn`].
    ///
    /// ```
    /// use chainrule::gate::{arith::Square, Elementwise};
    /// assert_eq!(Elementwise::grad_fn(&Square), "PowBackward0");
    /// ```
    fn grad_fn(&self) -> String {
        format!("{}Backward0", Self::NAME)
    }

    /// See [`Gate::torch_nodes`].
    ///
    /// ```
    /// use chainrule::gate::{arith::Rdiv, Elementwise, Needs, Use};
    /// use chainrule::{DType, Meta};
    /// let meta = [Meta::new(DType::F32, [3]); 2];
    /// let used = Use { inputs: &meta, outputs: &meta[..1], needs: &Needs::new([true, false]) };
    /// assert_eq!(Elementwise::torch_nodes(&Rdiv, &used)[1].name, "ReciprocalBackward0");
    /// ```
    fn torch_nodes(&self, used: &Use) -> Vec<TorchNode>
    where
        Self: Sized,
    {
        let saves = Gate::saves(self, used.needs);
        vec![super::pytorch::single(Elementwise::grad_fn(self), saves, &format!("{self:?}"), used)]
    }
}

/// What a value depends on: one bit an input, one for the output; and its value where it is constant.
///
/// ```
/// use chainrule::gate::elementwise::{Dependence, Real};
/// let two = Dependence::constant(2.0);
/// assert_eq!(two * 3.0, Dependence::constant(6.0)); // constants are computed
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dependence {
    bits: u8,
    constant: Option<f64>,
}

impl Dependence {
    fn on(place: usize) -> Dependence {
        Dependence { bits: 1 << place, constant: None }
    }

    /// Whether the value depends on this input, or at [`MAX_INPUTS`] on the output.
    ///
    /// ```
    /// use chainrule::gate::{arith::Mul, functions::Exp, ScalarGate};
    /// assert!(Mul.local(0).reads(1) && !Mul.local(0).reads(0)); // ∂(a·b)/∂a = b
    /// assert!(Exp.local(0).reads(3)); // ∂eˣ/∂x = y
    /// ```
    pub fn reads(self, place: usize) -> bool {
        self.bits >> place & 1 == 1
    }

    /// The value, where it is the same everywhere.
    ///
    /// ```
    /// use chainrule::gate::{arith::{Mul, Sub}, ScalarGate};
    /// assert_eq!((Sub.local(1).known(), Mul.local(1).known()), (Some(-1.0), None));
    /// ```
    pub fn known(self) -> Option<f64> {
        self.constant
    }
}

/// The local gradient of one input, and what it depends on.
fn dependence<E: Elementwise>(gate: &E, input: usize) -> Dependence {
    let x = std::array::from_fn(Dependence::on);
    gate.local(input, x, Dependence::on(MAX_INPUTS))
}

struct Value<'a, E>(&'a E);

impl<E: Elementwise> Body<MAX_INPUTS> for Value<'_, E> {
    #[inline(always)]
    fn call<R: Real>(&self, x: [R; MAX_INPUTS]) -> R
    where
        f64: Add<R, Output = R> + Sub<R, Output = R> + Mul<R, Output = R> + Div<R, Output = R>,
    {
        self.0.value(x)
    }
}

/// Upstream gradient × local gradient of one input, in one pass.
struct Product<'a, E, const INPUT: usize>(&'a E);

impl<E: Elementwise, const INPUT: usize> Body<5> for Product<'_, E, INPUT> {
    #[inline(always)]
    fn call<R: Real>(&self, [g, a, b, c, y]: [R; 5]) -> R
    where
        f64: Add<R, Output = R> + Sub<R, Output = R> + Mul<R, Output = R> + Div<R, Output = R>,
    {
        g * self.0.local(INPUT, [a, b, c], y)
    }
}

/// Runs `$use` with the [`Product`] of an input that is known at run time only. Inputs that the gate doesn't
/// have are not compiled.
macro_rules! by_input {
    ($gate:expr, $input:expr, |$body:ident| $use:expr) => {
        match $input {
            1 if const { E::INPUTS.len() > 1 } => {
                let $body = &Product::<E, 1>($gate);
                $use
            }
            2 if const { E::INPUTS.len() > 2 } => {
                let $body = &Product::<E, 2>($gate);
                $use
            }
            _ => {
                let $body = &Product::<E, 0>($gate);
                $use
            }
        }
    };
}

/// The common shape of the inputs.
pub(crate) fn broadcast(inputs: &[Meta]) -> Result<Shape> {
    let mut shape = inputs[0].shape;
    for meta in &inputs[1..] {
        if shape != meta.shape {
            shape = shape.broadcast(&meta.shape)?;
        }
    }
    Ok(shape)
}

/// The common element type of the inputs, by PyTorch's rules.
pub(crate) fn promoted(inputs: &[Meta]) -> DType {
    let first = inputs[0].dtype;
    if inputs.iter().all(|meta| meta.dtype == first) {
        return first;
    }
    DType::result_type(inputs.iter().map(|meta| (meta.dtype, meta.shape.rank() > 0)))
}

/// Checks the number of inputs, which a user's call of `Tensor::apply` may get wrong.
pub(crate) fn expect_inputs(inputs: &[Meta], count: usize) -> Result<()> {
    if inputs.len() == count {
        return Ok(());
    }
    Err(Error::argument(format!("it takes {count} inputs, and was given {}", inputs.len())))
}

/// The local gradient of one input on tensors.
fn lifted_local<E: Elementwise>(gate: &E, input: usize, [a, b, c, y]: [Lifted; 4]) -> Lifted {
    gate.local(input, [a, b, c], y)
}

impl<E: Elementwise> Gate for E {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn grad_fn(&self) -> String {
        Elementwise::grad_fn(self)
    }

    fn torch_nodes(&self, used: &Use) -> Vec<TorchNode> {
        Elementwise::torch_nodes(self, used)
    }

    #[inline]
    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, E::INPUTS.len())?;
        self.check(inputs)?;
        let dtype = promoted(inputs);
        let dtype = if dtype.is_float() || Elementwise::integer(self, [1; MAX_INPUTS]).is_some() {
            dtype
        } else {
            DType::F32
        };
        Ok([Meta { dtype, shape: broadcast(inputs)? }].into())
    }

    #[inline]
    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        if let Some(y) = forward_scalar::<E, f32>(self, inputs) {
            return Ok([y].into());
        }
        Ok([places::forward(self, inputs, context.output(0))?].into())
    }

    #[inline]
    fn saves(&self, needs: &Needs) -> Saves {
        let mut bits = 0;
        for input in 0..E::INPUTS.len() {
            if needs.input(input) {
                bits |= dependence(self, input).bits;
            }
        }
        let inputs = (0..E::INPUTS.len()).map(|i| Saves::input(i).when(bits >> i & 1 == 1));
        inputs.fold(Saves::output(0).when(bits >> MAX_INPUTS & 1 == 1), |all, one| all | one)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        places::backward_of_tensors(self, &|input, x| lifted_local(self, input, x), saved, g, needs)
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn tangent(
        &self,
        inputs: &[Tensor],
        outputs: &[Tensor],
        tangents: &[Option<Tensor>],
    ) -> Option<Result<Tangents>> {
        Some(places::tangent(self, &|input, x| lifted_local(self, input, x), inputs, &outputs[0], tangents))
    }

    #[inline]
    fn backward_fused(
        &self,
        saved: &Saved,
        upstream: &[Option<Array>],
        needs: &Needs,
    ) -> Option<Result<Gradients<Array>>> {
        let Some(g) = &upstream[0] else { return Some(Ok(needs.none())) };
        Some(places::backward(self, saved, g, needs))
    }

    #[inline]
    fn backward_taking(
        &self,
        saved: &Saved,
        upstream: &mut [Option<Array>],
        needs: &Needs,
    ) -> Option<Result<Gradients<Array>>> {
        let Some(g) = &mut upstream[0] else { return Some(Ok(needs.none())) };
        Some(places::backward_taking(self, saved, g, needs))
    }

    fn formula(&self) -> Formula {
        formula::of_elementwise(E::INPUTS, &|x| self.value(x), &|input, [a, b, c, y]| {
            self.local(input, [a, b, c], y)
        })
    }

    #[inline]
    fn as_scalar(&self) -> Option<&dyn ScalarGate> {
        const SCALAR: Meta = Meta { dtype: DType::F32, shape: Shape::SCALAR };
        self.check(&[SCALAR; MAX_INPUTS][..E::INPUTS.len()]).is_ok().then_some(self)
    }
}

impl<E: Elementwise> ScalarGate for E {
    #[inline]
    fn inputs(&self) -> usize {
        E::INPUTS.len()
    }

    #[inline]
    fn value(&self, x: [f32; 3]) -> f32 {
        f32::map_one(&Value(self), x)
    }

    #[inline]
    fn product(&self, input: usize, upstream: f32, [a, b, c]: [f32; 3], y: f32) -> f32 {
        let x = [upstream, a, b, c, y];
        by_input!(self, input, |body| f32::map_one(body, x))
    }

    fn values(&self, x: [Operand<'_, f32>; 3], out: &mut [f32]) {
        f32::run(&Value(self), x, out);
    }

    fn values_f64(&self, x: [Operand<'_, f64>; 3], out: &mut [f64]) {
        f64::run(&Value(self), x, out);
    }

    fn products(&self, input: usize, x: [Operand<'_, f32>; 5], out: &mut [f32]) {
        by_input!(self, input, |body| f32::run(body, x, out));
    }

    fn products_f64(&self, input: usize, x: [Operand<'_, f64>; 5], out: &mut [f64]) {
        by_input!(self, input, |body| f64::run(body, x, out));
    }

    fn local(&self, input: usize) -> Dependence {
        dependence(self, input)
    }

    fn integer(&self, x: [i64; 3]) -> Option<i64> {
        Elementwise::integer(self, x)
    }
}

/// Inputs that are 0-d and of the same float type: the value without any buffer.
#[inline(always)]
fn forward_scalar<E: Elementwise, T: Float>(gate: &E, inputs: &[&Array]) -> Option<Array> {
    let mut x = [T::default(); MAX_INPUTS];
    for (x, input) in x.iter_mut().zip(inputs) {
        *x = input.inline_value()?;
    }
    Some(Array::scalar(T::map_one(&Value(gate), x)))
}

macro_rules! depends {
    ($($Trait:ident $method:ident $op:tt),*) => {$(
        impl $Trait for Dependence {
            type Output = Dependence;
            #[inline(always)]
            fn $method(self, other: Dependence) -> Dependence {
                Dependence {
                    bits: self.bits | other.bits,
                    constant: match (self.constant, other.constant) {
                        (Some(a), Some(b)) => Some(a $op b),
                        _ => None,
                    },
                }
            }
        }
        impl $Trait<f64> for Dependence {
            type Output = Dependence;
            #[inline(always)]
            fn $method(self, other: f64) -> Dependence {
                self $op Dependence::constant(other)
            }
        }
        impl $Trait<Dependence> for f64 {
            type Output = Dependence;
            #[inline(always)]
            fn $method(self, other: Dependence) -> Dependence {
                Dependence::constant(self) $op other
            }
        }
    )*};
}

depends!(Add add +, Sub sub -, Mul mul *, Div div /);

impl std::ops::Neg for Dependence {
    type Output = Dependence;
    #[inline(always)]
    fn neg(self) -> Dependence {
        Dependence { bits: self.bits, constant: self.constant.map(|x| -x) }
    }
}

macro_rules! depends_on_all {
    ($($method:ident($($x:ident),*);)*) => {$(
        #[inline(always)]
        fn $method(self, $($x: Self),*) -> Self {
            Dependence { bits: self.bits $(| $x.bits)*, constant: None }
        }
    )*};
}

impl Real for Dependence {
    #[inline(always)]
    fn constant(x: f64) -> Dependence {
        Dependence { bits: 0, constant: Some(x) }
    }
    depends_on_all! {
        exp(); expm1(); log(); log1p(); sqrt(); sin(); cos(); tanh(); sigmoid(); erf(); abs(); sign();
        pow(exponent); maximum(other); minimum(other);
        if_gt(other, yes, no); if_ge(other, yes, no); if_eq(other, yes, no);
    }
}
