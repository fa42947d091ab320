//! Softmax, its logarithm, and the losses built on them: cross entropy and negative log likelihood.
//!
//! ```
//! use chainrule::{param, tensor};
//! // p − y is the gradient of softmax with cross entropy.
//! let logits = param(tensor([[0.2, 0.7, 0.1]]).log()?.to_vec::<f32>()?);
//! logits.cross_entropy(&tensor(1))?.backward()?;
//! assert_eq!(logits.grad().unwrap().to_string(), "tensor([ 0.2000, -0.3000,  0.1000])");
//! # Ok::<(), chainrule::Error>(())
//! ```

mod nll;

pub use nll::{CrossEntropy, NllLoss, Reduction};

use std::borrow::Cow;

use super::arith::matrix;
use super::elementwise::expect_inputs;
use super::index::indices;
use super::matmul::repeats;
use super::reduce::only_float;
use super::{Context, Entry, Gate, GateRef, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves};
use crate::array::Float;
use crate::array::{Array, DType, Meta, dispatch_float};
use crate::error::{ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::kernel::Kernels as _;
use crate::kernel::rows::Upstream;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Softmax::ENTRY, NllLoss::ENTRY];

documented! {
    /// `y = eˣ / Σ eˣ` along a dimension, or its logarithm.
    ///
    /// ```
    /// use chainrule::gate::softmax::Softmax;
    /// use chainrule::{tensor, Tensor};
    /// let x = tensor([[0.0, 0.0], [1000.0, 0.0]]);
    /// let y = Tensor::apply(Softmax { dim: 1, log: false }, &[&x])?;
    /// assert_eq!(y.to_string(), "tensor([[0.5000, 0.5000],\n        [1.0000, 0.0000]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Softmax {
        /// The dimension.
        pub dim: isize,
        /// The logarithm of it, which loses no digits.
        pub log: bool,
    }
}

impl Softmax {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Softmax",
        method: "softmax, log_softmax",
        doc: Softmax::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.5, -2.0, 0.5], [0.3, 4.0, -1.7]]);
            [false, true]
                .into_iter()
                .flat_map(|log| {
                    [
                        Sample::new(Softmax { dim: 1, log }, [x()]),
                        Sample::new(Softmax { dim: 0, log }, [x()]),
                        Sample::new(Softmax { dim: 0, log }, [Array::scalar(2.0f64)]),
                        Sample::new(Softmax { dim: 0, log }, [Array::zeros_of([0, 2], DType::F64)]),
                        Sample::new(Softmax { dim: 2, log }, [x()]).refused(ErrorKind::Index),
                        Sample::new(Softmax { dim: 0, log }, [indices([1, 2])]).refused(ErrorKind::DType),
                    ]
                })
                .collect()
        },
    };
}

impl Softmax {
    /// The gradient from the upstream gradient, along the last dimension; in that one's buffer, where nobody else holds it.
    fn by_rows<T: Float>(&self, mut g: Array, y: &Array) -> Array {
        let y = y.in_order();
        let (shape, columns) = (*y.shape(), y.shape()[y.rank() - 1]);
        if self.log {
            let g = g.in_order();
            return Array::made(&shape, |out| {
                T::log_softmax_gradient(g.values::<T>(), y.values::<T>(), columns, out);
            });
        }
        if g.is_unique()
            && let Some(out) = g.make_mut::<T>()
        {
            T::softmax_gradient(Upstream::Here, y.values::<T>(), columns, out);
            return g;
        }
        // One gradient for all rows of a matrix stays one.
        let same = g.rank().checked_sub(2).filter(|&dim| repeats(&g, dim));
        let (once, each) = match same.and_then(|dim| g.narrow(dim as isize, 0, 1).ok()) {
            Some(once) => (once, shape[shape.rank() - 2]),
            None => (g, 1),
        };
        let once = once.in_order();
        let g = Upstream::Each(once.values::<T>(), each);
        Array::made(&shape, |out| T::softmax_gradient(g, y.values::<T>(), columns, out))
    }
}

impl Gate for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "LogSoftmax" } else { "Softmax" }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        only_float(&inputs[0])?;
        inputs[0].shape.dim(self.dim)?;
        Ok([inputs[0]].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let x = inputs[0];
        let dim = x.shape().dim(self.dim)? as isize;
        let columns = x.shape().get(dim as usize).copied().unwrap_or(1);
        if x.elements() == 0 {
            return Ok([x.clone()].into());
        }
        let last = dim + 1 >= x.rank() as isize;
        let moved = if last { Cow::Borrowed(x) } else { Cow::Owned(x.transpose(dim, -1)?) };
        let dtype = context.output(0).dtype;
        let y = dispatch_float!(dtype, T => {
            let rows = moved.in_order();
            let kernel = if self.log { T::log_softmax } else { T::softmax };
            Array::made(moved.shape(), |out| kernel(rows.values::<T>(), columns, out))
        }, otherwise => moved.into_owned());
        Ok([if last { y } else { y.transpose(dim, -1)?.contiguous() }].into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::output(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let y = saved.output(0)?;
        if y.rank() == 0 {
            return Ok([Some(g.zeros_like())].into_iter().collect());
        }
        // Counted from the end, the dimension is the same in a batch of gradients.
        let dim = [y.shape().dim(self.dim)? as isize - y.rank() as isize];
        Ok([Some(if self.log {
            g.sub(&y.exp()?.mul(&g.sum_dim(&dim, true)?)?)?
        } else {
            let weighted = g.mul(&y)?;
            weighted.sub(&y.mul(&weighted.sum_dim(&dim, true)?)?)?
        })]
        .into_iter()
        .collect())
    }

    fn backward_fused(
        &self,
        saved: &Saved,
        upstream: &[Option<Array>],
        needs: &Needs,
    ) -> Option<Result<Gradients<Array>>> {
        self.backward_taking(saved, &mut [upstream[0].clone()], needs)
    }

    fn backward_taking(
        &self,
        saved: &Saved,
        upstream: &mut [Option<Array>],
        needs: &Needs,
    ) -> Option<Result<Gradients<Array>>> {
        let y = saved.output_values(0).ok()?;
        // Only along the last dimension rows lie together.
        let last = y.shape().dim(self.dim).ok()? + 1 == y.rank();
        if !last || y.elements() == 0 || !needs.any() {
            return None;
        }
        let g = upstream[0].take()?;
        let gradient = dispatch_float!(y.dtype(), T => self.by_rows::<T>(g, &y), otherwise => g);
        Some(Ok([Some(gradient)].into_iter().collect()))
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn formula(&self) -> Formula {
        match self.log {
            true => Formula::rule("y = x − ln Σ eˣ", ["∂L/∂x = g − eʸ·Σ g"]),
            false => Formula::rule("y = eˣ / Σ eˣ", ["∂L/∂x = y·(g − Σ g·y)"]),
        }
    }
}

impl Tensor {
    /// `eˣ / Σ eˣ` along a dimension: see [`Softmax`].
    ///
    /// # Errors
    /// The dimension doesn't exist, or the elements aren't floats.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0, 3.0]).softmax(0)?.to_string(), "tensor([0.0900, 0.2447, 0.6652])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn softmax(&self, dim: isize) -> Result<Tensor> {
        Tensor::apply(Softmax { dim, log: false }, &[self])
    }

    /// The logarithm of softmax along a dimension: see [`Softmax`].
    ///
    /// # Errors
    /// The dimension doesn't exist, or the elements aren't floats.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([0.0, 1000.0]).log_softmax(0)?;
    /// assert_eq!(y.to_string(), "tensor([-1000.,     0.])"); // where ln softmax would be −∞
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn log_softmax(&self, dim: isize) -> Result<Tensor> {
        // That of classifiers, which isn't made anew for each batch.
        static OF_CLASSES: Softmax = Softmax { dim: 1, log: true };
        match dim {
            1 => Tensor::apply(GateRef::Static(&OF_CLASSES), &[self]),
            _ => Tensor::apply(Softmax { dim, log: true }, &[self]),
        }
    }
}
