//! The settings of a run.

use serde::{Deserialize, Serialize};

use super::choice::choices;
use super::{Arch, DataKind};
use crate::array::Generator;
use crate::error::{Error, Result};
use crate::gate::softmax::CrossEntropy;
use crate::nn::Module;
use crate::optim::{
    Adagrad, AdagradOptions, Adam, AdamOptions, OneCycle, Optimizer, RmsProp, RmsPropOptions, Schedule, Sgd,
    SgdOptions,
};
use crate::tensor::Tensor;

choices! {
    /// An optimiser by its kind.
    ///
    /// ```
    /// use chainrule::param;
    /// use chainrule::train::{OptimizerKind, Settings};
    /// let settings = Settings { optimizer: OptimizerKind::Sgd, lr: 0.1, ..Settings::default() };
    /// assert_eq!(settings.build_optimizer(&[param(1.0)])?.learning_rate(), 0.1);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub enum OptimizerKind {
        /// gradient descent, with momentum 0.9 unless told otherwise
        Sgd = "sgd",
        /// gradient descent with Nesterov's momentum
        Nesterov = "nesterov",
        /// Adam
        Adam = "adam",
        /// Adam with decoupled weight decay
        Adamw = "adamw",
        /// Adam whose mean square never falls
        Amsgrad = "amsgrad",
        /// RMSprop
        RmsProp = "rmsprop",
        /// Adagrad
        Adagrad = "adagrad",
    }
}

choices! {
    /// How the learning rate changes in the course of a run.
    ///
    /// ```
    /// use chainrule::train::{Decay, Settings};
    /// let settings = Settings { schedule: Decay::Step, epochs: 30, ..Settings::default() };
    /// let schedule = settings.learning_rates(1);
    /// assert_eq!(schedule.rate(1.0, 9), 1.0);
    /// assert!((schedule.rate(1.0, 10) - 0.1).abs() < 1e-12);
    /// ```
    #[derive(Default)]
    pub enum Decay {
        /// always the same
        #[default]
        Constant = "constant",
        /// times --factor after each third of the epochs, or as --every says
        Step = "step",
        /// times --factor after each of --milestones
        MultiStep = "multi-step",
        /// times --factor in the course of each epoch
        Exponential = "exponential",
        /// along a straight line, down to --factor of it
        Linear = "linear",
        /// down to 0 along half a cosine
        Cosine = "cosine",
        /// up, and far down again; the momentum goes the other way
        OneCycle = "one-cycle",
        /// times --factor when the validation loss (or training loss) rests
        Plateau = "plateau",
    }
}

choices! {
    /// What is done about missing values of a table.
    ///
    /// ```
    /// use chainrule::train::MissingValues;
    /// assert_eq!(MissingValues::default(), MissingValues::Refuse);
    /// ```
    #[derive(Default)]
    pub enum MissingValues {
        /// they are errors
        #[default]
        Refuse = "refuse",
        /// their rows are left out
        Drop = "drop",
        /// the mean of the training part stands in for them
        Mean = "mean",
        /// the median of the training part stands in for them
        Median = "median",
    }
}

choices! {
    /// What is changed at random in each training image whenever it is seen.
    ///
    /// ```
    /// use chainrule::train::{Augment, Settings};
    /// let settings = Settings { augment: vec![Augment::Flip, Augment::Crop], ..Settings::default() };
    /// assert_eq!(settings.augment[0].name(), "flip");
    /// ```
    pub enum Augment {
        /// left and right are swapped half of the time
        Flip = "flip",
        /// another part is seen each time
        Crop = "crop",
    }
}

choices! {
    /// By what the validation part judges a network.
    ///
    /// ```
    /// use chainrule::train::{Judge, Settings};
    /// let settings = Settings { validation: 0.1, judge: Judge::Accuracy, ..Settings::default() };
    /// settings.check()?;
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Default)]
    pub enum Judge {
        /// its loss, lower is better
        #[default]
        Loss = "loss",
        /// its accuracy, higher is better
        Accuracy = "accuracy",
    }
}

/// How much the examples of each class count.
///
/// ```
/// use chainrule::train::{ClassWeights, Settings};
/// let settings = Settings { class_weights: ClassWeights::Balanced, ..Settings::default() };
/// assert!(serde_json::to_string(&settings).unwrap().contains(r#""class-weights":"balanced""#));
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeights {
    /// All the same
    #[default]
    Equal,
    /// So that all classes count the same, however many examples they have
    Balanced,
    /// These numbers
    #[serde(untagged)]
    Numbers(Vec<f64>),
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
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Where the data is from: see [`Data::open`](super::Data::open).
    pub data: String,
    /// The column of a table that holds the classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What is done about missing values of a table.
    pub missing: MissingValues,
    /// Whether columns of texts become features.
    pub categories: bool,
    /// The share of the training part that is kept back to judge the network by; 0 for none.
    pub validation: f64,
    /// Height and width to which images are brought; by default what suits the network and the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// What is changed at random in training images.
    pub augment: Vec<Augment>,
    /// The network.
    pub arch: Arch,
    /// The sizes of the hidden layers of mlp.
    pub hidden: Vec<usize>,
    /// Height and width of a patch of vit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<usize>,
    /// Numbers that stand for a patch of vit or a character of chargpt.
    pub width: usize,
    /// Heads of each attention of vit and chargpt.
    pub heads: usize,
    /// Blocks of vit and chargpt.
    pub depth: usize,
    /// Characters that chargpt sees at once.
    pub length: usize,
    /// A file of weights to begin with, where their names and shapes fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Parameters that aren't trained: those whose names begin with one of these.
    pub freeze: Vec<String>,
    /// How often every example is seen.
    pub epochs: usize,
    /// Examples at once.
    pub batch: usize,
    /// Batches whose gradients are added up for one step.
    pub accumulate: usize,
    /// The optimiser.
    pub optimizer: OptimizerKind,
    /// The learning rate.
    pub lr: f64,
    /// The momentum of sgd, nesterov and rmsprop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// How strongly parameters are pulled to 0; 0.01 for adamw by default, else 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// How the learning rate changes after the warm-up.
    pub schedule: Decay,
    /// What the schedule multiplies the rate by; 0.1 by default (0.95 for exponential, 0 for linear).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// Epochs between two changes of step; epochs without improvement that plateau bears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<usize>,
    /// The epochs after which multi-step changes the rate.
    pub milestones: Vec<usize>,
    /// Epochs in which the learning rate rises from a tenth to its full height.
    pub warm_up: usize,
    /// The largest norm of all gradients together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// The largest magnitude of each element of the gradients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_value: Option<f64>,
    /// How much of each target is spread evenly over all classes.
    pub label_smoothing: f64,
    /// How much the examples of each class count.
    pub class_weights: ClassWeights,
    /// By what the validation part judges.
    pub judge: Judge,
    /// Epochs without improvement on the validation part after which the run ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Decides the split, the initial values and the order of examples.
    pub seed: u64,
}

impl Default for Settings {
    /// A small multilayer perceptron for the embedded digits.
    fn default() -> Self {
        Settings {
            data: "digits".into(),
            target: None,
            missing: MissingValues::Refuse,
            categories: false,
            validation: 0.0,
            size: None,
            augment: Vec::new(),
            arch: Arch::Mlp,
            hidden: vec![64],
            patch: None,
            width: 64,
            heads: 4,
            depth: 4,
            length: 64,
            weights: None,
            freeze: Vec::new(),
            epochs: 40,
            batch: 32,
            accumulate: 1,
            optimizer: OptimizerKind::Adam,
            lr: 6e-3,
            momentum: None,
            weight_decay: None,
            schedule: Decay::Constant,
            factor: None,
            every: None,
            milestones: Vec::new(),
            warm_up: 0,
            clip_norm: None,
            clip_value: None,
            label_smoothing: 0.0,
            class_weights: ClassWeights::Equal,
            judge: Judge::Loss,
            patience: None,
            seed: 0,
        }
    }
}

fn refuse(rule: String) -> Result<()> {
    Err(Error::argument(rule))
}

impl Settings {
    /// What suits a network, the kind of its data and an optimiser, where nothing else is asked for.
    ///
    /// ```
    /// use chainrule::train::{Arch, DataKind, OptimizerKind, Settings};
    /// let settings = Settings::suited(Arch::LeNet, DataKind::Idx, OptimizerKind::Adam);
    /// assert_eq!((settings.epochs, settings.batch), (10, 64));
    /// ```
    pub fn suited(arch: Arch, kind: DataKind, optimizer: OptimizerKind) -> Settings {
        let small = matches!(kind, DataKind::Digits | DataKind::Table);
        let gradient_descent = matches!(optimizer, OptimizerKind::Sgd | OptimizerKind::Nesterov);
        let settings = Settings { arch, optimizer, ..Settings::default() };
        match arch {
            Arch::Softmax | Arch::Mlp if small => {
                Settings { lr: if gradient_descent { 0.05 } else { settings.lr }, ..settings }
            }
            Arch::Softmax | Arch::Mlp => Settings {
                hidden: vec![256],
                epochs: 10,
                batch: 64,
                lr: if gradient_descent { 0.05 } else { 1e-3 },
                schedule: Decay::Cosine,
                ..settings
            },
            Arch::LeNet | Arch::Vit => Settings {
                epochs: if small { 20 } else { 10 },
                batch: if small { 32 } else { 64 },
                lr: match arch {
                    _ if gradient_descent => 0.02,
                    Arch::LeNet => 2e-3,
                    _ => 1e-3,
                },
                schedule: Decay::Cosine,
                warm_up: usize::from(arch == Arch::Vit),
                ..settings
            },
            Arch::CharGpt => Settings {
                data: "alice".into(),
                epochs: 12,
                lr: if gradient_descent { 0.1 } else { 3e-3 },
                schedule: Decay::Cosine,
                warm_up: 1,
                clip_norm: Some(1.0),
                width: 128,
                depth: 3,
                length: 96,
                ..settings
            },
            _ => Settings {
                epochs: 20,
                lr: match arch {
                    _ if gradient_descent => 0.01,
                    Arch::ResNet18 => 1e-3,
                    _ => 1e-4,
                },
                schedule: Decay::Cosine,
                warm_up: 1,
                ..settings
            },
        }
    }

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
        if self.batch == 0 || self.accumulate == 0 {
            return refuse("a step needs at least one batch, and a batch at least one example".into());
        }
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return refuse(format!("the learning rate must be a positive number, not {}", self.lr));
        }
        if self.hidden.contains(&0) {
            return refuse("a hidden layer needs at least one unit".into());
        }
        if self.warm_up > 0 && self.warm_up >= self.epochs {
            return refuse(format!(
                "a warm-up of {} epochs leaves none of the {} for learning at the full rate",
                self.warm_up, self.epochs
            ));
        }
        if !(0.0..1.0).contains(&self.validation) {
            return refuse(format!(
                "the validation part is a share from 0 to less than 1, not {}",
                self.validation
            ));
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return refuse(format!("label smoothing is from 0 to less than 1, not {}", self.label_smoothing));
        }
        if self.patience.is_some() && self.validation == 0.0 {
            return refuse(
                "stopping early needs a part to judge by: keep one back with --validation 0.1".into(),
            );
        }
        for (what, limit) in [("--clip-norm", self.clip_norm), ("--clip-value", self.clip_value)] {
            if limit.is_some_and(|limit| limit.is_nan() || limit <= 0.0) {
                return refuse(format!("{what} takes a positive number"));
            }
        }
        if self.schedule == Decay::MultiStep && self.milestones.is_empty() {
            return refuse("the schedule multi-step needs --milestones, such as 10,15".into());
        }
        if self.factor.is_some_and(|factor| !(0.0..=10.0).contains(&factor)) {
            return refuse("--factor is a number from 0 to 10".into());
        }
        Ok(())
    }

    /// The learning rate's course, for an epoch of so many steps; plateau changes the rate by what comes out.
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
        let factor = self.factor.unwrap_or(0.1);
        let decay = match self.schedule {
            Decay::Constant | Decay::Plateau => Schedule::Constant,
            Decay::Step => {
                let every = self.every.map_or(rest.div_ceil(3), |epochs| (epochs * steps_per_epoch).max(1));
                Schedule::Step { every, factor }
            }
            Decay::MultiStep => {
                let at = self.milestones.iter().map(|epoch| (epoch * steps_per_epoch).saturating_sub(warm));
                Schedule::MultiStep { at: at.collect(), factor }
            }
            Decay::Exponential => {
                let factor = self.factor.unwrap_or(0.95).powf(1.0 / steps_per_epoch.max(1) as f64);
                Schedule::Exponential { factor }
            }
            Decay::Linear => Schedule::Linear { start: 1.0, end: self.factor.unwrap_or(0.0), steps: rest },
            Decay::Cosine => Schedule::Cosine { steps: rest, minimum: 0.0 },
            Decay::OneCycle => Schedule::OneCycle(OneCycle { steps: rest, ..OneCycle::default() }),
        };
        if warm == 0 { decay } else { decay.warm_up(warm, 0.1) }
    }

    /// The fresh network for examples of this shape (after preparation), and so many classes.
    ///
    /// # Errors
    /// The examples don't suit the network, or a size is 0.
    ///
    /// ```
    /// use chainrule::{nn::Module, train::Settings};
    /// let net = Settings { hidden: vec![16], ..Settings::default() }.network(&[4], 3)?;
    /// assert_eq!(net.parameter_count(), 4 * 16 + 16 + 16 * 3 + 3);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn network(&self, example: &[usize], classes: usize) -> Result<Box<dyn Module>> {
        self.arch.build(self, example, classes, &mut Generator::new(self.seed))
    }

    /// The loss of logits, for classes with so many training examples each.
    pub(super) fn loss(&self, counts: &[usize]) -> Result<CrossEntropy> {
        let weight = match &self.class_weights {
            ClassWeights::Equal => None,
            ClassWeights::Balanced => {
                let total: usize = counts.iter().sum();
                let share = |&n: &usize| total as f64 / (counts.len() * n.max(1)) as f64;
                Some(counts.iter().map(share).collect())
            }
            ClassWeights::Numbers(weights) if weights.len() != counts.len() => {
                return Err(Error::argument(format!(
                    "there are {} class weights and {} classes",
                    weights.len(),
                    counts.len()
                )));
            }
            ClassWeights::Numbers(weights) => {
                if let Some(bad) = weights.iter().find(|w| !(**w > 0.0 && w.is_finite())) {
                    return Err(Error::argument(format!("a class weight is a positive number, not {bad}")));
                }
                Some(weights.clone())
            }
        };
        Ok(CrossEntropy { weight, label_smoothing: self.label_smoothing, ..CrossEntropy::default() })
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
        let weight_decay = self.weight_decay.unwrap_or(0.0);
        let adam = AdamOptions { weight_decay, ..AdamOptions::default() };
        Ok(match self.optimizer {
            OptimizerKind::Sgd | OptimizerKind::Nesterov => {
                let options = SgdOptions {
                    momentum: self.momentum.unwrap_or(0.9),
                    nesterov: self.optimizer == OptimizerKind::Nesterov,
                    weight_decay,
                    ..SgdOptions::default()
                };
                Box::new(Sgd::with(parameters, self.lr, options)?)
            }
            OptimizerKind::Adam => Box::new(Adam::with(parameters, self.lr, adam)?),
            OptimizerKind::Adamw => {
                let own = AdamOptions::adamw();
                let weight_decay = self.weight_decay.unwrap_or(own.weight_decay);
                Box::new(Adam::with(parameters, self.lr, AdamOptions { weight_decay, ..own })?)
            }
            OptimizerKind::Amsgrad => {
                Box::new(Adam::with(parameters, self.lr, AdamOptions { amsgrad: true, ..adam })?)
            }
            OptimizerKind::RmsProp => {
                let momentum = self.momentum.unwrap_or(0.0);
                let options = RmsPropOptions { weight_decay, momentum, ..RmsPropOptions::default() };
                Box::new(RmsProp::with(parameters, self.lr, options)?)
            }
            OptimizerKind::Adagrad => {
                let options = AdagradOptions { weight_decay, ..AdagradOptions::default() };
                Box::new(Adagrad::with(parameters, self.lr, options)?)
            }
        })
    }
}
