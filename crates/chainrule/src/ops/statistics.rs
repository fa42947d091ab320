//! Covariance, correlation, and integrals of samples.

use crate::array::{Array, DType, Shape};
use crate::error::{Error, Result};
use crate::tensor::{CallerGuard, Tensor};

impl Tensor {
    /// Covariances of variables (rows) over observations (columns): `Σ w·(x − mean)·(x − mean)ᵀ / norm`.
    ///
    /// `counts` says how often each observation was made, `weights` how much it is worth; the norm is the
    /// weights' sum less `correction` (1 in PyTorch). A vector is one variable.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let c = tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]).cov(1.0, None, None)?;
    /// assert_eq!(c.to_string(), "tensor([[ 1., -1.],\n        [-1.,  1.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// There are more than two dimensions, the elements are `bool`, the counts aren't integers or the weights
    /// not floats, or they don't fit or are negative.
    #[track_caller]
    pub fn cov(&self, correction: f64, counts: Option<&Tensor>, weights: Option<&Tensor>) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let refuse = |error: Error| error.at_gate("Cov").with_inputs([self.meta()]);
        if self.rank() > 2 || self.dtype() == DType::Bool {
            return Err(refuse(Error::shape("observations are numbers in a vector or a matrix")));
        }
        let x = if self.rank() < 2 { self.reshape([1, self.elements()])? } else { self.clone() };
        let observations = x.shape()[1];
        let check = |name: &str, given: Option<&Tensor>, float: bool| -> Result<()> {
            let Some(given) = given else { return Ok(()) };
            if given.dtype().is_float() != float || given.dtype() == DType::Bool {
                let kind = if float { "floats" } else { "integers" };
                return Err(refuse(Error::dtype(format!("{name} are {kind}, not {}", given.dtype()))));
            }
            if given.rank() > 1 || given.elements() != observations {
                return Err(refuse(Error::shape(format!("there is one of {name} for each observation"))));
            }
            if given.to_f64_vec().iter().any(|&w| w < 0.0) {
                return Err(refuse(Error::argument(format!("one of {name} is negative"))));
            }
            Ok(())
        };
        check("counts", counts, false)?;
        check("weights", weights, true)?;
        let weight = match (counts, weights) {
            (Some(counts), Some(weights)) => Some(counts.mul(weights)?),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        };
        let weighted = |x: &Tensor| weight.as_ref().map_or_else(|| Ok(x.clone()), |w| x.mul(w));
        let total = match &weight {
            Some(weight) => weight.sum()?,
            None => Tensor::from_array(Array::scalar(observations as f64).cast(float_of(x.dtype()))),
        };
        if weights.is_some() && total.to_f64_vec() == [0.0] {
            return Err(refuse(Error::argument("the weights sum to 0")));
        }
        let mean = weighted(&x)?.sum_dim(&[1], true)?.div(&total)?;
        let norm = match (&weight, weights) {
            (Some(weight), Some(weights)) if correction != 0.0 => {
                total.sub(&weight.mul(weights)?.sum()?.mul(correction)?.div(&total)?)?
            }
            _ => total.sub(correction)?,
        };
        let centred = x.sub(&mean)?;
        let products = centred.matmul(&weighted(&centred)?.cast(centred.dtype())?.transpose(0, 1)?)?;
        let covariance = products.div(&norm.clamp_min(0.0)?)?;
        let variables = x.shape()[0];
        if variables == 1 { covariance.reshape(Shape::SCALAR) } else { Ok(covariance) }
    }

    /// Correlations of variables (rows) over observations (columns): covariances over both standard
    /// deviations, from −1 to 1.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let c = tensor([[0.0, 1.0, 2.0], [4.0, 2.0, 0.0]]).corrcoef()?;
    /// assert_eq!(c.to_string(), "tensor([[ 1., -1.],\n        [-1.,  1.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::cov`].
    #[track_caller]
    pub fn corrcoef(&self) -> Result<Tensor> {
        let covariance = self.cov(1.0, None, None)?;
        if covariance.rank() == 0 {
            return covariance.div(&covariance);
        }
        let deviations = covariance.diagonal(0, 0, 1)?.sqrt()?;
        covariance.div(&deviations.unsqueeze(1)?)?.div(&deviations.unsqueeze(0)?)?.clamp(-1.0, 1.0)
    }

    /// The integral of samples along a dimension by the trapezoidal rule: `Σ ½·(y[i] + y[i + 1])·step`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0, 4.0]).trapezoid(0.5, -1)?.item()?, 2.25);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The dimension doesn't exist.
    #[track_caller]
    pub fn trapezoid(&self, step: f64, dim: isize) -> Result<Tensor> {
        self.trapezia(dim)?.mul(step)?.sum_dim(&[dim], false)
    }

    /// [`Tensor::trapezoid`] of samples at these places: a vector for the dimension, or a tensor that
    /// broadcasts to the samples.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0, 4.0]).trapezoid_at(&tensor([0.0, 1.0, 3.0]), -1)?.item()?, 7.5);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The dimension doesn't exist, or the places don't fit.
    #[track_caller]
    pub fn trapezoid_at(&self, places: &Tensor, dim: isize) -> Result<Tensor> {
        self.trapezia(dim)?.mul(&self.steps(places, dim)?)?.sum_dim(&[dim], false)
    }

    /// The integrals from the first sample to each of the others: the running sums of [`Tensor::trapezoid`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 3.0, 5.0]).cumulative_trapezoid(1.0, -1)?.to_string(), "tensor([2., 6.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The dimension doesn't exist.
    #[track_caller]
    pub fn cumulative_trapezoid(&self, step: f64, dim: isize) -> Result<Tensor> {
        self.trapezia(dim)?.mul(step)?.cumsum(dim)
    }

    /// [`Tensor::cumulative_trapezoid`] of samples at these places, as for [`Tensor::trapezoid_at`].
    ///
    /// # Errors
    /// The dimension doesn't exist, or the places don't fit.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (y, x) = (tensor([0.0, 2.0, 2.0]), tensor([0.0, 1.0, 3.0]));
    /// assert_eq!(y.cumulative_trapezoid_at(&x, 0)?.to_string(), "tensor([1., 5.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn cumulative_trapezoid_at(&self, places: &Tensor, dim: isize) -> Result<Tensor> {
        self.trapezia(dim)?.mul(&self.steps(places, dim)?)?.cumsum(dim)
    }

    /// The means of neighbours along a dimension.
    #[track_caller]
    fn trapezia(&self, dim: isize) -> Result<Tensor> {
        self.neighbours(dim)?.1.add(&self.neighbours(dim)?.0)?.div(2.0)
    }

    /// All elements along a dimension but the last, and all but the first.
    #[track_caller]
    fn neighbours(&self, dim: isize) -> Result<(Tensor, Tensor)> {
        let shape = self.shape();
        let place = shape
            .dim(dim)
            .ok()
            .filter(|_| shape.rank() > 0)
            .ok_or_else(|| Error::index(format!("there is no dimension {dim} to integrate along")))
            .map_err(|error| error.at_gate("Trapezoid").with_inputs([self.meta()]))?;
        let (first, count) = (shape[place].min(1) as isize, shape[place].saturating_sub(1) as isize);
        Ok((self.narrow(dim, 0, count)?, self.narrow(dim, first, count)?))
    }

    /// The distances of neighbouring places of the samples of this tensor.
    #[track_caller]
    fn steps(&self, places: &Tensor, dim: isize) -> Result<Tensor> {
        let refuse = |error: Error| error.at_gate("Trapezoid").with_inputs([self.meta(), places.meta()]);
        let shape = self.shape();
        let place = shape.dim(dim).map_err(refuse)?;
        let x = match places.rank() {
            1 if shape.rank() > 1 => {
                let mut sizes = vec![1; shape.rank()];
                sizes[place] = places.elements();
                places.reshape(Shape::new(&sizes)?)?
            }
            _ => places.clone(),
        };
        // Counted from the end, as shapes broadcast.
        let from_end = place as isize - shape.rank() as isize;
        let own = x.shape().dim(from_end).map_err(refuse)?;
        if x.shape().get(own) != shape.get(place) {
            return Err(refuse(Error::shape("there is a place for every sample")));
        }
        let (before, behind) = x.neighbours(from_end)?;
        behind.sub(&before)
    }
}

/// The float type in which means of this type are computed.
fn float_of(dtype: DType) -> DType {
    if dtype.is_float() { dtype } else { DType::F32 }
}
