//! Splitting into parts, and joining along dimensions that may have to be made first.

use std::str::FromStr;

use crate::array::Shape;
use crate::error::{Error, Result};
use crate::tensor::{CallerGuard, Tensor};

/// Where a tensor is split.
///
/// ```
/// use chainrule::Sections;
/// assert_eq!("2,5".parse::<Sections>()?, Sections::At(vec![2, 5]));
/// assert!("abc".parse::<Sections>().is_err());
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sections {
    /// Into so many parts; the first ones are one larger where the size doesn't divide.
    Count(usize),
    /// Before these indices (negative ones count from the end).
    At(Vec<isize>),
}

impl FromStr for Sections {
    type Err = Error;

    /// A number of parts (`3`), or two or more indices (`2,5`).
    fn from_str(text: &str) -> Result<Sections> {
        let wrong = || {
            Error::parse(format!("\"{text}\" says neither a number of parts nor indices"))
                .hint("write 3, or 2,5")
        };
        match text.contains(',') {
            false => text.trim().parse().map(Sections::Count).map_err(|_| wrong()),
            true => {
                let indices = text.split(',').map(|part| part.trim().parse());
                indices.collect::<std::result::Result<_, _>>().map(Sections::At).map_err(|_| wrong())
            }
        }
    }
}

impl Tensor {
    /// About `count` parts of the same size along a dimension, the last smaller: parts of `⌈size / count⌉`.
    ///
    /// # Errors
    /// The count is 0, or the dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2, 3, 4, 5]).chunk(3, 0)?[2].to_vec::<i64>()?, [5]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn chunk(&self, count: usize, dim: isize) -> Result<Vec<Tensor>> {
        let size = self.split_size("Split", dim)?;
        if count == 0 {
            return Err(Error::argument("there can't be 0 chunks")
                .at_gate("Split")
                .with_inputs([self.meta()]));
        }
        if size == 0 {
            return self.split_sizes(&vec![0; count], dim);
        }
        self.split(size.div_ceil(count), dim)
    }

    /// Parts along a dimension, by their number or by the indices at which they begin: see [`Sections`].
    ///
    /// # Errors
    /// The dimension doesn't exist, or the number is 0.
    ///
    /// ```
    /// use chainrule::{tensor, Sections};
    /// let x = tensor([1, 2, 3, 4, 5]);
    /// assert_eq!(x.tensor_split(&Sections::Count(2), 0)?[0].to_vec::<i64>()?, [1, 2, 3]);
    /// assert_eq!(x.tensor_split(&Sections::At(vec![1, 3]), 0)?[1].to_vec::<i64>()?, [2, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn tensor_split(&self, sections: &Sections, dim: isize) -> Result<Vec<Tensor>> {
        let size = self.split_size("TensorSplit", dim)?;
        let cuts: Vec<isize> = match sections {
            Sections::Count(0) => {
                return Err(Error::argument("there can't be 0 parts")
                    .at_gate("TensorSplit")
                    .with_inputs([self.meta()]));
            }
            Sections::Count(count) => {
                crate::error::check_memory(*count, size_of::<Tensor>())
                    .map_err(|error| error.at_gate("TensorSplit").with_inputs([self.meta()]))?;
                let (each, larger) = (size / count, size % count);
                (1..*count).map(|i| (i * each + i.min(larger)) as isize).collect()
            }
            Sections::At(indices) => indices.clone(),
        };
        let mut parts = Vec::with_capacity(cuts.len() + 1);
        let mut start = Some(0);
        for cut in cuts.into_iter().map(Some).chain([None]) {
            parts.push(self.slice(dim, crate::Slice { start, stop: cut, step: 1 })?);
            start = cut;
        }
        Ok(parts)
    }

    /// Columns apart: [`Tensor::tensor_split`] along dimension 1 (0 for a vector), into parts of equal size.
    ///
    /// # Errors
    /// There are no dimensions, or the number of parts doesn't divide the size.
    ///
    /// ```
    /// use chainrule::{tensor, Sections};
    /// let parts = tensor([[1, 2], [3, 4]]).hsplit(&Sections::Count(2))?;
    /// assert_eq!(parts[1].to_string(), "tensor([[2],\n        [4]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn hsplit(&self, sections: &Sections) -> Result<Vec<Tensor>> {
        self.split_evenly("HSplit", sections, if self.rank() == 1 { 0 } else { 1 }, 1)
    }

    /// Rows apart: [`Tensor::tensor_split`] along dimension 0, into parts of equal size.
    ///
    /// # Errors
    /// There are fewer than two dimensions, or the number of parts doesn't divide the size.
    ///
    /// ```
    /// use chainrule::{tensor, Sections};
    /// let parts = tensor([[1, 2], [3, 4]]).vsplit(&Sections::Count(2))?;
    /// assert_eq!(parts[1].to_string(), "tensor([[3, 4]])");
    /// assert!(tensor([1, 2]).vsplit(&Sections::Count(2)).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn vsplit(&self, sections: &Sections) -> Result<Vec<Tensor>> {
        self.split_evenly("VSplit", sections, 0, 2)
    }

    /// Depth apart: [`Tensor::tensor_split`] along dimension 2, into parts of equal size.
    ///
    /// # Errors
    /// There are fewer than three dimensions, or the number of parts doesn't divide the size.
    ///
    /// ```
    /// use chainrule::{Sections, Tensor};
    /// let parts = Tensor::zeros([2, 3, 4]).dsplit(&Sections::Count(2))?;
    /// assert_eq!(parts[0].shape(), [2, 3, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn dsplit(&self, sections: &Sections) -> Result<Vec<Tensor>> {
        self.split_evenly("DSplit", sections, 2, 3)
    }

    #[track_caller]
    fn split_evenly(
        &self,
        name: &'static str,
        sections: &Sections,
        dim: isize,
        rank: usize,
    ) -> Result<Vec<Tensor>> {
        let refuse = |rule: String| Err(Error::shape(rule).at_gate(name).with_inputs([self.meta()]));
        if self.rank() < rank {
            return refuse(format!("it needs at least {rank} dimensions, not {}", self.rank()));
        }
        let size = self.shape()[dim as usize];
        match sections {
            Sections::Count(count) if *count == 0 || !size.is_multiple_of(*count) => {
                refuse(format!("{count} parts of equal size can't be made of {size}"))
            }
            _ => self.tensor_split(sections, dim),
        }
    }

    fn split_size(&self, name: &'static str, dim: isize) -> Result<usize> {
        let shape = self.shape();
        let place = match shape.rank() {
            0 => Err(Error::shape("a 0-d tensor has no dimension to be split along")),
            _ => shape.dim(dim),
        };
        Ok(shape[place.map_err(|error| error.at_gate(name).with_inputs([self.meta()]))?])
    }

    /// The tensors at each index of a dimension, without that dimension.
    ///
    /// # Errors
    /// The dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2], [3, 4]]).unbind(1)?[0].to_vec::<i64>()?, [1, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn unbind(&self, dim: isize) -> Result<Vec<Tensor>> {
        let _line = CallerGuard::here();
        let size = self.split_size("Unbind", dim)?;
        (0..size as isize).map(|i| self.select(dim, i)).collect()
    }

    /// At least one dimension: a 0-d tensor gets one of size 1.
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor(1.0).atleast_1d()?.to_string(), "tensor([1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn atleast_1d(&self) -> Result<Tensor> {
        if self.rank() == 0 { self.reshape([1]) } else { Ok(self.clone()) }
    }

    /// At least two dimensions, new ones of size 1 in front.
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0]).atleast_2d()?.to_string(), "tensor([[1., 2.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn atleast_2d(&self) -> Result<Tensor> {
        let x = self.atleast_1d()?;
        if x.rank() == 1 { x.unsqueeze(0) } else { Ok(x) }
    }

    /// At least three dimensions: a vector becomes `[1, n, 1]`, a matrix `[m, n, 1]`.
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// assert_eq!(tensor([1.0, 2.0]).atleast_3d()?.shape(), [1, 2, 1]);
    /// assert_eq!(Tensor::zeros([2, 3]).atleast_3d()?.shape(), [2, 3, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn atleast_3d(&self) -> Result<Tensor> {
        let x = self.atleast_2d()?;
        if x.rank() == 2 { x.unsqueeze(-1) } else { Ok(x) }
    }

    /// Side by side: joined along dimension 1 (0 for vectors).
    ///
    /// # Errors
    /// There are none, or another size differs.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// assert_eq!(Tensor::hstack(&[&tensor([1]), &tensor([2, 3])])?.to_vec::<i64>()?, [1, 2, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn hstack(tensors: &[&Tensor]) -> Result<Tensor> {
        let raised = raise(tensors, Tensor::atleast_1d)?;
        let dim = isize::from(raised.first().is_none_or(|x| x.rank() > 1));
        Tensor::cat(&raised.iter().collect::<Vec<_>>(), dim)
    }

    /// One below the other: joined along dimension 0, vectors as rows.
    ///
    /// # Errors
    /// There are none, or another size differs.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let y = Tensor::vstack(&[&tensor([1, 2]), &tensor([[3, 4], [5, 6]])])?;
    /// assert_eq!(y.to_string(), "tensor([[1, 2],\n        [3, 4],\n        [5, 6]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn vstack(tensors: &[&Tensor]) -> Result<Tensor> {
        let raised = raise(tensors, Tensor::atleast_2d)?;
        Tensor::cat(&raised.iter().collect::<Vec<_>>(), 0)
    }

    /// One behind the other: joined along dimension 2.
    ///
    /// # Errors
    /// There are none, or another size differs.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let y = Tensor::dstack(&[&tensor([1, 2]), &tensor([3, 4])])?;
    /// assert_eq!(y.to_string(), "tensor([[[1, 3],\n         [2, 4]]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn dstack(tensors: &[&Tensor]) -> Result<Tensor> {
        let raised = raise(tensors, Tensor::atleast_3d)?;
        Tensor::cat(&raised.iter().collect::<Vec<_>>(), 2)
    }

    /// Side by side, vectors (and numbers) as columns.
    ///
    /// # Errors
    /// There are none, or the numbers of rows differ.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let y = Tensor::column_stack(&[&tensor([1, 2]), &tensor([3, 4])])?;
    /// assert_eq!(y.to_string(), "tensor([[1, 3],\n        [2, 4]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn column_stack(tensors: &[&Tensor]) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let raised =
            raise(tensors, |x| if x.rank() < 2 { x.reshape([x.elements(), 1]) } else { Ok(x.clone()) })?;
        Tensor::hstack(&raised.iter().collect::<Vec<_>>())
    }

    /// Coordinates of a grid: the i-th result varies along dimension i as the i-th vector does (`"ij"`);
    /// with `"xy"` the first two dimensions are exchanged.
    ///
    /// # Errors
    /// A tensor has more than one dimension, or the indexing is neither.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let grid = Tensor::meshgrid(&[&tensor([1, 2]), &tensor([3, 4, 5])], "ij")?;
    /// assert_eq!(grid[0].to_vec::<i64>()?, [1, 1, 1, 2, 2, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn meshgrid(tensors: &[&Tensor], indexing: &str) -> Result<Vec<Tensor>> {
        let _line = CallerGuard::here();
        let refuse = |rule: String| {
            Err(Error::argument(rule).at_gate("Meshgrid").with_inputs(tensors.iter().map(|x| x.meta())))
        };
        let swapped = match indexing {
            "ij" => false,
            "xy" => tensors.len() > 1,
            other => return refuse(format!("the indexing is \"ij\" or \"xy\", not \"{other}\"")),
        };
        if let Some(x) = tensors.iter().find(|x| x.rank() > 1) {
            return refuse(format!("a grid is of vectors, not of the shape {}", x.shape()));
        }
        let mut order: Vec<usize> = (0..tensors.len()).collect();
        if swapped {
            order.swap(0, 1);
        }
        let sizes: Vec<usize> = order.iter().map(|&i| tensors[i].elements()).collect();
        let shape = Shape::new(&sizes)?;
        let grid = tensors.iter().enumerate().map(|(i, x)| {
            let along = order.iter().position(|&o| o == i).expect("the order names every tensor");
            let mut flat = vec![1; order.len()];
            flat[along] = x.elements();
            x.reshape(Shape::new(&flat)?)?.expand(shape)
        });
        grid.collect()
    }
}

fn raise(tensors: &[&Tensor], to: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Vec<Tensor>> {
    tensors.iter().map(|x| to(x)).collect()
}
