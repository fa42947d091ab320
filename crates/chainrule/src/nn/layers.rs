//! The layers of multilayer perceptrons, and `Sequential`.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Module, init};
use crate::array::Generator;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Linear layer `y = x·Wᵀ + b`; W is `[out, in]`, b `[out]`, both initialised as in PyTorch.
#[derive(Debug)]
pub struct Linear {
    /// W, of shape `[out, in]`.
    pub weight: Tensor,
    /// b, of shape `[out]`.
    pub bias: Option<Tensor>,
}

impl Linear {
    /// A layer with a bias.
    pub fn new(inputs: usize, outputs: usize, generator: &mut Generator) -> Linear {
        let weight = init::default_uniform([outputs, inputs], inputs, generator);
        let bias = init::default_uniform([outputs], inputs, generator);
        Linear { weight: Tensor::leaf(weight, true), bias: Some(Tensor::leaf(bias, true)) }
    }

    /// A layer without a bias.
    pub fn without_bias(inputs: usize, outputs: usize, generator: &mut Generator) -> Linear {
        let weight = init::default_uniform([outputs, inputs], inputs, generator);
        Linear { weight: Tensor::leaf(weight, true), bias: None }
    }
}

impl std::fmt::Display for Linear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shape = self.weight.shape();
        let bias = if self.bias.is_some() { "True" } else { "False" };
        write!(f, "Linear(in_features={}, out_features={}, bias={bias})", shape[1], shape[0])
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.linear(&self.weight, self.bias.as_ref())
    }

    fn forward_with(&self, parameters: &mut dyn Iterator<Item = Tensor>, x: &Tensor) -> Result<Tensor> {
        let mut next = || {
            parameters.next().ok_or_else(|| Error::argument("there are too few parameters for the network"))
        };
        let weight = next()?;
        let bias = if self.bias.is_some() { Some(next()?) } else { None };
        x.linear(&weight, bias.as_ref())
    }

    fn named_parameters(&self) -> Vec<(String, Tensor)> {
        let mut all = vec![("weight".to_string(), self.weight.clone())];
        all.extend(self.bias.iter().map(|bias| ("bias".to_string(), bias.clone())));
        all
    }
}

/// An activation function as a layer.
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
}

/// Dropout while training; passes everything through in evaluation.
#[derive(Debug)]
pub struct Dropout {
    p: f64,
    training: AtomicBool,
}

impl Dropout {
    /// Leaves elements out with probability p.
    ///
    /// # Errors
    /// p isn't in 0…1.
    pub fn new(p: f64) -> Result<Dropout> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::argument(format!(
                "the probability of leaving out is between 0 and 1, not {p}"
            )));
        }
        Ok(Dropout { p, training: AtomicBool::new(true) })
    }
}

impl Module for Dropout {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.training.load(Ordering::Relaxed) { x.dropout(self.p) } else { Ok(x.clone()) }
    }

    fn set_training(&self, on: bool) {
        self.training.store(on, Ordering::Relaxed);
    }
}

/// All dimensions but the first as one.
#[derive(Debug, Clone, Copy)]
pub struct Flatten;

impl Module for Flatten {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.flatten(1, -1)
    }
}

/// Modules one after another; their parameters are named by their places: `0.weight`, `2.bias`.
#[derive(Debug, Default)]
pub struct Sequential(Vec<Box<dyn Module>>);

impl Sequential {
    /// No module yet: the identity.
    pub fn new() -> Sequential {
        Sequential::default()
    }

    /// With one more module at the end.
    pub fn push(mut self, module: impl Module + 'static) -> Sequential {
        self.0.push(Box::new(module));
        self
    }

    /// The values after each module, the last being [`Module::forward`]'s.
    ///
    /// # Errors
    /// A module fails.
    pub fn activations(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let mut all: Vec<Tensor> = Vec::with_capacity(self.0.len());
        for module in &self.0 {
            let next = module.forward(all.last().unwrap_or(x))?;
            all.push(next);
        }
        Ok(all)
    }
}

impl Module for Sequential {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.iter().try_fold(x.clone(), |x, module| module.forward(&x))
    }

    fn forward_with(&self, parameters: &mut dyn Iterator<Item = Tensor>, x: &Tensor) -> Result<Tensor> {
        self.0.iter().try_fold(x.clone(), |x, module| module.forward_with(parameters, &x))
    }

    fn named_parameters(&self) -> Vec<(String, Tensor)> {
        let mut all = Vec::new();
        for (i, module) in self.0.iter().enumerate() {
            all.extend(
                module
                    .named_parameters()
                    .into_iter()
                    .map(|(name, parameter)| (format!("{i}.{name}"), parameter)),
            );
        }
        all
    }

    fn set_training(&self, on: bool) {
        self.0.iter().for_each(|module| module.set_training(on));
    }
}
