//! Eigenvalues and eigenvectors of symmetric matrices.

use super::super::elementwise::expect_inputs;
use super::*;
use crate::gate::macros::documented;
use crate::kernel::linalg::eigen;

documented! {
    /// `A = V·diag(w)·Vᵀ` for symmetric matrices, of which one triangle is read; w in ascending order.
    ///
    /// The gradient is that with respect to symmetric matrices.
    ///
    /// ```
    /// use chainrule::gate::linalg::Eigh;
    /// use chainrule::{tensor, Tensor};
    /// let found = Tensor::apply_many(Eigh { upper: false }, &[&tensor([[0.0, 2.0], [2.0, 0.0]])])?;
    /// assert_eq!(found[0].to_string(), "tensor([-2.,  2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Eigh {
        /// The upper triangle is read, else the lower one.
        pub upper: bool,
    }
}

impl Eigh {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "LinalgEigh",
        method: "linalg::eigh, linalg::eigvalsh",
        doc: Eigh::DOC,
        at_kink: Some("the gradient of eigenvectors of equal eigenvalues isn't finite"),
        file: file!(),
        line: line!(),
        samples: || {
            let gate = |upper| Eigh { upper };
            let mut all = square_samples(|a| Sample::new(gate(false), [a]));
            all.push(Sample::new(gate(true), [well_conditioned()]));
            let four = matrix([
                [1.0, 0.2, -0.7, 0.4],
                [0.2, -2.0, 0.5, 1.1],
                [-0.7, 0.5, 3.0, -0.3],
                [0.4, 1.1, -0.3, 0.5],
            ]);
            all.push(Sample::new(gate(true), [four]));
            all.push(Sample::new(gate(false), [matrix([[f64::NAN]])]).refused(ErrorKind::Argument));
            all
        },
    };
}

impl Gate for Eigh {
    fn name(&self) -> &'static str {
        "LinalgEigh"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let (batch, n) = square(&inputs[0])?;
        Ok([Meta::new(inputs[0].dtype, vectors(&batch, n)?), inputs[0]].into_iter().collect())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let found = on_each(&each(inputs[0]), |a| {
            let mut a = a.clone();
            for i in 0..a.rows {
                for j in 0..i {
                    let (low, high) = ((i, j), (j, i));
                    if self.upper { a[low] = a[high] } else { a[high] = a[low] }
                }
            }
            eigen(a, self.upper)
        });
        let found: Option<Vec<_>> = found.into_iter().collect();
        let found = found.ok_or_else(|| no_convergence("eigenvalues"))?;
        let columns: Vec<Matrix> = found.iter().map(|(_, v)| v.transposed()).collect();
        let values = stacked(found.iter().map(|(w, _)| &w[..]), *context.output(0));
        let vectors = stacked(columns.iter().map(|v| &v.values[..]), *context.output(1));
        Ok([values, vectors].into_iter().collect())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::output(0) | Saves::output(1)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let (w, v) = (saved.output(0)?, saved.output(1)?);
        let values = upstream[0].as_ref().map(|g| g.diag_embed(0, -2, -1)).transpose()?;
        let vectors = match &upstream[1] {
            Some(g) => {
                let m = v.mt()?.matmul(g)?;
                let gaps = w.unsqueeze(-2)?.sub(&w.unsqueeze(-1)?)?;
                Some(m.sub(&m.mt()?)?.mul(0.5)?.div(&with_ones(&gaps)?)?)
            }
            None => None,
        };
        let inner = match (values, vectors) {
            (Some(a), Some(b)) => a.add(&b)?,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return Ok(needs.none()),
        };
        Ok([Some(v.matmul(&inner)?.matmul(&v.mt()?)?)].into_iter().collect())
    }

    fn structure(&self, input: usize) -> Option<Structure> {
        (input == 0).then_some(Structure::Symmetric)
    }

    fn formula(&self) -> Formula {
        Formula::rule("A = V·diag(w)·Vᵀ", ["Ā = V·(diag(w̄) + skew(Vᵀ·V̄)/E)·Vᵀ, Eᵢⱼ = wⱼ − wᵢ"])
    }
}

/// Square matrices with ones on the diagonal, where there are zeros.
pub(super) fn with_ones(x: &Tensor) -> Result<Tensor> {
    let n = x.shape().last().copied().unwrap_or(0);
    x.add(&Tensor::from_array(Array::eye_of(n, n, x.dtype())))
}
