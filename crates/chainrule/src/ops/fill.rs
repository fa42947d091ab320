//! Constants in place of elements.

use crate::error::Result;
use crate::tensor::{Operand, Tensor};

impl Tensor {
    /// A tensor of this shape and element type with `value` everywhere; a value that is a tensor is 0-d and
    /// gets the sum of the gradient, this tensor gets none.
    ///
    /// # Errors
    /// The value has dimensions.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0]).fill(3.0)?.to_string(), "tensor([3., 3.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn fill(&self, value: impl Operand) -> Result<Tensor> {
        value.with(self, |value| single(value)?.cast(self.dtype())?.expand(self.shape()))
    }
}

/// Checks that a value stands for one number.
pub(super) fn single(value: &Tensor) -> Result<&Tensor> {
    if value.rank() == 0 {
        return Ok(value);
    }
    let rule = format!("a value to fill with is 0-d, not of shape {}", value.shape());
    Err(crate::Error::shape(rule).at_gate("Fill").with_inputs([value.meta()]))
}
