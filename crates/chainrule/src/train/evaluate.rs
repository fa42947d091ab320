//! Looking at a network without changing it: scores, mistakes, the check of its gradients, the explorer's page.

use std::sync::Arc;

use super::step::Buffers;
use super::{Confusion, Evaluation, Mistake, Score, Training};
use crate::array::{Array, Generator};
use crate::check::{Finding, GradCheck, Report};
use crate::data::{Loader, Source};
use crate::error::{Error, Result};
use crate::explorer::Explorer;
use crate::gate::softmax::CrossEntropy;
use crate::nn::{Module, Summary};
use crate::order;
use crate::tensor::{Tensor, no_grad};

/// Gradients are checked on so many examples, unless a whole batch is asked for.
const CHECKED_EXAMPLES: usize = 8;

/// How much of a network's gradients is compared with differences.
///
/// ```
/// use chainrule::train::CheckPlan;
/// assert_eq!(CheckPlan::default(), CheckPlan { at_most: None, examples: 8 }); // everything, on a few examples
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckPlan {
    /// At most so many elements of each parameter, evenly chosen; all where `None`.
    pub at_most: Option<usize>,
    /// The loss is that of so many examples.
    pub examples: usize,
}

impl Default for CheckPlan {
    fn default() -> CheckPlan {
        CheckPlan { at_most: None, examples: CHECKED_EXAMPLES }
    }
}

impl Training {
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
    /// let training = Training::new(settings, (train, test))?;
    /// let report = training.check_gradients(4)?;
    /// assert!(report.passed() && report.findings.len() == 4); // two weights and two biases
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn check_gradients(&self, at_most: usize) -> Result<Report> {
        let plan = CheckPlan { at_most: Some(at_most), ..CheckPlan::default() };
        self.check_gradients_telling(&plan, &mut |_| {})
    }

    /// [`Training::check_gradients`] of as much as is planned, which tells what it found about each parameter as soon
    /// as it did.
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{CheckPlan, Settings, Training}};
    /// let training = Training::new(
    ///     Settings { epochs: 1, hidden: vec![2], ..Settings::default() },
    ///     digits().stratified_split(0.2, 0)?,
    /// )?;
    /// let mut compared = 0;
    /// training.check_gradients_telling(&CheckPlan::default(), &mut |found| compared += found.compared)?;
    /// assert_eq!(compared, 64 * 2 + 2 + 2 * 10 + 10);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn check_gradients_telling(
        &self,
        plan: &CheckPlan,
        tell: &mut dyn FnMut(&Finding),
    ) -> Result<Report> {
        let (n, few) = (self.parts.train.len(), plan.examples.max(1));
        let rows: Vec<usize> = (0..n).step_by((n / few).max(1)).take(few).collect();
        self.check_on(&self.parts.train.examples(&rows, &fixed)?, plan.at_most, tell)
    }

    /// [`Training::check_gradients`] on the run's next batch as it is: with what is random in it, class weights and
    /// label smoothing.
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// assert!(Training::new(settings, data)?.check_batch(2)?.passed());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn check_batch(&self, at_most: usize) -> Result<Report> {
        let mut batches =
            self.loader.epoch_from(self.progress.epoch, self.progress.step * self.settings.accumulate);
        let batch = batches.next().ok_or_else(|| Error::argument("the epoch has no batch"))??;
        self.check_on(&(batch.inputs, batch.targets), Some(at_most), &mut |_| {})
    }

    fn check_on(
        &self,
        (x, labels): &(Array, Array),
        at_most: Option<usize>,
        tell: &mut dyn FnMut(&Finding),
    ) -> Result<Report> {
        let _kept = Buffers::of(&*self.network);
        self.network.set_training(true);
        self.seeded(|| check_network(&*self.network, x, labels, &self.loss, at_most, tell))
    }

    /// How many multiply-adds [`Training::check_gradients`] takes, roughly.
    ///
    /// # Errors
    /// The network can't be evaluated.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// assert!(Training::new(settings, data)?.check_costs(20)? < 1e6);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn check_costs(&self, at_most: usize) -> Result<f64> {
        let (x, _) = self.parts.train.examples(&[0], &fixed)?;
        let _kept = Buffers::of(&*self.network);
        self.network.set_training(false);
        let one = Summary::of(&*self.network, &Tensor::from_array(x))?.multiply_adds as f64;
        let compared: usize = self.network.parameters().iter().map(|p| p.elements().min(at_most)).sum();
        Ok(one * (2 * compared * CHECKED_EXAMPLES.min(self.parts.train.len())) as f64)
    }

    /// The check that takes about so many multiply-adds, of at most so many elements of each parameter: fewer in large
    /// networks, and in very large ones on fewer examples.
    ///
    /// # Errors
    /// The network can't be evaluated.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{CheckPlan, Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let training = Training::new(Settings { epochs: 1, hidden: vec![8], ..Settings::default() }, data)?;
    /// assert_eq!(training.check_plan(1e9, 200)?, CheckPlan { at_most: Some(200), examples: 8 });
    /// assert_eq!(training.check_plan(1.0, 200)?, CheckPlan { at_most: Some(1), examples: 2 });
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn check_plan(&self, multiply_adds: f64, most: usize) -> Result<CheckPlan> {
        let elements = (most as f64 * multiply_adds / self.check_costs(most)?.max(1.0)) as usize;
        // Normalised over very few examples a network has hardly any derivatives.
        let examples = match elements == 0 && self.network.named_buffers().is_empty() {
            true => (CHECKED_EXAMPLES as f64 * multiply_adds / self.check_costs(1)?.max(1.0)) as usize,
            false => CHECKED_EXAMPLES,
        };
        Ok(CheckPlan {
            at_most: Some(elements.clamp(1, most.max(1))),
            examples: examples.clamp(2, CHECKED_EXAMPLES),
        })
    }

    /// The explorer's page: the loss of the network as it is now, on a few training examples.
    ///
    /// # Errors
    /// The network can't be evaluated.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, (train, test))?;
    /// assert!(training.explorer()?.html().starts_with("<!doctype html>"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn explorer(&self) -> Result<Explorer> {
        let (x, labels) = self.few_examples()?;
        let _kept = Buffers::of(&*self.network);
        self.network.set_training(true);
        let loss = |logits: &Tensor| by_answer(logits.clone())?.cross_entropy_with(&labels, &self.loss);
        self.seeded(|| Explorer::of_network(&*self.network, &x, loss))
    }

    /// Gives every parameter the gradient of the loss on a few training examples, for a figure of them; the network
    /// stays as it is.
    ///
    /// ```
    /// use chainrule::{data::digits, nn::Module, train::{Settings, Training}};
    /// let training = Training::new(Settings::default(), digits().stratified_split(0.2, 0)?)?;
    /// training.show_gradients()?;
    /// assert!(training.network().parameters().iter().all(|parameter| parameter.grad().is_some()));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The network can't be evaluated.
    pub fn show_gradients(&self) -> Result<()> {
        let (x, labels) = self.few_examples()?;
        let _kept = Buffers::of(&*self.network);
        self.network.set_training(true);
        self.network.parameters().iter().for_each(Tensor::zero_grad);
        let logits = self.seeded(|| self.network.call(&x))?;
        by_answer(logits)?.cross_entropy_with(&labels, &self.loss)?.backward()
    }

    /// A few training examples and their labels: large examples make large pages, and take long to be looked at.
    fn few_examples(&self) -> Result<(Tensor, Tensor)> {
        let most = (1 << 19) / self.example_shape()?.iter().product::<usize>().max(1);
        let few = self.settings.batch.min(most.clamp(1, 32));
        let rows: Vec<usize> = (0..self.parts.train.len()).take(few).collect();
        let (x, labels) = self.parts.train.examples(&rows, &fixed)?;
        let count = labels.elements();
        Ok((Tensor::from_array(x), Tensor::from_array(labels.reshape([count])?)))
    }

    /// All that is measured on the test part.
    ///
    /// # Errors
    /// The network can't be evaluated.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, (train, test))?;
    /// let score = training.evaluate()?.score;
    /// assert!(score.loss > 1.5 && score.accuracy < 0.5); // nothing is learned yet
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn evaluate(&self) -> Result<Evaluation> {
        self.evaluate_on(&self.parts.test)
    }

    pub(super) fn evaluate_on(&self, part: &Arc<dyn Source>) -> Result<Evaluation> {
        const MOST_MISTAKES: usize = 24;
        self.network.set_training(false);
        let size = evaluation_batch(self.parts.example_shape()?.iter().product());
        let loader =
            Loader::new(part.clone(), size).workers(if self.parts.slow { crate::num_threads() } else { 0 });
        let classes = self.parts.classes.len();
        let mut confusion = Confusion::new(classes);
        let (mut sum, mut mistakes) = (0.0, Vec::new());
        let mut place = 0;
        for batch in loader.epoch(0) {
            let batch = batch?;
            let labels = batch.targets.to_i64_vec();
            let loss = CrossEntropy { weight: self.loss.weight.clone(), ..CrossEntropy::default() };
            let (loss, logits) = no_grad(|| loss_of(&*self.network, &batch.inputs, &batch.targets, &loss))?;
            sum += loss.item()? * labels.len() as f64;
            let chances = no_grad(|| logits.softmax(1))?.to_f64_vec();
            let answers = no_grad(|| logits.argmax_dim(1, false))?.to_vec::<i64>()?;
            for (i, (&label, &answer)) in labels.iter().zip(&answers).enumerate() {
                let (class, answer) = (label as usize, answer as usize);
                confusion.0[class][answer] += 1;
                // A network of characters answers at every place: none of its mistakes is an example of its own.
                if class != answer && labels.len() == batch.indices.len() {
                    let probability = chances[i * classes + answer];
                    mistakes.push(Mistake { example: place + i, class, answer, probability });
                }
            }
            place += labels.len();
            order::sort_by(&mut mistakes, |a, b| {
                b.probability.total_cmp(&a.probability).then(a.example.cmp(&b.example))
            });
            mistakes.truncate(MOST_MISTAKES);
        }
        let n = place.max(1) as f64;
        let score = Score { loss: sum / n, accuracy: confusion.right() as f64 / n };
        Ok(Evaluation { score, confusion, mistakes })
    }
}

/// The generator of an example that is looked at outside an epoch.
fn fixed(i: usize) -> Generator {
    Generator::new(i as u64)
}

/// How many examples of this many numbers are evaluated at once.
pub(super) fn evaluation_batch(elements: usize) -> usize {
    ((1 << 22) / elements.max(1)).clamp(1, 512)
}

/// Gradient check of a network's mean cross entropy in f64; the network keeps its values and type.
fn check_network(
    network: &dyn Module,
    x: &Array,
    labels: &Array,
    loss: &CrossEntropy,
    at_most: Option<usize>,
    tell: &mut dyn FnMut(&Finding),
) -> Result<Report> {
    let named = network.named_parameters();
    // Differences need double precision: the parameters are f64 while the check runs.
    let x = if x.dtype().is_float() { x.cast(crate::DType::F64) } else { x.clone() };
    let x = Tensor::from_array(x);
    let labels = Tensor::from_array(labels.reshape([labels.elements()])?);
    let doubled: Vec<Tensor> =
        named.iter().map(|(_, p)| Tensor::leaf(p.array().cast(crate::DType::F64), true)).collect();
    let check = GradCheck {
        at_most,
        names: named.iter().map(|(name, p)| format!("{name} {}", p.shape())).collect(),
        ..GradCheck::default()
    };
    check.run_telling(
        |parameters| {
            let logits = network.forward_with(&mut parameters.iter().cloned(), &x)?;
            by_answer(logits)?.cross_entropy_with(&labels, loss)
        },
        &doubled,
        tell,
    )
}

/// The mean loss of a network on some examples, and its logits, one row an answer.
pub(super) fn loss_of(
    network: &dyn Module,
    x: &Array,
    labels: &Array,
    loss: &CrossEntropy,
) -> Result<(Tensor, Tensor)> {
    let logits = by_answer(network.call(&Tensor::from_array(x.clone()))?)?;
    let labels = Tensor::from_array(labels.reshape([labels.elements()])?);
    Ok((logits.cross_entropy_with(&labels, loss)?, logits))
}

/// Logits with one row an answer: a network of characters answers at each place.
fn by_answer(logits: Tensor) -> Result<Tensor> {
    if logits.rank() > 2 { logits.flatten(0, -2) } else { Ok(logits) }
}

/// How many rows of logits name the right class.
pub(super) fn right_answers(logits: &Tensor, labels: &[i64]) -> Result<usize> {
    let answers = no_grad(|| logits.argmax_dim(1, false))?.to_vec::<i64>()?;
    Ok(answers.iter().zip(labels).filter(|(a, b)| a == b).count())
}
