//! The gradient of a convolution's weight.

use super::*;
use crate::gate::macros::documented;

documented! {
    /// The gradient of a convolution's weight: `w[f, c, k] = Σ g[n, f, o]·x[n, c, o·stride + k·dilation − padding]`.
    ///
    /// x is `[n, channels, sizes…]`, g `[n, filters, sizes…]`.
    ///
    /// ```
    /// use chainrule::gate::{conv::ConvWeight, Conv};
    /// use chainrule::{tensor, Tensor};
    /// let gradient = ConvWeight { conv: Conv::default(), shape: [1, 1, 2].into() };
    /// let w = Tensor::apply(gradient, &[&tensor([[[1.0, 2.0, 3.0]]]), &tensor([[[1.0, 10.0]]])])?;
    /// assert_eq!(w.to_f64_vec(), [21.0, 32.0]); // 1·1 + 10·2, 1·2 + 10·3
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ConvWeight {
        /// The convolution whose weight's gradient this is.
        pub conv: Conv,
        /// The weight's shape, which is this gate's output: `[filters, channels / groups, kernel…]`.
        pub shape: Shape,
    }
}

impl ConvWeight {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "ConvWeight",
        method: "conv",
        doc: ConvWeight::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: samples::weight,
    };
}

impl Gate for ConvWeight {
    fn name(&self) -> &'static str {
        "ConvWeight"
    }

    fn grad_fn(&self) -> String {
        "ConvolutionBackward0".into()
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        crate::gate::elementwise::expect_inputs(inputs, 2)?;
        check_inputs(inputs, || 0)?;
        let g = self.conv.geometry(&inputs[0].shape, &self.shape)?;
        let expected = shape_of(g.batch, g.filters, g.output, &self.shape)?;
        if inputs[1].shape != expected {
            return Err(Error::shape(format!(
                "the gradient of this convolution's output has the shape {expected}, not {}",
                inputs[1].shape
            )));
        }
        Ok([Meta { dtype: inputs[0].dtype, shape: self.shape }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let g = self.conv.geometry(inputs[0].shape(), &self.shape)?;
        Ok([convolve(Pass::Weight, &g, inputs[0], inputs[1], None, *context.output(0))].into())
    }

    fn saves(&self, needs: &Needs) -> Saves {
        saved_inputs(needs)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(u) = &upstream[0] else { return Ok(needs.none()) };
        let mut gradients = needs.none();
        if needs.input(0) {
            let gate = ConvTranspose { conv: self.conv, shape: saved.input_meta(0)?.shape };
            gradients[0] = Some(Tensor::apply(gate, &[&saved.input(1)?, u])?);
        }
        if needs.input(1) {
            gradients[1] = Some(Tensor::apply(self.conv, &[&saved.input(0)?, u])?);
        }
        Ok(gradients)
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "w[f,c,k] = Σ g[n,f,o]·x[n,c,o·s + k·d − p]",
            [
                "∂L/∂x = the transposed convolution of g with the upstream gradient",
                "∂L/∂g = the convolution of x with the upstream gradient",
            ],
        )
    }

    fn cost(&self, inputs: &[Meta], outputs: &[Meta]) -> u64 {
        let taps: usize = outputs[0].shape.iter().skip(1).product();
        inputs[1].shape.elements() as u64 * taps as u64
    }
}
