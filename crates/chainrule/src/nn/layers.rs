//! Linear layers, activations, dropout and embedding.

use std::sync::atomic::{AtomicBool, Ordering};

use super::module::{current_of, now};
use super::{Module, Owned, current, init};
use crate::array::{DType, Generator};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// `True` or `False`, as Python writes them.
pub(super) fn python(on: bool) -> &'static str {
    if on { "True" } else { "False" }
}

/// The weight and perhaps the bias of a layer, as its state lists them.
pub(super) fn weight_and_bias(weight: Option<&Tensor>, bias: Option<&Tensor>) -> Vec<(&'static str, Owned)> {
    let named = |name: &'static str, tensor: &Tensor| (name, Owned::Parameter(tensor.clone()));
    weight.map(|w| named("weight", w)).into_iter().chain(bias.map(|b| named("bias", b))).collect()
}

/// Linear layer `y = x·Wᵀ + b`; W is `[out, in]`, b `[out]`, both initialised as in PyTorch.
///
/// ```
/// use chainrule::nn::{Linear, Module};
/// use chainrule::{param, tensor};
/// let layer = Linear { weight: param([[1.0, 2.0], [0.0, 1.0]]), bias: Some(param([0.5, 0.5])) };
/// assert_eq!(layer.call(&tensor([[1.0, 1.0]]))?.to_f64_vec(), [3.5, 1.5]);
/// assert_eq!(layer.to_string(), "Linear(in_features=2, out_features=2, bias=True)");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct Linear {
    /// W, of shape `[out, in]`.
    pub weight: Tensor,
    /// b, of shape `[out]`.
    pub bias: Option<Tensor>,
}

impl Linear {
    /// A layer with a bias.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::nn::{Linear, Module};
    /// let layer = Linear::new(3, 2, &mut Generator::new(0));
    /// assert_eq!((layer.weight.shape()[..].to_vec(), layer.parameter_count()), (vec![2, 3], 8));
    /// ```
    pub fn new(inputs: usize, outputs: usize, generator: &mut Generator) -> Linear {
        let weight = init::default_uniform([outputs, inputs], inputs, generator);
        let bias = init::default_uniform([outputs], inputs, generator);
        Linear { weight: Tensor::leaf(weight, true), bias: Some(Tensor::leaf(bias, true)) }
    }

    /// A layer without a bias.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::nn::{Linear, Module};
    /// let layer = Linear::without_bias(3, 2, &mut Generator::new(0));
    /// assert_eq!(layer.describe(), "Linear(in_features=3, out_features=2, bias=False)");
    /// ```
    pub fn without_bias(inputs: usize, outputs: usize, generator: &mut Generator) -> Linear {
        let weight = init::default_uniform([outputs, inputs], inputs, generator);
        Linear { weight: Tensor::leaf(weight, true), bias: None }
    }
}

impl std::fmt::Display for Linear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shape = self.weight.shape();
        let bias = python(self.bias.is_some());
        write!(f, "Linear(in_features={}, out_features={}, bias={bias})", shape[1], shape[0])
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.linear(&now(&self.weight), current_of(self.bias.as_ref()).as_deref())
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        weight_and_bias(Some(&self.weight), self.bias.as_ref())
    }

    fn describe(&self) -> String {
        self.to_string()
    }
}

/// An activation function as a layer.
///
/// ```
/// use chainrule::nn::{Activation, Module};
/// use chainrule::tensor;
/// assert_eq!(Activation::Relu.call(&tensor([-1.0, 2.0]))?.to_string(), "tensor([0., 2.])");
/// assert_eq!(Activation::Gelu.describe(), "GELU(approximate='none')");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `max(0, x)`
    Relu,
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// `tanh x`
    Tanh,
    /// `x·Φ(x)`
    Gelu,
    /// `x·sigmoid(x)`
    Silu,
}

impl Module for Activation {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Activation::Relu => x.relu(),
            Activation::Sigmoid => x.sigmoid(),
            Activation::Tanh => x.tanh(),
            Activation::Gelu => x.gelu(),
            Activation::Silu => x.silu(),
        }
    }

    fn describe(&self) -> String {
        match self {
            Activation::Relu => "ReLU()",
            Activation::Sigmoid => "Sigmoid()",
            Activation::Tanh => "Tanh()",
            Activation::Gelu => "GELU(approximate='none')",
            Activation::Silu => "SiLU()",
        }
        .into()
    }
}

/// What dropout leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dropped {
    Elements,
    Channels,
    /// Elements are set to what SELU tends to, and mean and variance kept.
    Alpha,
}

/// Dropout while training; passes everything through in evaluation.
///
/// ```
/// use chainrule::Tensor;
/// use chainrule::nn::{Dropout, Module};
/// let layer = Dropout::new(0.5)?;
/// let x = Tensor::ones([100]);
/// assert!(layer.call(&x)?.to_f64_vec().contains(&0.0)); // made to be trained…
/// layer.set_training(false);
/// assert!(layer.call(&x)?.is(&x)); // …and out of the way later
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct Dropout {
    p: f64,
    dropped: Dropped,
    training: AtomicBool,
}

impl Dropout {
    fn of(p: f64, dropped: Dropped) -> Result<Dropout> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::argument(format!(
                "the probability of leaving out is between 0 and 1, not {p}"
            )));
        }
        Ok(Dropout { p, dropped, training: AtomicBool::new(true) })
    }

    /// Leaves elements out with probability p.
    ///
    /// # Errors
    /// p isn't in 0…1.
    ///
    /// ```
    /// use chainrule::nn::{Dropout, Module};
    /// assert_eq!(Dropout::new(0.5)?.describe(), "Dropout(p=0.5, inplace=False)");
    /// assert!(Dropout::new(1.5).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(p: f64) -> Result<Dropout> {
        Dropout::of(p, Dropped::Elements)
    }

    /// Leaves whole channels of `[n, channels, …]` out (`Dropout1d`, `Dropout2d` and `Dropout3d` of PyTorch).
    ///
    /// # Errors
    /// p isn't in 0…1.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// use chainrule::nn::{Dropout, Module};
    /// let y = Dropout::channels(0.5)?.call(&Tensor::ones([1, 8, 2, 2]))?.to_f64_vec();
    /// assert!(y.chunks(4).all(|channel| channel == [0.0; 4] || channel == [2.0; 4]));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn channels(p: f64) -> Result<Dropout> {
        Dropout::of(p, Dropped::Channels)
    }

    /// Leaves elements out so that mean 0 and variance 1 stay, for networks with SELU (`AlphaDropout`).
    ///
    /// # Errors
    /// p isn't in 0…1.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// use chainrule::nn::{Dropout, Module};
    /// let layer = Dropout::alpha(0.5)?;
    /// let lowest = layer.call(&Tensor::zeros([100]))?.min()?.item()?;
    /// assert!(lowest < -0.7); // not 0 but what SELU tends to, scaled
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn alpha(p: f64) -> Result<Dropout> {
        Dropout::of(p, Dropped::Alpha)
    }
}

impl Module for Dropout {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if !self.training.load(Ordering::Relaxed) {
            return Ok(x.clone());
        }
        match self.dropped {
            Dropped::Elements => x.dropout(self.p),
            Dropped::Channels => x.channel_dropout(self.p),
            Dropped::Alpha => x.alpha_dropout(self.p),
        }
    }

    fn training_flag(&self) -> Option<&AtomicBool> {
        Some(&self.training)
    }

    fn describe(&self) -> String {
        let name = match self.dropped {
            Dropped::Elements => "Dropout",
            Dropped::Channels => "Dropout2d",
            Dropped::Alpha => "AlphaDropout",
        };
        format!("{name}(p={}, inplace=False)", self.p)
    }
}

/// All dimensions but the first as one.
///
/// ```
/// use chainrule::Tensor;
/// use chainrule::nn::{Flatten, Module};
/// assert_eq!(Flatten.call(&Tensor::zeros([8, 3, 4, 4]))?.shape(), [8, 48]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Flatten;

impl Module for Flatten {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.flatten(1, -1)
    }

    fn describe(&self) -> String {
        "Flatten(start_dim=1, end_dim=-1)".into()
    }
}

/// Passes its input through.
///
/// ```
/// use chainrule::nn::{Identity, Module};
/// use chainrule::tensor;
/// let x = tensor([1.0, 2.0]);
/// assert!(Identity.call(&x)?.is(&x));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Identity;

impl Module for Identity {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }
}

/// Rows of a table by their numbers: from integers of any shape to vectors.
///
/// ```
/// use chainrule::nn::{Embedding, Module};
/// use chainrule::{tensor, Generator};
/// let layer = Embedding::new(10, 4, &mut Generator::new(0));
/// assert_eq!(layer.call(&tensor([[1, 2, 3]]))?.shape(), [1, 3, 4]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct Embedding {
    /// The table, of shape `[count, width]`.
    pub weight: Tensor,
    padding: Option<usize>,
}

impl Embedding {
    /// A table of `count` normally distributed vectors.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::nn::{Embedding, Module};
    /// assert_eq!(Embedding::new(10, 4, &mut Generator::new(0)).describe(), "Embedding(10, 4)");
    /// ```
    pub fn new(count: usize, width: usize, generator: &mut Generator) -> Embedding {
        Embedding { weight: Tensor::leaf(generator.randn([count, width], DType::F32), true), padding: None }
    }

    /// With a row of zeros that never gets a gradient.
    ///
    /// # Errors
    /// There is no such row.
    ///
    /// ```
    /// use chainrule::nn::{Embedding, Module};
    /// use chainrule::{tensor, Generator};
    /// let layer = Embedding::new(10, 2, &mut Generator::new(0)).with_padding(0)?;
    /// assert_eq!(layer.call(&tensor([0]))?.to_f64_vec(), [0.0, 0.0]);
    /// assert!(layer.with_padding(10).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn with_padding(mut self, row: usize) -> Result<Embedding> {
        let shape = self.weight.shape();
        if row >= shape[0] {
            return Err(Error::index(format!("the padding {row} is no row of a table with {}", shape[0])));
        }
        let mut values = self.weight.to_vec::<f32>()?;
        values[row * shape[1]..(row + 1) * shape[1]].fill(0.0);
        self.weight = Tensor::from_vec(values, shape)?.requires_grad_(true)?;
        self.padding = Some(row);
        Ok(self)
    }
}

impl Module for Embedding {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        current(&self.weight).embedding(x, self.padding)
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        weight_and_bias(Some(&self.weight), None)
    }

    fn describe(&self) -> String {
        let shape = self.weight.shape();
        let padding = self.padding.map_or(String::new(), |row| format!(", padding_idx={row}"));
        format!("Embedding({}, {}{padding})", shape[0], shape[1])
    }
}
