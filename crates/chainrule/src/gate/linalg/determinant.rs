//! Determinants.

use super::super::elementwise::expect_inputs;
use super::*;
use crate::gate::macros::documented;
use crate::kernel::linalg::lu;

documented! {
    /// The determinant of square matrices.
    ///
    /// That of no rows is 1. The gradient, the matrix of cofactors, exists for singular matrices too.
    ///
    /// ```
    /// use chainrule::gate::linalg::Det;
    /// use chainrule::{tensor, Tensor};
    /// assert_eq!(Tensor::apply(Det, &[&tensor([[0.0, 2.0], [3.0, 0.0]])])?.item()?, -6.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Det;
}

impl Det {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "LinalgDet",
        method: "linalg::det, det",
        doc: Det::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let mut all = square_samples(|a| Sample::new(Det, [a]));
            all.push(
                Sample::new(Det, [matrix([[1.0, 2.0], [2.0, 4.0]])])
                    .at_kink([matrix([[4.0, -2.0], [-2.0, 1.0]])]),
            );
            all.push(
                Sample::new(Det, [Array::zeros_of([3, 3], DType::F64)])
                    .at_kink([Array::zeros_of([3, 3], DType::F64)]),
            );
            all
        },
    };
}

impl Gate for Det {
    fn name(&self) -> &'static str {
        "LinalgDet"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let (batch, _) = square(&inputs[0])?;
        Ok([Meta::new(inputs[0].dtype, batch)].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { shape, dtype } = *context.output(0);
        let values = on_each(&each(inputs[0]), |a| lu(a.clone()).determinant());
        Ok([Array::filled(values, shape).cast(dtype)].into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0) | Saves::output(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let (a, y) = (saved.input(0)?, saved.output(0)?);
        let spread = |x: &Tensor| x.unsqueeze(-1)?.unsqueeze(-1);
        let regular = y.to_f64_vec().iter().all(|&y| y != 0.0) || !a.array().all_finite();
        let cofactors = match regular {
            true => crate::linalg::inv_ex(&a, false)?.0.mt()?.mul(&spread(&y)?)?,
            false => cofactors(&a)?,
        };
        Ok([Some(cofactors.mul(&spread(g)?)?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = det A", ["Ā = g·y·A⁻ᵀ"])
    }
}

/// The cofactors of any square matrices: `det U · det V · U·diag(Π of the other singular values)·Vᵀ`.
fn cofactors(a: &Tensor) -> Result<Tensor> {
    let parts = Tensor::apply_many(Svd { full: false }, &[a])?;
    let [u, s, vt] = &parts[..] else { return Err(Error::argument("there are three factors")) };
    let n = s.shape().last().copied().unwrap_or(0);
    let others = Tensor::from_array(Array::eye_of(n, n, DType::Bool))
        .where_(&s.unsqueeze(-2)?.ones_like(), &s.unsqueeze(-2)?)?
        .prod_dim(-1, false)?;
    let sign = Tensor::apply(Det, &[u])?.mul(&Tensor::apply(Det, &[vt])?)?;
    let scaled = others.mul(&sign.unsqueeze(-1)?)?;
    u.mul(&scaled.unsqueeze(-2)?)?.matmul(vt)
}

documented! {
    /// Sign and logarithm of the size of the determinant.
    ///
    /// These are right also where the determinant itself overflows.
    ///
    /// ```
    /// use chainrule::gate::linalg::Slogdet;
    /// use chainrule::{tensor, Tensor};
    /// let found = Tensor::apply_many(Slogdet, &[&tensor([[0.0, 1.0], [1.0, 0.0]])])?;
    /// assert_eq!((found[0].item()?, found[1].item()?), (-1.0, 0.0));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Slogdet;
}

impl Slogdet {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "LinalgSlogdet",
        method: "linalg::slogdet, slogdet, logdet",
        doc: Slogdet::DOC,
        at_kink: Some("the gradient of a singular matrix has infinities"),
        file: file!(),
        line: line!(),
        samples: || {
            let mut all = square_samples(|a| Sample::new(Slogdet, [a]));
            all.push(
                Sample::new(Slogdet, [matrix([[1.0, 2.0], [2.0, 4.0]])])
                    .constant(0)
                    .gives([Array::scalar(0.0), Array::scalar(f64::NEG_INFINITY)]),
            );
            all
        },
    };
}

impl Gate for Slogdet {
    fn name(&self) -> &'static str {
        "LinalgSlogdet"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let (batch, _) = square(&inputs[0])?;
        let meta = Meta::new(inputs[0].dtype, batch);
        Ok([meta, meta].into_iter().collect())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { shape, dtype } = *context.output(0);
        let found = on_each(&each(inputs[0]), |a| lu(a.clone()).log_determinant());
        let (signs, logs) = found.into_iter().unzip();
        let array = |values: Vec<f64>| Array::filled(values, shape).cast(dtype);
        Ok([array(signs), array(logs)].into_iter().collect())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[1] else { return Ok(needs.none()) };
        let inverse = crate::linalg::inv_ex(&saved.input(0)?, false)?.0.mt()?;
        Ok([Some(inverse.mul(&g.unsqueeze(-1)?.unsqueeze(-1)?)?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = ln|det A|", ["Ā = g·A⁻ᵀ"])
    }
}
