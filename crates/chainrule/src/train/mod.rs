//! Training a classifier: settings, the loop, checkpoints and what is written about a run.

mod checkpoint;
mod classifier;
mod run;
mod settings;

pub use classifier::{ImageArch, ImageClassifier};
pub use run::{Confusion, EpochMetrics, Progress, Training};
pub use settings::{Arch, Decay, OptimizerKind, Settings};

use std::path::Path;

use crate::data::Scaler;
use crate::error::Result;
use crate::nn::Sequential;

/// A trained network with what it needs to classify new examples.
#[derive(Debug)]
pub struct TrainedModel {
    /// The network, in evaluation mode.
    pub network: Sequential,
    /// How features are scaled.
    pub scaler: Scaler,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The settings it was trained with.
    pub settings: Settings,
}

impl TrainedModel {
    /// Reads a network from a run's folder, or from its `model.safetensors`.
    ///
    /// # Errors
    /// The file is missing, broken, or isn't a network that chainrule trained.
    pub fn load(path: impl AsRef<Path>) -> Result<TrainedModel> {
        checkpoint::load_model(path.as_ref())
    }

    /// The probability of each class for each example, `[n, classes]`.
    ///
    /// # Errors
    /// The examples have another number of features.
    pub fn predict(&self, features: &crate::Array) -> Result<crate::Tensor> {
        use crate::nn::Module;
        let x = crate::Tensor::from_array(self.scaler.apply(features)?);
        crate::no_grad(|| self.network.forward(&x)?.softmax(1))
    }
}
