//! What a gate may declare of its mathematics: that it is linear, and which matrices an input stands for.

use crate::array::Array;
use crate::error::Result;
use crate::tensor::Tensor;

/// How a gate's outputs depend on its (floating-point) inputs.
///
/// ```
/// use chainrule::gate::{arith::Mul, matmul::MatMul, reduce::{Dims, Sum}, Gate, Linearity};
/// assert_eq!(Sum(Dims::all()).linearity(), Linearity::Joint); // the sum of ẋ is the tangent of the sum
/// assert_eq!(MatMul::of(2, 2).linearity(), Linearity::Product); // Ẏ = Ȧ·B + A·Ḃ
/// assert_eq!(Mul.linearity(), Linearity::None); // elementwise gates write their tangent themselves
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linearity {
    /// In no simple way.
    None,
    /// Linear in all inputs together, as a sum: the gate applied to the tangents gives the tangents.
    Joint,
    /// A product of the first two inputs, to which a third may be added: so does the sum of its values with one
    /// factor replaced by its tangent.
    Product,
}

/// A linear space of matrices, on the last two dimensions.
///
/// ```
/// use chainrule::{gate::Structure, tensor};
/// let lower = Structure::Lower.nearest(&tensor([[1.0, 2.0], [3.0, 4.0]]).array())?;
/// assert_eq!(lower.to_vec::<f32>()?, [1.0, 0.0, 3.0, 4.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// Equal to their transposed.
    Symmetric,
    /// Zero above the diagonal.
    Lower,
}

impl Structure {
    /// The nearest matrices in the space.
    ///
    /// ```
    /// use chainrule::{gate::Structure, tensor};
    /// let x = tensor([[1.0, 4.0], [0.0, 1.0]]).array();
    /// assert_eq!(Structure::Symmetric.nearest(&x)?.to_vec::<f32>()?, [1.0, 2.0, 2.0, 1.0]);
    /// assert_eq!(Structure::Lower.nearest(&x)?.to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// These aren't square matrices.
    pub fn nearest(self, x: &Array) -> Result<Array> {
        let x = Tensor::from_array(x.clone());
        Ok(match self {
            Structure::Symmetric => x.add(&x.mt()?)?.mul(0.5)?.array(),
            Structure::Lower => x.tril(0)?.array(),
        })
    }
}
