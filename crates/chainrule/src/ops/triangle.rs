//! Diagonals and triangles of matrices.

use crate::array::Shape;
use crate::error::{Error, Result};
use crate::gate::rearrange::Triangle;
use crate::gate::view::{Unview, View};
use crate::tensor::{CallerGuard, Tensor};

impl Tensor {
    /// The elements on and below the diagonal with this offset of each matrix, 0 above.
    ///
    /// # Errors
    /// There are fewer than two dimensions.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2], [3, 4]]).tril(0)?.to_vec::<i64>()?, [1, 0, 3, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn tril(&self, diagonal: isize) -> Result<Tensor> {
        Tensor::apply(Triangle::Lower(diagonal), &[self])
    }

    /// The elements on and above the diagonal with this offset of each matrix, 0 below.
    ///
    /// # Errors
    /// There are fewer than two dimensions.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2], [3, 4]]).triu(0)?.to_vec::<i64>()?, [1, 2, 0, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn triu(&self, diagonal: isize) -> Result<Tensor> {
        let _line = CallerGuard::here();
        Tensor::apply(Triangle::Upper(diagonal), &[self])
    }

    /// The sum of a matrix's diagonal.
    ///
    /// # Errors
    /// This is no matrix.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2], [3, 4]]).trace()?.item()?, 5.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn trace(&self) -> Result<Tensor> {
        if self.rank() != 2 {
            let rule = format!("a trace is of a matrix, not of the shape {}", self.shape());
            return Err(Error::shape(rule).at_gate("Trace").with_inputs([self.meta()]));
        }
        self.diagonal(0, 0, 1)?.sum()
    }

    /// A vector as the diagonal of a matrix of zeros; the diagonal of a matrix as a vector.
    ///
    /// # Errors
    /// This is neither a vector nor a matrix.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2]).diag(0)?.to_vec::<i64>()?, [1, 0, 0, 2]);
    /// assert_eq!(tensor([[1, 2], [3, 4]]).diag(0)?.to_vec::<i64>()?, [1, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn diag(&self, offset: isize) -> Result<Tensor> {
        match self.rank() {
            1 => self.diag_embed(offset, 0, 1),
            2 => self.diagonal(offset, 0, 1),
            _ => {
                let rule =
                    format!("a diagonal is of a vector or a matrix, not of the shape {}", self.shape());
                Err(Error::shape(rule).at_gate("Diag").with_inputs([self.meta()]))
            }
        }
    }

    /// The last dimension as the diagonals of matrices of zeros, in the dimensions `dim1` and `dim2`.
    ///
    /// # Errors
    /// The dimensions are the same or don't exist, or there is no dimension.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2], [3, 4]]).diag_embed(1, -2, -1)?.shape(), [2, 3, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn diag_embed(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Tensor> {
        let shape = || -> Result<Shape> {
            let own = self.shape();
            let Some((&length, rest)) = own.split_last() else {
                return Err(Error::shape("a 0-d tensor has no dimension to be a diagonal"));
            };
            let size = length + offset.unsigned_abs();
            let mut raised = own.to_vec();
            raised.push(1);
            let dims = crate::array::dims(&Shape::new(&raised)?, &[dim1, dim2])?;
            let mut sizes = rest.to_vec();
            let (first, second) = (dims[0].min(dims[1]), dims[0].max(dims[1]));
            sizes.insert(first, size);
            sizes.insert(second, size);
            Shape::new(&sizes)
        };
        let shape = shape().map_err(|error| error.at_gate("DiagEmbed").with_inputs([self.meta()]))?;
        Tensor::apply(Unview { view: View::Diagonal(offset, dim1, dim2), shape }, &[self])
    }
}
