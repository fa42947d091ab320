//! Norms of vectors: `(Σ |x|ᵖ)^(1/p)` and its limits.
//!
//! ```
//! use chainrule::param;
//! let x = param([3.0, -4.0]);
//! let length = x.vector_norm(2.0, &[], false)?;
//! length.backward()?;
//! assert_eq!(length.item()?, 5.0);
//! assert_eq!(x.grad().unwrap().to_string(), "tensor([ 0.6000, -0.8000])"); // x / |x|
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::arith::{f64s, matrix};
use super::elementwise::expect_inputs;
use super::reduce::{Dims, only_float, samples};
use super::{Context, Entry, Gate, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves};
use crate::array::{Array, DType, Element, Meta, dispatch};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Norm::ENTRY];

documented! {
    /// The p-norm `(Σ |x|ᵖ)^(1/p)`: for p = 0 the number of elements that aren't 0, for p = ±∞ the largest or
    /// smallest size.
    ///
    /// ```
    /// use chainrule::gate::{reduce::Dims, vector_norm::Norm};
    /// use chainrule::{tensor, Tensor};
    /// let x = tensor([[3.0, -4.0], [0.0, 2.0]]);
    /// let of = |p| Norm { p, dims: Dims::of(&[1], false) };
    /// assert_eq!(Tensor::apply(of(1.0), &[&x])?.to_string(), "tensor([7., 2.])");
    /// assert_eq!(Tensor::apply(of(0.0), &[&x])?.to_string(), "tensor([2., 1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    pub struct Norm {
        /// The exponent: any number, also negative or infinite.
        pub p: f64,
        /// The dimensions.
        pub dims: Dims,
    }
}

impl Norm {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "LinalgVectorNorm",
        method: "vector_norm",
        doc: Norm::DOC,
        at_kink: Some(
            "the gradient is 0 where the norm is, and at elements that are 0; for p = ±∞ ties share it evenly",
        ),
        file: file!(),
        line: line!(),
        samples: || {
            let norm = |p: f64| move |dims| Norm { p, dims };
            let mut all = samples(norm(2.0));
            for p in [0.0, 0.5, 1.0, 1.5, 3.0, -1.0, -2.5, f64::INFINITY, f64::NEG_INFINITY] {
                all.push(Sample::new(norm(p)(Dims::all()), [f64s([1.5, -2.0, 0.3])]));
                all.push(Sample::new(
                    norm(p)(Dims::of(&[1], true)),
                    [matrix([[1.5, -2.0, 0.5], [0.3, 4.0, -1.7]])],
                ));
            }
            let zeros = || f64s([0.0, 0.0]);
            for p in [0.5, 1.0, 2.0, 3.0] {
                all.push(Sample::new(norm(p)(Dims::all()), [zeros()]).at_kink([zeros()]));
            }
            let largest = norm(f64::INFINITY)(Dims::all());
            all.push(
                Sample::new(largest.clone(), [f64s([2.0, -2.0, 1.0])]).at_kink([f64s([0.5, -0.5, 0.0])]),
            );
            all.push(Sample::new(norm(2.0)(Dims::all()), [Array::zeros_of([0], DType::F64)]));
            all.push(Sample::new(largest, [Array::zeros_of([0], DType::F64)]).refused(ErrorKind::Shape));
            all.push(
                Sample::new(norm(2.0)(Dims::all()), [Array::zeros_of([2], DType::I64)])
                    .refused(ErrorKind::DType),
            );
            all
        },
    };

    /// The norm of a row.
    fn of(&self, row: impl Iterator<Item = f64>) -> f64 {
        let sizes = row.map(f64::abs);
        let p = self.p;
        if p == 0.0 {
            sizes.filter(|&x| x != 0.0).count() as f64
        } else if p == 1.0 {
            sizes.sum()
        } else if p == 2.0 {
            sizes.map(|x| x * x).sum::<f64>().sqrt()
        } else if p.is_infinite() {
            let further = |best: f64, x: f64| x.is_nan() || if p > 0.0 { x > best } else { x < best };
            sizes.reduce(|best, x| if !best.is_nan() && further(best, x) { x } else { best }).unwrap_or(0.0)
        } else {
            sizes.map(|x| x.powf(p)).sum::<f64>().powf(1.0 / p)
        }
    }
}

impl Gate for Norm {
    fn name(&self) -> &'static str {
        "LinalgVectorNorm"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        only_float(&inputs[0])?;
        if self.p.is_nan() {
            return Err(Error::argument("the exponent of a norm is NaN"));
        }
        let shape = self.dims.result(&inputs[0].shape)?;
        if (self.p < 0.0 || self.p.is_infinite()) && self.dims.count(&inputs[0].shape)? == 0 {
            return Err(Error::shape(format!("there is no {}-norm of no elements", self.p)));
        }
        Ok([Meta { dtype: inputs[0].dtype, shape }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let count = self.dims.count(inputs[0].shape())?;
        let x = self.dims.rows(inputs[0])?;
        Ok([dispatch!(dtype, T => {
            let values = x.values::<T>();
            let norm = |i: usize| {
                let row = values[i * count..(i + 1) * count].iter();
                T::from_f64(self.of(row.map(|x| x.to_f64())))
            };
            Array::filled((0..shape.elements()).map(norm).collect(), shape)
        })]
        .into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0) | Saves::output(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let (x, p) = (saved.input(0)?, self.p);
        let shape = x.shape();
        let y = self.dims.spread(&saved.output(0)?, &shape)?;
        let g = self.dims.spread(g, &shape)?;
        let unless = |zero: Tensor, value: Tensor| zero.where_(&value.zeros_like(), &value);
        let gradient = if p == 0.0 {
            x.zeros_like()
        } else if p == 1.0 {
            g.mul(&x.sign()?)?
        } else if p == 2.0 {
            g.mul(&unless(y.eq(0.0)?, x.div(&y)?)?)?
        } else if p.is_infinite() {
            let met = x.abs()?.eq(&y)?.add(&x.ne(&x)?.mul(&y.ne(&y)?)?)?.cast(x.dtype())?;
            let dims: Vec<isize> = self.dims.places(&shape)?.iter().map(|&d| d as isize).collect();
            let count = if dims.is_empty() { met.clone() } else { met.sum_dim(&dims, true)? };
            g.mul(&x.sign()?)?.mul(&met.div(&count)?)?
        } else if p < 1.0 {
            let scaled = unless(x.eq(0.0)?, x.sign()?.mul(&x.abs()?.pow(p - 1.0)?)?)?;
            scaled.mul(&g.mul(&y.pow(1.0 - p)?)?)?
        } else {
            // The ratio first: the powers alone may be too small for the type, or too large.
            let ratio = unless(y.eq(0.0)?, x.abs()?.div(&y)?)?;
            g.mul(&x.sign()?.mul(&ratio.pow(p - 1.0)?)?)?
        };
        Ok([Some(gradient)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        match self.p {
            2.0 => Formula::rule("y = √(Σ x²)", ["∂L/∂x = g·x/y"]),
            1.0 => Formula::rule("y = Σ |x|", ["∂L/∂x = g·sign(x)"]),
            0.0 => Formula::rule("y = the number of x that aren't 0", ["∂L/∂x = 0"]),
            p if p.is_infinite() => Formula::rule(
                if p > 0.0 { "y = max |x|" } else { "y = min |x|" },
                ["∂L/∂x = g·sign(x) where |x| = y, shared by those that tie"],
            ),
            p => Formula::Rule {
                value: format!("y = (Σ |x|^{p})^(1/{p})"),
                gradients: vec![format!("∂L/∂x = g·sign(x)·(|x|/y)^{}", p - 1.0)],
            },
        }
    }
}

/// A norm of matrices, which isn't that of their elements.
///
/// ```
/// use chainrule::gate::vector_norm::MatrixNorm;
/// use chainrule::tensor;
/// let x = tensor([[1.0, -2.0], [2.0, 4.0]]);
/// assert_eq!(x.matrix_norm(MatrixNorm::Fro, [-2, -1], false)?.item()?, 5.0);
/// assert_eq!(x.matrix_norm(MatrixNorm::MinusOne, [-2, -1], false)?.item()?, 3.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MatrixNorm {
    /// Frobenius: `√(Σ x²)`
    Fro,
    /// The largest sum of sizes of a column
    One,
    /// The smallest sum of sizes of a column
    MinusOne,
    /// The largest sum of sizes of a row
    Infinity,
    /// The smallest sum of sizes of a row
    MinusInfinity,
}

impl Tensor {
    /// The p-norm over these dimensions (all, where none is named): see [`Norm`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([3.0, -4.0]).vector_norm(2.0, &[], false)?.item()?, 5.0);
    /// assert_eq!(tensor([3.0, -4.0]).vector_norm(f64::INFINITY, &[], false)?.item()?, 4.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The elements aren't floats, a dimension doesn't exist, or there are no elements for a negative or
    /// infinite p.
    #[track_caller]
    pub fn vector_norm(&self, p: f64, dims: &[isize], keep: bool) -> Result<Tensor> {
        Tensor::apply(Norm { p, dims: Dims::of(dims, keep) }, &[self])
    }

    /// A norm of the matrices that lie in two dimensions, rows and columns.
    ///
    /// ```
    /// use chainrule::{gate::vector_norm::MatrixNorm, tensor};
    /// let x = tensor([[1.0, -2.0], [3.0, 4.0]]);
    /// assert_eq!(x.matrix_norm(MatrixNorm::One, [-2, -1], false)?.item()?, 6.0);
    /// assert_eq!(x.matrix_norm(MatrixNorm::Infinity, [-2, -1], false)?.item()?, 7.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The elements aren't floats, or a dimension doesn't exist or is named twice.
    #[track_caller]
    pub fn matrix_norm(&self, norm: MatrixNorm, dims: [isize; 2], keep: bool) -> Result<Tensor> {
        let refuse = |error: Error| error.at_gate("MatrixNorm").with_inputs([self.meta()]);
        let shape = self.shape();
        only_float(&self.meta()).map_err(refuse)?;
        if shape.rank() < 2 {
            return Err(refuse(Error::shape("a matrix has at least two dimensions")));
        }
        let (rows, columns) = (shape.dim(dims[0]).map_err(refuse)?, shape.dim(dims[1]).map_err(refuse)?);
        if rows == columns {
            return Err(refuse(Error::argument(format!("the dimension {rows} is named twice"))));
        }
        let (rows, columns) = (rows as isize, columns as isize);
        let (summed, other) = match norm {
            MatrixNorm::Fro => return self.vector_norm(2.0, &dims, keep),
            MatrixNorm::One | MatrixNorm::MinusOne => (rows, columns),
            MatrixNorm::Infinity | MatrixNorm::MinusInfinity => (columns, rows),
        };
        let sums = self.vector_norm(1.0, &[summed], true)?;
        let kept = match norm {
            MatrixNorm::One | MatrixNorm::Infinity => sums.amax(&[other], true)?,
            _ => sums.amin(&[other], true)?,
        };
        if keep { Ok(kept) } else { kept.reshape(Dims::of(&dims, false).result(&shape)?) }
    }
}
