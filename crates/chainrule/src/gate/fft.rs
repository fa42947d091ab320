//! The discrete Fourier transform.

use super::arith::matrix;
use super::elementwise::expect_inputs;
use super::reduce::only_float;
use super::{Context, Entry, Gate, Gradients, Linearity, Metas, Needs, Outputs, Sample, Saved};
use crate::array::{Array, DType, Meta};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::kernel::{fft::Plan, pool};
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Fft::ENTRY];

documented! {
    /// The transform `yₖ = Σⱼ xⱼ·e^(∓2πijk/n)` along the last dimension but one, of `[…, n, 2]`: the last dimension
    /// holds real and imaginary parts. Any length n is transformed in n·Σp steps over its prime factors p.
    ///
    /// ```
    /// use chainrule::{gate::fft::Fft, tensor, Tensor};
    /// let y = Tensor::apply(Fft { inverse: false }, &[&tensor([[1.0, 0.0], [2.0, 0.0]])])?;
    /// assert_eq!(y.to_string(), "tensor([[ 3.,  0.],\n        [-1.,  0.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Fft {
        /// The sign of the exponent: − forward, + inverse. Neither divides by n.
        pub inverse: bool,
    }
}

impl Fft {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "FftC2C",
        method: "fft::fft and its kin",
        doc: Fft::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let gate = |inverse| Fft { inverse };
            let x = || matrix([[1.0, 0.5], [-2.0, 0.3], [0.7, 1.1]]);
            let many =
                Array::filled((0..24).map(|i| ((i * 7) % 11) as f64 * 0.3 - 1.0).collect(), [2, 6, 2].into());
            vec![
                Sample::new(gate(false), [x()]),
                Sample::new(gate(true), [x()]),
                Sample::new(gate(false), [many]),
                Sample::new(gate(false), [Array::zeros_of([0, 4, 2], DType::F64)]),
                Sample::new(gate(false), [Array::zeros_of([0, 2], DType::F64)]).refused(ErrorKind::Shape),
                Sample::new(gate(false), [Array::zeros_of([2, 3], DType::F64)]).refused(ErrorKind::Shape),
                Sample::new(gate(false), [Array::zeros_of([2, 2], DType::I64)]).refused(ErrorKind::DType),
            ]
        },
    };
}

impl Gate for Fft {
    fn name(&self) -> &'static str {
        "FftC2C"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        only_float(&inputs[0])?;
        match inputs[0].shape[..] {
            [.., n, 2] if n > 0 => Ok([inputs[0]].into()),
            _ => Err(Error::shape(format!(
                "[…, n, 2] with n of at least 1 is transformed, not the shape {}",
                inputs[0].shape
            ))),
        }
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = inputs[0].meta();
        let n = shape[shape.rank() - 2];
        let pairs: Vec<[f64; 2]> =
            inputs[0].to_f64_vec().chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
        let mut out = vec![[0.0; 2]; pairs.len()];
        let plan = Plan::new(n, self.inverse);
        let rows = (4096 / n).max(1);
        pool::chunks_mut(&mut out, rows * n, |start, out| {
            for (x, y) in pairs[start..].chunks(n).zip(out.chunks_mut(n)) {
                plan.run(x, y);
            }
        });
        Ok([Array::filled(out.into_flattened(), shape).cast(dtype)].into())
    }

    fn backward(&self, _saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        Ok([Some(Tensor::apply(Fft { inverse: !self.inverse }, &[g])?)].into_iter().collect())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        match self.inverse {
            false => Formula::rule("yₖ = Σⱼ xⱼ·e^(−2πijk/n)", ["x̄ⱼ = Σₖ gₖ·e^(2πijk/n)"]),
            true => Formula::rule("yₖ = Σⱼ xⱼ·e^(2πijk/n)", ["x̄ⱼ = Σₖ gₖ·e^(−2πijk/n)"]),
        }
    }

    fn cost(&self, inputs: &[Meta], _outputs: &[Meta]) -> u64 {
        let n = inputs[0].shape.iter().rev().nth(1).copied().unwrap_or(1) as u64;
        2 * inputs[0].shape.elements() as u64 * u64::from(n.ilog2().max(1))
    }
}
