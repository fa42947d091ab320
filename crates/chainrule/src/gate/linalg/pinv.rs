//! The pseudo-inverse.

use super::super::elementwise::expect_inputs;
use super::*;
use crate::gate::macros::documented;
use crate::kernel::linalg::{eigen, svd};

documented! {
    /// The Moore–Penrose inverse: that of A on the space of its singular vectors, 0 elsewhere. Singular values up
    /// to `max(absolute, relative·largest)` count as 0.
    ///
    /// The derivative, for matrices of constant rank, is that of Golub and Pereyra 1973, "The differentiation
    /// of pseudo-inverses and nonlinear least squares problems whose variables separate".
    ///
    /// ```
    /// use chainrule::gate::linalg::Pinv;
    /// use chainrule::{tensor, Tensor};
    /// let gate = Pinv { relative: None, absolute: Some(1.0), hermitian: false };
    /// // Singular values up to 1 count as 0.
    /// let y = Tensor::apply(gate, &[&tensor([[4.0, 0.0], [0.0, 0.5]])])?;
    /// assert_eq!(y.to_string(), "tensor([[0.2500, 0.0000],\n        [0.0000, 0.0000]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Pinv {
        /// The tolerance relative to the largest singular value; by default the larger side times the element
        /// type's precision, or 0 where `absolute` is given.
        pub relative: Option<f64>,
        /// The absolute tolerance.
        pub absolute: Option<f64>,
        /// A is symmetric: its lower triangle is read, and eigenvalues are computed instead.
        pub hermitian: bool,
    }
}

impl Pinv {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "LinalgPinv",
        method: "linalg::pinv, pinverse",
        doc: Pinv::DOC,
        at_kink: Some("where the rank changes the inverse jumps; the gradient is that at constant rank"),
        file: file!(),
        line: line!(),
        samples: || {
            let gate = Pinv { relative: None, absolute: None, hermitian: false };
            let mut all = square_samples(|a| Sample::new(gate, [a]));
            all.retain(|sample| sample.inputs[0].shape()[..] != [2, 3]);
            all.push(Sample::new(gate, [matrix([[0.5, 2.0, -1.0], [4.0, 1.0, 0.6]])]));
            all.push(Sample::new(gate, [matrix([[0.5, 2.0], [4.0, 1.0], [-1.0, 1.6]])]));
            let hermitian = Pinv { hermitian: true, ..gate };
            let symmetric = matrix([[3.0, 0.5, -0.7], [0.5, 2.0, 0.6], [-0.7, 0.6, 1.2]]);
            all.push(Sample::new(hermitian, [symmetric]));
            all.push(
                Sample::new(Pinv { absolute: Some(9.0), ..gate }, [matrix([[2.0]])]).gives([matrix([[0.0]])]),
            );
            all
        },
    };

    fn limit(&self, largest: f64, size: usize, dtype: DType) -> f64 {
        let precision = if dtype == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
        let given = self.absolute.filter(|x| *x > 0.0);
        let usual = if given.is_some() { 0.0 } else { size as f64 * precision };
        given.unwrap_or(0.0).max(self.relative.unwrap_or(usual) * largest)
    }
}

impl Gate for Pinv {
    fn name(&self) -> &'static str {
        "LinalgPinv"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let (batch, rows, columns) = sizes(&inputs[0])?;
        if self.hermitian {
            square(&inputs[0])?;
        }
        Ok([Meta::new(inputs[0].dtype, matrices(&batch, columns, rows)?)].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let dtype = inputs[0].dtype();
        let invert = |a: &Matrix| -> Option<Matrix> {
            // A = left·diag(s)·right, the vectors of left and right in rows.
            let (mut left, s, right) = match self.hermitian {
                true => {
                    let mut full = a.clone();
                    for i in 0..a.rows {
                        for j in 0..i {
                            full[(j, i)] = a[(i, j)];
                        }
                    }
                    let (w, v) = eigen(full, false)?;
                    (v.clone(), w, v)
                }
                false => {
                    let found = svd(a, false)?;
                    (found.u.transposed(), found.s, found.vt)
                }
            };
            let largest = s.iter().fold(0.0f64, |m, x| m.max(x.abs()));
            let limit = self.limit(largest, a.rows.max(a.columns), dtype);
            for (i, &value) in s.iter().enumerate() {
                let factor = if value.abs() > limit { 1.0 / value } else { 0.0 };
                left.row_mut(i).iter_mut().for_each(|x| *x *= factor);
            }
            Some(right.transposed().product(&left))
        };
        let found: Option<Vec<Matrix>> = on_each(&each(inputs[0]), invert).into_iter().collect();
        let found = found.ok_or_else(|| no_convergence("singular values"))?;
        Ok([stacked(found.iter().map(|x| &x.values[..]), *context.output(0))].into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0) | Saves::output(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let (a, y) = (saved.input(0)?, saved.output(0)?);
        let (yt, gt) = (y.mt()?, g.mt()?);
        // −(Y·ḡᵀ·Y)ᵀ, and what A's null spaces add: (I − A·Y)·ḡᵀ·Y·Yᵀ and Yᵀ·Y·ḡᵀ·(I − Y·A).
        let inner = y.matmul(&gt.matmul(&y)?)?.mt()?;
        let gy = gt.matmul(&y)?.matmul(&yt)?;
        let yg = yt.matmul(&y.matmul(&gt)?)?;
        let left = gy.sub(&a.matmul(&y.matmul(&gy)?)?)?;
        let right = yg.sub(&yg.matmul(&y)?.matmul(&a)?)?;
        Ok([Some(left.add(&right)?.sub(&inner)?)].into_iter().collect())
    }

    fn structure(&self, input: usize) -> Option<Structure> {
        (input == 0 && self.hermitian).then_some(Structure::Symmetric)
    }

    fn formula(&self) -> Formula {
        Formula::rule("Y = A⁺", ["Ā = −Yᵀ·g·Yᵀ + (I − A·Y)·gᵀ·Y·Yᵀ + Yᵀ·Y·gᵀ·(I − Y·A)"])
    }
}
