//! The settings of a run.

use serde::{Deserialize, Serialize};

use crate::array::Generator;
use crate::error::{Error, Result};
use crate::models::{Mlp, SoftmaxRegression};
use crate::nn::{Activation, Sequential};
use crate::optim::{Adam, AdamOptions, Optimizer, Schedule, Sgd, SgdOptions};
use crate::tensor::Tensor;

/// A network by its kind.
///
/// ```
/// use chainrule::{nn::Module, train::{Arch, Settings}};
/// let settings = Settings { arch: Arch::Softmax, ..Settings::default() };
/// assert_eq!(settings.network(64, 10)?.parameter_count(), 650);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// One linear layer
    Softmax,
    /// Linear layers with ReLU between them
    Mlp,
}

/// An optimiser by its kind.
///
/// ```
/// use chainrule::param;
/// use chainrule::train::{OptimizerKind, Settings};
/// let settings = Settings { optimizer: OptimizerKind::Sgd, lr: 0.1, ..Settings::default() };
/// assert_eq!(settings.build_optimizer(&[param(1.0)])?.learning_rate(), 0.1);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Gradient descent with momentum 0.9
    Sgd,
    /// Adam
    Adam,
    /// Adam with decoupled weight decay
    Adamw,
}

/// How the learning rate changes in the course of a run.
///
/// ```
/// use chainrule::train::{Decay, Settings};
/// let settings = Settings { schedule: Decay::Step, epochs: 30, ..Settings::default() };
/// let schedule = settings.learning_rates(1);
/// assert_eq!(schedule.rate(1.0, 9), 1.0);
/// assert!((schedule.rate(1.0, 10) - 0.1).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Not at all
    #[default]
    Constant,
    /// Times 0.1 after each third of the epochs
    Step,
    /// Down to 0 along half a cosine
    Cosine,
}

/// Everything that decides the outcome of a run. The number of threads isn't among it: it changes nothing.
///
/// ```
/// use chainrule::train::Settings;
/// let settings = Settings { hidden: vec![128, 64], epochs: 10, ..Settings::default() };
/// assert_eq!((&settings.data[..], settings.batch, settings.seed), ("digits", 32, 0));
/// settings.check()?;
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Where the data is from: `digits`, a CSV file or a folder of IDX files.
    pub data: String,
    /// The column of a CSV file that holds the classes.
    pub target: Option<String>,
    /// The network.
    pub arch: Arch,
    /// The sizes of its hidden layers.
    pub hidden: Vec<usize>,
    /// How often every example is seen.
    pub epochs: usize,
    /// Examples in a step.
    pub batch: usize,
    /// The learning rate.
    pub lr: f64,
    /// The optimiser.
    pub optimizer: OptimizerKind,
    /// How the learning rate changes after the warm-up.
    #[serde(default)]
    pub schedule: Decay,
    /// Epochs in which the learning rate rises from a tenth to its full height.
    #[serde(default)]
    pub warm_up: usize,
    /// Decides the split, the initial values and the order of examples.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            data: "digits".into(),
            target: None,
            arch: Arch::Mlp,
            hidden: vec![64],
            epochs: 40,
            batch: 32,
            lr: 6e-3,
            optimizer: OptimizerKind::Adam,
            schedule: Decay::Constant,
            warm_up: 0,
            seed: 0,
        }
    }
}

impl Settings {
    /// Checks what no other part checks.
    ///
    /// # Errors
    /// A number makes no sense.
    ///
    /// ```
    /// use chainrule::train::Settings;
    /// let error = Settings { lr: -1.0, ..Settings::default() }.check().unwrap_err();
    /// assert_eq!(error.to_string(), "the learning rate must be a positive number, not -1");
    /// ```
    pub fn check(&self) -> Result<()> {
        if self.batch == 0 {
            return Err(Error::argument("a batch needs at least one example"));
        }
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return Err(Error::argument(format!(
                "the learning rate must be a positive number, not {}",
                self.lr
            )));
        }
        if self.hidden.contains(&0) {
            return Err(Error::argument("a hidden layer needs at least one unit"));
        }
        if self.warm_up > 0 && self.warm_up >= self.epochs {
            return Err(Error::argument(format!(
                "a warm-up of {} epochs leaves none of the {} for learning at the full rate",
                self.warm_up, self.epochs
            )));
        }
        Ok(())
    }

    /// The learning rate's course, for an epoch of so many steps.
    ///
    /// ```
    /// use chainrule::train::Settings;
    /// let settings = Settings { warm_up: 1, epochs: 3, ..Settings::default() };
    /// let schedule = settings.learning_rates(10); // ten steps an epoch
    /// assert_eq!((schedule.rate(1.0, 0), schedule.rate(1.0, 10)), (0.1, 1.0));
    /// ```
    pub fn learning_rates(&self, steps_per_epoch: usize) -> Schedule {
        let warm = self.warm_up * steps_per_epoch;
        let rest = (self.epochs * steps_per_epoch).saturating_sub(warm).max(1);
        let decay = match self.schedule {
            Decay::Constant => Schedule::Constant,
            Decay::Step => Schedule::Step { every: rest.div_ceil(3), factor: 0.1 },
            Decay::Cosine => Schedule::Cosine { steps: rest, minimum: 0.0 },
        };
        if warm == 0 { decay } else { decay.warm_up(warm, 0.1) }
    }

    /// The fresh network for this many features and classes.
    ///
    /// # Errors
    /// A size is 0.
    ///
    /// ```
    /// use chainrule::{nn::Module, train::Settings};
    /// let net = Settings { hidden: vec![16], ..Settings::default() }.network(4, 3)?;
    /// assert_eq!(net.parameter_count(), 4 * 16 + 16 + 16 * 3 + 3);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn network(&self, features: usize, classes: usize) -> Result<Sequential> {
        let mut generator = Generator::new(self.seed);
        match self.arch {
            Arch::Softmax => SoftmaxRegression::build(features, classes, &mut generator),
            Arch::Mlp => {
                let sizes: Vec<usize> =
                    std::iter::once(features).chain(self.hidden.iter().copied()).chain([classes]).collect();
                Mlp::build(&sizes, Activation::Relu, &mut generator)
            }
        }
    }

    /// The optimiser for these parameters.
    ///
    /// # Errors
    /// Its options don't go together.
    ///
    /// ```
    /// use chainrule::param;
    /// use chainrule::train::Settings;
    /// let optimizer = Settings::default().build_optimizer(&[param(1.0), param(2.0)])?;
    /// assert_eq!((optimizer.parameters().len(), optimizer.learning_rate()), (2, 6e-3));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn build_optimizer(&self, parameters: &[Tensor]) -> Result<Box<dyn Optimizer>> {
        Ok(match self.optimizer {
            OptimizerKind::Sgd => Box::new(Sgd::with(
                parameters,
                self.lr,
                SgdOptions { momentum: 0.9, ..SgdOptions::default() },
            )?),
            OptimizerKind::Adam => Box::new(Adam::new(parameters, self.lr)),
            OptimizerKind::Adamw => Box::new(Adam::with(parameters, self.lr, AdamOptions::adamw())?),
        })
    }
}
