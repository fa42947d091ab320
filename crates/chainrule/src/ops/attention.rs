//! Attention, bilinear layers, and softmax's relatives.

use crate::array::{Array, DType, Shape};
use crate::error::{Error, Result};
use crate::tensor::{CallerGuard, Tensor};

/// What [`Tensor::scaled_dot_product_attention`] can be told; the default is plain attention.
///
/// ```
/// use chainrule::ops::Attention;
/// use chainrule::tensor;
/// let x = tensor([[0.0], [0.0]]);
/// let values = tensor([[2.0], [4.0]]);
/// let causal = Attention { causal: true, ..Attention::default() };
/// let y = x.scaled_dot_product_attention(&x, &values, &causal)?;
/// assert_eq!(y.to_string(), "tensor([[2.],\n        [3.]])"); // the first query doesn't see the second key
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Attention<'a> {
    /// `bool`: where queries (rows) may look at keys (columns); floats are added to the scores.
    pub mask: Option<&'a Tensor>,
    /// Query i looks at the keys 0 to i only.
    pub causal: bool,
    /// The probability with which a weight is dropped.
    pub dropout: f64,
    /// The factor of the scores; `None` is 1/√d, d being the length of a query.
    pub scale: Option<f64>,
    /// Several heads of queries (dimension −3) share one head of keys and values.
    pub grouped: bool,
}

impl Tensor {
    /// Attention of queries to keys and values: `softmax(Q·Kᵀ·scale + mask)·V` (Vaswani et al., 2017).
    ///
    /// Shapes: queries (this tensor) `[…, l, d]`, keys `[…, s, d]`, values `[…, s, e]`; result `[…, l, e]`. A
    /// query that may look at nothing gets zeros.
    ///
    /// ```
    /// use chainrule::{ops::Attention, tensor};
    /// let (q, k, v) = (tensor([[1.0, 0.0]]), tensor([[1.0, 0.0], [1.0, 0.0]]), tensor([[2.0], [4.0]]));
    /// assert_eq!(q.scaled_dot_product_attention(&k, &v, &Attention::default())?.item()?, 3.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't fit, the mask is neither `bool` nor float, or both a mask and `causal` are given.
    #[track_caller]
    pub fn scaled_dot_product_attention(
        &self,
        keys: &Tensor,
        values: &Tensor,
        options: &Attention,
    ) -> Result<Tensor> {
        let (scores, values) = self.attention_scores(keys, values, options)?;
        let weights = scores.safe_softmax(-1)?;
        let weights = if options.dropout > 0.0 { weights.dropout(options.dropout)? } else { weights };
        weights.matmul(&values)
    }

    /// [`Tensor::scaled_dot_product_attention`] without dropout, and for each query `ln Σ e^score`, with which
    /// attention over more keys can be put together from parts.
    ///
    /// # Errors
    /// As [`Tensor::scaled_dot_product_attention`].
    ///
    /// ```
    /// use chainrule::ops::Attention;
    /// use chainrule::tensor;
    /// let (q, k, v) = (tensor([[1.0, 0.0]]), tensor([[1.0, 0.0], [1.0, 0.0]]), tensor([[2.0], [4.0]]));
    /// let options = Attention { scale: Some(1.0), ..Attention::default() };
    /// let (y, sums) = q.scaled_dot_product_attention_with_logsumexp(&k, &v, &options)?;
    /// assert_eq!(y.item()?, 3.0);
    /// assert!((sums.item()? - (1.0 + 2f64.ln())).abs() < 1e-6); // ln(2·e)
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn scaled_dot_product_attention_with_logsumexp(
        &self,
        keys: &Tensor,
        values: &Tensor,
        options: &Attention,
    ) -> Result<(Tensor, Tensor)> {
        let (scores, values) = self.attention_scores(keys, values, options)?;
        Ok((scores.safe_softmax(-1)?.matmul(&values)?, scores.logsumexp(&[-1], false)?))
    }

    /// The scores before softmax, and the values, of as many heads as there are of queries.
    #[track_caller]
    fn attention_scores(
        &self,
        keys: &Tensor,
        values: &Tensor,
        options: &Attention,
    ) -> Result<(Tensor, Tensor)> {
        let _line = CallerGuard::here();
        let refuse = |error: Error| {
            let inputs = [self.meta(), keys.meta(), values.meta()];
            error.at_gate("ScaledDotProductAttention").with_inputs(inputs)
        };
        if [self, keys, values].iter().any(|x| x.rank() < 2) {
            return Err(refuse(Error::shape("queries, keys and values are rows of matrices")));
        }
        if options.causal && options.mask.is_some() {
            return Err(refuse(Error::argument("a mask and causal attention exclude each other")));
        }
        let (mut keys, mut values) = (keys.clone(), values.clone());
        if options.grouped {
            (keys, values) = (keys.heads_for(self).map_err(refuse)?, values.heads_for(self).map_err(refuse)?);
        }
        let (own, others) = (self.shape(), keys.shape());
        let length = *own.last().unwrap_or(&1);
        let scale = options.scale.unwrap_or(1.0 / (length as f64).sqrt());
        let scores = self.matmul(&keys.transpose(-2, -1)?)?.mul(scale)?;
        let (l, s) = (own[own.rank() - 2], others[others.rank() - 2]);
        let blocked = |mask: &Tensor| -> Result<Tensor> {
            let nothing = Tensor::from_array(Array::scalar(f64::NEG_INFINITY).cast(scores.dtype()));
            mask.where_(&scores, &nothing)
        };
        let scores = match options.mask {
            Some(mask) if mask.dtype() == DType::Bool => blocked(mask)?,
            Some(mask) if mask.dtype().is_float() => scores.add(mask)?,
            Some(mask) => {
                return Err(refuse(Error::dtype(format!("a mask is bool or float, not {}", mask.dtype()))));
            }
            None if options.causal => {
                let seen = (0..l).flat_map(|i| (0..s).map(move |j| j <= i)).collect();
                blocked(&Tensor::from_vec::<bool>(seen, [l, s])?)?
            }
            None => scores,
        };
        Ok((scores, values))
    }

    /// Heads (dimension −3) repeated until there are as many as of queries.
    fn heads_for(&self, queries: &Tensor) -> Result<Tensor> {
        let (own, wanted) = (self.shape(), queries.shape());
        let heads = |shape: &Shape| shape.rank().checked_sub(3).map_or(1, |d| shape[d]);
        let (have, want) = (heads(&own), heads(&wanted));
        if have == want {
            return Ok(self.clone());
        }
        if have == 0 || !want.is_multiple_of(have) || own.rank() < 3 {
            return Err(Error::shape(format!("{want} heads of queries don't share {have} heads evenly")));
        }
        let at = own.rank() - 3;
        let split = self.unsqueeze(at as isize + 1)?;
        let mut sizes = split.shape().to_vec();
        sizes[at + 1] = want / have;
        let repeated = split.expand(Shape::new(&sizes)?)?;
        sizes.remove(at + 1);
        sizes[at] = want;
        repeated.reshape(Shape::new(&sizes)?)
    }

    /// [`Tensor::softmax`], but zeros instead of NaN where all elements are −∞.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([[f64::NEG_INFINITY, f64::NEG_INFINITY], [1.0, 1.0]]).safe_softmax(1)?;
    /// assert_eq!(y.to_string(), "tensor([[0.0000, 0.0000],\n        [0.5000, 0.5000]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The dimension doesn't exist, or the elements aren't floats.
    #[track_caller]
    pub fn safe_softmax(&self, dim: isize) -> Result<Tensor> {
        let detached = self.detach();
        if self.elements() == 0 || !detached.to_f64_vec().contains(&f64::NEG_INFINITY) {
            return self.softmax(dim);
        }
        // What is replaced before and after has no gradient, where that of softmax would be NaN.
        let empty = detached.amax(&[dim], true)?.eq(f64::NEG_INFINITY)?;
        let zeros = self.zeros_like();
        empty.where_(&zeros, &empty.where_(&zeros, self)?.softmax(dim)?)
    }

    /// `softmax(−x)` along a dimension.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0, 3.0]).softmin(0)?.to_string(), "tensor([0.6652, 0.2447, 0.0900])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The dimension doesn't exist, or the elements aren't floats.
    #[track_caller]
    pub fn softmin(&self, dim: isize) -> Result<Tensor> {
        self.neg()?.softmax(dim)
    }

    /// A bilinear layer: `y[k] = aᵀ·W[k]·b + bias[k]`.
    ///
    /// Shapes: a (this tensor) `[…, i]`, b `[…, j]`, W `[k, i, j]`, bias `[k]`; result `[…, k]`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let w = tensor([[[1.0, 0.0], [0.0, 2.0]]]);
    /// assert_eq!(tensor([1.0, 2.0]).bilinear(&tensor([3.0, 4.0]), &w, None)?.to_string(), "tensor([19.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't fit.
    #[track_caller]
    pub fn bilinear(&self, other: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let refuse = |rule: &str| {
            let inputs = [self.meta(), other.meta(), weight.meta()];
            Err(Error::shape(rule).at_gate("Bilinear").with_inputs(inputs))
        };
        let (a, b, w) = (self.shape(), other.shape(), weight.shape());
        if w.rank() != 3 || a.rank() == 0 || a.rank() != b.rank() || a[..a.rank() - 1] != b[..b.rank() - 1] {
            return refuse(
                "the inputs have the same shape but for the last size, the weight three dimensions",
            );
        }
        let (k, i, j) = (w[0], w[1], w[2]);
        if a.last() != Some(&i) || b.last() != Some(&j) {
            return refuse("the last sizes of the inputs are the last two of the weight");
        }
        if bias.is_some_and(|bias| bias.shape() != [k]) {
            return refuse("there is a bias for each output");
        }
        let count: usize = a[..a.rank() - 1].iter().product();
        let flat = weight.permute(&[1, 0, 2])?.reshape([i, k * j])?;
        let left = self.reshape([count, i])?.matmul(&flat)?.reshape([count, k, j])?;
        let y = left.mul(&other.reshape([count, 1, j])?)?.sum_dim(&[-1], false)?;
        let mut sizes = a.to_vec();
        sizes[a.rank() - 1] = k;
        let y = y.reshape(Shape::new(&sizes)?)?;
        bias.map_or_else(|| Ok(y.clone()), |bias| y.add(bias))
    }
}
