//! Writing at indices along a dimension.
//!
//! ```
//! use chainrule::{tensor, Tensor};
//! let one_hot = Tensor::zeros([2, 3]).scatter_value(1, &tensor([[2], [0]]), 1.0)?;
//! assert_eq!(one_hot.to_string(), "tensor([[0., 0., 1.],\n        [1., 0., 0.]])");
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::arith::matrix;
use super::index::{self, ScatterAdd};
use super::{Context, Entry, Gate, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves};
use crate::array::{Array, Element, Meta, dispatch};
use crate::error::{ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::tensor::{Operand, Tensor, no_grad};

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Scatter::ENTRY, ScatterProduct::ENTRY];

documented! {
    /// Elements overwritten along a dimension: `y = x`, then `y[index[i][j]][j] = source[i][j]` for dimension 0;
    /// where an index repeats, the last one stays.
    ///
    /// ```
    /// use chainrule::gate::scatter::Scatter;
    /// use chainrule::{param, tensor, Tensor};
    /// let (x, source) = (param([1.0, 2.0, 3.0]), param([9.0]));
    /// let y = Tensor::apply(Scatter { dim: 0 }, &[&x, &tensor([1]), &source])?;
    /// y.sum()?.backward()?;
    /// assert_eq!(y.to_f64_vec(), [1.0, 9.0, 3.0]);
    /// assert_eq!(x.grad().unwrap().to_f64_vec(), [1.0, 0.0, 1.0]); // what was overwritten had no influence
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Scatter {
        /// The dimension.
        pub dim: isize,
    }
}

impl Scatter {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Scatter",
        method: "scatter, scatter_value",
        doc: Scatter::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
            let at = |values: Vec<i64>| Array::filled(values, [2, 2].into());
            let source = || matrix([[0.1, 0.2], [0.3, 0.4]]);
            vec![
                Sample::new(Scatter { dim: 1 }, [x(), at(vec![0, 1, 2, 1]), source()]),
                Sample::new(Scatter { dim: 0 }, [x(), at(vec![1, 0, 0, 1]), source()]),
                Sample::new(Scatter { dim: 0 }, [x(), at(vec![2, 0, 0, 1]), source()])
                    .refused(ErrorKind::Index),
                Sample::new(Scatter { dim: 0 }, [x(), source(), source()]).refused(ErrorKind::DType),
            ]
        },
    };
}

impl Gate for Scatter {
    fn name(&self) -> &'static str {
        "Scatter"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        ScatterAdd { dim: self.dim }.infer(inputs)
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let mut out = inputs[0].copied();
        let places = index::places(inputs[1], out.shape(), out.shape().dim(self.dim)?)?;
        let source = index::covered(inputs[2], inputs[1].shape())?;
        dispatch!(out.dtype(), T => {
            let source = source.to_vec::<T>()?;
            if let Some(out) = out.make_mut::<T>() {
                for (&i, x) in places.iter().zip(source) {
                    out[i] = x;
                }
            }
        });
        Ok([out].into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(1)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let at = saved.input(1)?;
        let x = if needs.input(0) { Some(g.scatter_value(self.dim, &at, 0.0)?) } else { None };
        let source = match needs.input(2) {
            true => Some(index::grown(&g.gather(self.dim, &at)?, &saved.input_meta(2)?.shape)?),
            false => None,
        };
        Ok([x, None, source].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "y = x, with the source at the indices",
            ["∂L/∂x = g, 0 at the indices", "the index has no gradient", "∂L/∂source = g[index]"],
        )
    }
}

documented! {
    /// Elements multiplied into those at indices along a dimension: `y = x`, then
    /// `y[index[i][j]][j] *= source[i][j]` for dimension 0.
    ///
    /// ```
    /// use chainrule::{gate::scatter::ScatterProduct, tensor, Tensor};
    /// let (x, index, source) = (tensor([2.0, 3.0]), tensor([1, 1]), tensor([5.0, 7.0]));
    /// let y = Tensor::apply(ScatterProduct { dim: 0 }, &[&x, &index, &source])?;
    /// assert_eq!(y.to_vec::<f32>()?, [2.0, 105.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct ScatterProduct {
        /// The dimension.
        pub dim: isize,
    }
}

impl ScatterProduct {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "ScatterReduceProd",
        method: "scatter_reduce, index_reduce",
        doc: ScatterProduct::DOC,
        at_kink: Some(
            "where factors are 0 the gradient is exact, but its own derivative leaves out their part",
        ),
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
            let at = |values: Vec<i64>| Array::filled(values, [2, 2].into());
            let gate = |dim| ScatterProduct { dim };
            let ones = Array::filled(vec![1.0; 3], [3].into());
            let index = Array::filled(vec![0i64, 0, 1, 1, 2], [5].into());
            let factors = Array::filled(vec![2.0, 0.0, 0.0, 0.0, 5.0], [5].into());
            let own = Array::filled(vec![0.0, 0.0, 5.0], [3].into());
            let theirs = Array::filled(vec![0.0, 2.0, 0.0, 0.0, 1.0], [5].into());
            vec![
                Sample::new(gate(1), [x(), at(vec![0, 1, 2, 1]), matrix([[0.1, 0.2], [0.3, 0.4]])]),
                Sample::new(gate(0), [x(), at(vec![1, 1, 1, 1]), matrix([[0.7, -0.2], [1.3, 0.4]])]),
                Sample::new(gate(0), [ones, index, factors]).at_kink([own, theirs]),
                Sample::new(gate(0), [x(), at(vec![2, 0, 0, 1]), matrix([[0.1, 0.2], [0.3, 0.4]])])
                    .refused(ErrorKind::Index),
            ]
        },
    };
}

impl Gate for ScatterProduct {
    fn name(&self) -> &'static str {
        "ScatterReduceProd"
    }

    fn grad_fn(&self) -> String {
        "ScatterReduceBackward0".into()
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        ScatterAdd { dim: self.dim }.infer(inputs)
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let mut out = inputs[0].copied();
        let places = index::places(inputs[1], out.shape(), out.shape().dim(self.dim)?)?;
        let source = index::covered(inputs[2], inputs[1].shape())?;
        dispatch!(out.dtype(), T => {
            let source = source.to_vec::<T>()?;
            if let Some(out) = out.make_mut::<T>() {
                for (&i, x) in places.iter().zip(source) {
                    // Integers wrap around; in f64 large ones would be rounded.
                    out[i] = match T::DTYPE.is_float() {
                        true => T::from_f64(out[i].to_f64() * x.to_f64()),
                        false => T::from_i64(out[i].to_i64().wrapping_mul(x.to_i64())),
                    };
                }
            }
        });
        Ok([out].into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0) | Saves::input(1) | Saves::input(2)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let (x, at) = (saved.input(0)?, saved.input(1)?);
        let covered = at.shape();
        let source = (0..covered.rank())
            .try_fold(saved.input(2)?, |x, d| x.narrow(d as isize, 0, covered[d] as isize))?;
        // The product of the others: that of all factors but zeros, over the own factor, where no other is 0.
        let no_zeros = |x: &Tensor| x.eq(0.0)?.where_(&x.ones_like(), x);
        let (own, theirs) = (no_zeros(&x)?, no_zeros(&source)?);
        let product = Tensor::apply(*self, &[&own, &at, &theirs])?;
        let is_zero = |x: &Tensor| x.eq(0.0)?.cast(x.dtype());
        let zeros = no_grad(|| is_zero(&x)?.scatter_add(self.dim, &at, &is_zero(&source)?))?;
        let others = |factor: &Tensor, safe: &Tensor, product: &Tensor, zeros: &Tensor| -> Result<Tensor> {
            let counted = no_grad(|| zeros.sub(is_zero(factor)?)?.eq(0.0))?;
            let others = product.div(safe)?;
            counted.where_(&others, &others.zeros_like())
        };
        let for_own = match needs.input(0) {
            true => Some(g.mul(&others(&x, &own, &product, &zeros)?)?),
            false => None,
        };
        let for_source = match needs.input(2) {
            true => {
                let here = |x: &Tensor| x.gather(self.dim, &at);
                let others = others(&source, &theirs, &here(&product)?, &here(&zeros)?)?;
                Some(index::grown(&here(g)?.mul(&others)?, &saved.input_meta(2)?.shape)?)
            }
            false => None,
        };
        Ok([for_own, None, for_source].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "y = x, times the source at the indices",
            [
                "∂L/∂x = g times the other factors",
                "the index has no gradient",
                "∂L/∂source = g[index] times the other factors",
            ],
        )
    }
}

impl Tensor {
    /// Elements overwritten at indices: see [`Scatter`].
    ///
    /// # Errors
    /// An index is out of range or not an integer, or the shapes don't fit.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([1.0, 2.0, 3.0]).scatter(0, &tensor([2, 0]), &tensor([7.0, 8.0]))?;
    /// assert_eq!(y.to_string(), "tensor([8., 2., 7.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn scatter(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        Tensor::apply(Scatter { dim }, &[self, index, source])
    }

    /// One value written at indices: see [`Scatter`].
    ///
    /// # Errors
    /// As [`Tensor::scatter`]; the value is a tensor with dimensions.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([1.0, 2.0, 3.0]).scatter_value(0, &tensor([0, 2]), -1.0)?;
    /// assert_eq!(y.to_string(), "tensor([-1.,  2., -1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn scatter_value(&self, dim: isize, index: &Tensor, value: impl Operand) -> Result<Tensor> {
        self.holds("Scatter", &value)?;
        let source = value.with(self, |value| value.cast(self.dtype())?.expand(index.shape()))?;
        self.scatter(dim, index, &source)
    }
}
