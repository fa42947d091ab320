//! Transposed convolution, which is the gradient of a convolution's input.

use super::*;
use crate::gate::macros::documented;

documented! {
    /// The gradient of a convolution's input, and so a transposed convolution:
    /// `x[n, c, i] = b[c] + Σ w[f, c, k]·g[n, f, o]` over all o and k with `o·stride + k·dilation − padding = i`.
    ///
    /// g is `[n, filters, sizes…]`, w `[filters, channels / groups, kernel…]`, b `[channels]`.
    ///
    /// ```
    /// use chainrule::gate::{Conv, ConvTranspose};
    /// use chainrule::{tensor, Tensor};
    /// let spread = ConvTranspose { conv: Conv::default().stride(2), shape: [1, 1, 4].into() };
    /// let y = Tensor::apply(spread, &[&tensor([[[1.0, 10.0]]]), &tensor([[[1.0, 2.0]]])])?;
    /// assert_eq!(y.to_f64_vec(), [1.0, 2.0, 10.0, 20.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ConvTranspose {
        /// The convolution whose input's gradient this is.
        pub conv: Conv,
        /// The shape of that input, which is this gate's output: `[n, channels, sizes…]`.
        pub shape: Shape,
    }
}

impl ConvTranspose {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "ConvTranspose",
        method: "conv_transpose",
        doc: ConvTranspose::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: samples::transposed,
    };
}

impl Gate for ConvTranspose {
    fn name(&self) -> &'static str {
        "ConvTranspose"
    }

    fn grad_fn(&self) -> String {
        "ConvolutionBackward0".into()
    }

    fn torch_nodes(&self, used: &Use) -> Vec<TorchNode> {
        vec![self.conv.torch_node(used, used.inputs[1].shape, true)]
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        check_inputs(inputs, || self.shape.get(1).copied().unwrap_or(0))?;
        let (u, w) = (&inputs[0].shape, &inputs[1].shape);
        let g = self.conv.geometry(&self.shape, w)?;
        let expected = shape_of(g.batch, g.filters, g.output, w)?;
        if *u != expected {
            return Err(Error::shape(format!(
                "an input of shape {u} doesn't become {} by a weight of shape {w}: that takes {expected}",
                self.shape
            )));
        }
        Ok([Meta { dtype: inputs[0].dtype, shape: self.shape }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let g = self.conv.geometry(&self.shape, inputs[1].shape())?;
        let bias = inputs.get(2).copied();
        Ok([convolve(Pass::Input, &g, inputs[0], inputs[1], bias, *context.output(0))].into())
    }

    fn saves(&self, needs: &Needs) -> Saves {
        saved_inputs(needs)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(u) = &upstream[0] else { return Ok(needs.none()) };
        let mut gradients = needs.none();
        if needs.input(0) {
            gradients[0] = Some(Tensor::apply(self.conv, &[u, &saved.input(1)?])?);
        }
        if needs.input(1) {
            let gate = ConvWeight { conv: self.conv, shape: saved.input_meta(1)?.shape };
            gradients[1] = Some(Tensor::apply(gate, &[u, &saved.input(0)?])?);
        }
        if needs.input(2) {
            gradients[2] = Some(bias_gradient(u)?);
        }
        Ok(gradients)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Product
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "x[n,c,i] = b[c] + Σ w[f,c,k]·g[n,f,o] where o·s + k·d − p = i",
            [
                "∂L/∂g = the convolution of the upstream gradient with w",
                "∂L/∂w: as a convolution's",
                "∂L/∂b[c] = Σ u[n,c,i]",
            ],
        )
    }

    fn cost(&self, inputs: &[Meta], _outputs: &[Meta]) -> u64 {
        let taps: usize = inputs[1].shape.iter().skip(1).product();
        inputs[0].shape.elements() as u64 * taps as u64
    }
}

impl Tensor {
    /// Transposed convolution with a weight `[channels, filters / groups, kernel…]`: see [`ConvTranspose`].
    ///
    /// The input is `[n, channels, sizes…]` or `[channels, sizes…]`; the output has the sizes
    /// `(size − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1`.
    ///
    /// # Errors
    /// The shapes don't fit, the padding isn't given in numbers, or the output padding isn't smaller than
    /// stride or dilation.
    ///
    /// ```
    /// use chainrule::{gate::Conv, Tensor};
    /// let (x, w) = (Tensor::ones([1, 3, 4, 4]), Tensor::ones([3, 2, 2, 2]));
    /// let y = x.conv_transpose(&w, None, Conv::default().stride(2), 0)?;
    /// assert_eq!(y.shape(), [1, 2, 8, 8]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn conv_transpose(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        conv: Conv,
        output_padding: impl Into<Sizes>,
    ) -> Result<Tensor> {
        let (u, added) = batched(self, weight.rank())?;
        let (x, w) = (u.shape(), weight.shape());
        let extra = output_padding.into();
        let named = |error: Error| error.at_gate("ConvTranspose").with_inputs([u.meta(), weight.meta()]);
        let shape = transposed_shape(&x, &w, conv, extra).map_err(named)?;
        if let Some(crop) = beyond_stride(&w, conv, extra).map_err(named)? {
            // The convolution that this one transposes would have more outputs: cut the whole result instead.
            let conv = conv.padding(0);
            let shape = transposed_shape(&x, &w, conv, 0.into()).map_err(named)?;
            let whole =
                Tensor::apply(ConvTranspose { conv, shape }, &[&u, weight])?.pad_constant(&crop, 0.0)?;
            let y = match bias {
                Some(bias) => {
                    let mut sizes = vec![1; whole.rank() - 1];
                    sizes[0] = bias.elements();
                    whole.add(&bias.reshape(Shape::new(&sizes)?)?)?
                }
                None => whole,
            };
            return if added { y.squeeze(0) } else { Ok(y) };
        }
        let gate = ConvTranspose { conv, shape };
        let y = match bias {
            Some(bias) => Tensor::apply(gate, &[&u, weight, bias])?,
            None => Tensor::apply(gate, &[&u, weight])?,
        };
        if added { y.squeeze(0) } else { Ok(y) }
    }
}

/// How a transposed convolution without padding is cut (or grows) to the wanted sizes, where the output
/// padding isn't smaller than the stride.
fn beyond_stride(w: &Shape, conv: Conv, extra: Sizes) -> Result<Option<Vec<(isize, isize)>>> {
    let Padding::Zeros(padding) = conv.padding else { return Ok(None) };
    let rank = w.rank().saturating_sub(2);
    let (stride, extra) = (conv.stride.on(rank, 1, "stride")?, extra.on(rank, 0, "output padding")?);
    let padding = padding.on(rank, 0, "padding")?.map(|size| size as isize);
    if (0..3).all(|d| extra[d] < stride[d]) {
        return Ok(None);
    }
    let cuts = (3 - rank..3).map(|d| (-padding[d], extra[d] as isize - padding[d]));
    Ok(Some([(0, 0), (0, 0)].into_iter().chain(cuts).collect()))
}

/// The shape that a transposed convolution makes of an input of shape x by a weight of shape w.
fn transposed_shape(x: &Shape, w: &Shape, conv: Conv, extra: Sizes) -> Result<Shape> {
    let rank = w.rank().saturating_sub(2);
    if !(1..=3).contains(&rank) || x.rank() != w.rank() {
        return Err(Error::shape(format!(
            "an input of shape {x} doesn't go with a weight of shape {w}: both are [n, channels, sizes…] alike"
        )));
    }
    if x[1] != w[0] {
        return Err(Error::shape(format!(
            "the weight of shape {w} expects {} channels, and {x} has {}",
            w[0], x[1]
        )));
    }
    let padding = match conv.padding {
        Padding::Zeros(sizes) => sizes,
        Padding::Valid => 0.into(),
        Padding::Same => {
            return Err(Error::argument("a transposed convolution needs its padding in numbers"));
        }
    };
    let stride = conv.stride.on(rank, 1, "stride")?;
    let dilation = conv.dilation.on(rank, 1, "dilation")?;
    let (padding, extra) = (padding.on(rank, 0, "padding")?, extra.on(rank, 0, "output padding")?);
    let mut sizes = vec![x[0], w[1].saturating_mul(conv.groups)];
    for d in 3 - rank..3 {
        let (size, kernel) = (x[d + rank - 1], w[d + rank - 1]);
        if extra[d] > 0 && extra[d] >= stride[d].max(dilation[d]) {
            return Err(Error::argument(format!(
                "an output padding of {} must be smaller than the stride {} or the dilation {}",
                extra[d], stride[d], dilation[d]
            )));
        }
        let full = size.saturating_sub(1) * stride[d] + dilation[d] * kernel.saturating_sub(1) + extra[d] + 1;
        if size == 0 || full <= 2 * padding[d] {
            return Err(Error::shape(format!(
                "nothing is left of {full} elements without twice {} padding",
                padding[d]
            )));
        }
        sizes.push(full - 2 * padding[d]);
    }
    Shape::new(&sizes)
}
