//! The training loop, one step at a time, so that it can stop and go on anywhere.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::data::Parts;
use super::evaluate::{loss_of, right_answers};
use super::{Data, Decay, EpochMetrics, Judge, Preparation, Score, Settings, TrainedModel};
use crate::array::{Array, Generator};
use crate::data::{Batch, Batches, Loader, Source};
use crate::error::{Error, Result};
use crate::gate::softmax::CrossEntropy;
use crate::io::load_tensors;
use crate::nn::{LoadReport, Module};
use crate::optim::{Goal, Optimizer, Plateau, PlateauOptions, Threshold, clip_grad_norm, clip_grad_value};
use crate::tensor::{Tensor, detect_anomaly, no_grad};

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
    ahead: Option<Ahead>,
    loaded: Option<LoadReport>,
}

/// The batches of an epoch from a step on.
#[derive(Debug)]
struct Ahead {
    epoch: usize,
    step: usize,
    batches: Batches<Arc<dyn Source>>,
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
        let parts = Parts::new(&settings, data, known)?;
        if parts.train.is_empty() || parts.test.is_empty() {
            return Err(Error::argument(format!(
                "{} training and {} test examples are not enough to learn from",
                parts.train.len(),
                parts.test.len()
            )));
        }
        if settings.validation > 0.0 && parts.validation.as_ref().is_none_or(|part| part.is_empty()) {
            return Err(Error::argument(format!(
                "a share of {} of {} examples leaves none to judge by",
                settings.validation,
                parts.train.len()
            )));
        }
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

    /// What dropout draws depends on the seed and the step alone, wherever a run goes on.
    pub(super) fn seeded<R>(&self, body: impl FnOnce() -> R) -> R {
        let before = Generator::of_thread();
        Generator::resume(self.settings.seed ^ 0xD807_0047, (self.steps() as u64) << 32).set_thread();
        let result = body();
        before.set_thread();
        result
    }

    /// The batches of the next step.
    fn next_batches(&mut self) -> Result<Vec<Batch>> {
        let Progress { epoch, step, .. } = self.progress;
        if self.ahead.as_ref().is_none_or(|ahead| (ahead.epoch, ahead.step) != (epoch, step)) {
            let batches = self.loader.epoch_from(epoch, step * self.settings.accumulate);
            self.ahead = Some(Ahead { epoch, step, batches });
        }
        let ahead = self.ahead.as_mut().ok_or_else(|| Error::argument("an epoch has no batches"))?;
        ahead.step += 1;
        ahead.batches.by_ref().take(self.settings.accumulate).collect()
    }

    /// One step: forward, backward, update. After the last step of an epoch its metrics are returned.
    ///
    /// # Errors
    /// An example can't be read; or the loss or a gradient became NaN or infinite: the gate that made it is named, and
    /// the network stays as it was before the step.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let mut training = Training::new(settings, (train, test))?;
    /// let before = training.evaluate()?.score.loss;
    /// while training.step()?.is_none() {}
    /// assert!(training.evaluate()?.score.loss < before); // the loss of the test part after one epoch
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn step(&mut self) -> Result<Option<EpochMetrics>> {
        if self.is_done() {
            return Ok(None);
        }
        let batches = self.next_batches()?;
        let kept = Buffers::of(&*self.network);
        let (loss, seen, right) =
            self.seeded(|| self.gradients(&batches)).inspect_err(|_| self.ahead = None)?;
        kept.forget();
        let rate = self.learning_rate();
        let momentum = self.settings.learning_rates(self.steps_per_epoch()).momentum(self.steps());
        self.optimizer.set_learning_rate(rate);
        if let Some(momentum) = momentum {
            self.optimizer.momenta_mut().into_iter().for_each(|own| *own = momentum);
        }
        self.optimizer.step()?;
        self.optimizer.zero_grad();
        self.progress.seen += seen;
        self.progress.loss += loss;
        self.progress.right += right;
        self.progress.step += 1;
        if self.progress.step < self.steps_per_epoch() {
            return Ok(None);
        }
        self.end_epoch(rate).map(Some)
    }

    /// The gradients of all parameters for some batches together; the sum of the losses, how many answers there were,
    /// and how many of them were right.
    fn gradients(&self, batches: &[Batch]) -> Result<(f64, usize, usize)> {
        self.network.set_training(true);
        self.optimizer.zero_grad();
        let weights: Vec<f64> = batches.iter().map(|batch| self.weight(&batch.targets)).collect();
        let total: f64 = weights.iter().sum();
        let (mut sum, mut seen, mut right) = (0.0, 0, 0);
        for (batch, weight) in batches.iter().zip(&weights) {
            let (loss, logits) = loss_of(&*self.network, &batch.inputs, &batch.targets, &self.loss)?;
            let value = loss.item()?;
            if !value.is_finite() {
                return Err(self.culprit(batches, "loss"));
            }
            let labels = batch.targets.to_i64_vec();
            right += right_answers(&logits, &labels)?;
            seen += labels.len();
            sum += value * labels.len() as f64;
            drop(logits);
            match batches.len() {
                1 => loss.backward()?,
                // The mean over all batches together is each one's mean by its share.
                _ => loss.mul(weight / total)?.backward()?,
            }
        }
        let parameters = self.optimizer.parameters();
        let finite = |p: &Tensor| p.grad().is_none_or(|gradient| gradient.array().all_finite());
        if !parameters.iter().all(finite) {
            return Err(self.culprit(batches, "gradient"));
        }
        if let Some(limit) = self.settings.clip_value {
            clip_grad_value(parameters, limit)?;
        }
        if let Some(limit) = self.settings.clip_norm {
            clip_grad_norm(parameters, limit, 2.0)?;
        }
        Ok((sum, seen, right))
    }

    /// How much a batch counts among others.
    fn weight(&self, labels: &Array) -> f64 {
        match &self.loss.weight {
            None => labels.elements() as f64,
            Some(weights) => {
                let weight = |&label: &i64| usize::try_from(label).ok().and_then(|class| weights.get(class));
                labels.to_i64_vec().iter().filter_map(weight).sum()
            }
        }
    }

    /// The gate that made the loss or a gradient infinite: the step once more, watched.
    fn culprit(&self, batches: &[Batch], what: &str) -> Error {
        let again = self.seeded(|| {
            detect_anomaly(|| {
                batches.iter().try_for_each(|batch| {
                    loss_of(&*self.network, &batch.inputs, &batch.targets, &self.loss)?.0.backward()
                })
            })
        });
        self.optimizer.zero_grad();
        let error = again.err().unwrap_or_else(|| Error::autograd(format!("a {what} is not finite")));
        let infinite = self
            .network
            .named_parameters()
            .into_iter()
            .find(|(_, parameter)| !parameter.array().all_finite());
        let hint = match infinite {
            Some((name, _)) => format!("the parameter {name} had grown beyond all bounds"),
            None => format!("in epoch {}, step {}", self.progress.epoch + 1, self.progress.step + 1),
        };
        error.hint(format!("{hint}; try a smaller learning rate (--lr) or --clip-norm 1"))
    }

    fn end_epoch(&mut self, rate: f64) -> Result<EpochMetrics> {
        let score = |part: &Arc<dyn Source>| Ok::<_, Error>(self.evaluate_on(part)?.score);
        let validation = self.parts.validation.as_ref().map(score).transpose()?;
        let metrics = EpochMetrics {
            epoch: self.progress.epoch + 1,
            rate,
            train: Score {
                loss: self.running_loss(),
                accuracy: self.progress.right as f64 / self.progress.seen.max(1) as f64,
            },
            validation,
            test: if validation.is_none() { Some(score(&self.parts.test)?) } else { None },
        };
        self.history.push(metrics);
        self.progress = Progress { epoch: self.progress.epoch + 1, ..Progress::default() };
        if let Some(score) = validation {
            let (goal, value) = match self.settings.judge {
                Judge::Loss => (Goal::Lowest, score.loss),
                Judge::Accuracy => (Goal::Highest, score.accuracy),
            };
            if goal.is_better(value, self.standing.best.map(|(_, value)| value), Threshold::Absolute(0.0)) {
                self.standing.best = Some((metrics.epoch, value));
                self.best = Some(self.named_arrays());
            }
        }
        if let Some(plateau) = &mut self.standing.plateau {
            self.optimizer.set_learning_rate(self.standing.rate);
            plateau.step(validation.map_or(metrics.train.loss, |score| score.loss), &mut *self.optimizer);
            self.standing.rate = self.optimizer.learning_rate();
        }
        Ok(metrics)
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

/// A network's running statistics as they were, put back unless all went well.
pub(super) struct Buffers(Vec<(Tensor, Array)>);

impl Buffers {
    pub(super) fn of(network: &dyn Module) -> Buffers {
        Buffers(network.named_buffers().into_iter().map(|(_, t)| (t.clone(), t.array())).collect())
    }

    fn forget(mut self) {
        self.0.clear();
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        for (tensor, array) in &self.0 {
            // They have kept their shapes, so that this can't fail.
            let _ = no_grad(|| tensor.copy_(&Tensor::from_array(array.clone())));
        }
    }
}
