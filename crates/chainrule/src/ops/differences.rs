//! Derivatives of samples by differences.

use super::shape::places;
use crate::array::{Array, DType, Shape};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// How far apart samples are, for [`Tensor::gradient`].
///
/// ```
/// use chainrule::{ops::Spacing, tensor};
/// let squares = tensor([0.0, 1.0, 4.0, 16.0]);
/// let found = squares.gradient(&Spacing::At(vec![vec![0.0, 1.0, 2.0, 4.0]]), &[0], 1)?;
/// assert_eq!(found[0].to_vec::<f32>()?, [1.0, 2.0, 4.0, 6.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Spacing {
    /// This far, in every dimension
    Even(f64),
    /// This far, in each of the dimensions
    Each(Vec<f64>),
    /// At these places, in each of the dimensions
    At(Vec<Vec<f64>>),
}

impl Tensor {
    /// The derivatives of samples along dimensions (all, where none is named), one tensor each: of the parabola
    /// through three neighbours, which is exact to second order; at both ends of the line through two
    /// (`edge_order` 1) or of the parabola (2).
    ///
    /// ```
    /// use chainrule::{ops::Spacing, tensor};
    /// let found = tensor([1.0, 2.0, 4.0, 8.0]).gradient(&Spacing::Even(1.0), &[], 1)?;
    /// assert_eq!(found[0].to_string(), "tensor([1.0000, 1.5000, 3.0000, 4.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// A dimension doesn't exist, is named twice, or has no more than `edge_order` elements; there isn't a spacing
    /// for each; the order is neither 1 nor 2.
    #[track_caller]
    pub fn gradient(&self, spacing: &Spacing, dims: &[isize], edge_order: usize) -> Result<Vec<Tensor>> {
        let refuse = |error: Error| error.at_gate("Gradient").with_inputs([self.meta()]);
        let shape = self.shape();
        let dims = match dims.is_empty() {
            true => (0..shape.rank()).collect(),
            false => crate::array::dims(&shape, dims).map_err(refuse)?,
        };
        let given = match spacing {
            Spacing::Even(_) => dims.len(),
            Spacing::Each(steps) => steps.len(),
            Spacing::At(places) => places.len(),
        };
        if given != dims.len() {
            return Err(refuse(Error::argument(format!(
                "the spacing is one number, or one for each of the {} dimensions, not {given}",
                dims.len()
            ))));
        }
        if !(1..=2).contains(&edge_order) || self.dtype() == DType::Bool {
            return Err(refuse(Error::argument("the edges are of order 1 or 2, the elements numbers")));
        }
        let mut found = Vec::with_capacity(dims.len());
        for (i, &dim) in dims.iter().enumerate() {
            let size = shape.get(dim).copied().unwrap_or(1);
            if size <= edge_order {
                return Err(refuse(Error::shape(format!(
                    "a dimension has more elements than the order of its edges, {edge_order}, and not {size}"
                ))));
            }
            let at: Vec<f64> = match spacing {
                Spacing::Even(step) => (0..size).map(|k| k as f64 * step).collect(),
                Spacing::Each(steps) => (0..size).map(|k| k as f64 * steps[i]).collect(),
                Spacing::At(places) => places[i].clone(),
            };
            if at.len() != size {
                return Err(refuse(Error::shape(format!("{size} samples are at {} places", at.len()))));
            }
            found.push(self.derivative(dim, &at, edge_order)?);
        }
        Ok(found)
    }

    #[track_caller]
    fn derivative(&self, dim: usize, at: &[f64], edge_order: usize) -> Result<Tensor> {
        let last = at.len() - 1;
        let float = if self.dtype().is_float() { self.dtype() } else { DType::F32 };
        let mut beside = vec![1; self.rank()];
        beside[dim] = at.len();
        let beside = Shape::new(&beside)?;
        // Three neighbours and their weights for every sample.
        let taps: Vec<(usize, [f64; 3])> = (0..=last)
            .map(|i| {
                let edge = i == 0 || i == last;
                let first = i.saturating_sub(1).min(last.saturating_sub(2));
                if !edge || edge_order == 2 {
                    return (first, parabola(at, first, at[i]));
                }
                // The line through the two at the end.
                let left = if i == 0 { 0 } else { last - 1 };
                let slope = 1.0 / (at[left + 1] - at[left]);
                let mut weights = [0.0; 3];
                weights[left - first] = -slope;
                weights[left + 1 - first] = slope;
                (first, weights)
            })
            .collect();
        let mut sum: Option<Tensor> = None;
        for tap in 0..3.min(at.len()) {
            let index = places(taps.iter().map(|(first, _)| (first + tap) as i64).collect());
            let weights = Array::from_vec(taps.iter().map(|(_, weights)| weights[tap]).collect(), beside)?;
            let part = self.index_select(dim as isize, &Tensor::from_array(index))?;
            let weights = Tensor::from_array(weights.cast(float));
            // An element that doesn't count isn't read: it may be NaN.
            let part = part.mul(&weights)?;
            let part = weights.ne(0.0)?.where_(&part, &part.zeros_like())?;
            sum = Some(match sum {
                Some(sum) => sum.add(&part)?,
                None => part,
            });
        }
        sum.map_or_else(|| Ok(self.clone()), Ok)
    }
}

/// The derivative at `x` of the parabola through three places, as weights of its values there.
fn parabola(at: &[f64], first: usize, x: f64) -> [f64; 3] {
    let [a, b, c] = [at[first], at[first + 1], at[first + 2]];
    [
        (2.0 * x - b - c) / ((a - b) * (a - c)),
        (2.0 * x - a - c) / ((b - a) * (b - c)),
        (2.0 * x - a - b) / ((c - a) * (c - b)),
    ]
}
