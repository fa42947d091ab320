//! The logarithm of a sum of exponentials: a maximum that is smooth.
//!
//! ```
//! use chainrule::tensor;
//! assert_eq!(tensor([0.0, 100.0]).logsumexp(&[], false)?.item()?, 100.0);
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::elementwise::expect_inputs;
use super::reduce::{Dims, samples};
use super::{Context, Entry, Gate, Gradients, Metas, Needs, Outputs, Saved, Saves};
use crate::array::Float;
use crate::array::{Array, DType, Meta, Shape};
use crate::error::Result;
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[LogSumExp::ENTRY];

documented! {
    /// `y = ln Σ eˣ`, computed without overflow.
    ///
    /// ```
    /// use chainrule::gate::logsumexp::LogSumExp;
    /// use chainrule::gate::reduce::Dims;
    /// use chainrule::{tensor, Tensor};
    /// let y = Tensor::apply(LogSumExp(Dims::all()), &[&tensor([1000.0, 1000.0])])?;
    /// assert_eq!(y.to_string(), "tensor(1000.6932)"); // no overflow
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    pub struct LogSumExp(pub Dims);
}

impl LogSumExp {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Logsumexp",
        method: "logsumexp",
        doc: LogSumExp::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || samples(LogSumExp),
    };
}

impl Gate for LogSumExp {
    fn name(&self) -> &'static str {
        "Logsumexp"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let dtype = if inputs[0].dtype.is_float() { inputs[0].dtype } else { DType::F32 };
        Ok([Meta { dtype, shape: self.0.result(&inputs[0].shape)? }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let x = self.0.rows(&inputs[0].cast(dtype))?;
        let count = self.0.count(inputs[0].shape())?;
        Ok([match dtype {
            DType::F64 => logsumexp::<f64>(&x, count, shape),
            _ => logsumexp::<f32>(&x, count, shape),
        }]
        .into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0) | Saves::output(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let x = saved.input(0)?;
        let shape = x.shape();
        let share = x.sub(&self.0.spread(&saved.output(0)?, &shape)?)?.exp()?;
        Ok([Some(self.0.spread(g, &shape)?.mul(&share)?)].into_iter().collect())
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = ln Σ eˣ", ["∂L/∂x = g · e^(x − y)"])
    }
}

fn logsumexp<T: Float>(x: &Array, count: usize, shape: Shape) -> Array {
    let mut out = vec![T::default(); shape.elements()];
    T::logsumexp(x.values::<T>(), count, &mut out);
    Array::filled(out, shape)
}

impl Tensor {
    /// `ln Σ eˣ` over these dimensions (all, where none is named): see [`LogSumExp`]. Integers become f32.
    ///
    /// # Errors
    /// A dimension doesn't exist or appears twice.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([0.0, 3f64.ln()]);
    /// let y = x.logsumexp(&[0], false)?;
    /// y.backward()?;
    /// assert_eq!(y.to_string(), "tensor(1.3863, grad_fn=<LogsumexpBackward0>)"); // ln 4
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([0.2500, 0.7500])"); // softmax
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn logsumexp(&self, dims: &[isize], keep: bool) -> Result<Tensor> {
        Tensor::apply(LogSumExp(Dims::of(dims, keep)), &[self])
    }
}
