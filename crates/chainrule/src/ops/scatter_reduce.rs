//! Reducing what arrives at indices: sum, mean, product, largest or smallest.

use std::cmp::Ordering;
use std::str::FromStr;

use crate::array::{Shape, dispatch};
use crate::error::{Error, Result};
use crate::gate::index::places;
use crate::gate::scatter::ScatterProduct;
use crate::tensor::{CallerGuard, Tensor, no_grad};

/// How elements that arrive at the same place are combined.
///
/// ```
/// use chainrule::ops::Combine;
/// use chainrule::{tensor, Tensor};
/// assert_eq!("amax".parse::<Combine>()?, Combine::Largest);
/// let y = Tensor::zeros([2]).scatter_reduce(
///     0,
///     &tensor([0, 0, 1]),
///     &tensor([3.0, 5.0, 7.0]),
///     Combine::Mean,
///     false,
/// )?;
/// assert_eq!(y.to_string(), "tensor([4., 7.])");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// Their sum.
    Sum,
    /// Their mean; of integers rounded down.
    Mean,
    /// The largest.
    Largest,
    /// The smallest.
    Smallest,
    /// Their product.
    Product,
}

impl FromStr for Combine {
    type Err = Error;

    /// PyTorch's names: `sum`, `mean`, `amax`, `amin`, `prod`.
    fn from_str(name: &str) -> Result<Combine> {
        Ok(match name {
            "sum" => Combine::Sum,
            "mean" => Combine::Mean,
            "amax" => Combine::Largest,
            "amin" => Combine::Smallest,
            "prod" => Combine::Product,
            other => {
                return Err(Error::argument(format!("\"{other}\" is no way to combine elements"))
                    .hint("one of sum, mean, amax, amin, prod"));
            }
        })
    }
}

impl Tensor {
    /// Elements of `source` combined at indices along a dimension, with what this tensor has there where
    /// `include_self`; places without an index keep this tensor's element.
    ///
    /// Of a largest or smallest element that occurs several times, all share the gradient evenly.
    ///
    /// # Errors
    /// An index is out of range or not an integer, or the shapes don't fit.
    ///
    /// ```
    /// use chainrule::{ops::Combine, tensor};
    /// let (x, index) = (tensor([1.0, 2.0]), tensor([0, 0, 1]));
    /// let y = x.scatter_reduce(0, &index, &tensor([5.0, 7.0, 1.0]), Combine::Largest, true)?;
    /// assert_eq!(y.to_string(), "tensor([7., 2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn scatter_reduce(
        &self,
        dim: isize,
        index: &Tensor,
        source: &Tensor,
        combine: Combine,
        include_self: bool,
    ) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let own = if include_self { self.clone() } else { self.scatter_value(dim, index, 0.0)? };
        match combine {
            Combine::Sum => own.scatter_add(dim, index, source),
            Combine::Mean => {
                let counts = no_grad(|| {
                    let ones = if include_self {
                        self.ones_like()
                    } else {
                        self.ones_like().scatter_value(dim, index, 0.0)?
                    };
                    ones.scatter_add(dim, index, &source.ones_like())
                })?;
                let sum = own.scatter_add(dim, index, source)?;
                if self.dtype().is_float() { sum.div(&counts) } else { sum.div_floor(&counts) }
            }
            Combine::Product => {
                let own = if include_self { own } else { self.scatter_value(dim, index, 1.0)? };
                Tensor::apply(ScatterProduct { dim }, &[&own, index, source])
            }
            Combine::Largest | Combine::Smallest => {
                let extreme = no_grad(|| {
                    // The checks of the sum are those of every reduction.
                    own.scatter_add(dim, index, source)?;
                    self.extremes(dim, index, source, combine == Combine::Largest, include_self)
                })?;
                if !self.dtype().is_float() {
                    return Ok(extreme);
                }
                let covered = index.shape();
                let source = (0..covered.rank())
                    .try_fold(source.clone(), |x, d| x.narrow(d as isize, 0, covered[d] as isize))?;
                // All that equal the extreme are added up and divided by their number.
                let (mine, theirs) = no_grad(|| -> Result<_> {
                    let untouched = self.ones_like().scatter_value(dim, index, 0.0)?.ne(0.0)?;
                    let equal = self.eq(&extreme)?;
                    let mine = if include_self { equal } else { untouched };
                    Ok((mine, source.eq(&extreme.gather(dim, index)?)?))
                })?;
                let kept = mine.where_(self, &self.zeros_like())?;
                let arrived = theirs.where_(&source, &source.zeros_like())?;
                let counts = no_grad(|| {
                    mine.cast(self.dtype())?.scatter_add(dim, index, &theirs.cast(self.dtype())?)
                })?;
                kept.scatter_add(dim, index, &arrived)?.div(&counts)
            }
        }
    }

    fn extremes(
        &self,
        dim: isize,
        index: &Tensor,
        source: &Tensor,
        largest: bool,
        include_self: bool,
    ) -> Result<Tensor> {
        let mut out = self.array().copied();
        let at = places(&index.array(), out.shape(), out.shape().dim(dim)?)?;
        let covered: Shape = index.shape();
        let source =
            (0..covered.rank()).try_fold(source.array(), |x, d| x.narrow(d as isize, 0, covered[d]))?;
        dispatch!(out.dtype(), T => {
            let source = source.to_vec::<T>()?;
            let wanted = if largest { Ordering::Greater } else { Ordering::Less };
            let mut seen = vec![include_self; out.elements()];
            if let Some(out) = out.make_mut::<T>() {
                for (&i, x) in at.iter().zip(source) {
                    let nan = x.partial_cmp(&x).is_none();
                    let better = x.partial_cmp(&out[i]) == Some(wanted);
                    if !seen[i] || nan || better {
                        out[i] = x;
                        seen[i] = true;
                    }
                }
            }
        });
        Ok(Tensor::from_array(out))
    }

    /// Slices of `source` combined at indices along a dimension: [`Tensor::scatter_reduce`] of whole slices.
    ///
    /// # Errors
    /// An index is out of range or not an integer, or the shapes don't fit.
    ///
    /// ```
    /// use chainrule::ops::Combine;
    /// use chainrule::{tensor, Tensor};
    /// let rows = tensor([[1.0, 9.0], [5.0, 2.0], [3.0, 3.0]]);
    /// let y = Tensor::zeros([2, 2]).index_reduce(0, &tensor([0, 0, 1]), &rows, Combine::Largest, true)?;
    /// assert_eq!(y.to_string(), "tensor([[5., 9.],\n        [3., 3.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn index_reduce(
        &self,
        dim: isize,
        index: &Tensor,
        source: &Tensor,
        combine: Combine,
        include_self: bool,
    ) -> Result<Tensor> {
        self.slices_fit("IndexReduce", dim, index, source)?;
        if self.rank() == 0 {
            let (x, source) = (self.reshape([1])?, source.ravel()?);
            return x
                .scatter_reduce(0, &index.ravel()?, &source, combine, include_self)?
                .reshape(Shape::SCALAR);
        }
        self.scatter_reduce(dim, &self.along(dim, index)?, source, combine, include_self)
    }
}
