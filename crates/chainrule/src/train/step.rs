//! One step of a run: forward, backward, update; and what the end of an epoch decides.

use std::sync::Arc;

use super::evaluate::{loss_of, right_answers};
use super::{EpochMetrics, Judge, Progress, Score, Training};
use crate::array::{Array, Generator};
use crate::data::{Batch, Batches, Source};
use crate::error::{Error, Result};
use crate::nn::Module;
use crate::optim::{Goal, Threshold, clip_grad_norm, clip_grad_value};
use crate::tensor::{Tensor, detect_anomaly, no_grad};

/// The batches of an epoch from a step on.
#[derive(Debug)]
pub(super) struct Ahead {
    epoch: usize,
    step: usize,
    batches: Batches<Arc<dyn Source>>,
}

impl Training {
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
