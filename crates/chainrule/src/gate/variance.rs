//! Variance and standard deviation.
//!
//! ```
//! use chainrule::tensor;
//! assert_eq!(tensor([1.0, 3.0]).var(&[], 0.0, false)?.item()?, 1.0);
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::arith::f64s;
use super::reduce::{Dims, Mean, samples};
use super::{Context, Entry, Gate, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves};
use crate::array::{Array, Meta, dispatch_float};
use crate::error::Result;
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::kernel::Kernels as _;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Var::ENTRY];

documented! {
    /// Variance, or its square root: `Σ (x − mean)² / (n − correction)`.
    ///
    /// ```
    /// use chainrule::gate::reduce::Dims;
    /// use chainrule::gate::variance::Var;
    /// use chainrule::{tensor, Tensor};
    /// let of = |correction| Var { dims: Dims::all(), correction, root: false };
    /// let x = tensor([1.0, 3.0, 5.0]);
    /// assert_eq!(Tensor::apply(of(1.0), &[&x])?.item()?, 4.0);
    /// assert_eq!(Tensor::apply(of(0.0), &[&x])?.to_string(), "tensor(2.6667)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    pub struct Var {
        /// The dimensions.
        pub dims: Dims,
        /// What is taken off the number of elements: 1 for the unbiased estimate (PyTorch's default), 0 for none.
        pub correction: f64,
        /// The standard deviation instead of the variance.
        pub root: bool,
    }
}

impl Var {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Var",
        method: "var, std",
        doc: Var::DOC,
        at_kink: Some("the gradient of a standard deviation of 0 is 0"),
        file: file!(),
        line: line!(),
        samples: || {
            let mut all = samples(|dims| Var { dims, correction: 1.0, root: false });
            all.extend(samples(|dims| Var { dims, correction: 0.0, root: true }));
            let flat = Var { dims: Dims::all(), correction: 1.0, root: true };
            all.push(Sample::new(flat, [f64s([2.0, 2.0])]).at_kink([f64s([0.0, 0.0])]));
            all
        },
    };
}

impl Gate for Var {
    fn name(&self) -> &'static str {
        if self.root { "Std" } else { "Var" }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Mean(self.dims.clone()).infer(inputs)
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let (x, blocks) = self.dims.blocks(inputs[0])?;
        let freedom = (blocks.count as f64 - self.correction).max(0.0);
        let mut out = vec![0.0; shape.elements()];
        dispatch_float!(dtype, T => T::variance(x.values::<T>(), blocks, freedom, &mut out), otherwise => {});
        if self.root {
            out.iter_mut().for_each(|variance| *variance = variance.sqrt());
        }
        Ok([Array::filled(out, shape).cast(dtype)].into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0) | Saves::output(0).when(self.root)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let x = saved.input(0)?;
        let shape = x.shape();
        let dims: Vec<isize> = self.dims.places(&shape)?.iter().map(|&d| d as isize).collect();
        let freedom = (self.dims.count(&shape)? as f64 - self.correction).max(0.0);
        let centred = if dims.is_empty() { x.sub(&x)? } else { x.sub(&x.mean_dim(&dims, true)?)? };
        let local = if self.root {
            let y = saved.output(0)?;
            let safe = y.eq(0.0)?.where_(&y.ones_like(), &y)?;
            let slope = y.eq(0.0)?.where_(&y.zeros_like(), &safe.reciprocal()?.mul(1.0 / freedom)?)?;
            self.dims.spread(&g.mul(&slope)?, &shape)?.mul(&centred)?
        } else {
            self.dims.spread(&g.mul(2.0 / freedom)?, &shape)?.mul(&centred)?
        };
        Ok([Some(local)].into_iter().collect())
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn formula(&self) -> Formula {
        match self.root {
            false => Formula::rule("y = Σ (x − mean)² / (n − c)", ["∂L/∂x = g · 2·(x − mean) / (n − c)"]),
            true => Formula::rule("y = √(Σ (x − mean)² / (n − c))", ["∂L/∂x = g · (x − mean) / (y·(n − c))"]),
        }
    }
}

impl Tensor {
    /// Variance over these dimensions (all, where none is named): see [`Var`].
    ///
    /// # Errors
    /// The element type isn't float, or a dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 3.0], [5.0, 9.0]]);
    /// assert_eq!(x.var(&[1], 1.0, false)?.to_string(), "tensor([2., 8.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn var(&self, dims: &[isize], correction: f64, keep: bool) -> Result<Tensor> {
        Tensor::apply(Var { dims: Dims::of(dims, keep), correction, root: false }, &[self])
    }

    /// Standard deviation over these dimensions (all, where none is named): see [`Var`].
    ///
    /// # Errors
    /// The element type isn't float, or a dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 3.0], [5.0, 9.0]]);
    /// assert_eq!(x.std(&[1], 0.0, false)?.to_string(), "tensor([1., 2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn std(&self, dims: &[isize], correction: f64, keep: bool) -> Result<Tensor> {
        Tensor::apply(Var { dims: Dims::of(dims, keep), correction, root: true }, &[self])
    }
}
