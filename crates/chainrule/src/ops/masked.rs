//! Reductions and normalisations of the elements that a mask lets through, PyTorch's `torch.masked`.

use crate::array::{Array, Meta, Shape};
use crate::error::{Error, Result};
use crate::tensor::{CallerGuard, Tensor};

/// A tensor of which only some elements count: those where a `bool` mask, which broadcasts to it, is true.
///
/// What doesn't count has no gradient. Where nothing counts a sum is 0, a product 1, a maximum −∞, a mean NaN.
///
/// ```
/// use chainrule::tensor;
/// let x = tensor([[1.0, 2.0], [3.0, 4.0]]);
/// let masked = x.masked(Some(&tensor([[true, false], [true, true]])))?;
/// assert_eq!(masked.sum(&[1], false)?.to_string(), "tensor([1., 7.])");
/// assert_eq!(masked.mean(&[0], false)?.to_string(), "tensor([2., 4.])");
/// assert_eq!(masked.amax(&[], false)?.item()?, 4.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Masked {
    x: Tensor,
    /// Of x's shape.
    mask: Option<Tensor>,
}

impl Tensor {
    /// This tensor with only the elements counting where the mask is true; all, where there is none.
    ///
    /// # Errors
    /// The mask isn't `bool`, or doesn't broadcast to this shape.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 2.0, 3.0]);
    /// assert_eq!(x.masked(Some(&x.gt(1.5)?))?.sum(&[], false)?.item()?, 5.0);
    /// assert!(x.masked(Some(&tensor([1, 0, 1]))).is_err()); // no bool
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn masked(&self, mask: Option<&Tensor>) -> Result<Masked> {
        let Some(mask) = mask else { return Ok(Masked { x: self.clone(), mask: None }) };
        let refuse = |error: Error| error.at_gate("Masked").with_inputs([self.meta(), mask.meta()]);
        if mask.dtype() != crate::DType::Bool {
            return Err(refuse(Error::dtype(format!("a mask is bool, not {}", mask.dtype()))));
        }
        Ok(Masked { x: self.clone(), mask: Some(mask.expand(self.shape()).map_err(refuse)?) })
    }
}

impl Masked {
    /// The tensor with a number in place of what doesn't count.
    ///
    /// # Errors
    /// None for a mask that [`Tensor::masked`] accepted.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 2.0]).masked(Some(&tensor([true, false])))?;
    /// assert_eq!(x.filled(-1.0)?.to_string(), "tensor([ 1., -1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn filled(&self, value: f64) -> Result<Tensor> {
        match &self.mask {
            None => Ok(self.x.clone()),
            Some(mask) => {
                let value = Array::constant(value, Meta::new(self.x.dtype(), Shape::SCALAR));
                mask.where_(&self.x, &Tensor::from_array(value))
            }
        }
    }

    /// How many elements count, as floats of the tensor's type.
    fn count(&self, dims: &[isize], keep: bool) -> Result<Tensor> {
        let ones = self.x.ones_like();
        Masked { x: ones, mask: self.mask.clone() }.sum(dims, keep)
    }

    /// Sum over these dimensions (all, where none is named).
    ///
    /// # Errors
    /// A dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 2.0], [3.0, 4.0]]).masked(Some(&tensor([true, false])))?;
    /// assert_eq!(x.sum(&[0], false)?.to_string(), "tensor([4., 0.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn sum(&self, dims: &[isize], keep: bool) -> Result<Tensor> {
        self.filled(0.0)?.sum_dim(dims, keep)
    }

    /// Product over these dimensions (all, where none is named).
    ///
    /// # Errors
    /// A dimension doesn't exist or is named twice.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([2.0, 3.0, 4.0]).masked(Some(&tensor([true, false, true])))?;
    /// assert_eq!(x.prod(&[], false)?.item()?, 8.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn prod(&self, dims: &[isize], keep: bool) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let x = self.filled(1.0)?;
        let shape = x.shape();
        let mut places = match dims {
            [] => (0..shape.rank()).collect(),
            dims => crate::array::dims(&shape, dims)
                .map_err(|error| error.at_gate("Prod").with_inputs([x.meta()]))?,
        };
        // From the last on, so that the earlier ones stay where they are.
        places.sort_unstable();
        places.iter().rev().try_fold(x, |x, &dim| x.prod_dim(dim as isize, keep))
    }

    /// Running sums along a dimension; what doesn't count adds nothing.
    ///
    /// # Errors
    /// The dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 2.0, 3.0]).masked(Some(&tensor([true, false, true])))?;
    /// assert_eq!(x.cumsum(0)?.to_string(), "tensor([1., 1., 4.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn cumsum(&self, dim: isize) -> Result<Tensor> {
        self.filled(0.0)?.cumsum(dim)
    }

    /// Running products along a dimension; what doesn't count is a factor 1.
    ///
    /// # Errors
    /// The dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([2.0, 3.0, 4.0]).masked(Some(&tensor([true, false, true])))?;
    /// assert_eq!(x.cumprod(0)?.to_string(), "tensor([2., 2., 8.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn cumprod(&self, dim: isize) -> Result<Tensor> {
        self.filled(1.0)?.cumprod(dim)
    }

    /// The largest element that counts, over these dimensions (all, where none is named).
    ///
    /// # Errors
    /// A dimension doesn't exist, or there are no elements.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 9.0, 3.0]).masked(Some(&tensor([true, false, true])))?;
    /// assert_eq!(x.amax(&[], false)?.item()?, 3.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn amax(&self, dims: &[isize], keep: bool) -> Result<Tensor> {
        self.filled(f64::NEG_INFINITY)?.amax(dims, keep)
    }

    /// The smallest element that counts, over these dimensions (all, where none is named).
    ///
    /// # Errors
    /// A dimension doesn't exist, or there are no elements.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, -9.0, 3.0]).masked(Some(&tensor([true, false, true])))?;
    /// assert_eq!(x.amin(&[], false)?.item()?, 1.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn amin(&self, dims: &[isize], keep: bool) -> Result<Tensor> {
        self.filled(f64::INFINITY)?.amin(dims, keep)
    }

    /// Mean over these dimensions (all, where none is named); integers become floats.
    ///
    /// # Errors
    /// A dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 9.0, 3.0]).masked(Some(&tensor([true, false, true])))?;
    /// assert_eq!(x.mean(&[], false)?.item()?, 2.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn mean(&self, dims: &[isize], keep: bool) -> Result<Tensor> {
        self.sum(dims, keep)?.div(&self.count(dims, keep)?)
    }

    /// Variance over these dimensions (all, where none is named): `Σ (x − mean)² / (n − correction)`.
    ///
    /// # Errors
    /// The elements aren't floats, or a dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 99.0, 3.0]).masked(Some(&tensor([true, false, true])))?;
    /// assert_eq!(x.var(&[], 1.0, false)?.item()?, 2.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn var(&self, dims: &[isize], correction: f64, keep: bool) -> Result<Tensor> {
        if self.mask.is_none() {
            return self.x.var(dims, correction, keep);
        }
        let centred = Masked { x: self.x.sub(&self.mean(dims, true)?)?, mask: self.mask.clone() };
        // What doesn't count must be 0 before it is squared, or NaN there would reach the gradient.
        let squares = centred.filled(0.0)?.square()?;
        let freedom = self.count(dims, keep)?.sub(correction)?.clamp_min(0.0)?;
        squares.sum_dim(dims, keep)?.div(&freedom)
    }

    /// Standard deviation: the square root of [`Masked::var`].
    ///
    /// # Errors
    /// As [`Masked::var`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 99.0, 3.0]).masked(Some(&tensor([true, false, true])))?;
    /// assert_eq!(x.std(&[], 0.0, false)?.item()?, 1.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn std(&self, dims: &[isize], correction: f64, keep: bool) -> Result<Tensor> {
        match self.mask {
            None => self.x.std(dims, correction, keep),
            Some(_) => self.var(dims, correction, keep)?.sqrt(),
        }
    }

    /// The p-norm over these dimensions (all, where none is named).
    ///
    /// # Errors
    /// As [`Tensor::vector_norm`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([3.0, 99.0, 4.0]).masked(Some(&tensor([true, false, true])))?;
    /// assert_eq!(x.norm(2.0, &[], false)?.item()?, 5.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn norm(&self, p: f64, dims: &[isize], keep: bool) -> Result<Tensor> {
        let nothing = if p == f64::NEG_INFINITY { f64::INFINITY } else { 0.0 };
        self.filled(nothing)?.vector_norm(p, dims, keep)
    }

    /// The elements over their p-norm along a dimension, which isn't taken below `eps`.
    ///
    /// # Errors
    /// As [`Tensor::vector_norm`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([3.0, 99.0, 4.0]).masked(Some(&tensor([true, false, true])))?;
    /// assert_eq!(x.normalize(2.0, 0, 1e-12)?.to_string(), "tensor([0.6000, 0.0000, 0.8000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn normalize(&self, p: f64, dim: isize, eps: f64) -> Result<Tensor> {
        let norm = self.norm(p, &[dim], true)?;
        self.filled(0.0)?.div(&norm.maximum(eps)?)
    }

    /// `ln Σ eˣ` over these dimensions (all, where none is named).
    ///
    /// # Errors
    /// The elements aren't floats, or a dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([0.0, 99.0, 0.0]).masked(Some(&tensor([true, false, true])))?;
    /// assert_eq!(x.logsumexp(&[], false)?.to_string(), "tensor(0.6931)"); // ln 2
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn logsumexp(&self, dims: &[isize], keep: bool) -> Result<Tensor> {
        self.filled(f64::NEG_INFINITY)?.logsumexp(dims, keep)
    }

    /// The middle element along a dimension; NaN where nothing counts.
    ///
    /// # Errors
    /// The elements aren't floats, or the dimension doesn't exist or is empty.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 99.0, 3.0, 2.0]).masked(Some(&tensor([true, false, true, true])))?;
    /// assert_eq!(x.median(0, false)?.item()?, 2.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn median(&self, dim: isize, keep: bool) -> Result<Tensor> {
        match self.mask {
            None => Ok(self.x.nanmedian_dim(dim, keep)?.0),
            Some(_) => Ok(self.filled(f64::NAN)?.nanmedian_dim(dim, keep)?.0),
        }
    }

    /// Softmax along a dimension; NaN where nothing counts.
    ///
    /// # Errors
    /// The elements aren't floats, or the dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([0.0, 99.0, 0.0]).masked(Some(&tensor([true, false, true])))?;
    /// assert_eq!(x.softmax(0)?.to_string(), "tensor([0.5000, 0.0000, 0.5000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn softmax(&self, dim: isize) -> Result<Tensor> {
        self.filled(f64::NEG_INFINITY)?.softmax(dim)
    }

    /// The logarithm of softmax along a dimension; NaN where nothing counts.
    ///
    /// # Errors
    /// The elements aren't floats, or the dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([0.0, 99.0, 0.0]).masked(Some(&tensor([true, false, true])))?;
    /// assert_eq!(x.log_softmax(0)?.to_string(), "tensor([-0.6931,    -inf, -0.6931])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn log_softmax(&self, dim: isize) -> Result<Tensor> {
        self.filled(f64::NEG_INFINITY)?.log_softmax(dim)
    }

    /// `softmax(−x)` along a dimension; NaN where nothing counts.
    ///
    /// # Errors
    /// The elements aren't floats, or the dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([0.0, -99.0, 0.0]).masked(Some(&tensor([true, false, true])))?;
    /// assert_eq!(x.softmin(0)?.to_string(), "tensor([0.5000, 0.0000, 0.5000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn softmin(&self, dim: isize) -> Result<Tensor> {
        self.filled(f64::INFINITY)?.softmin(dim)
    }

    /// `ln(eᵃ + eᵇ)` of what counts on either side.
    ///
    /// # Errors
    /// The shapes don't broadcast.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let a = tensor([0.0, 0.0]).masked(Some(&tensor([true, false])))?;
    /// let b = tensor([0.0, 0.0]).masked(None)?;
    /// assert_eq!(a.logaddexp(&b)?.to_string(), "tensor([0.6931, 0.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn logaddexp(&self, other: &Masked) -> Result<Tensor> {
        self.filled(f64::NEG_INFINITY)?.logaddexp(&other.filled(f64::NEG_INFINITY)?)
    }
}
