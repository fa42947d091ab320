//! Functions of one or two numbers that have no vector form: trigonometry, rounding, special functions.
//!
//! Most of them cost far more than the loop around them, so all share one loop, which calls the function in
//! double precision for either float type. An elementwise gate whose loop should become vector code is
//! declared with [`gates!`](crate::gates) instead.

use super::elementwise::{broadcast, expect_inputs, map, promoted};
use super::{Context, Gate, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves};
use crate::array::Float;
use crate::array::{Array, DType, Meta, Shape};
use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::kernel::map::{Operand, listed};
use crate::tensor::Tensor;

/// A function of `N` numbers and its derivatives; a [`Gate`] for every place of arrays that broadcast.
///
/// ```
/// use chainrule::Array;
/// use chainrule::gate::{run_one, special::LGAMMA, Gate};
/// assert_eq!(LGAMMA.name(), "Lgamma");
/// let y = run_one(&LGAMMA, &[&Array::literal([1.0, 5.0])?])?;
/// assert_eq!(y.to_string(), "tensor([0.0000, 3.1781])"); // ln 0!, ln 4!
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Pointwise<const N: usize> {
    pub(super) name: &'static str,
    pub(super) formula: &'static str,
    pub(super) inputs: [&'static str; N],
    pub(super) value: fn([f64; N]) -> f64,
    /// For f32, where rounding the value in double precision isn't right.
    pub(super) single: Option<fn([f32; N]) -> f32>,
    pub(super) integers: Integers<N>,
    pub(super) local: [Local<N>; N],
}

/// What a function does with integers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Integers<const N: usize> {
    /// They become floats first.
    AsFloats,
    /// The result is an integer again; `None` is a division by zero. `bool` is refused.
    Exact(fn([i64; N]) -> Option<i64>),
}

/// A local gradient, with the text that stands for it in formulas.
#[derive(Debug, Clone, Copy)]
pub(super) enum Local<const N: usize> {
    /// 0 wherever it exists.
    Zero,
    /// 1 everywhere.
    One,
    /// No formula is known; asking for it is an error.
    Unknown,
    /// Computed from the inputs.
    Inputs(&'static str, fn(&[Tensor; N]) -> Result<Tensor>),
    /// Computed from the output.
    Output(&'static str, fn(&Tensor) -> Result<Tensor>),
}

impl<const N: usize> std::fmt::Debug for Pointwise<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl<const N: usize> Gate for Pointwise<N> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, N)?;
        let dtype = match (promoted(inputs), self.integers) {
            (float, _) if float.is_float() => float,
            (_, Integers::AsFloats) => DType::F32,
            (DType::Bool, Integers::Exact(_)) => {
                return Err(Error::dtype("it isn't defined for bool").hint("cast to a number type first"));
            }
            (integer, Integers::Exact(_)) => integer,
        };
        Ok([Meta { dtype, shape: broadcast(inputs)? }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let x: [Option<&Array>; N] = std::array::from_fn(|i| inputs.get(i).copied());
        Ok([match (dtype, self.integers) {
            (DType::F64, _) => map::<N, f64>(&|x, out| each(self.value, x, out), x, &shape),
            (DType::F32, _) => match self.single {
                Some(single) => map::<N, f32>(&|x, out| each(single, x, out), x, &shape),
                None => {
                    let double = |x: [f32; N]| {
                        (self.value)(listed(
                            #[inline(always)]
                            |n| f64::from(x[n]),
                        )) as f32
                    };
                    map::<N, f32>(&|x, out| each(double, x, out), x, &shape)
                }
            },
            (_, Integers::Exact(function)) => {
                let mut columns = [const { Vec::new() }; N];
                for (column, input) in columns.iter_mut().zip(inputs) {
                    *column = input.cast(dtype).expand(shape)?.to_i64_vec();
                }
                let mut values = Vec::with_capacity(shape.elements());
                #[allow(clippy::needless_range_loop)] // A place of every column.
                for i in 0..shape.elements() {
                    let x = listed(
                        #[inline(always)]
                        |n| columns[n][i],
                    );
                    match function(x) {
                        Some(value) => values.push(value),
                        None => return Err(Error::argument("an integer is divided by zero")),
                    }
                }
                Array::filled(values, shape).cast(dtype)
            }
            (_, Integers::AsFloats) => {
                return Err(Error::dtype(format!("no values of type {dtype} were promised")));
            }
        }]
        .into())
    }

    fn saves(&self, needs: &Needs) -> Saves {
        let wanted = self.local.iter().enumerate().filter(|(i, _)| needs.input(*i));
        wanted.fold(Saves::NONE, |saves, (_, local)| match local {
            Local::Inputs(..) => (0..N).fold(saves, |saves, i| saves | Saves::input(i)),
            Local::Output(..) => saves | Saves::output(0),
            Local::Zero | Local::One | Local::Unknown => saves,
        })
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let mut gradients = Gradients::new();
        for (i, local) in self.local.iter().enumerate() {
            gradients.push(match local {
                _ if !needs.input(i) => None,
                Local::Zero => Some(g.zeros_like()),
                Local::One => Some(g.clone()),
                Local::Inputs(_, local) => {
                    let mut x = Vec::with_capacity(N);
                    for i in 0..N {
                        let x_i = saved.input(i)?;
                        // Beside floats the numbers of another type, which have no arithmetic of their own.
                        x.push(if x_i.dtype().is_float() { x_i } else { x_i.cast(g.dtype())? });
                    }
                    let x = <[Tensor; N]>::try_from(x).map_err(|_| Error::autograd("an input is missing"))?;
                    Some(g.mul(local(&x)?)?)
                }
                Local::Output(_, local) => Some(g.mul(local(&saved.output(0)?)?)?),
                Local::Unknown => {
                    return Err(Error::autograd(format!(
                        "no derivative with respect to {} is known",
                        self.inputs[i]
                    ))
                    .hint("detach this input"));
                }
            });
        }
        Ok(gradients)
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn formula(&self) -> Formula {
        let rule = |(x, local): (&&str, &Local<N>)| match local {
            Local::Zero => format!("∂L/∂{x} = 0"),
            Local::One => format!("∂L/∂{x} = g"),
            Local::Unknown => format!("∂L/∂{x} is refused"),
            Local::Inputs(text, _) | Local::Output(text, _) => format!("∂L/∂{x} = g·{text}"),
        };
        Formula::Rule {
            value: self.formula.to_string(),
            gradients: self.inputs.iter().zip(&self.local).map(rule).collect(),
        }
    }
}

/// One function call an element.
fn each<const N: usize, T: Float>(function: impl Fn([T; N]) -> T, x: [Operand<'_, T>; N], out: &mut [T]) {
    // A number that stands for all is a slice of one element, in which no step is taken.
    let sources: [(&[T], usize); N] = x.each_ref().map(|x| match x {
        Operand::Slice(values) => (*values, 1),
        Operand::One(value) => (std::slice::from_ref(value), 0),
    });
    for (i, y) in out.iter_mut().enumerate() {
        *y = function(listed(
            #[inline(always)]
            |n| sources[n].0[sources[n].1 * i],
        ));
    }
}

/// Samples of a function at these places: each is one value an input.
pub(super) fn samples<const N: usize>(gate: &'static Pointwise<N>, places: &[[f64; N]]) -> Vec<Sample> {
    let mut all = Vec::new();
    let mut add = |first: Shape, others: Shape| {
        let values = |i: usize, shape: Shape| {
            let values = places.iter().map(|x| x[i]).take(shape.elements()).collect();
            Array::filled(values, shape)
        };
        let inputs: Vec<Array> = (0..N).map(|i| values(i, if i == 0 { first } else { others })).collect();
        let mut sample = Sample::new(*gate, inputs);
        for (i, local) in gate.local.iter().enumerate() {
            if matches!(local, Local::Unknown) {
                sample = sample.constant(i);
            }
        }
        all.push(sample);
    };
    let count = places.len();
    add([count].into(), [count].into());
    add([].into(), [].into());
    add([0, 2].into(), [0, 2].into());
    if N > 1 {
        add([count, 1].into(), [].into());
    }
    all
}

/// Declares [`Pointwise`] gates: name, formula, value, local gradients and samples, one block each.
///
/// A block makes the gate, its row of the table of gates, and the method on [`Tensor`]; the invocation makes
/// the list of the family's rows. The places at which it is checked must keep off jumps and poles.
macro_rules! functions {
    ($(
        $(#[doc = $doc:literal])*
        $NAME:ident($($x:ident),+) as $method:ident {
            name: $name:literal;
            formula: $formula:literal;
            value: $value:expr;
            $(single: $single:expr;)?
            local: [$($local:expr),+ $(,)?];
            $(integers: $integers:expr;)?
            $(at_kink: $at_kink:expr;)?
            samples: [$($place:expr),+ $(,)?];
        }
    )*) => {
        /// The gates of this family.
        pub(super) const GATES: &[$crate::gate::Entry] = &[$(
            $crate::gate::Entry {
                name: $name,
                method: stringify!($method),
                doc: concat!($($doc, "\n"),*),
                at_kink: functions!(@option $($at_kink)?),
                file: file!(),
                line: line!(),
                samples: || $crate::gate::pointwise::samples(&$NAME, &[$($place),+]),
            }
        ),*];

        $(
            #[doc = concat!("The gate of [`Tensor::", stringify!($method), "`](crate::Tensor::", stringify!($method), "): `", $formula, "`.")]
            pub static $NAME: $crate::gate::pointwise::Pointwise<{ [$(stringify!($x)),+].len() }> =
                $crate::gate::pointwise::Pointwise {
                    name: $name,
                    formula: $formula,
                    inputs: [$(stringify!($x)),+],
                    value: $value,
                    single: functions!(@option $($single)?),
                    integers: functions!(@integers $($integers)?),
                    local: [$($local),+],
                };
        )*

        impl $crate::tensor::Tensor {
            $(functions!(@method [$(#[doc = $doc])*] $NAME $method $($x)+);)*
        }
    };
    (@option) => { None };
    (@option $x:expr) => { Some($x) };
    (@integers) => { $crate::gate::pointwise::Integers::AsFloats };
    (@integers $x:expr) => { $crate::gate::pointwise::Integers::Exact($x) };
    (@method [$($doc:tt)*] $NAME:ident $method:ident $x:ident) => {
        $($doc)*
        ///
        /// # Errors
        /// The element type isn't accepted.
        #[track_caller]
        pub fn $method(&self) -> $crate::error::Result<$crate::tensor::Tensor> {
            // A static, so that the gate's loops are compiled here and not in every crate that calls this.
            static GATE: &dyn $crate::gate::Gate = &$NAME;
            $crate::tensor::Tensor::apply($crate::gate::GateRef::Static(GATE), &[self])
        }
    };
    (@method [$($doc:tt)*] $NAME:ident $method:ident $a:ident $b:ident) => {
        $($doc)*
        ///
        /// # Errors
        /// The shapes don't broadcast, or the element types aren't accepted.
        #[track_caller]
        pub fn $method(
            &self,
            other: impl $crate::tensor::Operand,
        ) -> $crate::error::Result<$crate::tensor::Tensor> {
            static GATE: &dyn $crate::gate::Gate = &$NAME;
            $crate::tensor::Tensor::apply_with(GATE, self, other, std::panic::Location::caller())
        }
    };
}
pub(super) use functions;
