//! Constants and other tensors in place of elements: everywhere, or where a mask is true.

use crate::array::DType;
use crate::error::{Error, Result};
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
        value.with(self, |value| self.single(value)?.expand(self.shape()))
    }

    /// `value` where the mask is true, this tensor elsewhere; the mask broadcasts with it.
    ///
    /// # Errors
    /// The mask isn't `bool` or doesn't broadcast, or the value has dimensions.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 2.0]).masked_fill(&tensor([true, false]), 9.0)?;
    /// assert_eq!(x.to_string(), "tensor([9., 2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, value: impl Operand) -> Result<Tensor> {
        value.with(self, |value| mask.where_(&self.single(value)?, self))
    }

    /// The elements where the mask is true, as one dimension; mask and tensor are broadcast together.
    ///
    /// # Errors
    /// The mask isn't `bool` or doesn't broadcast.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 2.0, 3.0]).masked_select(&tensor([true, false, true]))?;
    /// assert_eq!(x.to_string(), "tensor([1., 3.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        let both = Tensor::broadcast_tensors(&[self, self.checked(mask)?])?;
        both[0].ravel()?.index_select(0, &both[1].true_places())
    }

    /// The elements of `source`, in order, where the mask is true, this tensor elsewhere.
    ///
    /// # Errors
    /// The mask isn't `bool` or doesn't broadcast to this tensor, the element types differ, or the source has
    /// too few elements.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 2.0, 3.0]).masked_scatter(&tensor([true, false, true]), &tensor([7.0, 8.0]))?;
    /// assert_eq!(x.to_string(), "tensor([7., 2., 8.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn masked_scatter(&self, mask: &Tensor, source: &Tensor) -> Result<Tensor> {
        let both = Tensor::broadcast_tensors(&[self, self.checked(mask)?])?;
        let places = both[1].true_places();
        if source.elements() < places.elements() {
            let rule = format!("{} elements can't fill {} places", source.elements(), places.elements());
            return Err(Error::shape(rule).at_gate("MaskedScatter").with_inputs([
                self.meta(),
                mask.meta(),
                source.meta(),
            ]));
        }
        let taken = source.ravel()?.narrow(0, 0, places.elements() as isize)?;
        both[0].ravel()?.scatter(0, &places, &taken)?.reshape(both[0].shape())
    }

    /// The row-major places where this `bool` tensor is true.
    pub(super) fn true_places(&self) -> Tensor {
        let truths = self.array().to_i64_vec();
        let places: Vec<i64> =
            truths.iter().enumerate().filter(|(_, truth)| **truth != 0).map(|(i, _)| i as i64).collect();
        Tensor::from_array(super::shape::places(places))
    }

    fn checked<'a>(&self, mask: &'a Tensor) -> Result<&'a Tensor> {
        if mask.dtype() == DType::Bool {
            return Ok(mask);
        }
        let rule = format!("a mask is bool, not {}", mask.dtype());
        Err(Error::dtype(rule).at_gate("Mask").with_inputs([self.meta(), mask.meta()]))
    }

    /// A value that stands for one number, in this tensor's element type.
    pub(super) fn single(&self, value: &Tensor) -> Result<Tensor> {
        if value.rank() == 0 {
            return value.cast(self.dtype());
        }
        let rule = format!("a value to fill with is 0-d, not of shape {}", value.shape());
        Err(Error::shape(rule).at_gate("Fill").with_inputs([self.meta(), value.meta()]))
    }
}
