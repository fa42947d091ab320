//! The exponential of matrices.

use super::super::elementwise::expect_inputs;
use super::*;
use crate::gate::macros::documented;
use crate::kernel::linalg::exp;

documented! {
    /// `Y = e^A = I + A + A²/2! + A³/3! + …` for square matrices.
    ///
    /// It is found by scaling and squaring. The derivative is a corner of the exponential of a larger matrix
    /// (Mathias 1996, "A chain rule for matrix functions and applications").
    ///
    /// ```
    /// use chainrule::gate::linalg::MatrixExp;
    /// use chainrule::{tensor, Tensor};
    /// let y = Tensor::apply(MatrixExp, &[&tensor([[1.0]])])?;
    /// assert_eq!(y.to_string(), "tensor([[2.7183]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct MatrixExp;
}

impl MatrixExp {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "LinalgMatrixExp",
        method: "linalg::matrix_exp, matrix_exp",
        doc: MatrixExp::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let mut all = square_samples(|a| Sample::new(MatrixExp, [a]));
            all.push(Sample::new(MatrixExp, [matrix([[7.0, -3.0], [5.0, 2.0]])]));
            all
        },
    };
}

impl Gate for MatrixExp {
    fn name(&self) -> &'static str {
        "LinalgMatrixExp"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        square(&inputs[0])?;
        Ok([inputs[0]].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let found = on_each(&each(inputs[0]), exp);
        Ok([stacked(found.iter().map(|x| &x.values[..]), *context.output(0))].into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let transposed = saved.input(0)?.mt()?;
        let n = transposed.shape().last().copied().unwrap_or(0) as isize;
        let above = Tensor::cat(&[&transposed, g], -1)?;
        let below = Tensor::cat(&[&transposed.zeros_like(), &transposed], -1)?;
        let whole = Tensor::apply(MatrixExp, &[&Tensor::cat(&[&above, &below], -2)?])?;
        Ok([Some(whole.narrow(-2, 0, n)?.narrow(-1, n, n)?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule("Y = e^A", ["Ā = the upper right corner of exp([[Aᵀ, g], [0, Aᵀ]])"])
    }
}
