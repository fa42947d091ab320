//! Other shapes and orders of the same elements.

use crate::array::{Array, NewShape, Shape};
use crate::error::{Error, Result};
use crate::gate::rearrange::{Flip, Roll};
use crate::gate::view::View;
use crate::tensor::{CallerGuard, Tensor};

/// Names the operator and its input in an error that an inner check raised.
fn refused(x: &Tensor, operator: &'static str) -> impl Fn(Error) -> Error {
    let meta = x.meta();
    move |error| error.at_gate(operator).with_inputs([meta])
}

impl Tensor {
    /// All tensors expanded to the shape to which they broadcast together.
    ///
    /// # Errors
    /// Two sizes of a dimension differ and neither is 1.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let both = Tensor::broadcast_tensors(&[&tensor([[1], [2]]), &tensor([3, 4, 5])])?;
    /// assert_eq!(both[0].shape(), [2, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn broadcast_tensors(tensors: &[&Tensor]) -> Result<Vec<Tensor>> {
        let _line = CallerGuard::here();
        let shape = tensors
            .iter()
            .try_fold(Shape::SCALAR, |shape, x| shape.broadcast(&x.shape()))
            .map_err(|error| error.at_gate("Expand").with_inputs(tensors.iter().map(|x| x.meta())))?;
        tensors.iter().map(|x| x.expand(shape)).collect()
    }

    /// Dimensions of size 1 repeated and new ones added in front; a size of −1 stays as it is.
    ///
    /// # Errors
    /// A size differs and isn't 1, or a new dimension has the size −1.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1], [2]]).expand_to(&[3, -1, 4])?.shape(), [3, 2, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn expand_to(&self, sizes: &[isize]) -> Result<Tensor> {
        let own = self.shape();
        let sizes = sizes
            .iter()
            .enumerate()
            .map(|(i, &size)| match usize::try_from(size) {
                Ok(size) => Ok(size),
                Err(_) => (i + own.rank())
                    .checked_sub(sizes.len())
                    .filter(|_| size == -1)
                    .map(|d| own[d])
                    .ok_or_else(|| {
                        Error::argument(format!("the size {size} at dimension {i} isn't one to expand to"))
                    }),
            })
            .collect::<Result<Vec<usize>>>();
        let shape = sizes.and_then(|sizes| Shape::new(&sizes)).map_err(refused(self, "Expand"))?;
        self.expand(shape)
    }

    /// All elements in row-major order, as one dimension.
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2], [3, 4]]).ravel()?.to_string(), "tensor([1, 2, 3, 4])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn ravel(&self) -> Result<Tensor> {
        self.reshape([self.elements()])
    }

    /// One dimension cut into several; one size may be −1 and is computed.
    ///
    /// # Errors
    /// The dimension doesn't exist, or the sizes don't multiply to its size.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2, 3, 4, 5, 6]).unflatten(0, &[2, -1])?.shape(), [2, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn unflatten(&self, dim: isize, sizes: &[isize]) -> Result<Tensor> {
        let shape = self.shape();
        let dim = shape.dim(dim).map_err(refused(self, "View"))?;
        let part = Shape::from([shape.get(dim).copied().unwrap_or(1)]);
        let inner = sizes.resolve(&part).map_err(refused(self, "View"))?;
        let mut all = shape[..dim.min(shape.rank())].to_vec();
        all.extend_from_slice(&inner);
        all.extend(shape.iter().skip(dim + 1));
        if inner.elements() != part.elements() {
            let rule =
                format!("the sizes {inner} don't hold the {} elements of dimension {dim}", part.elements());
            return Err(refused(self, "View")(Error::shape(rule)));
        }
        self.reshape(Shape::new(&all)?)
    }

    /// All dimensions of size 1 removed.
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[[1], [2]]]).squeeze_all()?.shape(), [2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn squeeze_all(&self) -> Result<Tensor> {
        self.squeeze_dims(&(0..self.rank() as isize).collect::<Vec<_>>())
    }

    /// These dimensions removed where their size is 1.
    ///
    /// # Errors
    /// A dimension doesn't exist or appears twice.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// assert_eq!(Tensor::zeros([1, 2, 1, 1]).squeeze_dims(&[0, 1, -1])?.shape(), [2, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn squeeze_dims(&self, dims: &[isize]) -> Result<Tensor> {
        Tensor::apply(View::Squeeze(dims.iter().copied().collect()), &[self])
    }

    /// The last two dimensions exchanged; a number stays as it is.
    ///
    /// # Errors
    /// There is one dimension.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// assert_eq!(Tensor::zeros([5, 2, 3]).mt()?.shape(), [5, 3, 2]);
    /// assert!(tensor([1.0]).mt().is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn mt(&self) -> Result<Tensor> {
        match self.rank() {
            0 => Ok(self.clone()),
            1 => Err(refused(self, "Transpose")(Error::shape("a matrix has two dimensions"))),
            _ => self.transpose(-2, -1),
        }
    }

    /// Dimensions moved to other places; the others keep their order.
    ///
    /// # Errors
    /// A dimension doesn't exist or is named twice, or the lists have different lengths.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[[1, 2, 3]]]).movedim(&[2], &[0])?.shape(), [3, 1, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn movedim(&self, source: &[isize], destination: &[isize]) -> Result<Tensor> {
        let shape = self.shape();
        let order = || -> Result<Vec<isize>> {
            if source.len() != destination.len() {
                return Err(Error::argument(format!(
                    "{} dimensions can't be moved to {} places",
                    source.len(),
                    destination.len()
                )));
            }
            let from = crate::array::dims(&shape, source)?;
            let to = crate::array::dims(&shape, destination)?;
            let mut rest = (0..shape.rank()).filter(|d| !from.contains(d));
            let at = |d| to.iter().position(|&t| t == d).map(|i| from[i]);
            Ok((0..shape.rank()).filter_map(|d| at(d).or_else(|| rest.next())).map(|d| d as isize).collect())
        };
        let order = order().map_err(refused(self, "Permute"))?;
        if self.rank() == 0 { Ok(self.clone()) } else { self.permute(&order) }
    }

    /// The elements of these dimensions in reverse order.
    ///
    /// # Errors
    /// A dimension doesn't exist or appears twice.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2], [3, 4]]).flip(&[0, 1])?.to_vec::<i64>()?, [4, 3, 2, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn flip(&self, dims: &[isize]) -> Result<Tensor> {
        let _line = CallerGuard::here();
        Tensor::apply(Flip::of(dims), &[self])
    }

    /// The columns (dimension 1) in reverse order.
    ///
    /// # Errors
    /// There are fewer than two dimensions.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2], [3, 4]]).fliplr()?.to_string(), "tensor([[2, 1],\n        [4, 3]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn fliplr(&self) -> Result<Tensor> {
        if self.rank() < 2 {
            return Err(refused(self, "Flip")(Error::shape("left and right need at least two dimensions")));
        }
        self.flip(&[1])
    }

    /// The rows (dimension 0) in reverse order.
    ///
    /// # Errors
    /// There are no dimensions.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2], [3, 4]]).flipud()?.to_string(), "tensor([[3, 4],\n        [1, 2]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn flipud(&self) -> Result<Tensor> {
        if self.rank() == 0 {
            return Err(refused(self, "Flip")(Error::shape("up and down need at least one dimension")));
        }
        self.flip(&[0])
    }

    /// The elements moved along dimensions, those that leave at the end entering at the start; without
    /// dimensions, all elements as one row.
    ///
    /// # Errors
    /// A dimension doesn't exist, or there aren't as many shifts as dimensions.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2, 3]).roll(&[1], &[0])?.to_vec::<i64>()?, [3, 1, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn roll(&self, shifts: &[isize], dims: &[isize]) -> Result<Tensor> {
        Tensor::apply(Roll { shifts: shifts.into(), dims: dims.into() }, &[self])
    }

    /// The whole tensor repeated along each dimension; new dimensions are added in front.
    ///
    /// # Errors
    /// There are fewer numbers than dimensions, or one is negative.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2]).repeat(&[2, 2])?.to_vec::<i64>()?, [1, 2, 1, 2, 1, 2, 1, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn repeat(&self, times: &[isize]) -> Result<Tensor> {
        if times.len() < self.rank() || times.iter().any(|&times| times < 0) {
            let rule = format!("{times:?} aren't repetitions of {} or more dimensions", self.rank());
            return Err(refused(self, "Repeat")(Error::argument(rule)));
        }
        let mut sizes = vec![1; times.len() - self.rank()];
        sizes.extend_from_slice(&self.shape());
        let mut repeated = self.reshape(Shape::new(&sizes).map_err(refused(self, "Repeat"))?)?;
        for (dim, &times) in times.iter().enumerate().filter(|(_, times)| **times != 1) {
            sizes.insert(dim, times as usize);
            let shape = Shape::new(&sizes).map_err(refused(self, "Repeat"))?;
            sizes[dim + 1] *= times as usize;
            sizes.remove(dim);
            repeated = repeated.unsqueeze(dim as isize)?.expand(shape)?.reshape(Shape::new(&sizes)?)?;
        }
        Ok(repeated)
    }

    /// Like [`Tensor::repeat`], where missing numbers in front are 1.
    ///
    /// # Errors
    /// A number is negative.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(
    ///     tensor([[1, 2], [3, 4]]).tile(&[2])?.to_string(),
    ///     "tensor([[1, 2, 1, 2],\n        [3, 4, 3, 4]])"
    /// );
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn tile(&self, times: &[isize]) -> Result<Tensor> {
        let mut all = vec![1; self.rank().saturating_sub(times.len())];
        all.extend_from_slice(times);
        self.repeat(&all)
    }

    /// Each element repeated, `times[i]` times the i-th along the dimension; one number stands for all.
    ///
    /// # Errors
    /// There are neither one nor as many numbers as elements along the dimension, or one is negative.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2]).repeat_interleave(&[2, 1], 0)?.to_vec::<i64>()?, [1, 1, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn repeat_interleave(&self, times: &[isize], dim: isize) -> Result<Tensor> {
        let shape = self.shape();
        let place = shape.dim(dim).map_err(refused(self, "RepeatInterleave"))?;
        let size = shape.get(place).copied().unwrap_or(1);
        if (times.len() != 1 && times.len() != size) || times.iter().any(|&times| times < 0) {
            let rule = format!("{times:?} aren't repetitions of {size} elements");
            return Err(refused(self, "RepeatInterleave")(Error::argument(rule)));
        }
        let total = times.iter().fold(0, |sum: usize, &times| sum.saturating_add(times as usize));
        let total = if times.len() == 1 { total.saturating_mul(size) } else { total };
        crate::error::check_memory(total, size_of::<i64>()).map_err(refused(self, "RepeatInterleave"))?;
        let rows = (0..size).flat_map(|i| {
            let times = if times.len() == 1 { times[0] } else { times[i] };
            std::iter::repeat_n(i as i64, times as usize)
        });
        let x = if self.rank() == 0 { self.reshape([1])? } else { self.clone() };
        x.index_select(dim, &Tensor::from_array(places(rows.collect())))
    }

    /// Windows of `size` elements along a dimension, one every `step`, as a new last dimension.
    ///
    /// # Errors
    /// The dimension doesn't exist or is smaller than a window, or the step is 0.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let windows = tensor([1, 2, 3, 4]).unfold(0, 2, 1)?;
    /// assert_eq!(windows.to_vec::<i64>()?, [1, 2, 2, 3, 3, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn unfold(&self, dim: isize, size: usize, step: usize) -> Result<Tensor> {
        let shape = self.shape();
        let dim = shape.dim(dim).map_err(refused(self, "Unfold"))?;
        let length = shape.get(dim).copied().unwrap_or(1);
        if step == 0 || size > length {
            let rule = format!("windows of {size} every {step} don't fit a dimension of size {length}");
            return Err(refused(self, "Unfold")(Error::argument(rule)));
        }
        let count = (length - size) / step + 1;
        let rows = (0..count).flat_map(|window| (0..size).map(move |i| (window * step + i) as i64));
        let x = if self.rank() == 0 { self.reshape([1])? } else { self.clone() };
        let windows = x.index_select(dim as isize, &Tensor::from_array(places(rows.collect())))?;
        let windows = windows.unflatten(dim as isize, &[count as isize, size as isize])?;
        let windows = windows.movedim(&[dim as isize + 1], &[-1])?;
        if self.rank() == 0 { windows.reshape([size]) } else { Ok(windows) }
    }
}

/// Indices as an array.
pub(super) fn places(indices: Vec<i64>) -> Array {
    let length = indices.len();
    Array::filled(indices, [length].into())
}
