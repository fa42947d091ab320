//! `Module`: a function with parameters that have names.

use std::fmt::Debug;

use super::LoadReport;
use super::load::load;
use crate::error::Result;
use crate::tensor::Tensor;

/// A function of a tensor with named parameters.
///
/// ```
/// use chainrule::nn::{Linear, Module, Sequential};
/// use chainrule::{Generator, Tensor};
/// let mut generator = Generator::new(0);
/// let net = Sequential::new().push(Linear::new(2, 3, &mut generator)).push(chainrule::nn::Activation::Relu);
/// assert_eq!(net.forward(&Tensor::ones([5, 2]))?.shape(), [5, 3]);
/// let names: Vec<String> = net.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["0.weight", "0.bias"]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub trait Module: Debug + Send + Sync {
    /// The module's value.
    ///
    /// # Errors
    /// The input's shape or element type doesn't fit.
    fn forward(&self, x: &Tensor) -> Result<Tensor>;

    /// The parameters by name, as PyTorch's `state_dict` names them.
    fn named_parameters(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    /// The module's value with other parameters in place of its own (in the order of
    /// [`Module::named_parameters`]), of any float type.
    ///
    /// # Errors
    /// There are too few parameters, or they don't fit.
    fn forward_with(&self, parameters: &mut dyn Iterator<Item = Tensor>, x: &Tensor) -> Result<Tensor> {
        let _ = parameters;
        self.forward(x)
    }

    /// The parameters without their names.
    fn parameters(&self) -> Vec<Tensor> {
        self.named_parameters().into_iter().map(|(_, parameter)| parameter).collect()
    }

    /// Switches between training (dropout drops) and evaluation.
    fn set_training(&self, on: bool) {
        let _ = on;
    }

    /// How many numbers the parameters hold.
    fn parameter_count(&self) -> usize {
        self.parameters().iter().map(Tensor::elements).sum()
    }

    /// Overwrites the parameters by name.
    ///
    /// # Errors
    /// A name is missing, left over, or of another shape; nothing is changed then.
    fn load_parameters(&self, values: &[(String, Tensor)]) -> Result<()> {
        load(&self.named_parameters(), values, true).map(drop)
    }

    /// Overwrites the parameters whose name and shape are given, leaves the others as they are, and says what
    /// didn't fit.
    ///
    /// ```
    /// use chainrule::nn::{Linear, Module};
    /// use chainrule::{Generator, Tensor};
    /// let layer = Linear::new(2, 3, &mut Generator::new(0));
    /// let values = [("weight".into(), Tensor::ones([3, 2])), ("head".into(), Tensor::ones([1]))];
    /// let report = layer.load_matching(&values)?;
    /// assert_eq!(report.to_string(), "1 loaded; missing: bias; unexpected: head");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// A parameter can't be changed.
    fn load_matching(&self, values: &[(String, Tensor)]) -> Result<LoadReport> {
        load(&self.named_parameters(), values, false)
    }
}
