//! The training loop, one step at a time, so that it can stop and go on anywhere.

use serde::{Deserialize, Serialize};

use super::{Settings, TrainedModel};
use crate::array::Array;
use crate::check::{GradCheck, Report};
use crate::data::{Dataset, Scaler};
use crate::error::{Error, Result};
use crate::explorer::Explorer;
use crate::nn::{Module, Sequential};
use crate::optim::Optimizer;
use crate::tensor::{Tensor, no_grad};

/// What an epoch brought.
///
/// ```
/// use chainrule::{data::digits, train::{Settings, Training}};
/// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
/// # let (train, test) = data.stratified_split(0.2, 0)?;
/// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
/// let mut training = Training::new(settings, train, test)?;
/// let metrics = loop {
///     if let Some(metrics) = training.step()? {
///         break metrics;
///     }
/// };
/// assert_eq!(metrics.epoch, 1);
/// assert!((0.0..=1.0).contains(&metrics.test_accuracy));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean cross entropy over the epoch's steps.
    pub train_loss: f64,
    /// Share of right answers during the epoch's steps.
    pub train_accuracy: f64,
    /// Mean cross entropy on the test part.
    pub test_loss: f64,
    /// Share of right answers on the test part.
    pub test_accuracy: f64,
}

/// How far a run is within its epoch; the sums are of the steps so far.
///
/// ```
/// use chainrule::{data::digits, train::{Settings, Training}};
/// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
/// # let (train, test) = data.stratified_split(0.2, 0)?;
/// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
/// let mut training = Training::new(settings, train, test)?;
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
    /// Examples seen in the current one.
    pub seen: usize,
    /// Sum of the losses of these examples.
    pub loss: f64,
    /// How many of them were answered right.
    pub right: usize,
}

/// How often examples of each class (rows) were taken for each class (columns).
///
/// ```
/// use chainrule::train::Confusion;
/// let confusion = Confusion(vec![vec![9, 1], vec![0, 10]]);
/// assert_eq!(confusion.0[0][1], 1); // one of class 0 was taken for class 1
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion(pub Vec<Vec<usize>>);

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
///     train,
///     test,
/// )?;
/// while !training.is_done() {
///     training.step()?;
/// }
/// assert!(training.history()[7].test_accuracy > 0.5); // of ten classes
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct Training {
    pub(super) settings: Settings,
    train: Dataset,
    test: Dataset,
    pub(super) scaler: Scaler,
    inputs: Array,
    test_inputs: Tensor,
    pub(super) network: Sequential,
    pub(super) optimizer: Box<dyn Optimizer>,
    pub(super) progress: Progress,
    pub(super) history: Vec<EpochMetrics>,
    /// The batches of this epoch.
    shuffled: Option<(usize, Vec<Vec<usize>>)>,
}

impl Training {
    /// A run from the beginning.
    ///
    /// # Errors
    /// The settings make no sense, or there is nothing to learn from.
    ///
    /// ```
    /// use chainrule::{
    ///     data::digits,
    ///     train::{Settings, Training},
    /// };
    /// let (train, test) = digits().stratified_split(0.2, 0)?;
    /// assert!(
    ///     Training::new(Settings { batch: 0, ..Settings::default() }, train.clone(), test.clone()).is_err()
    /// );
    /// assert!(Training::new(Settings::default(), train, test).is_ok());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(settings: Settings, train: Dataset, test: Dataset) -> Result<Training> {
        settings.check()?;
        if train.is_empty() || test.is_empty() {
            return Err(Error::argument(format!(
                "{} training and {} test examples are not enough to learn from",
                train.len(),
                test.len()
            )));
        }
        let pixels = train.features.to_f64_vec().iter().all(|&x| x >= 0.0 && x.fract() == 0.0);
        let scaler = if pixels { Scaler::by_largest(&train) } else { Scaler::standardise(&train) };
        let inputs = scaler.apply(&train.features)?;
        let test_inputs = Tensor::from_array(scaler.apply(&test.features)?);
        let network = settings.network(train.width(), train.classes.len())?;
        let optimizer = settings.build_optimizer(&network.parameters())?;
        Ok(Training {
            settings,
            train,
            test,
            scaler,
            inputs,
            test_inputs,
            network,
            optimizer,
            progress: Progress::default(),
            history: Vec::new(),
            shuffled: None,
        })
    }

    /// A run with a network that is trained already, for checking it.
    ///
    /// # Errors
    /// The data doesn't fit the network.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, train.clone(), test.clone())?;
    /// let model = training.into_model();
    /// let again = Training::with_network(model, train, test)?;
    /// assert!(again.check_gradients(4)?.passed());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn with_network(model: TrainedModel, train: Dataset, test: Dataset) -> Result<Training> {
        let inputs = model.scaler.apply(&train.features)?;
        let test_inputs = Tensor::from_array(model.scaler.apply(&test.features)?);
        let optimizer = model.settings.build_optimizer(&model.network.parameters())?;
        Ok(Training {
            settings: model.settings,
            train,
            test,
            scaler: model.scaler,
            inputs,
            test_inputs,
            network: model.network,
            optimizer,
            progress: Progress::default(),
            history: Vec::new(),
            shuffled: None,
        })
    }

    /// The settings.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, train, test)?;
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
    /// let training = Training::new(settings, train, test)?;
    /// assert_eq!(training.network().parameter_count(), 64 * 8 + 8 + 8 * 10 + 10);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn network(&self) -> &Sequential {
        &self.network
    }

    /// The training part.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, train, test)?;
    /// assert_eq!(training.train_set().len() + training.test_set().len(), 100);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn train_set(&self) -> &Dataset {
        &self.train
    }

    /// The test part.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, train, test)?;
    /// assert_eq!(training.test_set().classes.len(), 10);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn test_set(&self) -> &Dataset {
        &self.test
    }

    /// How far the run is.
    ///
    /// ```
    /// use chainrule::train::Progress;
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, train, test)?;
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
    /// let mut training = Training::new(settings, train, test)?;
    /// for _ in 0..training.steps_per_epoch() {
    ///     training.step()?;
    /// }
    /// assert_eq!(training.history().len(), 1);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn history(&self) -> &[EpochMetrics] {
        &self.history
    }

    /// Whether all epochs are complete.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// let mut training = Training::new(settings, train, test)?;
    /// for _ in 0..training.steps_per_epoch() {
    ///     assert!(!training.is_done());
    ///     training.step()?;
    /// }
    /// assert!(training.is_done());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn is_done(&self) -> bool {
        self.progress.epoch >= self.settings.epochs
    }

    /// Steps in an epoch.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, train, test)?;
    /// assert_eq!(training.steps_per_epoch(), training.train_set().len().div_ceil(32));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn steps_per_epoch(&self) -> usize {
        self.train.len().div_ceil(self.settings.batch)
    }

    /// The learning rate of the next step.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Decay, Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, schedule: Decay::Cosine, ..Settings::default() };
    /// let mut training = Training::new(settings, train, test)?;
    /// let first = training.learning_rate();
    /// training.step()?;
    /// assert!(training.learning_rate() < first);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn learning_rate(&self) -> f64 {
        let steps = self.steps_per_epoch();
        let t = self.progress.epoch * steps + self.progress.step;
        self.settings.learning_rates(steps).rate(self.settings.lr, t)
    }

    /// Mean loss of the current epoch so far.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let mut training = Training::new(settings, train, test)?;
    /// training.step()?;
    /// assert!((1.5..4.0).contains(&training.running_loss())); // about ln 10 at first
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn running_loss(&self) -> f64 {
        self.progress.loss / self.progress.seen.max(1) as f64
    }

    /// Compares the gradients of a copy of the network in f64, on a few examples, with differences.
    ///
    /// At most `at_most` elements of each parameter are compared.
    ///
    /// # Errors
    /// The network can't be evaluated.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, train, test)?;
    /// let report = training.check_gradients(4)?;
    /// assert!(report.passed() && report.findings.len() == 4); // two weights and two biases
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn check_gradients(&self, at_most: usize) -> Result<Report> {
        let rows: Vec<usize> = (0..self.train.len()).step_by((self.train.len() / 8).max(1)).take(8).collect();
        check_network(&self.network, &self.rows(&rows)?, &self.labels(&rows), at_most)
    }

    /// The explorer's page: the loss of the network as it is now, on one batch of training examples.
    ///
    /// # Errors
    /// The network can't be evaluated.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, train, test)?;
    /// assert!(training.explorer()?.html().starts_with("<!doctype html>"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn explorer(&self) -> Result<Explorer> {
        let rows: Vec<usize> = (0..self.train.len()).take(self.settings.batch).collect();
        let (x, labels) = (Tensor::from_array(self.rows(&rows)?), Tensor::from_array(self.labels(&rows)));
        self.network.set_training(true);
        Explorer::of_network(&self.network, &x, |logits| logits.cross_entropy(&labels))
    }

    fn rows(&self, rows: &[usize]) -> Result<Array> {
        let width = self.train.width();
        let values = self.inputs.as_slice::<f32>().ok_or_else(|| Error::dtype("features are f32"))?;
        let mut picked = Vec::with_capacity(rows.len() * width);
        for &row in rows {
            picked.extend_from_slice(&values[row * width..(row + 1) * width]);
        }
        Array::from_vec(picked, [rows.len(), width])
    }

    fn labels(&self, rows: &[usize]) -> Array {
        Array::filled(rows.iter().map(|&i| self.train.labels[i]).collect(), [rows.len()].into())
    }

    /// One step: forward, backward, update. After the last step of an epoch its metrics are returned.
    ///
    /// # Errors
    /// The loss became NaN or infinite; the gate that made it is named.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let mut training = Training::new(settings, train, test)?;
    /// let before = training.evaluate()?.0;
    /// while training.step()?.is_none() {}
    /// assert!(training.evaluate()?.0 < before); // the loss of the test part after one epoch
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn step(&mut self) -> Result<Option<EpochMetrics>> {
        if self.is_done() {
            return Ok(None);
        }
        if self.shuffled.as_ref().is_none_or(|(epoch, _)| *epoch != self.progress.epoch) {
            let batches = self.train.batches(self.settings.batch, self.settings.seed, self.progress.epoch);
            self.shuffled = Some((self.progress.epoch, batches));
        }
        let (_, batches) =
            self.shuffled.as_ref().ok_or_else(|| Error::argument("an epoch has no batches"))?;
        let (steps, rows) = (batches.len(), batches[self.progress.step].clone());
        let (x, labels) = (Tensor::from_array(self.rows(&rows)?), Tensor::from_array(self.labels(&rows)));
        self.network.set_training(true);
        self.optimizer.zero_grad();
        let logits = self.network.forward(&x)?;
        let loss = logits.cross_entropy(&labels)?;
        let value = loss.item()?;
        if !value.is_finite() {
            let network = &self.network;
            let culprit = crate::detect_anomaly(|| network.forward(&x)?.cross_entropy(&labels).map(drop));
            return Err(culprit
                .err()
                .unwrap_or_else(|| Error::autograd("the loss is not finite"))
                .hint("try a smaller learning rate (--lr)"));
        }
        loss.backward()?;
        let rate = self.learning_rate();
        self.optimizer.set_learning_rate(rate);
        self.optimizer.step()?;
        self.progress.seen += rows.len();
        self.progress.loss += value * rows.len() as f64;
        self.progress.right += right_answers(&logits, labels.array().as_slice::<i64>().unwrap_or_default())?;
        self.progress.step += 1;
        if self.progress.step < steps {
            return Ok(None);
        }
        let (test_loss, test_accuracy) = self.evaluate()?;
        let metrics = EpochMetrics {
            epoch: self.progress.epoch + 1,
            train_loss: self.running_loss(),
            train_accuracy: self.progress.right as f64 / self.progress.seen.max(1) as f64,
            test_loss,
            test_accuracy,
        };
        self.history.push(metrics);
        self.progress = Progress { epoch: self.progress.epoch + 1, ..Progress::default() };
        Ok(Some(metrics))
    }

    /// Loss and accuracy on the test part.
    ///
    /// # Errors
    /// The network can't be evaluated.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, train, test)?;
    /// let (loss, accuracy) = training.evaluate()?;
    /// assert!(loss > 1.5 && accuracy < 0.5); // nothing is learned yet
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn evaluate(&self) -> Result<(f64, f64)> {
        let logits = self.test_logits()?;
        let labels = Tensor::from_vec(self.test.labels.clone(), [self.test.len()])?;
        let loss = no_grad(|| logits.cross_entropy(&labels))?.item()?;
        Ok((loss, right_answers(&logits, &self.test.labels)? as f64 / self.test.len() as f64))
    }

    fn test_logits(&self) -> Result<Tensor> {
        self.network.set_training(false);
        no_grad(|| self.network.forward(&self.test_inputs))
    }

    /// Which classes of the test part were taken for which.
    ///
    /// # Errors
    /// The network can't be evaluated.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, train, test)?;
    /// let confusion = training.confusion()?;
    /// assert_eq!(confusion.0.iter().flatten().sum::<usize>(), training.test_set().len());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn confusion(&self) -> Result<Confusion> {
        let classes = self.test.classes.len();
        let mut counts = vec![vec![0; classes]; classes];
        let answers = self.test_logits()?.argmax_dim(1, false)?.to_vec::<i64>()?;
        for (&label, &answer) in self.test.labels.iter().zip(&answers) {
            counts[label as usize][answer as usize] += 1;
        }
        Ok(Confusion(counts))
    }

    /// The network as it is, ready to classify.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, train, test)?;
    /// let model = training.into_model();
    /// assert_eq!(model.classes.len(), 10);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn into_model(self) -> TrainedModel {
        self.network.set_training(false);
        TrainedModel {
            network: self.network,
            scaler: self.scaler,
            classes: self.train.classes,
            settings: self.settings,
        }
    }
}

fn right_answers(logits: &Tensor, labels: &[i64]) -> Result<usize> {
    let answers = no_grad(|| logits.argmax_dim(1, false))?.to_vec::<i64>()?;
    Ok(answers.iter().zip(labels).filter(|(a, b)| a == b).count())
}

/// Gradient check of a network's mean cross entropy in f64; the network keeps its values and type.
pub(crate) fn check_network(
    network: &Sequential,
    x: &Array,
    labels: &Array,
    at_most: usize,
) -> Result<Report> {
    let named = network.named_parameters();
    // Differences need double precision: the parameters are f64 while the check runs.
    let x = Tensor::from_array(x.cast(crate::DType::F64));
    let labels = Tensor::from_array(labels.clone());
    let doubled: Vec<Tensor> =
        named.iter().map(|(_, p)| Tensor::leaf(p.array().cast(crate::DType::F64), true)).collect();
    let check = GradCheck {
        at_most: Some(at_most),
        names: named.iter().map(|(name, p)| format!("{name} {}", p.shape())).collect(),
        ..GradCheck::default()
    };
    check.run(
        |parameters| network.forward_with(&mut parameters.iter().cloned(), &x)?.cross_entropy(&labels),
        &doubled,
    )
}
