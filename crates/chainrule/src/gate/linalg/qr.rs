//! Orthogonal times triangular.

use super::super::elementwise::expect_inputs;
use super::*;
use crate::gate::macros::documented;
use crate::kernel::linalg::qr;

/// How much of Q and R is wanted.
///
/// ```
/// use chainrule::linalg::QrMode;
/// assert_eq!("complete".parse::<QrMode>()?, QrMode::Complete);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QrMode {
    /// As many columns of Q as the smaller side
    Reduced,
    /// A square Q
    Complete,
    /// Only R; Q is empty
    R,
}

/// PyTorch's names: `reduced`, `complete`, `r`.
impl std::str::FromStr for QrMode {
    type Err = Error;

    fn from_str(name: &str) -> Result<QrMode> {
        match name {
            "reduced" => Ok(QrMode::Reduced),
            "complete" => Ok(QrMode::Complete),
            "r" => Ok(QrMode::R),
            _ => Err(Error::argument(format!("the mode is reduced, complete or r, not {name}"))
                .at_gate("LinalgQr")),
        }
    }
}

documented! {
    /// `A = Q·R` with orthonormal columns of Q and a triangular R.
    ///
    /// It is found by Householder's reflections; R's diagonal may be negative, as LAPACK's. The derivative is
    /// that of Roberts and Roberts 2020, "QR and LQ decomposition matrix backpropagation algorithms for square,
    /// wide, and deep matrices". Without Q, and for more rows than columns with a square Q, there is none.
    ///
    /// ```
    /// use chainrule::gate::linalg::{Qr, QrMode};
    /// use chainrule::{tensor, Tensor};
    /// let found = Tensor::apply_many(Qr { mode: QrMode::Reduced }, &[&tensor([[3.0], [4.0]])])?;
    /// assert_eq!(found[1].to_string(), "tensor([[-5.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Qr {
        /// What is wanted.
        pub mode: QrMode,
    }
}

impl Qr {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "LinalgQr",
        method: "linalg::qr, qr",
        doc: Qr::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let gate = |mode| Qr { mode };
            let mut all = square_samples(|a| Sample::new(gate(QrMode::Reduced), [a]));
            all.retain(|sample| sample.inputs[0].shape()[..] != [2, 3]);
            let wide = || matrix([[0.5, 2.0, -1.0], [4.0, 1.0, 0.6]]);
            let tall = || matrix([[0.5, 2.0], [4.0, 1.0], [-1.0, 1.6]]);
            all.push(Sample::new(gate(QrMode::Reduced), [wide()]));
            all.push(Sample::new(gate(QrMode::Reduced), [tall()]));
            all.push(Sample::new(gate(QrMode::Complete), [wide()]));
            all.push(Sample::new(gate(QrMode::Reduced), [Array::zeros_of([3, 0], DType::F64)]));
            all.push(Sample::new(gate(QrMode::Complete), [tall()]).constant(0));
            all.push(Sample::new(gate(QrMode::R), [tall()]).constant(0));
            all
        },
    };
}

impl Gate for Qr {
    fn name(&self) -> &'static str {
        "LinalgQr"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let (batch, rows, columns) = sizes(&inputs[0])?;
        let k = if self.mode == QrMode::Complete { rows } else { rows.min(columns) };
        let q = if self.mode == QrMode::R { Shape::from([0]) } else { matrices(&batch, rows, k)? };
        let meta = |shape| Meta::new(inputs[0].dtype, shape);
        Ok([meta(q), meta(matrices(&batch, k, columns)?)].into_iter().collect())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let factors = on_each(&each(inputs[0]), |a| qr(a.clone(), self.mode == QrMode::Complete));
        let wanted = if self.mode == QrMode::R { &[][..] } else { &factors };
        let q = stacked(wanted.iter().map(|(q, _)| &q.values[..]), *context.output(0));
        let r = stacked(factors.iter().map(|(_, r)| &r.values[..]), *context.output(1));
        Ok([q, r].into_iter().collect())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::output(0) | Saves::output(1)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let (q, r) = (saved.output(0)?, saved.output(1)?);
        let (_, k, columns) = sizes(&r.meta())?;
        if self.mode == QrMode::R {
            return Err(Error::autograd("the derivative of R depends on Q, which wasn't computed")
                .hint("use the mode Reduced"));
        }
        if self.mode == QrMode::Complete && k > columns {
            return Err(Error::autograd(
                "a square Q of more rows than columns has no derivative: its last columns are arbitrary",
            )
            .hint("use the mode Reduced"));
        }
        let (gq, gr) = (upstream[0].as_ref(), upstream[1].as_ref());
        // Qᵀ·Q̄ and R̄·Rᵀ, of which one may be missing.
        let from_q = gq.map(|g| q.mt()?.matmul(g)).transpose()?;
        let from_r = gr.map(|g| g.matmul(&r.mt()?)).transpose()?;
        let difference = match (from_r, from_q) {
            (Some(r), Some(q)) => r.sub(&q)?,
            (Some(r), None) => r,
            (None, Some(q)) => q.neg()?,
            (None, None) => return Ok(needs.none()),
        };
        // x·T⁻ᵀ = (T⁻¹·xᵀ)ᵀ for the square triangle T of R.
        let over = |t: &Tensor, x: &Tensor| {
            Tensor::apply(SolveTriangular { upper: true, unit: false }, &[t, &x.mt()?])?.mt()
        };
        let gradient = if k == columns {
            // The symmetric matrix with the upper triangle of the difference.
            let m = difference.triu(0)?.add(&difference.triu(1)?.mt()?)?;
            let inner = q.matmul(&m)?;
            over(&r, &gq.map_or_else(|| Ok(inner.clone()), |g| g.add(&inner))?)?
        } else {
            let skew = difference.mt()?.sub(&difference)?;
            let square = r.narrow(-1, 0, k as isize)?;
            let front = over(&square, &skew.tril(-1)?)?;
            let zeros = r.narrow(-1, k as isize, (columns - k) as isize)?.zeros_like();
            let inner = Tensor::cat(&[&front, &zeros], -1)?;
            q.matmul(&gr.map_or_else(|| Ok(inner.clone()), |g| g.add(&inner))?)?
        };
        Ok([Some(gradient)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "A = Q·R",
            ["Ā = (Q̄ + Q·copyltu(R̄·Rᵀ − Qᵀ·Q̄))·R⁻ᵀ, where copyltu mirrors the upper triangle"],
        )
    }
}
