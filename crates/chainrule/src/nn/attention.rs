//! Attention: of queries to keys, and the layer with several heads.

use std::sync::atomic::{AtomicBool, Ordering};

use super::module::current_of;
use super::{Linear, Module, Owned, current, init};
use crate::array::{Array, Generator};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// `softmax(q·kᵀ·scale + mask)·v` over the last two dimensions (Vaswani et al., 2017).
///
/// q is `[…, length, width]`, k and v `[…, others, width]`. A `mask` of `bool` says which keys each query may
/// see; one of floats is added. With `causal` a query sees the keys up to its own place. The scale is
/// 1/√width by default.
///
/// # Errors
/// The shapes don't fit.
///
/// ```
/// use chainrule::{nn::attention, Tensor};
/// let x = Tensor::randn([2, 5, 8]);
/// assert_eq!(attention(&x, &x, &x, None, true, None)?.shape(), [2, 5, 8]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    mask: Option<&Tensor>,
    causal: bool,
    scale: Option<f64>,
) -> Result<Tensor> {
    weights(q, k, mask, causal, scale)?.matmul(v)
}

/// How much each query attends to each key: rows that add up to 1.
fn weights(
    q: &Tensor,
    k: &Tensor,
    mask: Option<&Tensor>,
    causal: bool,
    scale: Option<f64>,
) -> Result<Tensor> {
    let (rows, columns) = match (&q.shape()[..], &k.shape()[..]) {
        ([.., rows, width], [.., columns, other]) if width == other => (*rows, *columns),
        _ => {
            return Err(Error::shape(format!(
                "queries {} and keys {} need the same last size",
                q.shape(),
                k.shape()
            ))
            .at_gate("MatMul"));
        }
    };
    let width = q.shape()[q.rank() - 1];
    let scale = scale.unwrap_or(1.0 / (width as f64).sqrt());
    let mut scores = q.mul(scale)?.matmul(&k.transpose(-1, -2)?)?;
    let hidden = Tensor::from_array(Array::scalar(f64::NEG_INFINITY).cast(scores.dtype()));
    let hide = |scores: &Tensor, seen: &Tensor| -> Result<Tensor> {
        let shape = scores.shape().broadcast(&seen.shape())?;
        seen.expand(shape)?.where_(&scores.expand(shape)?, &hidden.expand(shape)?)
    };
    if causal {
        let seen = (0..rows * columns).map(|i| i % columns <= i / columns).collect::<Vec<bool>>();
        scores = hide(&scores, &Tensor::from_vec(seen, [rows, columns])?)?;
    }
    if let Some(mask) = mask {
        scores = if mask.dtype() == crate::DType::Bool { hide(&scores, mask)? } else { scores.add(mask)? };
    }
    scores.softmax(-1)
}

/// Attention with several heads; its parameters are named as PyTorch's `MultiheadAttention` names them.
///
/// Inputs are `[n, length, width]` (`batch_first` in PyTorch).
///
/// ```
/// use chainrule::nn::{Module, MultiheadAttention};
/// use chainrule::{Generator, Tensor};
/// let layer = MultiheadAttention::new(8, 2, &mut Generator::new(0))?;
/// assert_eq!(layer.call(&Tensor::ones([1, 5, 8]))?.shape(), [1, 5, 8]);
/// let names: Vec<String> = layer.state().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct MultiheadAttention {
    /// The projections to queries, keys and values, one under the other: `[3·width, width]`.
    pub in_proj_weight: Tensor,
    /// Their biases: `[3·width]`.
    pub in_proj_bias: Option<Tensor>,
    /// The projection of the heads' results.
    pub out_proj: Linear,
    heads: usize,
    causal: bool,
    p: f64,
    training: AtomicBool,
}

impl MultiheadAttention {
    /// A layer with biases whose heads divide the width among them.
    ///
    /// # Errors
    /// The heads don't divide the width evenly.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::nn::MultiheadAttention;
    /// assert!(MultiheadAttention::new(8, 3, &mut Generator::new(0)).is_err());
    /// ```
    pub fn new(width: usize, heads: usize, generator: &mut Generator) -> Result<MultiheadAttention> {
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(Error::argument(format!("{heads} heads don't divide a width of {width} evenly")));
        }
        let weight = init::xavier_uniform([3 * width, width], generator);
        let mut out_proj = Linear::new(width, width, generator);
        out_proj.bias = Some(Tensor::leaf(Array::zeros([width]), true));
        Ok(MultiheadAttention {
            in_proj_weight: Tensor::leaf(weight, true),
            in_proj_bias: Some(Tensor::leaf(Array::zeros([3 * width]), true)),
            out_proj,
            heads,
            causal: false,
            p: 0.0,
            training: AtomicBool::new(true),
        })
    }

    /// Each place sees itself and those before it only.
    ///
    /// ```
    /// use chainrule::nn::{Module, MultiheadAttention};
    /// use chainrule::{Generator, Tensor};
    /// let layer = MultiheadAttention::new(4, 2, &mut Generator::new(0))?.causal();
    /// let x = Tensor::randn([1, 3, 4]);
    /// let first = layer.call(&x)?.select(1, 0)?;
    /// // What comes later makes no difference to the first place.
    /// assert!(first.allclose(&layer.call(&x.narrow(1, 0, 1)?)?.select(1, 0)?, 1e-5, 1e-6, false)?);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn causal(self) -> MultiheadAttention {
        MultiheadAttention { causal: true, ..self }
    }

    /// With attention weights left out at random while training.
    ///
    /// ```
    /// use chainrule::nn::{Module, MultiheadAttention};
    /// use chainrule::{Generator, Tensor};
    /// let layer = MultiheadAttention::new(4, 2, &mut Generator::new(0))?.dropout(0.5);
    /// let x = Tensor::ones([1, 3, 4]);
    /// layer.set_training(false);
    /// assert_eq!(layer.call(&x)?.to_f64_vec(), layer.call(&x)?.to_f64_vec());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn dropout(self, p: f64) -> MultiheadAttention {
        MultiheadAttention { p, ..self }
    }

    /// `[n, length, width]` as `[n, heads, length, width / heads]`.
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let shape = x.shape();
        x.reshape([shape[0], shape[1], self.heads, shape[2] / self.heads])?.transpose(1, 2)
    }

    /// What each query gathers from the values by attending to the keys.
    ///
    /// # Errors
    /// The shapes don't fit.
    ///
    /// ```
    /// use chainrule::nn::MultiheadAttention;
    /// use chainrule::{Generator, Tensor};
    /// let layer = MultiheadAttention::new(4, 2, &mut Generator::new(0))?;
    /// let (queries, memory) = (Tensor::ones([1, 2, 4]), Tensor::ones([1, 7, 4]));
    /// assert_eq!(layer.attend(&queries, &memory, &memory, None)?.shape(), [1, 2, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let width = self.in_proj_weight.shape()[1];
        for x in [q, k, v] {
            if x.rank() != 3 || x.shape()[2] != width {
                return Err(Error::shape(format!(
                    "attention of width {width} takes [n, length, {width}], not the shape {}",
                    x.shape()
                ))
                .at_gate("Linear"));
            }
        }
        let weight = current(&self.in_proj_weight);
        let bias = current_of(self.in_proj_bias.as_ref());
        let [q, k, v] = if q.is(k) && k.is(v) {
            // One product where all three come from the same input.
            let (all, width) = (q.linear(&weight, bias.as_deref())?, width as isize);
            [all.narrow(2, 0, width)?, all.narrow(2, width, width)?, all.narrow(2, 2 * width, width)?]
        } else {
            let project = |x: &Tensor, i: usize| -> Result<Tensor> {
                let (first, width) = ((i * width) as isize, width as isize);
                let bias = bias.as_ref().map(|bias| bias.narrow(0, first, width)).transpose()?;
                x.linear(&weight.narrow(0, first, width)?, bias.as_ref())
            };
            [project(q, 0)?, project(k, 1)?, project(v, 2)?]
        };
        let mut weights = weights(&self.split(&q)?, &self.split(&k)?, mask, self.causal, None)?;
        if self.p > 0.0 && self.training.load(Ordering::Relaxed) {
            weights = weights.dropout(self.p)?;
        }
        let heads = weights.matmul(&self.split(&v)?)?.transpose(1, 2)?;
        self.out_proj.call(&heads.reshape(q.shape())?)
    }
}

impl Module for MultiheadAttention {
    /// Attention of the input to itself.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.attend(x, x, x, None)
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        let mut all = vec![("in_proj_weight", Owned::Parameter(self.in_proj_weight.clone()))];
        all.extend(self.in_proj_bias.iter().map(|bias| ("in_proj_bias", Owned::Parameter(bias.clone()))));
        all
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        vec![("out_proj".into(), &self.out_proj)]
    }

    fn training_flag(&self) -> Option<&AtomicBool> {
        Some(&self.training)
    }
}
