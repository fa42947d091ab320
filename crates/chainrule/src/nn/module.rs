//! `Module`: a function with parameters that have names.

use std::fmt::Debug;

use crate::error::{Error, Result};
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
        let own = self.named_parameters();
        let find = |name: &str| values.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        let missing: Vec<&str> =
            own.iter().map(|(name, _)| &name[..]).filter(|name| find(name).is_none()).collect();
        let unexpected: Vec<&str> = values
            .iter()
            .map(|(name, _)| &name[..])
            .filter(|name| own.iter().all(|(o, _)| o != name))
            .collect();
        let misshaped: Vec<String> = own
            .iter()
            .filter_map(|(name, parameter)| Some((name, parameter.shape(), find(name)?.shape())))
            .filter(|(_, expected, given)| expected != given)
            .map(|(name, expected, given)| format!("{name} (expected {expected}, given {given})"))
            .collect();
        if !missing.is_empty() || !unexpected.is_empty() || !misshaped.is_empty() {
            let mut faults = Vec::new();
            for (what, names) in [
                ("missing", missing.join(", ")),
                ("unexpected", unexpected.join(", ")),
                ("misshaped", misshaped.join(", ")),
            ] {
                if !names.is_empty() {
                    faults.push(format!("{what}: {names}"));
                }
            }
            return Err(Error::argument(format!(
                "the parameters don't fit the network; {}",
                faults.join("; ")
            )));
        }
        for (name, parameter) in &own {
            if let Some(value) = find(name) {
                crate::no_grad(|| parameter.copy_(value))?;
            }
        }
        Ok(())
    }
}
