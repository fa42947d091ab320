//! Tensors put together out of others: parts replaced, blocks, combinations, windows over memory.

use super::shape::places;
use crate::array::{Array, DType, Shape, Slice};
use crate::error::{Error, Result};
use crate::gate::view::{Unview, View};
use crate::tensor::{CallerGuard, Tensor};

impl Tensor {
    /// All of these tensors; gradients, for example, come as options, of which one may be missing.
    ///
    /// # Errors
    /// One is missing; the error says which.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let gradients = [Some(tensor([1.0])), None];
    /// assert!(Tensor::all_present(&gradients[..1]).is_ok());
    /// assert!(Tensor::all_present(&gradients).unwrap_err().to_string().contains("tensor 1"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn all_present(tensors: &[Option<Tensor>]) -> Result<Vec<Tensor>> {
        let present = |(i, x): (usize, &Option<Tensor>)| {
            x.clone().ok_or_else(|| {
                Error::argument(format!("tensor {i} of {} is missing", tensors.len()))
                    .hint("leave it out, or put zeros in its place")
            })
        };
        tensors.iter().enumerate().map(present).collect()
    }

    /// This tensor with `source` where a view would look.
    #[track_caller]
    fn replaced(&self, name: &'static str, view: View, source: &Tensor) -> Result<Tensor> {
        if source.dtype() != self.dtype() {
            let rule = format!("a {} can't take the place of a {}", source.dtype(), self.dtype());
            return Err(Error::dtype(rule).at_gate(name).with_inputs([self.meta(), source.meta()]));
        }
        let shape = self.shape();
        let seen = Tensor::apply(view.clone(), &[&self.detach()])?.shape();
        if source.shape() != seen {
            let rule = format!("the part has the shape {seen}, what replaces it {}", source.shape());
            return Err(Error::shape(rule).at_gate(name).with_inputs([self.meta(), source.meta()]));
        }
        let ones = Tensor::from_array(Array::ones_of(seen, crate::DType::Bool));
        let mask = Tensor::apply(Unview { view: view.clone(), shape }, &[&ones])?;
        mask.where_(&Tensor::apply(Unview { view, shape }, &[source])?, self)
    }

    /// This tensor with `source` at one index of a dimension.
    ///
    /// # Errors
    /// The index doesn't exist, or the source hasn't the shape and element type of what it replaces.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([[1, 2], [3, 4]]).select_scatter(&tensor([8, 9]), 0, -1)?;
    /// assert_eq!(y.to_vec::<i64>()?, [1, 2, 8, 9]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn select_scatter(&self, source: &Tensor, dim: isize, index: isize) -> Result<Tensor> {
        self.replaced("SelectScatter", View::Select(dim, index), source)
    }

    /// This tensor with `source` in a range of a dimension.
    ///
    /// # Errors
    /// As [`Tensor::select_scatter`].
    ///
    /// ```
    /// use chainrule::{tensor, Slice};
    /// let y = tensor([1, 2, 3, 4]).slice_scatter(&tensor([8, 9]), 0, Slice::from(..).step(2))?;
    /// assert_eq!(y.to_string(), "tensor([8, 2, 9, 4])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn slice_scatter(&self, source: &Tensor, dim: isize, range: Slice) -> Result<Tensor> {
        self.replaced("SliceScatter", View::Slice(dim, range), source)
    }

    /// This tensor with `source` on a diagonal.
    ///
    /// # Errors
    /// As [`Tensor::select_scatter`].
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let y = Tensor::zeros([2, 2]).diagonal_scatter(&tensor([1.0, 2.0]), 0, 0, 1)?;
    /// assert_eq!(y.to_string(), "tensor([[1., 0.],\n        [0., 2.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn diagonal_scatter(
        &self,
        source: &Tensor,
        offset: isize,
        dim1: isize,
        dim2: isize,
    ) -> Result<Tensor> {
        self.replaced("DiagonalScatter", View::Diagonal(offset, dim1, dim2), source)
    }

    /// The elements in row-major order, seen at `offset + Σ indexᵢ·strideᵢ` in a tensor of this shape; the same
    /// element may be seen several times.
    ///
    /// # Errors
    /// A place lies outside the tensor, or there aren't as many strides as sizes.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let windows = tensor([1, 2, 3, 4]).as_strided(&[3, 2], &[1, 1], 0)?;
    /// assert_eq!(windows.to_vec::<i64>()?, [1, 2, 2, 3, 3, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn as_strided(&self, sizes: &[usize], strides: &[usize], offset: usize) -> Result<Tensor> {
        let at = self.strided_places(sizes, strides, offset)?;
        self.ravel()?.index_select(0, &Tensor::from_array(places(at)))?.reshape(Shape::new(sizes)?)
    }

    /// This tensor with `source` where [`Tensor::as_strided`] would look.
    ///
    /// # Errors
    /// As [`Tensor::as_strided`]; the source hasn't this shape or element type.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([1, 2, 3, 4]).as_strided_scatter(&tensor([8, 9]), &[2], &[3], 0)?;
    /// assert_eq!(y.to_string(), "tensor([8, 2, 3, 9])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn as_strided_scatter(
        &self,
        source: &Tensor,
        sizes: &[usize],
        strides: &[usize],
        offset: usize,
    ) -> Result<Tensor> {
        let at = Tensor::from_array(places(self.strided_places(sizes, strides, offset)?));
        let source = source.expand(Shape::new(sizes)?)?.ravel()?;
        self.ravel()?.scatter(0, &at, &source)?.reshape(self.shape())
    }

    fn strided_places(&self, sizes: &[usize], strides: &[usize], offset: usize) -> Result<Vec<i64>> {
        let named = |error: Error| error.at_gate("AsStrided").with_inputs([self.meta()]);
        let shape = Shape::new(sizes).map_err(named)?;
        if sizes.len() != strides.len() {
            let rule = format!("{} sizes and {} strides don't go together", sizes.len(), strides.len());
            return Err(named(Error::argument(rule)));
        }
        let steps =
            sizes.iter().zip(strides).map(|(&size, &stride)| size.saturating_sub(1).saturating_mul(stride));
        let last = steps.fold(offset, usize::saturating_add);
        if shape.elements() > 0 && last >= self.elements() {
            let rule = format!("place {last} lies outside of {} elements", self.elements());
            return Err(named(Error::index(rule)));
        }
        let mut at = vec![offset as i64];
        for (&size, &stride) in sizes.iter().zip(strides) {
            at = at.iter().flat_map(|&start| (0..size).map(move |i| start + (i * stride) as i64)).collect();
        }
        Ok(at)
    }

    /// Matrices along the diagonal of a larger one, 0 elsewhere; vectors (and numbers) are rows.
    ///
    /// # Errors
    /// One has more than two dimensions.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let y = Tensor::block_diag(&[&tensor([[1]]), &tensor([[2, 3]])])?;
    /// assert_eq!(y.to_vec::<i64>()?, [1, 0, 0, 0, 2, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn block_diag(tensors: &[&Tensor]) -> Result<Tensor> {
        let _line = CallerGuard::here();
        if let Some(x) = tensors.iter().find(|x| x.rank() > 2) {
            let rule = format!("blocks have at most two dimensions, not the shape {}", x.shape());
            return Err(Error::shape(rule)
                .at_gate("BlockDiag")
                .with_inputs(tensors.iter().map(|x| x.meta())));
        }
        let blocks: Vec<Tensor> = tensors.iter().map(|x| x.atleast_2d()).collect::<Result<_>>()?;
        let total: usize = blocks.iter().map(|x| x.shape()[1]).sum();
        let mut before = 0;
        let mut rows = Vec::with_capacity(blocks.len());
        for block in &blocks {
            let after = total - before - block.shape()[1];
            rows.push(block.pad_constant(&[(0, 0), (before as isize, after as isize)], 0.0)?);
            before += block.shape()[1];
        }
        Tensor::cat(&rows.iter().collect::<Vec<_>>(), 0)
    }

    /// All combinations of an element of each vector, one a row; of one vector the vector itself.
    ///
    /// # Errors
    /// There are none, or one isn't a vector.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let y = Tensor::cartesian_prod(&[&tensor([1, 2]), &tensor([3, 4])])?;
    /// assert_eq!(y.to_vec::<i64>()?, [1, 3, 1, 4, 2, 3, 2, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn cartesian_prod(tensors: &[&Tensor]) -> Result<Tensor> {
        if let Some(other) = tensors.iter().find(|x| x.rank() != 1) {
            return Err(Error::shape("the product is of vectors")
                .at_gate("CartesianProd")
                .with_inputs([other.meta()]));
        }
        if let [one] = tensors {
            return Ok((*one).clone());
        }
        let columns: Vec<Tensor> =
            Tensor::meshgrid(tensors, "ij")?.iter().map(Tensor::ravel).collect::<Result<_>>()?;
        Tensor::stack(&columns.iter().collect::<Vec<_>>(), 1)
    }

    /// All ways to choose `r` elements of a vector, each in order, one a row; with `repeated` an element may be
    /// chosen again.
    ///
    /// # Errors
    /// This is no vector.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2, 3]).combinations(2, false)?.to_vec::<i64>()?, [1, 2, 1, 3, 2, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn combinations(&self, r: usize, repeated: bool) -> Result<Tensor> {
        if self.rank() != 1 {
            let rule = format!("combinations are of a vector's elements, not of the shape {}", self.shape());
            return Err(Error::shape(rule).at_gate("Combinations").with_inputs([self.meta()]));
        }
        let n = self.elements();
        let mut rows: Vec<Vec<usize>> = vec![Vec::new()];
        for _ in 0..r {
            let first =
                |row: &Vec<usize>| row.last().map_or(0, |&last| if repeated { last } else { last + 1 });
            rows =
                rows.iter().flat_map(|row| (first(row)..n).map(move |i| [&row[..], &[i]].concat())).collect();
        }
        if r == 0 {
            return self.narrow(0, 0, 0);
        }
        let at = rows.concat().into_iter().map(|i| i as i64).collect();
        self.index_select(0, &Tensor::from_array(places(at)))?.reshape([rows.len(), r])
    }

    /// Differences of neighbours along a dimension, taken `n` times.
    ///
    /// # Errors
    /// The dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 4, 9, 16]).diff(2, -1)?.to_vec::<i64>()?, [2, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn diff(&self, n: usize, dim: isize) -> Result<Tensor> {
        if self.rank() == 0 {
            let rule = "differences are of at least one dimension";
            return Err(Error::shape(rule).at_gate("Diff").with_inputs([self.meta()]));
        }
        let mut x = self.clone();
        for _ in 0..n {
            let (later, earlier) = (x.slice(dim, 1..)?, x.slice(dim, ..-1)?);
            x = match x.dtype() {
                crate::DType::Bool => later.ne(&earlier)?,
                _ => later.sub(&earlier)?,
            };
            if x.shape()[x.shape().dim(dim)?] == 0 {
                break;
            }
        }
        Ok(x)
    }

    /// Turned by 90° `k` times in the plane of two dimensions, from the first towards the second.
    ///
    /// # Errors
    /// There aren't two different dimensions that exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2], [3, 4]]).rot90(1, &[0, 1])?.to_vec::<i64>()?, [2, 4, 1, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn rot90(&self, k: isize, dims: &[isize]) -> Result<Tensor> {
        let named = |error: Error| error.at_gate("Rot90").with_inputs([self.meta()]);
        crate::array::dims(&self.shape(), dims).map_err(named)?;
        let &[from, to] = dims else {
            return Err(named(Error::argument(format!("a plane has two dimensions, not {}", dims.len()))));
        };
        if self.rank() < 2 {
            return Err(named(Error::shape("a plane needs two dimensions")));
        }
        match k.rem_euclid(4) {
            1 => self.flip(&[to])?.transpose(from, to),
            2 => self.flip(&[from, to]),
            3 => self.flip(&[from])?.transpose(from, to),
            _ => Ok(self.clone()),
        }
    }

    /// Cross product of vectors with three elements along a dimension; the others broadcast.
    ///
    /// # Errors
    /// The shapes don't broadcast, or the dimension doesn't exist or hasn't three elements.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([1, 0, 0]).cross(&tensor([0, 1, 0]), -1)?;
    /// assert_eq!(y.to_vec::<i64>()?, [0, 0, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn cross(&self, other: &Tensor, dim: isize) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let inputs = [self.meta(), other.meta()];
        let refuse = |rule: String| Error::shape(rule).at_gate("Cross").with_inputs(inputs);
        if self.rank() != other.rank() {
            return Err(refuse("both must have the same number of dimensions".into()));
        }
        let place = self.shape().dim(dim).map_err(|e| e.at_gate("Cross").with_inputs(inputs))?;
        if [self, other].iter().any(|x| x.shape().get(place) != Some(&3)) {
            return Err(refuse(format!("vectors with three elements are expected along dimension {place}")));
        }
        let both = Tensor::broadcast_tensors(&[self, other])?;
        let (a, b) = (&both[0], &both[1]);
        let turned = |x: &Tensor, by: isize| x.roll(&[by], &[place as isize]);
        turned(a, -1)?.mul(&turned(b, -2)?)?.sub(&turned(a, -2)?.mul(&turned(b, -1)?)?)
    }

    /// Powers of each element, from 0 on, as a new last dimension of `n` columns: a Vandermonde matrix.
    ///
    /// # Errors
    /// The element type can't be raised to a power.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([2, 3]).vander(4)?;
    /// assert_eq!(y.to_string(), "tensor([[ 1,  2,  4,  8],\n        [ 1,  3,  9, 27]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn vander(&self, n: usize) -> Result<Tensor> {
        let x = if self.dtype().is_float() { self.clone() } else { self.cast(DType::I64)? };
        crate::error::check_memory(n, size_of::<Tensor>() + x.elements() * x.dtype().size())
            .map_err(|error| error.at_gate("Vander").with_inputs([self.meta()]))?;
        let mut columns = vec![x.ones_like()];
        for _ in 1..n {
            let next = columns[columns.len() - 1].mul(&x)?;
            columns.push(next);
        }
        columns.truncate(n);
        Tensor::stack(&columns.iter().collect::<Vec<_>>(), -1)
    }
}
