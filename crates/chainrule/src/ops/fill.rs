//! Constants and other tensors in place of elements: everywhere, or where a mask is true.

use crate::array::{Array, DType};
use crate::error::{Error, Result};
use crate::tensor::{CallerGuard, Operand, Tensor};

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
        self.holds("Fill", &value)?;
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
        let _line = CallerGuard::here();
        self.holds("MaskedFill", &value)?;
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

    /// Checks that a number to be stored among integers is one of them; a negative one down to −255 may stand for the
    /// byte that its bits are.
    pub(crate) fn holds(&self, gate: &'static str, value: &impl Operand) -> Result<()> {
        let (Some(Number { value, is_float }), Some((least, most))) =
            (Number::of(value), range(self.dtype()))
        else {
            return Ok(());
        };
        let least = if self.dtype() == DType::U8 && !is_float { -most } else { least };
        if least <= value && value <= most {
            return Ok(());
        }
        let rule = format!("{value} can't be kept in {}", self.dtype());
        Err(Error::argument(rule).at_gate(gate).with_inputs([self.meta()]).hint("cast to a wider type first"))
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

/// The number that an operand is.
pub(super) struct Number {
    pub(super) value: f64,
    pub(super) is_float: bool,
}

impl Number {
    /// `None` for a tensor.
    pub(super) fn of(operand: &impl Operand) -> Option<Number> {
        operand.as_number()?;
        // Beside f64 it is what it was; beside a truth value it keeps its kind.
        let beside = |array| Tensor::from_array(array);
        let value = operand.with(&beside(Array::scalar(0f64)), |x| x.array().to_f64_vec()[0]);
        let is_float = operand.with(&beside(Array::scalar(false)), |x| x.dtype().is_float());
        Some(Number { value, is_float })
    }
}

/// The least and the largest number of an integer type.
pub(super) fn range(dtype: DType) -> Option<(f64, f64)> {
    match dtype {
        DType::U8 => Some((0.0, 255.0)),
        DType::I32 => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
        DType::I64 => Some((i64::MIN as f64, i64::MAX as f64)),
        DType::Bool | DType::F32 | DType::F64 => None,
    }
}
