//! Networks by name.
//!
//! ```
//! use chainrule::{Generator, Tensor};
//! use chainrule::{models::Mlp, nn::{Activation, Module}};
//! let net = Mlp::build(&[64, 32, 10], Activation::Relu, &mut Generator::new(0))?;
//! assert_eq!(net.call(&Tensor::zeros([5, 64]))?.shape(), [5, 10]);
//! # Ok::<(), chainrule::Error>(())
//! ```

mod images;
mod table;
mod transformers;

pub use images::{AlexNet, LeNet, ResNet18, SqueezeNet};
pub use table::{MODELS, NamedModel, by_name, random_loss};
pub use transformers::{CharGpt, GptSizes, VisionSizes, VisionTransformer, write_text};

use crate::array::Generator;
use crate::error::{Error, Result};
use crate::nn::{Activation, Linear, Sequential};

/// Softmax regression: one linear layer, whose outputs are logits. W is k×d.
///
/// Input `[n, d]`, output `[n, k]`.
///
/// ```
/// use chainrule::{Generator, Tensor};
/// use chainrule::{models::SoftmaxRegression, nn::Module};
/// let net = SoftmaxRegression::build(4, 3, &mut Generator::new(0))?;
/// let p = net.call(&Tensor::ones([2, 4]))?.softmax(1)?;
/// assert!(p.sum_dim(&[1], false)?.allclose(&Tensor::ones([2]), 1e-6, 0.0, false)?);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SoftmaxRegression;

impl SoftmaxRegression {
    /// The network for `inputs` features and `classes` classes.
    ///
    /// ```
    /// use chainrule::{models::SoftmaxRegression, nn::Module, Generator};
    /// let net = SoftmaxRegression::build(64, 10, &mut Generator::new(0))?;
    /// assert_eq!(net.parameter_count(), 650);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// A size is 0.
    pub fn build(inputs: usize, classes: usize, generator: &mut Generator) -> Result<Sequential> {
        Mlp::build(&[inputs, classes], Activation::Relu, generator)
    }
}

/// Multilayer perceptron: linear layers with an activation between them; the outputs are logits.
///
/// Input `[n, sizes[0]]`, output `[n, sizes.last()]`; the linear layers are `0`, `2`, `4`… in the names.
///
/// ```
/// use chainrule::Generator;
/// use chainrule::{models::Mlp, nn::{Activation, Module}};
/// let net = Mlp::build(&[4, 8, 8, 3], Activation::Tanh, &mut Generator::new(0))?;
/// let names: Vec<String> = net.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Mlp;

impl Mlp {
    /// The network with layers of these sizes.
    ///
    /// ```
    /// use chainrule::{models::Mlp, nn::{Activation, Module}, Generator};
    /// let net = Mlp::build(&[64, 32, 10], Activation::Relu, &mut Generator::new(0))?;
    /// assert_eq!(net.parameter_count(), 64 * 32 + 32 + 32 * 10 + 10);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// There are fewer than two sizes, or one is 0.
    pub fn build(sizes: &[usize], activation: Activation, generator: &mut Generator) -> Result<Sequential> {
        if sizes.len() < 2 || sizes.contains(&0) {
            return Err(Error::argument(format!(
                "a network needs at least two sizes, none of them 0, not {sizes:?}"
            )));
        }
        let mut net = Sequential::new();
        for (i, pair) in sizes.windows(2).enumerate() {
            if i > 0 {
                net = net.push(activation);
            }
            net = net.push(Linear::new(pair[0], pair[1], generator));
        }
        Ok(net)
    }
}
