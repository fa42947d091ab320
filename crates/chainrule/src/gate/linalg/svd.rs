//! Singular values and vectors.

use super::super::elementwise::expect_inputs;
use super::eigen::with_ones;
use super::*;
use crate::gate::macros::documented;
use crate::kernel::linalg::svd;

documented! {
    /// `A = U·diag(s)·Vᵀ` with orthonormal columns of U and V and s in descending order: U, s and Vᵀ.
    ///
    /// The derivative is that of Townsend 2016, "Differentiating the singular value decomposition".
    ///
    /// ```
    /// use chainrule::gate::linalg::Svd;
    /// use chainrule::{tensor, Tensor};
    /// let found = Tensor::apply_many(Svd { full: false }, &[&tensor([[3.0, 0.0], [0.0, 4.0]])])?;
    /// assert_eq!(found[1].to_string(), "tensor([4., 3.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Svd {
        /// Square U and V; else as many columns as singular values. No gradient flows through the columns that
        /// belong to no singular value: they are an arbitrary basis.
        pub full: bool,
    }
}

impl Svd {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "LinalgSvd",
        method: "linalg::svd, linalg::svdvals",
        doc: Svd::DOC,
        at_kink: Some("the gradient of singular vectors of equal singular values isn't finite"),
        file: file!(),
        line: line!(),
        samples: || {
            let gate = |full| Svd { full };
            let mut all = square_samples(|a| Sample::new(gate(false), [a]));
            all.retain(|sample| sample.inputs[0].shape()[..] != [2, 3]);
            let wide = || matrix([[0.5, 2.0, -1.0], [4.0, 1.0, 0.6]]);
            let tall = || matrix([[0.5, 2.0], [4.0, 1.0], [-1.0, 1.6]]);
            let four = || matrix([[0.5, 2.0, -1.0], [4.0, 1.0, 0.6], [-1.0, 1.6, 0.2], [0.3, 0.9, 1.7]]);
            for x in [wide(), tall(), four(), four().transpose(0, 1).unwrap_or_else(|_| four())] {
                all.push(Sample::new(gate(false), [x]));
            }
            all.push(Sample::new(gate(true), [well_conditioned()]));
            // Only the values: columns without a singular value have no gradient.
            all.push(Sample::new(gate(true), [tall()]).rough());
            all.push(Sample::new(gate(true), [Array::zeros_of([3, 0], DType::F64)]));
            all.push(Sample::new(gate(true), [matrix([[f64::INFINITY]])]).refused(ErrorKind::Argument));
            all
        },
    };
}

impl Gate for Svd {
    fn name(&self) -> &'static str {
        "LinalgSvd"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let (batch, rows, columns) = sizes(&inputs[0])?;
        let k = rows.min(columns);
        let (left, right) = if self.full { (rows, columns) } else { (k, k) };
        let meta = |shape| Meta::new(inputs[0].dtype, shape);
        let (u, vt) = (matrices(&batch, rows, left)?, matrices(&batch, right, columns)?);
        Ok([meta(u), meta(vectors(&batch, k)?), meta(vt)].into_iter().collect())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let found: Option<Vec<_>> = on_each(&each(inputs[0]), |a| svd(a, self.full)).into_iter().collect();
        let found = found.ok_or_else(|| no_convergence("singular values"))?;
        let u = stacked(found.iter().map(|x| &x.u.values[..]), *context.output(0));
        let s = stacked(found.iter().map(|x| &x.s[..]), *context.output(1));
        let vt = stacked(found.iter().map(|x| &x.vt.values[..]), *context.output(2));
        Ok([u, s, vt].into_iter().collect())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::output(0) | Saves::output(1) | Saves::output(2)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let s = saved.output(1)?;
        let k = s.shape().last().copied().unwrap_or(0);
        let u = saved.output(0)?.narrow(-1, 0, k as isize)?;
        let vt = saved.output(2)?.narrow(-2, 0, k as isize)?;
        let gu = upstream[0].as_ref().map(|g| g.narrow(-1, 0, k as isize)).transpose()?;
        let gvt = upstream[2].as_ref().map(|g| g.narrow(-2, 0, k as isize)).transpose()?;
        let (rows, columns) = (u.shape()[u.rank() - 2], vt.shape()[vt.rank() - 1]);
        let (across, down) = (s.unsqueeze(-2)?, s.unsqueeze(-1)?);
        // 1/(sⱼ² − sᵢ²), away from the diagonal, where the numerator is 0.
        let gaps = |m: &Tensor| -> Result<Tensor> {
            let squares = across.add(&down)?.mul(&across.sub(&down)?)?;
            m.sub(&m.mt()?)?.div(&with_ones(&squares)?)
        };
        let mut parts: Vec<Tensor> = Vec::new();
        if let Some(g) = &upstream[1] {
            parts.push(g.diag_embed(0, -2, -1)?);
        }
        let from_left = gu.as_ref().map(|g| u.mt()?.matmul(g)).transpose()?;
        let from_right = gvt.as_ref().map(|g| vt.matmul(&g.mt()?)).transpose()?;
        if let Some(m) = &from_left {
            parts.push(gaps(m)?.mul(&across)?);
        }
        if let Some(m) = &from_right {
            parts.push(gaps(m)?.mul(&down)?);
        }
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else { return Ok(needs.none()) };
        let inner = parts.try_fold(first, |sum, part| sum.add(&part))?;
        let mut gradient = u.matmul(&inner)?.matmul(&vt)?;
        // What leaves the space that U or V spans.
        if let (Some(g), Some(m)) = (&gu, &from_left)
            && rows > k
        {
            gradient = gradient.add(&g.sub(&u.matmul(m)?)?.div(&across)?.matmul(&vt)?)?;
        }
        if let (Some(g), Some(m)) = (&gvt, &from_right)
            && columns > k
        {
            let outside = g.sub(&m.mt()?.matmul(&vt)?)?.div(&down)?;
            gradient = gradient.add(&u.matmul(&outside)?)?;
        }
        Ok([Some(gradient)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "A = U·diag(s)·Vᵀ",
            ["Ā = U·(diag(s̄) + (UᵀŪ − ŪᵀU)/E·S + S·(VᵀV̄ − V̄ᵀV)/E)·Vᵀ + what leaves U and V, Eᵢⱼ = sⱼ² − sᵢ²"],
        )
    }
}
