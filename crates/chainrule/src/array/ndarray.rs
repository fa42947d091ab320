//! Conversion from and to `ndarray`, behind the feature of that name.

use ::ndarray::{ArrayD, IxDyn};

use super::{Array, Element, Shape};
use crate::error::{Error, Result};

impl Array {
    /// The elements of an `ndarray` array, in its logical order.
    ///
    /// # Errors
    /// It has more dimensions than arrays have here.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::from_ndarray(&ndarray::array![[1.0f32, 2.0], [3.0, 4.0]].into_dyn())?;
    /// assert_eq!(a.to_ndarray::<f32>()?[[1, 0]], 3.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn from_ndarray<T: Element>(array: &ArrayD<T>) -> Result<Array> {
        Array::from_vec(array.iter().copied().collect(), Shape::new(array.shape())?)
    }

    /// The elements as an `ndarray` array.
    ///
    /// # Errors
    /// `T` isn't the element type.
    ///
    /// ```
    /// use chainrule::Array;
    /// let a = Array::arange(0.0, 6.0, 1.0)?.reshape([2, 3])?;
    /// assert_eq!(a.to_ndarray::<f32>()?, ndarray::array![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]].into_dyn());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn to_ndarray<T: Element>(&self) -> Result<ArrayD<T>> {
        ArrayD::from_shape_vec(IxDyn(self.shape()), self.to_vec()?).map_err(|e| Error::shape(e.to_string()))
    }
}
