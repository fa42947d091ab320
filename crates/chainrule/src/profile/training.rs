//! One training step in earnest, and the price of a whole training.

use std::time::{Duration, Instant};

use super::measure::median;
use super::{Energy, EnergyCounter, Profile, Work};
use crate::error::{Error, Result};
use crate::nn::Module;
use crate::optim::{Optimizer, Sgd};
use crate::tensor::{Tensor, enable_grad};

/// What one training step of a network costs: forward, backward, and the update of its parameters.
///
/// ```
/// use chainrule::{models, nn::Module, profile::StepCost, tensor, Generator, Tensor};
/// let network = models::by_name("softmax")?.build(10, &mut Generator::new(0))?;
/// let (x, labels) = (Tensor::ones([4, 64]), tensor([1, 2, 3, 4]));
/// let cost = StepCost::measure(&*network, &x, |logits| logits.cross_entropy(&labels), 3)?;
/// assert_eq!((cost.examples, cost.parameters), (4, 650));
/// // A linear layer costs as much backward for its weight as it does forward.
/// assert!(cost.work().multiply_adds >= 2 * 4 * 64 * 10);
/// let training = cost.training(1797, 40);
/// assert_eq!(training.steps, 40 * 450); // the last step of an epoch has one example
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct StepCost {
    /// Examples in the step.
    pub examples: usize,
    /// Numbers in the network's parameters; shared ones count once.
    pub parameters: usize,
    /// The time of a step: the median of those that were measured.
    pub time: Duration,
    /// The shortest and the longest of them.
    pub range: (Duration, Duration),
    /// How many steps were measured.
    pub runs: usize,
    /// The energy of a step by the processor's counters, where there are any.
    pub measured_joules: Option<f64>,
    /// The work of updating the parameters: one multiply-add each.
    pub update: Work,
    /// Each gate's part.
    pub profile: Profile,
}

impl StepCost {
    /// Runs `runs` steps of plain gradient descent with rate 0, which leaves the parameters as they are, after
    /// one that warms up. `loss` makes one number of the network's output. The network stays in the mode it is
    /// in.
    ///
    /// ```
    /// use chainrule::{models, nn::Module, profile::StepCost, tensor, Generator, Tensor};
    /// let network = models::by_name("softmax")?.build(10, &mut Generator::new(0))?;
    /// let (x, labels) = (Tensor::ones([2, 64]), tensor([1, 2]));
    /// let cost = StepCost::measure(&*network, &x, |logits| logits.cross_entropy(&labels), 1)?;
    /// assert_eq!(cost.range, (cost.time, cost.time)); // of one step
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The input doesn't fit the network, the loss isn't one number that depends on a parameter, or `runs` is 0.
    pub fn measure(
        network: &dyn Module,
        x: &Tensor,
        loss: impl Fn(&Tensor) -> Result<Tensor>,
        runs: usize,
    ) -> Result<StepCost> {
        if runs == 0 {
            return Err(Error::argument("a cost needs at least one step that is measured"));
        }
        let graph = crate::ComputationalGraph::of_network(network, x, &loss)?;
        let profile = graph.profile(&[], runs)?;
        drop(graph);
        let mut optimizer = Sgd::new(&network.parameters(), 0.0);
        let mut step = || -> Result<Duration> {
            let start = Instant::now();
            enable_grad(|| loss(&network.call(x)?))?.backward()?;
            optimizer.step()?;
            optimizer.zero_grad();
            Ok(start.elapsed())
        };
        step()?;
        let counter = EnergyCounter::of_machine();
        let before = counter.as_ref().map(EnergyCounter::read);
        let times = (0..runs).map(|_| step()).collect::<Result<Vec<Duration>>>()?;
        let joules = counter.zip(before).and_then(|(counter, before)| counter.joules_since(&before));
        let bytes: usize = network.parameters().iter().map(|p| p.array().bytes()).sum();
        let parameters = network.parameter_count();
        let extreme = |order: fn(Duration, Duration) -> Duration| times.iter().copied().reduce(order);
        Ok(StepCost {
            examples: x.shape().first().copied().unwrap_or(1),
            parameters,
            time: median(times.iter().copied()),
            range: (extreme(Duration::min).unwrap_or_default(), extreme(Duration::max).unwrap_or_default()),
            runs,
            measured_joules: joules.map(|joules| joules / runs as f64),
            update: Work {
                multiply_adds: parameters as u64,
                bytes_read: 2 * bytes as u64,
                bytes_written: bytes as u64,
            },
            profile,
        })
    }

    /// The work of the step: forward, backward and update.
    ///
    /// ```
    /// use chainrule::{models, nn::Module, profile::StepCost, tensor, Generator, Tensor};
    /// let network = models::by_name("softmax")?.build(10, &mut Generator::new(0))?;
    /// let (x, labels) = (Tensor::ones([2, 64]), tensor([1, 2]));
    /// let cost = StepCost::measure(&*network, &x, |logits| logits.cross_entropy(&labels), 1)?;
    /// assert!(cost.work().multiply_adds > cost.profile.forward_work().multiply_adds + 650);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn work(&self) -> Work {
        self.profile.forward_work() + self.profile.backward_work() + self.update
    }

    /// The step's energy: by the counters, or else its time × these watts.
    ///
    /// ```
    /// use chainrule::{models, nn::Module, profile::StepCost, tensor, Generator, Tensor};
    /// let network = models::by_name("softmax")?.build(10, &mut Generator::new(0))?;
    /// let (x, labels) = (Tensor::ones([2, 64]), tensor([1, 2]));
    /// let cost = StepCost::measure(&*network, &x, |logits| logits.cross_entropy(&labels), 1)?;
    /// let unmeasured = StepCost { measured_joules: None, ..cost };
    /// assert_eq!(unmeasured.energy(65.0).joules(), 65.0 * unmeasured.time.as_secs_f64());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn energy(&self, watts: f64) -> Energy {
        match self.measured_joules {
            Some(joules) => Energy::Measured { joules },
            None => Energy::Assumed { joules: self.time.as_secs_f64() * watts, watts },
        }
    }

    /// What a training that sees so many images so many times will cost: this step's cost times its steps, of
    /// which the last of an epoch may be smaller. Reading and preparing images, and looking at test data, come
    /// on top.
    ///
    /// ```
    /// use chainrule::{models, nn::Module, profile::StepCost, tensor, Generator, Tensor};
    /// let network = models::by_name("softmax")?.build(10, &mut Generator::new(0))?;
    /// let (x, labels) = (Tensor::ones([2, 64]), tensor([1, 2]));
    /// let cost = StepCost::measure(&*network, &x, |logits| logits.cross_entropy(&labels), 1)?;
    /// let training = cost.training(60_000, 10);
    /// assert_eq!(training.steps, 300_000);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn training(&self, images: u64, epochs: u64) -> TrainingCost {
        let examples = images.saturating_mul(epochs);
        let steps = images.div_ceil(self.examples.max(1) as u64).saturating_mul(epochs);
        let share = examples as f64 / self.examples.max(1) as f64;
        let forward_and_backward = self.profile.forward_work() + self.profile.backward_work();
        let whole = |of: u64| (of as f64 * share) as u64;
        let scaled = Work {
            multiply_adds: whole(forward_and_backward.multiply_adds),
            bytes_read: whole(forward_and_backward.bytes_read),
            bytes_written: whole(forward_and_backward.bytes_written),
        };
        TrainingCost {
            images,
            epochs,
            steps,
            seconds: self.time.as_secs_f64() * share,
            work: scaled + self.update * steps,
            share,
        }
    }
}

/// A whole training, extrapolated from one step.
///
/// ```
/// use chainrule::{models, nn::Module, profile::StepCost, tensor, Generator, Tensor};
/// let network = models::by_name("softmax")?.build(10, &mut Generator::new(0))?;
/// let (x, labels) = (Tensor::ones([2, 64]), tensor([1, 2]));
/// let cost = StepCost::measure(&*network, &x, |logits| logits.cross_entropy(&labels), 1)?;
/// // Two examples of 101 are a step, and each epoch ends with a step of one.
/// assert_eq!(cost.training(101, 2).steps, 2 * 51);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingCost {
    /// Images (or other examples) in an epoch.
    pub images: u64,
    /// How often each is seen.
    pub epochs: u64,
    /// Steps of all epochs.
    pub steps: u64,
    /// The time of all steps, in seconds.
    pub seconds: f64,
    /// The work of all steps.
    pub work: Work,
    /// How many times the measured step's examples.
    share: f64,
}

impl TrainingCost {
    /// The energy of all steps, from that of one.
    ///
    /// ```
    /// use chainrule::{models, nn::Module, profile::StepCost, tensor, Generator, Tensor};
    /// let network = models::by_name("softmax")?.build(10, &mut Generator::new(0))?;
    /// let (x, labels) = (Tensor::ones([2, 64]), tensor([1, 2]));
    /// let cost = StepCost::measure(&*network, &x, |logits| logits.cross_entropy(&labels), 1)?;
    /// let (step, training) = (cost.energy(65.0), cost.training(60_000, 10));
    /// assert!((training.energy(step).joules() / step.joules() - 300_000.0).abs() < 1e-3);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn energy(&self, step: Energy) -> Energy {
        step.times(self.share)
    }
}
