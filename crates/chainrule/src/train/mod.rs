//! Training a classifier: settings, the loop, checkpoints and what is written about a run.
//!
//! ```
//! use chainrule::{
//!     data::digits,
//!     train::{Settings, Training},
//! };
//! let (train, test) = digits().select(&(0..100).collect::<Vec<_>>())?.stratified_split(0.2, 0)?;
//! let mut training =
//!     Training::new(Settings { epochs: 1, hidden: vec![8], ..Settings::default() }, train, test)?;
//! while !training.is_done() {
//!     if let Some(epoch) = training.step()? {
//!         assert!(epoch.train_loss.is_finite());
//!     }
//! }
//! let model = training.into_model();
//! let p = model.predict(&digits().features.narrow(0, 0, 5)?)?;
//! assert_eq!(p.shape(), [5, 10]);
//! # Ok::<(), chainrule::Error>(())
//! ```

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
///
/// ```
/// use chainrule::{data::digits, train::{Settings, Training}};
/// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
/// # let (train, test) = data.stratified_split(0.2, 0)?;
/// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
/// let training = Training::new(settings, train, test)?;
/// let model = training.into_model();
/// assert_eq!((model.scaler.mean.len(), model.classes.len()), (64, 10));
/// # Ok::<(), chainrule::Error>(())
/// ```
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
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, TrainedModel, Training}};
    /// # let folder = std::env::temp_dir().join(format!("chainrule-doc-load-model-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, train, test)?;
    /// training.save_results(&folder)?;
    /// let model = TrainedModel::load(&folder)?;
    /// assert_eq!(model.settings.hidden, [8]);
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn load(path: impl AsRef<Path>) -> Result<TrainedModel> {
        checkpoint::load_model(path.as_ref())
    }

    /// The probability of each class for each example, `[n, classes]`.
    ///
    /// # Errors
    /// The examples have another number of features.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, train, test)?;
    /// let p = training.into_model().predict(&digits().features.narrow(0, 0, 3)?)?;
    /// assert!(p.sum_dim(&[1], false)?.allclose(&Tensor::ones([3]), 1e-5, 0.0, false)?);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn predict(&self, features: &crate::Array) -> Result<crate::Tensor> {
        use crate::nn::Module;
        let x = crate::Tensor::from_array(self.scaler.apply(features)?);
        crate::no_grad(|| self.network.forward(&x)?.softmax(1))
    }
}
