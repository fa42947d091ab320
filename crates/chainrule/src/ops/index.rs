//! Indexing with several kinds of indices at once, and reading and writing at places.

use super::shape::places;
use crate::array::{Array, DType, Meta, Shape, Slice};
use crate::error::{Error, Result};
use crate::gate::index::IndexAdd;
use crate::tensor::{Operand, Tensor, no_grad};

/// One index of [`Tensor::index`], as PyTorch's `x[…]` takes them.
///
/// ```
/// use chainrule::{tensor, Index};
/// let x = tensor([[1, 2, 3], [4, 5, 6]]);
/// assert_eq!(x.index(&[Index::At(0), Index::Range((1..).into())])?.to_vec::<i64>()?, [2, 3]);
/// assert_eq!(x.index(&[Index::Ellipsis, Index::Of(tensor([2, 0]))])?.to_vec::<i64>()?, [3, 1, 6, 4]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub enum Index {
    /// One place; the dimension goes.
    At(isize),
    /// A range of a dimension.
    Range(Slice),
    /// A new dimension of size 1.
    New,
    /// As many whole dimensions as there are left.
    Ellipsis,
    /// Places by number (i64 or i32), or where a mask (`bool`, of as many dimensions as it has) is true.
    Of(Tensor),
}

/// What is left of an index once ranges are taken: for each dimension the places wanted of it, or all.
struct Plan {
    view: Tensor,
    wanted: Vec<Option<Tensor>>,
}

impl Tensor {
    /// The elements at these indices; dimensions beyond them are taken whole.
    ///
    /// Tensors among the indices broadcast together; their dimensions stand where they do, in front where
    /// other indices stand between them (PyTorch's and NumPy's rule).
    ///
    /// # Errors
    /// An index is out of range or of the wrong type, there are too many, or they don't broadcast.
    ///
    /// ```
    /// use chainrule::{tensor, Index};
    /// let x = tensor([[1, 2, 3], [4, 5, 6]]);
    /// let rows = Index::Of(tensor([1, 0]));
    /// assert_eq!(x.index(&[rows.clone()])?.to_string(), "tensor([[4, 5, 6],\n        [1, 2, 3]])");
    /// assert_eq!(x.index(&[rows, Index::Of(tensor([0, 2]))])?.to_string(), "tensor([4, 3])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn index(&self, indices: &[Index]) -> Result<Tensor> {
        let named = |error: Error| error.at_gate("Index").with_inputs([self.meta()]);
        let Plan { view, wanted } = self.plan(indices).map_err(named)?;
        if wanted.iter().all(Option::is_none) {
            return Ok(view);
        }
        let at = no_grad(|| flat_places(&view.shape(), &wanted)).map_err(named)?;
        view.ravel()?.index_select(0, &at.ravel()?)?.reshape(at.shape())
    }

    /// This tensor with `values` (broadcast) at these indices, or added to them where `accumulate`.
    ///
    /// # Errors
    /// As [`Tensor::index`]; the values don't broadcast to the indices.
    ///
    /// ```
    /// use chainrule::{tensor, Index};
    /// let x = tensor([1.0, 2.0, 3.0]);
    /// let y = x.index_put(&[Index::Of(tensor([2, 0]))], &tensor([7.0, 8.0]), false)?;
    /// assert_eq!(y.to_string(), "tensor([8., 2., 7.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn index_put(&self, indices: &[Index], values: &Tensor, accumulate: bool) -> Result<Tensor> {
        let named = |error: Error| error.at_gate("IndexPut").with_inputs([self.meta(), values.meta()]);
        if values.dtype() != self.dtype() {
            return Err(named(Error::dtype("values must have the element type of the tensor they go to")));
        }
        // The same indices of a tensor of its own places say where everything goes.
        let numbers = Array::filled((0..self.elements() as i64).collect(), self.shape());
        let at = no_grad(|| Tensor::from_array(numbers).index(indices)).map_err(named)?;
        let source = values.expand(at.shape())?.ravel()?;
        let (flat, at) = (self.ravel()?, at.ravel()?);
        let put =
            if accumulate { flat.scatter_add(0, &at, &source)? } else { flat.scatter(0, &at, &source)? };
        put.reshape(self.shape())
    }

    #[track_caller]
    fn plan(&self, indices: &[Index]) -> Result<Plan> {
        let taken: usize = indices
            .iter()
            .map(|index| match index {
                Index::At(_) | Index::Range(_) => 1,
                Index::Of(x) if x.dtype() == DType::Bool => x.rank(),
                Index::Of(_) => 1,
                Index::New | Index::Ellipsis => 0,
            })
            .sum();
        let left = self.rank().checked_sub(taken).ok_or_else(|| {
            Error::index(format!("{taken} indices are too many for {} dimensions", self.rank()))
        })?;
        if indices.iter().filter(|index| matches!(index, Index::Ellipsis)).count() > 1 {
            return Err(Error::index("an index has one ellipsis at most"));
        }
        let mut plan = Plan { view: self.clone(), wanted: Vec::new() };
        for index in indices {
            let dim = plan.wanted.len() as isize;
            match index {
                Index::At(place) => plan.view = plan.view.select(dim, *place)?,
                // One number is a place, whatever holds it; it is no index that takes part in broadcasting.
                Index::Of(place) if place.rank() == 0 && is_integer(place) => {
                    plan.view = plan.view.select(dim, place.array().to_i64_vec()[0] as isize)?;
                }
                Index::Range(range) => {
                    plan.view = plan.view.slice(dim, *range)?;
                    plan.wanted.push(None);
                }
                Index::New => {
                    plan.view = plan.view.unsqueeze(dim)?;
                    plan.wanted.push(None);
                }
                Index::Ellipsis => plan.wanted.extend((0..left).map(|_| None)),
                Index::Of(mask) if mask.dtype() == DType::Bool => {
                    let sizes = &plan.view.shape()[dim as usize..dim as usize + mask.rank()];
                    if mask.shape()[..] != *sizes {
                        return Err(Error::index(format!(
                            "a mask of shape {} doesn't fit dimensions of sizes {sizes:?}",
                            mask.shape()
                        )));
                    }
                    if mask.rank() == 0 {
                        plan.view = plan.view.unsqueeze(dim)?;
                        plan.wanted
                            .push(Some(Tensor::from_array(places(vec![0; usize::from(mask.to_bool()?)]))));
                    }
                    plan.wanted.extend(mask.nonzero()?.unbind(1)?.into_iter().map(Some));
                }
                Index::Of(places) if matches!(places.dtype(), DType::I64 | DType::I32) => {
                    plan.wanted.push(Some(places.clone()));
                }
                Index::Of(places) => {
                    return Err(Error::dtype(format!(
                        "indices are i64, i32 or bool, not {}",
                        places.dtype()
                    )));
                }
            }
        }
        plan.wanted.resize_with(plan.view.rank(), || None);
        Ok(plan)
    }

    /// For each element that isn't 0 its index, one a row: the shape is `[count, dimensions]`.
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[0, 3], [4, 0]]).nonzero()?.to_vec::<i64>()?, [0, 1, 1, 0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn nonzero(&self) -> Result<Tensor> {
        let shape = self.shape();
        let truths = self.array().cast(DType::Bool).to_i64_vec();
        let (mut rows, mut count) = (Vec::new(), 0);
        for place in truths.iter().enumerate().filter(|(_, truth)| **truth != 0).map(|(place, _)| place) {
            let mut rest = place;
            let start = rows.len();
            for &size in shape.iter().rev() {
                rows.insert(start, (rest % size) as i64);
                rest /= size;
            }
            count += 1;
        }
        Ok(Tensor::from_array(Array::filled(rows, [count, shape.rank()].into())))
    }

    /// Slices of `source` times `alpha` added at indices along a dimension; an index may repeat.
    ///
    /// # Errors
    /// An index is out of range or not an integer, or the shapes don't fit.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([1.0, 2.0]).index_add(0, &tensor([1, 1]), &tensor([10.0, 20.0]), 1.0)?;
    /// assert_eq!(y.to_string(), "tensor([ 1., 32.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn index_add(&self, dim: isize, index: &Tensor, source: &Tensor, alpha: f64) -> Result<Tensor> {
        self.slices_fit("IndexAdd", dim, index, source)?;
        let source = if alpha == 1.0 { source.clone() } else { source.mul(alpha)?.cast(self.dtype())? };
        let gate = IndexAdd { dim, shape: self.shape(), skipped: None };
        self.add(&Tensor::apply(gate, &[&source, &index.ravel()?])?)
    }

    /// Slices overwritten by those of `source` at indices along a dimension.
    ///
    /// # Errors
    /// An index is out of range or not an integer, or the shapes don't fit.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([1.0, 2.0]).index_copy(0, &tensor([1]), &tensor([10.0]))?;
    /// assert_eq!(y.to_string(), "tensor([ 1., 10.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn index_copy(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        self.slices_fit("IndexCopy", dim, index, source)?;
        if self.rank() == 0 {
            return self.atleast_1d()?.scatter(0, &index.ravel()?, &source.ravel()?)?.reshape(Shape::SCALAR);
        }
        let source = source.reshape(self.shape().with_size(self.shape().dim(dim)?, index.elements()))?;
        self.scatter(dim, &self.along(dim, index)?, &source)
    }

    /// Slices filled with one value at indices along a dimension.
    ///
    /// # Errors
    /// An index is out of range or not an integer, or the value has dimensions.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0]).index_fill(0, &tensor([1]), 5.0)?.to_string(), "tensor([1., 5.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn index_fill(&self, dim: isize, index: &Tensor, value: impl Operand) -> Result<Tensor> {
        self.holds("IndexFill", &value)?;
        let value = value.with(self, |value| self.single(value))?;
        if self.rank() == 0 {
            return self.atleast_1d()?.index_fill(dim, index, value)?.reshape(Shape::SCALAR);
        }
        // A mask, so that a place that is named twice gets the value once, and gives its gradient once.
        let mut sizes = vec![1; self.rank()];
        let dim_at = self.shape().dim(dim)?;
        sizes[dim_at] = self.shape()[dim_at];
        let none = Tensor::from_array(Array::constant(0.0, Meta::new(DType::Bool, Shape::new(&sizes)?)));
        let there = none.scatter_value(dim, &none.along(dim, index)?, 1)?;
        self.masked_fill(&there, value)
    }

    /// An index of slices as one of elements, for `scatter` and `gather`.
    pub(super) fn along(&self, dim: isize, index: &Tensor) -> Result<Tensor> {
        let shape = self.shape();
        let dim = shape.dim(dim)?;
        let mut flat = vec![1; shape.rank()];
        flat[dim] = index.elements();
        index.reshape(Shape::new(&flat)?)?.expand(shape.with_size(dim, index.elements()))
    }

    pub(super) fn slices_fit(
        &self,
        name: &'static str,
        dim: isize,
        index: &Tensor,
        source: &Tensor,
    ) -> Result<()> {
        let inputs = [self.meta(), index.meta(), source.meta()];
        let named = |error: Error| error.at_gate(name).with_inputs(inputs);
        let dim = self.shape().dim(dim).map_err(named)?;
        let wanted = self.shape().with_size(dim, index.elements());
        let fits = source.shape() == wanted || (source.elements() == 1 && wanted.elements() == 1);
        if index.rank() > 1
            || (!fits && self.rank() > 0)
            || (self.rank() == 0 && source.elements() != index.elements())
        {
            return Err(named(Error::shape(format!(
                "slices of shape {} don't fit {} indices into {}",
                source.shape(),
                index.elements(),
                self.shape()
            ))));
        }
        Ok(())
    }

    /// Elements by their row-major places, negative ones from the end; the result has the index's shape.
    ///
    /// # Errors
    /// A place is out of range or not an integer.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2], [3, 4]]).take(&tensor([3, 0]))?.to_vec::<i64>()?, [4, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn take(&self, index: &Tensor) -> Result<Tensor> {
        self.ravel()?.index(&[Index::Of(index.clone())])
    }

    /// Elements overwritten (or added to, where `accumulate`) at row-major places.
    ///
    /// # Errors
    /// A place is out of range or not an integer, or there aren't as many sources as places.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([[1, 2], [3, 4]]).put(&tensor([0, 3]), &tensor([10, 10]), true)?;
    /// assert_eq!(y.to_string(), "tensor([[11,  2],\n        [ 3, 14]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn put(&self, index: &Tensor, source: &Tensor, accumulate: bool) -> Result<Tensor> {
        let source = source.reshape(index.shape())?;
        self.ravel()?.index_put(&[Index::Of(index.clone())], &source, accumulate)?.reshape(self.shape())
    }

    /// [`Tensor::gather`] with index and tensor broadcast together in the other dimensions.
    ///
    /// # Errors
    /// An index is out of range or not an integer, or the shapes don't broadcast.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[3, 1], [2, 4]]);
    /// assert_eq!(x.take_along_dim(&tensor([[1]]), 0)?.to_vec::<i64>()?, [2, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn take_along_dim(&self, index: &Tensor, dim: isize) -> Result<Tensor> {
        let named = |error: Error| error.at_gate("TakeAlongDim").with_inputs([self.meta(), index.meta()]);
        if self.rank() != index.rank() {
            return Err(named(Error::shape("tensor and index must have the same number of dimensions")));
        }
        let dim = self.shape().dim(dim).map_err(named)?;
        // Negative indices count from the end.
        let size = self.shape().get(dim).copied().unwrap_or(1) as i64;
        let index = no_grad(|| index.lt(0i64)?.where_(&index.add(size)?, index)).map_err(named)?;
        if self.rank() == 0 {
            return self.gather(0, &index);
        }
        let common =
            self.shape().with_size(dim, 1).broadcast(&index.shape().with_size(dim, 1)).map_err(named)?;
        let own = self.expand(common.with_size(dim, self.shape()[dim]))?;
        own.gather(dim as isize, &index.expand(common.with_size(dim, index.shape()[dim]))?)
    }
}

/// The row-major place of every element that the index wants, in the shape of the result.
fn flat_places(shape: &Shape, wanted: &[Option<Tensor>]) -> Result<Tensor> {
    let given: Vec<usize> = (0..wanted.len()).filter(|&d| wanted[d].is_some()).collect();
    let common =
        given.iter().filter_map(|&d| wanted[d].as_ref()).try_fold(Shape::SCALAR, |shape, index| {
            shape.broadcast(&index.shape()).map_err(|_| {
                Error::index(format!("indices of the shapes {shape} and {} don't broadcast", index.shape()))
            })
        })?;
    let (first, last) = (given[0], given[given.len() - 1]);
    let adjacent = last - first + 1 == given.len();
    // The index's dimensions stand before these whole ones: all, where other dimensions lie between indices.
    let before = if adjacent { first } else { 0 };
    let whole: Vec<usize> = (0..wanted.len()).filter(|d| wanted[*d].is_none()).collect();
    let mut sizes: Vec<usize> = whole.iter().map(|&d| shape[d]).collect();
    sizes.splice(before..before, common.iter().copied());
    let result = Shape::new(&sizes)?;
    let strides = |d: usize| shape.iter().skip(d + 1).product::<usize>() as i64;
    let mut total = Tensor::from_array(Array::scalar(0i64)).expand(result)?;
    for (d, index) in wanted.iter().enumerate() {
        let mut flat = vec![1; result.rank()];
        let part = match index {
            None => {
                let place = whole.iter().position(|&w| w == d).unwrap_or(0);
                flat[if place < before { place } else { place + common.rank() }] = shape[d];
                places((0..shape[d] as i64).collect())
            }
            Some(index) => {
                let from = before + common.rank() - index.rank();
                flat[from..from + index.rank()].copy_from_slice(&index.shape());
                let size = shape[d] as i64;
                let checked = index.array().to_i64_vec().into_iter().map(|i| match i {
                    i if i >= 0 && i < size => Ok(i),
                    i if i < 0 && i >= -size => Ok(i + size),
                    i => Err(Error::index(format!(
                        "index {i} is out of range for dimension {d} of size {size}"
                    ))),
                });
                Array::filled(checked.collect::<Result<Vec<i64>>>()?, index.shape())
            }
        };
        let part = Tensor::from_array(part).reshape(Shape::new(&flat)?)?;
        total = total.add(&part.mul(strides(d))?)?;
    }
    Ok(total)
}

fn is_integer(x: &Tensor) -> bool {
    !x.dtype().is_float() && x.dtype() != DType::Bool
}
