//! Sorting along a dimension, and selecting by rank.
//!
//! ```
//! use chainrule::tensor;
//! let scores = tensor([0.2, 0.9, 0.5]);
//! assert_eq!(scores.argsort(0, true)?.to_string(), "tensor([1, 2, 0])"); // the best first
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::arith::{f64s, matrix};
use super::elementwise::expect_inputs;
use super::scan::{from_lanes, lanes};
use super::{Context, Entry, Gate, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves};
use crate::array::{Array, DType, Element, Meta, dispatch};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::order::ranked;
use crate::tensor::{CallerGuard, Tensor};

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Sort::ENTRY];

documented! {
    /// The elements along a dimension in order, and where they were; equal elements keep their order, and NaN
    /// counts as the largest.
    ///
    /// ```
    /// use chainrule::gate::sort::Sort;
    /// use chainrule::{param, tensor, Tensor};
    /// let x = param([3.0, 1.0]);
    /// let sorted = &Tensor::apply_many(Sort { dim: 0, descending: false }, &[&x])?[0];
    /// sorted.backward_with(&tensor([10.0, 20.0]))?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([20., 10.])"); // each back to where it came from
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Sort {
        /// The dimension.
        pub dim: isize,
        /// The largest first.
        pub descending: bool,
    }
}

impl Sort {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Sort",
        method: "sort, argsort, msort, topk, kthvalue",
        doc: Sort::DOC,
        at_kink: Some("elements that tie keep their order"),
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.5, -2.0, 0.5], [0.3, 4.0, -1.7]]);
            vec![
                Sample::new(Sort { dim: 1, descending: false }, [x()]),
                Sample::new(Sort { dim: 0, descending: true }, [x()]),
                Sample::new(Sort { dim: 0, descending: true }, [Array::scalar(2.0f64)]),
                Sample::new(Sort { dim: 0, descending: false }, [Array::zeros_of([0, 2], DType::F64)]),
                Sample::new(Sort { dim: 0, descending: true }, [f64s([1.0, f64::NAN, 2.0])]).rough(),
                Sample::new(Sort { dim: 2, descending: false }, [x()]).refused(ErrorKind::Index),
            ]
        },
    };
}

/// Ascending, NaN last.
pub(super) fn order<T: Element>(a: T, b: T) -> std::cmp::Ordering {
    let nan = |x: T| x.partial_cmp(&x).is_none();
    a.partial_cmp(&b).unwrap_or_else(|| nan(a).cmp(&nan(b)))
}

impl Gate for Sort {
    fn name(&self) -> &'static str {
        "Sort"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        inputs[0].shape.dim(self.dim)?;
        Ok([inputs[0], Meta { dtype: DType::I64, shape: inputs[0].shape }].into_iter().collect())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let dim = shape.dim(self.dim)?;
        let (moved, length) = lanes(inputs[0], dim)?;
        let mut places = Vec::with_capacity(moved.elements());
        let sorted = dispatch!(dtype, T => {
            let mut sorted = Vec::with_capacity(moved.elements());
            for lane in moved.values::<T>().chunks(length.max(1)) {
                let by_rank = ranked(lane.len(), &|a, b| match self.descending {
                    false => order(lane[a], lane[b]),
                    true => order(lane[b], lane[a]),
                });
                sorted.extend(by_rank.iter().map(|&i| lane[i]));
                places.extend(by_rank.into_iter().map(|i| i as i64));
            }
            from_lanes(sorted, &shape, dim)?
        });
        Ok([sorted, from_lanes(places, &shape, dim)?].into_iter().collect())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::output(1)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let places = Tensor::from_array(saved.output_array(1)?);
        Ok([Some(g.zeros_like().scatter_add(self.dim, &places, g)?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = x in order", ["∂L/∂x = g, back in x's order"])
    }
}

impl Tensor {
    /// The elements along a dimension in order, and where they were: see [`Sort`].
    ///
    /// # Errors
    /// The dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (sorted, places) = tensor([3.0, 1.0, 2.0]).sort(0, false)?;
    /// assert_eq!(sorted.to_string(), "tensor([1., 2., 3.])");
    /// assert_eq!(places.to_vec::<i64>()?, [1, 2, 0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn sort(&self, dim: isize, descending: bool) -> Result<(Tensor, Tensor)> {
        super::pair(Tensor::apply_many(Sort { dim, descending }, &[self])?)
    }

    /// The indices that would sort this tensor along a dimension: the second part of [`Tensor::sort`].
    ///
    /// # Errors
    /// The dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([3.0, 1.0, 2.0]).argsort(0, false)?.to_string(), "tensor([1, 2, 0])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn argsort(&self, dim: isize, descending: bool) -> Result<Tensor> {
        Ok(self.sort(dim, descending)?.1)
    }

    /// The rows in ascending order, element by element: [`Tensor::sort`] along the first dimension.
    ///
    /// # Errors
    /// None for numbers.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[3, 1], [2, 5]]).msort()?.to_string(), "tensor([[2, 1],\n        [3, 5]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn msort(&self) -> Result<Tensor> {
        Ok(self.sort(0, false)?.0)
    }

    /// The `k` largest (or smallest) elements along a dimension in order, and their indices.
    ///
    /// # Errors
    /// The dimension doesn't exist or has fewer than `k` elements.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (values, places) = tensor([3.0, 1.0, 2.0]).topk(2, 0, true)?;
    /// assert_eq!(values.to_string(), "tensor([3., 2.])");
    /// assert_eq!(places.to_vec::<i64>()?, [0, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn topk(&self, k: usize, dim: isize, largest: bool) -> Result<(Tensor, Tensor)> {
        let size = self.lane_length(dim)?;
        if k > size {
            return Err(self.refuse_rank(format!("there aren't {k} elements in a dimension of size {size}")));
        }
        let (values, places) = self.sort(dim, largest)?;
        if self.rank() == 0 {
            return Ok((values, places)); // its one element, as in PyTorch also where k = 0
        }
        Ok((values.narrow(dim, 0, k as isize)?, places.narrow(dim, 0, k as isize)?))
    }

    /// The `k`-th smallest element along a dimension (1 is the smallest), and its index.
    ///
    /// # Errors
    /// The dimension doesn't exist or has fewer than `k` elements, or `k` is 0.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (value, place) = tensor([3.0, 1.0, 2.0]).kthvalue(2, 0, false)?;
    /// assert_eq!((value.item()?, place.item()?), (2.0, 2.0));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn kthvalue(&self, k: usize, dim: isize, keep: bool) -> Result<(Tensor, Tensor)> {
        let _line = CallerGuard::here();
        let size = self.lane_length(dim)?;
        if k == 0 || k > size {
            return Err(self.refuse_rank(format!("there is no {k}-th of {size} elements")));
        }
        let (values, places) = self.sort(dim, false)?;
        if self.rank() == 0 {
            return Ok((values, places));
        }
        let pick = |x: Tensor| -> Result<Tensor> {
            let picked = x.select(dim, k as isize - 1)?;
            if keep { picked.unsqueeze(self.shape().dim(dim)? as isize) } else { Ok(picked) }
        };
        Ok((pick(values)?, pick(places)?))
    }

    fn lane_length(&self, dim: isize) -> Result<usize> {
        let shape = self.shape();
        let dim = shape.dim(dim).map_err(|e| e.at_gate("Sort").with_inputs([self.meta()]))?;
        Ok(shape.get(dim).copied().unwrap_or(1))
    }

    fn refuse_rank(&self, rule: String) -> Error {
        Error::index(rule).at_gate("Sort").with_inputs([self.meta()])
    }
}
