//! Other shapes of the same elements.

use crate::array::Shape;
use crate::error::Result;
use crate::tensor::Tensor;

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
        let shape = tensors
            .iter()
            .try_fold(Shape::SCALAR, |shape, x| shape.broadcast(&x.shape()))
            .map_err(|error| error.at_gate("Expand").with_inputs(tensors.iter().map(|x| x.meta())))?;
        tensors.iter().map(|x| x.expand(shape)).collect()
    }
}
