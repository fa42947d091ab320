//! Optimisers, by exactly PyTorch's update rules, and learning-rate schedules.

mod adam;
mod schedule;
mod sgd;

pub use adam::{Adam, AdamOptions};
pub use schedule::Schedule;
pub use sgd::{Sgd, SgdOptions};

use crate::array::{Array, DType, Element};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Changes parameters by their gradients.
pub trait Optimizer: std::fmt::Debug + Send {
    /// Updates every parameter that has a gradient.
    ///
    /// # Errors
    /// A parameter can't be changed in place.
    fn step(&mut self) -> Result<()>;

    /// Forgets the gradients.
    fn zero_grad(&self) {
        self.parameters().iter().for_each(Tensor::zero_grad);
    }

    /// The parameters.
    fn parameters(&self) -> &[Tensor];

    /// The learning rate.
    fn learning_rate(&self) -> f64;

    /// Changes the learning rate.
    fn set_learning_rate(&mut self, rate: f64);

    /// What the optimiser remembers between steps, by name; enough to go on after a restart.
    fn state(&self) -> Vec<(String, Array)>;

    /// Goes on from what [`Optimizer::state`] returned.
    ///
    /// # Errors
    /// A name is missing or of another shape.
    fn load_state(&mut self, state: &[(String, Array)]) -> Result<()>;
}

/// Float elements with the arithmetic of an update rule.
trait Real:
    Element
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::AddAssign
    + std::ops::SubAssign
    + std::ops::MulAssign
{
    fn sqrt(self) -> Self;
}

impl Real for f32 {
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }
}

impl Real for f64 {
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
}

/// The values of this name and shape in a saved state.
fn find(state: &[(String, Array)], name: &str, like: &Tensor) -> Result<Array> {
    match state.iter().find(|(other, _)| other == name) {
        Some((_, array)) if array.shape() == &like.shape() => Ok(array.cast(like.dtype())),
        Some((_, array)) => Err(Error::shape(format!(
            "the optimiser's {name} has the shape {}, not {}",
            array.shape(),
            like.shape()
        ))),
        None => Err(Error::argument(format!("the optimiser's {name} is missing"))),
    }
}

fn number(state: &[(String, Array)], name: &str) -> Result<f64> {
    let found = state.iter().find(|(other, _)| other == name);
    found.ok_or_else(|| Error::argument(format!("the optimiser's {name} is missing")))?.1.item()
}

fn zeros_like(parameter: &Tensor) -> Array {
    let meta = parameter.meta();
    Array::zeros_of(meta.shape, meta.dtype)
}

/// Gives `body` a parameter's elements and its gradient's, in the parameter's type.
macro_rules! update {
    ($parameter:expr, $gradient:expr, |$p:ident, $g:ident, $T:ident| $body:expr) => {{
        let gradient = $gradient.cast($parameter.dtype()).contiguous();
        $parameter.modify(|array| match array.dtype() {
            DType::F64 => {
                type $T = f64;
                if let (Some($p), Some($g)) = (array.make_mut::<f64>(), gradient.as_slice::<f64>()) {
                    $body
                }
            }
            _ => {
                type $T = f32;
                if let (Some($p), Some($g)) = (array.make_mut::<f32>(), gradient.as_slice::<f32>()) {
                    $body
                }
            }
        })?;
    }};
}
use update;
