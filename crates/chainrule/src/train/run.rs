//! A run under way: what it consists of, and how far it is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::parts::Parts;
use super::step::Ahead;
use super::{Data, Decay, EpochMetrics, Preparation, Settings, TrainedModel};
use crate::array::Array;
use crate::data::{Loader, Source};
use crate::error::{Error, Result};
use crate::gate::softmax::CrossEntropy;
use crate::io::load_tensors;
use crate::nn::{LoadReport, Module};
use crate::optim::{Optimizer, Plateau, PlateauOptions};
use crate::tensor::Tensor;

/// How far a run is within its epoch; the sums are of the steps so far.
///
/// ```
/// use chainrule::{data::digits, train::{Settings, Training}};
/// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
/// # let (train, test) = data.stratified_split(0.2, 0)?;
/// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
/// let mut training = Training::new(settings, (train, test))?;
/// training.step()?;
/// let progress = training.progress();
/// assert_eq!((progress.epoch, progress.step, progress.seen), (0, 1, 32));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs that are complete.
    pub epoch: usize,
    /// Steps taken in the current one.
    pub step: usize,
    /// Answers given in the current one: one an example, or one a character.
    pub seen: usize,
    /// Sum of the losses of these answers.
    pub loss: f64,
    /// How many of them were right.
    pub right: usize,
}

/// What the epochs so far decided about the rest of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// The rate that the schedule begins with; plateau lowers it.
    pub(super) rate: f64,
    pub(super) plateau: Option<Plateau>,
    /// The epoch that the validation part judged best, and its measure.
    pub(super) best: Option<(usize, f64)>,
}

/// A run under way.
///
/// ```
/// use chainrule::{
///     data::digits,
///     train::{Settings, Training},
/// };
/// let (train, test) = digits().select(&(0..200).collect::<Vec<_>>())?.stratified_split(0.2, 0)?;
/// let mut training = Training::new(
///     Settings { epochs: 8, hidden: vec![16], lr: 0.02, ..Settings::default() },
///     (train, test),
/// )?;
/// while !training.is_done() {
///     training.step()?;
/// }
/// assert!(training.history()[7].held_out().1.accuracy > 0.5); // of ten classes
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct Training {
    pub(super) settings: Settings,
    pub(super) parts: Parts,
    pub(super) loader: Loader<Arc<dyn Source>>,
    pub(super) loss: CrossEntropy,
    pub(super) network: Box<dyn Module>,
    pub(super) optimizer: Box<dyn Optimizer>,
    pub(super) progress: Progress,
    pub(super) history: Vec<EpochMetrics>,
    pub(super) standing: Standing,
    /// The network's state after the best epoch.
    pub(super) best: Option<Vec<(String, Array)>>,
    pub(super) ahead: Option<Ahead>,
    loaded: Option<LoadReport>,
}

impl Training {
    /// A run from the beginning. The data is read by [`Data::open`], or two data sets: training and test part.
    ///
    /// # Errors
    /// The settings make no sense or don't suit the data, or there is nothing to learn from.
    ///
    /// ```
    /// use chainrule::{
    ///     data::digits,
    ///     train::{Settings, Training},
    /// };
    /// let (train, test) = digits().stratified_split(0.2, 0)?;
    /// assert!(
    ///     Training::new(Settings { batch: 0, ..Settings::default() }, (train.clone(), test.clone())).is_err()
    /// );
    /// assert!(Training::new(Settings::default(), (train, test)).is_ok());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(settings: Settings, data: impl Into<Data>) -> Result<Training> {
        let weights = settings.weights.clone();
        let mut training = Training::build(settings, data.into(), None)?;
        if let Some(path) = &weights {
            training.load_weights(path)?;
        }
        Ok(training)
    }

    /// A run whose network has been trained already, for checking it.
    ///
    /// # Errors
    /// The data doesn't fit the network.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, (train.clone(), test.clone()))?;
    /// let model = training.into_model()?;
    /// let again = Training::with_network(model, (train, test))?;
    /// assert!(again.check_gradients(4)?.passed());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn with_network(model: TrainedModel, data: impl Into<Data>) -> Result<Training> {
        let mut training = Training::build(model.settings, data.into(), Some(model.preparation))?;
        training.network = model.network;
        Ok(training)
    }

    /// A run whose network has its initial values.
    pub(super) fn build(settings: Settings, data: Data, known: Option<Preparation>) -> Result<Training> {
        settings.check()?;
        data.check(&settings)?;
        let parts = Parts::new(&settings, data, known)?;
        let network = settings.network(&parts.example_shape()?, parts.classes.len())?;
        for (name, parameter) in network.named_parameters() {
            if settings.freeze.iter().any(|start| name.starts_with(start.as_str())) {
                parameter.requires_grad_(false)?;
            }
        }
        let trained: Vec<Tensor> = network.parameters().into_iter().filter(Tensor::requires_grad).collect();
        if trained.is_empty() {
            return Err(Error::argument("all parameters are frozen, so there is nothing to train"));
        }
        let loader = Loader::new(parts.train.clone(), settings.batch)
            .shuffle(settings.seed)
            .workers(if parts.slow { crate::num_threads() } else { 0 });
        let plateau = (settings.schedule == Decay::Plateau).then(|| {
            let own = PlateauOptions::default();
            Plateau::new(PlateauOptions {
                factor: settings.factor.unwrap_or(own.factor),
                patience: settings.every.unwrap_or(3),
                ..own
            })
        });
        Ok(Training {
            optimizer: settings.build_optimizer(&trained)?,
            loss: settings.loss(&parts.counts)?,
            standing: Standing { rate: settings.lr, plateau, best: None },
            settings,
            parts,
            loader,
            network,
            progress: Progress::default(),
            history: Vec::new(),
            best: None,
            ahead: None,
            loaded: None,
        })
    }

    /// Takes over the weights of a file whose names and shapes fit.
    fn load_weights(&mut self, path: &str) -> Result<()> {
        let (tensors, _) = load_tensors(path)?;
        let named: Vec<(String, Tensor)> = tensors
            .into_iter()
            .map(|(name, array)| (self.settings.arch.own_name(&name), Tensor::from_array(array)))
            .collect();
        let report = self.network.load_matching(&named)?;
        if report.matched.is_empty() {
            return Err(Error::argument(format!(
                "no tensor in it has the name and the shape of one of {}'s parameters",
                self.settings.arch
            ))
            .path(path));
        }
        self.loaded = Some(report);
        Ok(())
    }

    /// The settings.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, (train, test))?;
    /// assert_eq!(training.settings().hidden, [8]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The network.
    ///
    /// ```
    /// use chainrule::{data::digits, nn::Module, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, (train, test))?;
    /// assert_eq!(training.network().parameter_count(), 64 * 8 + 8 + 8 * 10 + 10);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn network(&self) -> &dyn Module {
        &*self.network
    }

    /// How the weights that the run began with fitted the network.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// assert!(Training::new(settings, data)?.loaded().is_none()); // it begins with its initial values
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn loaded(&self) -> Option<&LoadReport> {
        self.loaded.as_ref()
    }

    /// The names of the classes: of characters, where the network writes text.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// assert_eq!(Training::new(settings, data)?.classes()[3], "3");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn classes(&self) -> &[String] {
        &self.parts.classes
    }

    /// How many examples there are to learn from, to judge by, and to test with.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// let settings = Settings { validation: 0.1, ..settings };
    /// assert_eq!(Training::new(settings, data)?.examples(), (1293, 145, 359));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn examples(&self) -> (usize, usize, usize) {
        let judge = self.parts.validation.as_ref().map_or(0, |part| part.len());
        (self.parts.train.len(), judge, self.parts.test.len())
    }

    /// The part that tests the network, as the network sees it.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// assert_eq!(Training::new(settings, data)?.test_part().len(), 359);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn test_part(&self) -> &dyn Source {
        &*self.parts.test
    }

    /// What is done to examples first.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Preparation, Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, data)?;
    /// assert!(matches!(training.preparation(), Preparation::Features { .. }));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn preparation(&self) -> &Preparation {
        &self.parts.preparation
    }

    /// The shape of one of the network's inputs.
    ///
    /// # Errors
    /// The first example can't be read.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// assert_eq!(Training::new(settings, data)?.example_shape()?, [64]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn example_shape(&self) -> Result<Vec<usize>> {
        self.parts.example_shape()
    }

    /// How far the run is.
    ///
    /// ```
    /// use chainrule::train::Progress;
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, (train, test))?;
    /// assert_eq!(training.progress(), Progress::default());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// The complete epochs.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let mut training = Training::new(settings, (train, test))?;
    /// for _ in 0..training.steps_per_epoch() {
    ///     training.step()?;
    /// }
    /// assert_eq!(training.history().len(), 1);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn history(&self) -> &[EpochMetrics] {
        &self.history
    }

    /// The epoch that the validation part judged best.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// let mut training = Training::new(Settings { validation: 0.1, ..settings }, data)?;
    /// while training.step()?.is_none() {}
    /// assert_eq!(training.best_epoch(), Some(1));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn best_epoch(&self) -> Option<usize> {
        self.standing.best.map(|(epoch, _)| epoch)
    }

    /// Whether the run ended because the validation part saw no improvement for too long.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// assert!(!Training::new(Settings { validation: 0.1, patience: Some(3), ..settings }, data)?.stopped_early());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn stopped_early(&self) -> bool {
        let since = |(best, _): (usize, f64)| self.progress.epoch - best;
        self.settings.patience.is_some_and(|patience| self.standing.best.map(since) >= Some(patience.max(1)))
    }

    /// Whether there is nothing more to learn: all epochs are complete, or the run ended early.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// let mut training = Training::new(settings, (train, test))?;
    /// for _ in 0..training.steps_per_epoch() {
    ///     assert!(!training.is_done());
    ///     training.step()?;
    /// }
    /// assert!(training.is_done());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn is_done(&self) -> bool {
        self.progress.epoch >= self.settings.epochs || self.stopped_early()
    }

    /// Steps in an epoch.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, (train, test))?;
    /// assert_eq!(training.steps_per_epoch(), training.examples().0.div_ceil(32));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn steps_per_epoch(&self) -> usize {
        self.parts.train.len().div_ceil(self.settings.batch).div_ceil(self.settings.accumulate)
    }

    /// Steps taken since the run began.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// let mut training = Training::new(settings, data)?;
    /// training.step()?;
    /// assert_eq!(training.steps(), 1);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn steps(&self) -> usize {
        self.progress.epoch * self.steps_per_epoch() + self.progress.step
    }

    /// The learning rate of the next step.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Decay, Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, schedule: Decay::Cosine, ..Settings::default() };
    /// let mut training = Training::new(settings, (train, test))?;
    /// let first = training.learning_rate();
    /// training.step()?;
    /// assert!(training.learning_rate() < first);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn learning_rate(&self) -> f64 {
        self.settings.learning_rates(self.steps_per_epoch()).rate(self.standing.rate, self.steps())
    }

    /// Goes on with another learning rate.
    ///
    /// # Errors
    /// It isn't a positive number.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// let mut training = Training::new(settings, data)?;
    /// training.set_learning_rate(0.001)?;
    /// assert_eq!(training.learning_rate(), 0.001);
    /// assert!(training.set_learning_rate(0.0).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<()> {
        self.settings.lr = rate;
        self.settings.check()?;
        self.standing.rate = rate;
        Ok(())
    }

    /// Mean loss of the current epoch so far.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let mut training = Training::new(settings, (train, test))?;
    /// training.step()?;
    /// assert!((1.5..4.0).contains(&training.running_loss())); // about ln 10 at first
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn running_loss(&self) -> f64 {
        self.progress.loss / self.progress.seen.max(1) as f64
    }

    pub(super) fn named_arrays(&self) -> Vec<(String, Array)> {
        self.network.state().into_iter().map(|(name, owned)| (name, owned.tensor().array())).collect()
    }

    /// Puts the network of the best epoch in place of the last one's, where there is a validation part.
    ///
    /// # Errors
    /// The network can't be changed.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// let mut training = Training::new(Settings { validation: 0.1, ..settings }, data)?;
    /// while training.step()?.is_none() {}
    /// training.take_best()?;
    /// assert!(training.evaluate()?.score.accuracy > 0.3);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn take_best(&mut self) -> Result<()> {
        let Some(best) = &self.best else { return Ok(()) };
        let named: Vec<(String, Tensor)> =
            best.iter().map(|(name, array)| (name.clone(), Tensor::from_array(array.clone()))).collect();
        self.network.load_parameters(&named)
    }

    /// The network as it is, ready to classify.
    ///
    /// # Errors
    /// The first example can't be read.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, (train, test))?;
    /// let model = training.into_model()?;
    /// assert_eq!(model.classes.len(), 10);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn into_model(self) -> Result<TrainedModel> {
        self.network.set_training(false);
        Ok(TrainedModel {
            example: self.example_shape()?,
            network: self.network,
            preparation: self.parts.preparation,
            classes: self.parts.classes,
            settings: self.settings,
        })
    }
}
