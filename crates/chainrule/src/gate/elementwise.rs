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

use super::{Context, Gate, Gradients, Metas, Needs, Outputs, Saved, Saves, ScalarGate, Tangents, lifted};
use crate::array::{Array, DType, Meta, Shape, dispatch};
use crate::error::{Error, Result};
use crate::formula::{self, Formula};
use crate::kernel::map::{Body, Float, Loop, Operand, on_all};
use crate::kernel::memory;
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

/// `g` × the local gradient of one input, as tensors; `read` gives an input, or at [`MAX_INPUTS`] the output.
fn times_local<E: Elementwise>(
    gate: &E,
    input: usize,
    g: &Tensor,
    read: impl Fn(usize) -> Result<Tensor>,
) -> Result<Tensor> {
    let local = dependence(gate, input);
    if let Some(constant) = local.constant {
        return match constant {
            1.0 => Ok(g.clone()),
            -1.0 => Tensor::neg(g),
            other => g.mul(other),
        };
    }
    let needed = |place: usize| (local.bits >> place & 1 == 1).then(|| read(place)).transpose();
    let values = [needed(0)?, needed(1)?, needed(2)?, needed(MAX_INPUTS)?];
    g.mul(lifted::evaluate(g.dtype(), values, |[a, b, c, y]| gate.local(input, [a, b, c], y))?)
}

impl<E: Elementwise> Gate for E {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn grad_fn(&self) -> String {
        Elementwise::grad_fn(self)
    }

    #[inline]
    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, E::INPUTS.len())?;
        self.check(inputs)?;
        let dtype = promoted(inputs);
        let dtype =
            if dtype.is_float() || self.integer([1; MAX_INPUTS]).is_some() { dtype } else { DType::F32 };
        Ok([Meta { dtype, shape: broadcast(inputs)? }].into())
    }

    #[inline]
    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        if let Some(y) = forward_scalar::<E, f32>(self, inputs) {
            return Ok([y].into());
        }
        let Meta { dtype, shape } = context.output(0);
        Ok([match dtype {
            DType::F32 => forward_float::<E, f32>(self, inputs, &shape),
            DType::F64 => forward_float::<E, f64>(self, inputs, &shape),
            _ => forward_integer(self, inputs, dtype, &shape)?,
        }]
        .into())
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
        (0..E::INPUTS.len())
            .map(|input| {
                if !needs.input(input) {
                    return Ok(None);
                }
                let read = |place| if place == MAX_INPUTS { saved.output(0) } else { saved.input(place) };
                times_local(self, input, g, read).map(Some)
            })
            .collect()
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
        let y = &outputs[0];
        let read = |place: usize| Ok(if place == MAX_INPUTS { y.clone() } else { inputs[place].clone() });
        let parts = tangents.iter().enumerate().filter_map(|(i, tangent)| Some((i, tangent.as_ref()?)));
        let parts = parts.map(|(i, tangent)| times_local(self, i, &tangent.cast(y.dtype())?, read));
        let sum = parts.reduce(|sum, part| Tensor::add(&sum?, &part?));
        // A smaller input, broadcast to the output's shape, has a smaller tangent.
        Some(sum.map(|sum| sum?.expand(y.shape())).transpose().map(|sum| [sum].into_iter().collect()))
    }

    #[inline]
    fn backward_fused(
        &self,
        saved: &Saved,
        upstream: &[Option<Array>],
        needs: &Needs,
    ) -> Option<Result<Gradients<Array>>> {
        let Some(g) = &upstream[0] else { return Some(Ok(needs.none())) };
        let mut gradients = Gradients::new();
        for input in 0..E::INPUTS.len() {
            gradients.push(match needs.input(input) {
                false => None,
                true => match fused_input(self, input, saved, g) {
                    Ok(gradient) => Some(gradient),
                    Err(error) => return Some(Err(error)),
                },
            });
        }
        Some(Ok(gradients))
    }

    fn formula(&self) -> Formula {
        formula::of_elementwise(self)
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

fn forward_float<E: Elementwise, T: Float>(gate: &E, inputs: &[&Array], shape: &Shape) -> Array {
    let x = std::array::from_fn(|i| inputs.get(i).copied());
    map::<MAX_INPUTS, T>(&|x, out| T::run(&Value(gate), x, out), x, shape)
}

fn forward_integer<E: Elementwise>(
    gate: &E,
    inputs: &[&Array],
    dtype: DType,
    shape: &Shape,
) -> Result<Array> {
    let mut columns = [const { Vec::new() }; MAX_INPUTS];
    for (column, input) in columns.iter_mut().zip(inputs) {
        *column = input.cast(dtype).expand(*shape)?.to_i64_vec();
    }
    let at = |input: usize, i: usize| columns[input].get(i).copied().unwrap_or(0);
    let values = (0..shape.elements()).map(|i| gate.integer([at(0, i), at(1, i), at(2, i)]).unwrap_or(0));
    Ok(
        dispatch!(dtype, T => Array::filled(values.map(<T as crate::array::Element>::from_i64).collect(), *shape)),
    )
}

#[inline]
fn fused_input<E: Elementwise>(gate: &E, input: usize, saved: &Saved, g: &Array) -> Result<Array> {
    let local = dependence(gate, input);
    if local.constant == Some(1.0) {
        return Ok(g.clone());
    }
    let read = |place: usize| -> Result<Option<Array>> {
        match local.bits >> place & 1 == 1 {
            false => Ok(None),
            true if place == MAX_INPUTS => saved.output_array(0).map(Some),
            true => saved.input_array(place).map(Some),
        }
    };
    let values = [read(0)?, read(1)?, read(2)?, read(MAX_INPUTS)?];
    let x = [Some(g), values[0].as_ref(), values[1].as_ref(), values[2].as_ref(), values[3].as_ref()];
    Ok(match g.dtype() {
        DType::F64 => product::<E, f64>(gate, input, x, g.shape()),
        _ => product::<E, f32>(gate, input, x, g.shape()),
    })
}

#[inline]
fn product<E: Elementwise, T: Float>(gate: &E, input: usize, x: [Option<&Array>; 5], shape: &Shape) -> Array {
    let one = |x: Option<&Array>| x.map_or(Some(T::default()), Array::inline_value);
    if let (Some(g), Some(a), Some(b), Some(c), Some(y)) =
        (one(x[0]), one(x[1]), one(x[2]), one(x[3]), one(x[4]))
    {
        let x = [g, a, b, c, y];
        return Array::scalar(by_input!(gate, input, |body| T::map_one(body, x)));
    }
    by_input!(gate, input, |body| map::<5, T>(&|x, out| T::run(body, x, out), x, shape))
}

/// Runs an elementwise loop over arrays that broadcast to `shape`; a missing operand is 0.
pub(crate) fn map<const N: usize, T: Float>(
    each: Loop<'_, N, T>,
    x: [Option<&Array>; N],
    shape: &Shape,
) -> Array {
    let mut out = memory::take::<T>(shape.elements());
    if out.is_empty() {
        return Array::filled(out, *shape);
    }
    // Operands of another element type or order of elements are brought into row-major order of type T;
    // then each is the whole output, one number, or a row that repeats.
    let prepared: [Option<Array>; N] = x.map(|x| x.map(|x| x.cast(T::DTYPE).contiguous()));
    let trailing = |x: &Array| {
        // The sizes without leading ones must be the last sizes of the output.
        let sizes: &[usize] = x.shape();
        let sizes = &sizes[sizes.iter().take_while(|&&size| size == 1).count()..];
        shape.ends_with(sizes)
    };
    let whole = shape.elements();
    let expanded: [Option<Array>; N] = prepared.map(|x| {
        x.map(|x| match x.elements() {
            1 => x,
            n if trailing(&x) && (n == whole || n >= 8) => x,
            _ => x.expand(*shape).map_or(x, |x| x.contiguous()),
        })
    });
    let row =
        expanded.iter().flatten().map(Array::elements).filter(|&n| n > 1 && n < whole).min().unwrap_or(whole);
    if row == whole {
        let operands = std::array::from_fn(|i| part(&expanded[i], 0, whole));
        on_all(each, operands, &mut out);
    } else {
        // Several rows at a time for one thread.
        let rows = (16 * 1024 / row).max(1);
        crate::kernel::pool::chunks_mut(&mut out, rows * row, |start, out| {
            for (i, out) in out.chunks_mut(row).enumerate() {
                let operands = std::array::from_fn(|n| part(&expanded[n], start + i * row, row));
                each(operands, out);
            }
        });
    }
    Array::filled(out, *shape)
}

/// The elements of an operand that stand beside `length` output elements from `start` on.
fn part<T: Float>(x: &Option<Array>, start: usize, length: usize) -> Operand<'_, T> {
    let Some(x) = x else { return Operand::One(T::default()) };
    let values = x.values::<T>();
    match values.len() {
        1 => Operand::One(values[0]),
        n => Operand::Slice(&values[start % n..start % n + length]),
    }
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
