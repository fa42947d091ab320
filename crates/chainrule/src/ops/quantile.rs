//! Quantiles: what stands at a part of the elements in order.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::tensor::{CallerGuard, Tensor};

/// How a quantile between two elements is found.
///
/// ```
/// use chainrule::ops::Interpolation;
/// use chainrule::tensor;
/// let x = tensor([1.0, 2.0, 4.0]);
/// let of = |by| x.quantile(&tensor(0.75), None, false, by)?.item();
/// assert_eq!(
///     (of(Interpolation::Linear)?, of(Interpolation::Lower)?, of(Interpolation::Higher)?),
///     (3.0, 2.0, 4.0)
/// );
/// assert_eq!("midpoint".parse::<Interpolation>()?, Interpolation::Midpoint);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interpolation {
    /// On the straight line between them
    #[default]
    Linear,
    /// The lower one
    Lower,
    /// The higher one
    Higher,
    /// The middle of both
    Midpoint,
    /// The nearer one
    Nearest,
}

impl std::str::FromStr for Interpolation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Interpolation> {
        Ok(match name {
            "linear" => Interpolation::Linear,
            "lower" => Interpolation::Lower,
            "higher" => Interpolation::Higher,
            "midpoint" => Interpolation::Midpoint,
            "nearest" => Interpolation::Nearest,
            other => {
                return Err(Error::argument(format!("{other:?} is no interpolation of quantiles"))
                    .at_gate("Quantile")
                    .hint("they are linear, lower, higher, midpoint and nearest"));
            }
        })
    }
}

impl Tensor {
    /// The q-quantiles of the elements in order, along a dimension (of all elements, where `None`): one for
    /// each q from 0 to 1; a q with a dimension adds one in front. NaN where an element is NaN.
    ///
    /// ```
    /// use chainrule::{ops::Interpolation, tensor};
    /// let y =
    ///     tensor([1.0, 3.0, 2.0]).quantile(&tensor([0.25, 1.0]), Some(0), false, Interpolation::Linear)?;
    /// assert_eq!(y.to_string(), "tensor([1.5000, 3.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The elements aren't floats, q has another type, more than one dimension, or isn't within 0 to 1, or
    /// there are no elements.
    #[track_caller]
    pub fn quantile(
        &self,
        q: &Tensor,
        dim: Option<isize>,
        keep: bool,
        interpolation: Interpolation,
    ) -> Result<Tensor> {
        self.quantile_of(q, dim, keep, interpolation, false)
    }

    /// [`Tensor::quantile`] without the elements that are NaN; NaN where all are.
    ///
    /// # Errors
    /// As [`Tensor::quantile`].
    ///
    /// ```
    /// use chainrule::ops::Interpolation;
    /// use chainrule::tensor;
    /// let x = tensor([1.0, f64::NAN, 3.0]);
    /// assert_eq!(x.nanquantile(&tensor(0.5), None, false, Interpolation::Linear)?.item()?, 2.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn nanquantile(
        &self,
        q: &Tensor,
        dim: Option<isize>,
        keep: bool,
        interpolation: Interpolation,
    ) -> Result<Tensor> {
        self.quantile_of(q, dim, keep, interpolation, true)
    }

    #[track_caller]
    fn quantile_of(
        &self,
        q: &Tensor,
        dim: Option<isize>,
        keep: bool,
        interpolation: Interpolation,
        without_nan: bool,
    ) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let refuse = |error: Error| error.at_gate("Quantile").with_inputs([self.meta(), q.meta()]);
        if !self.dtype().is_float() || q.dtype() != self.dtype() {
            return Err(refuse(Error::dtype("the elements and q are floats of the same type")));
        }
        if q.rank() > 1 {
            return Err(refuse(Error::shape("q is a number or a vector")));
        }
        let wanted = q.to_f64_vec();
        if wanted.iter().any(|q| !(0.0..=1.0).contains(q)) {
            return Err(refuse(Error::argument("every q is within 0 to 1")));
        }
        let shape = self.shape();
        // The elements along the last dimension, in order; NaN stands last.
        let moved = match dim {
            None => self.reshape([self.elements()])?,
            Some(dim) => {
                let place = shape.dim(dim).map_err(refuse)? as isize;
                if self.rank() == 0 { self.unsqueeze(0)? } else { self.transpose(place, -1)? }
            }
        };
        if moved.elements() == 0 {
            return Err(refuse(Error::shape("there is no quantile of no elements")));
        }
        let (sorted, _) = moved.sort(-1, false)?;
        let size = *moved.shape().last().unwrap_or(&1);
        let rows: Vec<usize> =
            sorted.to_f64_vec().chunks(size).map(|row| row.iter().filter(|x| !x.is_nan()).count()).collect();
        let mut kept_shape = moved.shape();
        kept_shape = kept_shape.with_size(kept_shape.rank() - 1, 1);
        let mut results = Vec::new();
        for (i, q_value) in wanted.into_iter().enumerate() {
            let (mut below, mut above, mut spans) = (Vec::new(), Vec::new(), Vec::new());
            for &numbers in &rows {
                // Where NaN counts, a row that has one has only it; the last element is NaN then.
                let poisoned = !without_nan && numbers < size;
                let last = if poisoned { 0 } else { numbers.max(1) - 1 } as f64;
                let rank = q_value * last;
                let rank = match interpolation {
                    Interpolation::Linear | Interpolation::Midpoint => rank,
                    Interpolation::Lower => rank.floor(),
                    Interpolation::Higher => rank.ceil(),
                    Interpolation::Nearest => rank.round_ties_even(),
                };
                below.push(if poisoned { size as i64 - 1 } else { rank.floor() as i64 });
                above.push(if poisoned { size as i64 - 1 } else { rank.ceil() as i64 });
                spans.push(last);
            }
            let column = |values: Array| Tensor::from_array(values.cast(self.dtype()));
            let floor = column(Array::from_vec(below.clone(), kept_shape)?);
            let at = |places: Vec<i64>| {
                sorted.gather(-1, &Tensor::from_array(Array::from_vec(places, kept_shape)?))
            };
            let (low, high) = (at(below)?, at(above)?);
            let between = match interpolation {
                // The rank depends on q, and so does the result, linearly.
                Interpolation::Linear => {
                    let q = if q.rank() == 0 { q.clone() } else { q.select(0, i as isize)? };
                    let rank = column(Array::from_vec(spans, kept_shape)?).mul(&q)?;
                    let weight = rank.sub(&floor)?;
                    let weight = rank.lt(&floor)?.where_(&weight.zeros_like(), &weight)?;
                    low.lerp(&high, &weight)?
                }
                Interpolation::Midpoint => low.lerp(&high, 0.5)?,
                Interpolation::Lower | Interpolation::Higher | Interpolation::Nearest => low,
            };
            let back = match dim {
                None if keep => between.reshape(crate::Shape::new(&vec![1; self.rank()])?)?,
                None => between.squeeze(0)?,
                Some(_) if self.rank() == 0 => between.squeeze(0)?,
                Some(dim) => {
                    let back = between.transpose(dim, -1)?;
                    if keep { back } else { back.squeeze(dim)? }
                }
            };
            results.push(back);
        }
        match q.rank() {
            0 => results.pop().ok_or_else(|| refuse(Error::argument("there is no q"))),
            _ if results.is_empty() => Err(refuse(Error::argument("there is no q"))),
            _ => {
                let rows: Vec<Tensor> = results.iter().map(|x| x.unsqueeze(0)).collect::<Result<_>>()?;
                Tensor::cat(&rows.iter().collect::<Vec<_>>(), 0)
            }
        }
    }
}
