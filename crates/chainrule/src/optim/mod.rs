//! Optimisers, by exactly PyTorch's update rules, gradient clipping and learning-rate schedules.
//!
//! An optimiser is an [`Updater`] with a [`Rule`]: the rule says how one parameter follows from its gradient,
//! the updater does all else (groups, memory between steps, saving and loading).

mod adagrad;
mod adam;
mod clip;
mod plateau;
mod rmsprop;
mod schedule;
mod sgd;
mod updater;

pub use adagrad::{Adagrad, AdagradOptions};
pub use adam::{Adam, AdamOptions};
pub use clip::{clip_grad_norm, clip_grad_value};
pub use plateau::{Goal, Plateau, PlateauOptions, Threshold};
pub use rmsprop::{RmsProp, RmsPropOptions};
pub use schedule::{Anneal, OneCycle, Schedule, Scheduler};
pub use sgd::{Sgd, SgdOptions};
pub use updater::{Group, Moment, Real, Rule, Updater};

use crate::array::Array;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Changes parameters by their gradients.
pub trait Optimizer: std::fmt::Debug + Send {
    /// Updates every parameter that has a gradient.
    ///
    /// # Errors
    /// A parameter can't be changed in place.
    fn step(&mut self) -> Result<()>;

    /// Forgets the gradients.
    fn zero_grad(&self) {
        self.parameters().iter().for_each(Tensor::zero_grad);
    }

    /// The parameters of all groups.
    fn parameters(&self) -> &[Tensor];

    /// The learning rate of each group.
    fn rates(&self) -> Vec<f64>;

    /// The learning rate of each group, to be changed.
    fn rates_mut(&mut self) -> Vec<&mut f64>;

    /// What a cyclic schedule changes in each group beside the rate: SGD's and RMSprop's momentum, Adam's β₁;
    /// empty where the rule has nothing of the kind.
    fn momenta_mut(&mut self) -> Vec<&mut f64>;

    /// The learning rate of the first group.
    fn learning_rate(&self) -> f64 {
        self.rates().first().copied().unwrap_or(0.0)
    }

    /// Gives all groups this learning rate.
    fn set_learning_rate(&mut self, rate: f64) {
        self.rates_mut().into_iter().for_each(|own| *own = rate);
    }

    /// What the optimiser remembers between steps, by name; enough to go on after a restart.
    fn state(&self) -> Vec<(String, Array)>;

    /// Goes on from what [`Optimizer::state`] returned.
    ///
    /// # Errors
    /// A name is missing or of another shape; nothing is changed then.
    fn load_state(&mut self, state: &[(String, Array)]) -> Result<()>;
}

/// Refuses a number that isn't in the range its rule allows.
fn check(what: &str, value: f64, fits: bool, range: &str) -> Result<()> {
    if fits { Ok(()) } else { Err(Error::argument(format!("the {what} must be {range}, not {value}"))) }
}
