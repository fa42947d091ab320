//! Reductions made of others: with indices, without NaN, of truth values, by rank.

use std::cmp::Ordering;

use crate::array::{Array, DType};
use crate::error::{Error, Result};
use crate::order;
use crate::tensor::Tensor;

impl Tensor {
    /// The largest element along a dimension, and where it is: PyTorch's `max(dim)`. The gradient goes there.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (values, places) = tensor([[1.0, 5.0], [7.0, 2.0]]).max_dim(1, false)?;
    /// assert_eq!(values.to_string(), "tensor([5., 7.])");
    /// assert_eq!(places.to_string(), "tensor([1, 0])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The dimension doesn't exist or is empty.
    #[track_caller]
    pub fn max_dim(&self, dim: isize, keep: bool) -> Result<(Tensor, Tensor)> {
        self.picked(self.argmax_dim(dim, true)?, dim, keep)
    }

    /// The smallest element along a dimension, and where it is: PyTorch's `min(dim)`. The gradient goes there.
    ///
    /// # Errors
    /// The dimension doesn't exist or is empty.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (values, places) = tensor([[4.0, 1.0], [5.0, 6.0]]).min_dim(1, false)?;
    /// assert_eq!(values.to_string(), "tensor([1., 5.])");
    /// assert_eq!(places.to_string(), "tensor([1, 0])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn min_dim(&self, dim: isize, keep: bool) -> Result<(Tensor, Tensor)> {
        self.picked(self.argmin_dim(dim, true)?, dim, keep)
    }

    /// The elements at places along a dimension, and the places.
    #[track_caller]
    fn picked(&self, places: Tensor, dim: isize, keep: bool) -> Result<(Tensor, Tensor)> {
        let values = self.gather(dim, &places)?;
        if keep || self.rank() == 0 {
            return Ok((values, places));
        }
        Ok((values.squeeze(dim)?, places.squeeze(dim)?))
    }

    /// The smallest and the largest element, over these dimensions (all, where none is named); elements that
    /// tie share the gradient evenly.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (low, high) = tensor([3.0, -1.0, 2.0]).aminmax(&[], false)?;
    /// assert_eq!((low.item()?, high.item()?), (-1.0, 3.0));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// There are no elements, or a dimension doesn't exist.
    #[track_caller]
    pub fn aminmax(&self, dims: &[isize], keep: bool) -> Result<(Tensor, Tensor)> {
        Ok((self.amin(dims, keep)?, self.amax(dims, keep)?))
    }

    /// Variance and mean over these dimensions (all, where none is named).
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (var, mean) = tensor([1.0, 3.0]).var_mean(&[], 1.0, false)?;
    /// assert_eq!((var.item()?, mean.item()?), (2.0, 2.0));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The element type isn't float, or a dimension doesn't exist.
    #[track_caller]
    pub fn var_mean(&self, dims: &[isize], correction: f64, keep: bool) -> Result<(Tensor, Tensor)> {
        Ok((self.var(dims, correction, keep)?, self.mean_dim(dims, keep)?))
    }

    /// Standard deviation and mean over these dimensions (all, where none is named).
    ///
    /// # Errors
    /// The element type isn't float, or a dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (deviation, mean) = tensor([1.0, 3.0]).std_mean(&[], 0.0, false)?;
    /// assert_eq!((deviation.item()?, mean.item()?), (1.0, 2.0));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn std_mean(&self, dims: &[isize], correction: f64, keep: bool) -> Result<(Tensor, Tensor)> {
        Ok((self.std(dims, correction, keep)?, self.mean_dim(dims, keep)?))
    }

    /// Sum without the elements that are NaN.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, f64::NAN, 2.0]).nansum(&[], false)?.item()?, 3.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// A dimension doesn't exist.
    #[track_caller]
    pub fn nansum(&self, dims: &[isize], keep: bool) -> Result<Tensor> {
        self.isnan()?.where_(&self.zeros_like(), self)?.sum_dim(dims, keep)
    }

    /// Mean without the elements that are NaN; NaN where all are.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, f64::NAN, 2.0]).nanmean(&[], false)?.item()?, 1.5);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The element type isn't float, or a dimension doesn't exist.
    #[track_caller]
    pub fn nanmean(&self, dims: &[isize], keep: bool) -> Result<Tensor> {
        if !self.dtype().is_float() {
            return self.mean_dim(dims, keep);
        }
        let counted = self.eq(self)?.sum_dim(dims, keep)?.cast(self.dtype())?;
        self.nansum(dims, keep)?.div(&counted)
    }

    /// How many elements aren't 0, as i64.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 0.0, 2.0]).count_nonzero(&[])?.item()?, 2.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// A dimension doesn't exist.
    #[track_caller]
    pub fn count_nonzero(&self, dims: &[isize]) -> Result<Tensor> {
        self.ne(0.0)?.sum_dim(dims, false)
    }

    /// Whether any element isn't 0.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[0.0, 0.0], [0.0, 2.0]]).any(&[1], false)?.to_string(), "tensor([False,  True])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// A dimension doesn't exist.
    #[track_caller]
    pub fn any(&self, dims: &[isize], keep: bool) -> Result<Tensor> {
        self.as_truth(self.ne(0.0)?.sum_dim(dims, keep)?.gt(0)?)
    }

    /// Whether no element is 0; true of no elements.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1.0, 0.0], [1.0, 2.0]]).all(&[1], false)?.to_string(), "tensor([False,  True])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// A dimension doesn't exist.
    #[track_caller]
    pub fn all(&self, dims: &[isize], keep: bool) -> Result<Tensor> {
        self.as_truth(self.eq(0.0)?.sum_dim(dims, keep)?.eq(0)?)
    }

    /// The truth values of a test of this tensor: bytes for bytes, as in PyTorch, else bools.
    fn as_truth(&self, truth: Tensor) -> Result<Tensor> {
        if self.dtype() == DType::U8 { truth.cast(DType::U8) } else { Ok(truth) }
    }

    /// The middle one of all elements in order, the lower of two; NaN where one is NaN. Elements that tie
    /// with it share the gradient evenly.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([4.0, 1.0, 3.0, 2.0]).median()?.item()?, 2.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// There are no elements (of floats the median is then NaN).
    #[track_caller]
    pub fn median(&self) -> Result<Tensor> {
        self.shared_median(false)
    }

    /// [`Tensor::median`] without the elements that are NaN.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([4.0, f64::NAN, 3.0, 2.0]).nanmedian()?.item()?, 3.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// There are no elements (of floats the median is then NaN).
    #[track_caller]
    pub fn nanmedian(&self) -> Result<Tensor> {
        self.shared_median(true)
    }

    #[track_caller]
    fn shared_median(&self, without_nan: bool) -> Result<Tensor> {
        if self.elements() == 0 && self.dtype().is_float() {
            return self.sum()?.mul(f64::NAN);
        }
        let flat = self.reshape([self.elements()])?;
        let (median, _) = flat.detach().median_along(0, false, without_nan)?;
        let ties = if median.item()?.is_nan() { flat.isnan()? } else { flat.eq(&median)? };
        let places: Vec<i64> =
            ties.to_f64_vec().iter().zip(0..).filter(|(tie, _)| **tie != 0.0).map(|(_, i)| i).collect();
        let count = places.len();
        // Of elements that are all the same any extreme is that value, and shares its gradient.
        flat.index_select(0, &Tensor::from_vec(places, [count])?)?.amax(&[], false)
    }

    /// The middle element along a dimension, the lower of two, and where it is; NaN where one is NaN.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (values, places) = tensor([[4.0, 1.0, 3.0], [5.0, 6.0, 7.0]]).median_dim(1, false)?;
    /// assert_eq!(values.to_string(), "tensor([3., 6.])");
    /// assert_eq!(places.to_string(), "tensor([2, 1])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The dimension doesn't exist or is empty.
    #[track_caller]
    pub fn median_dim(&self, dim: isize, keep: bool) -> Result<(Tensor, Tensor)> {
        self.median_along(dim, keep, false)
    }

    /// [`Tensor::median_dim`] without the elements that are NaN.
    ///
    /// # Errors
    /// The dimension doesn't exist or is empty.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (values, places) = tensor([f64::NAN, 3.0, 1.0, 2.0]).nanmedian_dim(0, false)?;
    /// assert_eq!((values.item()?, places.item()?), (2.0, 3.0));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn nanmedian_dim(&self, dim: isize, keep: bool) -> Result<(Tensor, Tensor)> {
        self.median_along(dim, keep, true)
    }

    #[track_caller]
    fn median_along(&self, dim: isize, keep: bool, without_nan: bool) -> Result<(Tensor, Tensor)> {
        let name = if without_nan { "Nanmedian" } else { "Median" };
        self.ranked(name, dim, keep, |row| {
            // NaN stands last; where it counts, the first of them is the median.
            let numbers = row.iter().filter(|(x, _)| !x.is_nan()).count();
            match numbers {
                _ if !without_nan && numbers < row.len() => numbers,
                0 => 0,
                numbers => (numbers - 1) / 2,
            }
        })
    }

    /// The most frequent element along a dimension, the smallest of equally frequent ones, and where it is
    /// last.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (value, place) = tensor([3.0, 1.0, 3.0, 1.0, 2.0]).mode(0, false)?;
    /// assert_eq!((value.item()?, place.item()?), (1.0, 3.0));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The dimension doesn't exist or is empty.
    #[track_caller]
    pub fn mode(&self, dim: isize, keep: bool) -> Result<(Tensor, Tensor)> {
        self.ranked("Mode", dim, keep, |row| {
            let (mut best, mut longest, mut start) = (0, 0, 0);
            for i in 0..row.len() {
                if i + 1 == row.len() || row[i + 1].0 != row[i].0 {
                    if i + 1 - start > longest {
                        (best, longest) = (i, i + 1 - start);
                    }
                    start = i + 1;
                }
            }
            best
        })
    }

    /// Picks one element of each row by its rank: `choose` sees the row in order, with each one's place.
    #[track_caller]
    fn ranked(
        &self,
        name: &'static str,
        dim: isize,
        keep: bool,
        choose: impl Fn(&[(f64, usize)]) -> usize,
    ) -> Result<(Tensor, Tensor)> {
        let refuse = |error: Error| error.at_gate(name).with_inputs([self.meta()]);
        let shape = self.shape();
        let place = shape.dim(dim).map_err(refuse)?;
        let size = shape.get(place).copied().unwrap_or(1);
        if size == 0 {
            return Err(refuse(Error::index(format!(
                "dimension {place} is empty: it has no element to pick"
            ))));
        }
        let detached = self.detach();
        let last = if shape.rank() > 0 { detached.transpose(place as isize, -1)? } else { detached };
        let values = last.to_f64_vec();
        let picks: Vec<i64> = values
            .chunks(size)
            .map(|row| {
                let mut row: Vec<(f64, usize)> = row.iter().copied().zip(0..).collect();
                // NaN comes last; the order of equals, both zeros among them, is kept.
                order::sort_by(&mut row, |a, b| {
                    let numbers = a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal);
                    a.0.is_nan().cmp(&b.0.is_nan()).then(numbers)
                });
                row[choose(&row)].1 as i64
            })
            .collect();
        let mut sizes = last.shape();
        if shape.rank() > 0 {
            sizes = sizes.with_size(shape.rank() - 1, 1);
        }
        let places = Tensor::from_array(Array::from_vec(picks, sizes)?);
        let places = if shape.rank() > 0 { places.transpose(place as isize, -1)? } else { places };
        self.picked(places, dim, keep)
    }
}
