//! Optimisers, by exactly PyTorch's update rules, gradient clipping and learning-rate schedules.
//!
//! An optimiser is an [`Updater`] with a [`Rule`]: the rule says how one parameter follows from its gradient,
//! the updater does all else (groups, memory between steps, saving and loading).
//!
//! ```
//! use chainrule::optim::{Optimizer, Sgd, SgdOptions};
//! use chainrule::param;
//! // min (w − 3)²
//! let w = param(0.0);
//! let mut sgd = Sgd::with(&[w.clone()], 0.1, SgdOptions { momentum: 0.5, ..SgdOptions::default() })?;
//! for _ in 0..50 {
//!     sgd.zero_grad();
//!     (&w - 3.0).square()?.backward()?;
//!     sgd.step()?;
//! }
//! assert!((w.item()? - 3.0).abs() < 1e-3);
//! # Ok::<(), chainrule::Error>(())
//! ```

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
///
/// ```
/// use chainrule::optim::{Adam, Optimizer, Sgd};
/// use chainrule::param;
/// let w = param(3.0);
/// let optimizers: [Box<dyn Optimizer>; 2] =
///     [Box::new(Sgd::new(&[w.clone()], 0.1)), Box::new(Adam::new(&[w.clone()], 0.1))];
/// for mut optimizer in optimizers {
///     optimizer.zero_grad();
///     w.square()?.backward()?;
///     optimizer.step()?;
/// }
/// assert!((w.item()? - 2.3).abs() < 1e-6); // 3 − 0.1·6, then 0.1 less
/// # Ok::<(), chainrule::Error>(())
/// ```
pub trait Optimizer: std::fmt::Debug + Send {
    /// Updates every parameter that has a gradient.
    ///
    /// # Errors
    /// A parameter can't be changed in place.
    ///
    /// ```
    /// use chainrule::optim::{Optimizer, Sgd};
    /// use chainrule::param;
    /// let (used, unused) = (param(1.0), param(1.0));
    /// let mut sgd = Sgd::new(&[used.clone(), unused.clone()], 0.5);
    /// (&used * 3.0).backward()?;
    /// sgd.step()?;
    /// assert_eq!((used.item()?, unused.item()?), (-0.5, 1.0)); // no gradient, no step
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn step(&mut self) -> Result<()>;

    /// Forgets the gradients.
    ///
    /// ```
    /// use chainrule::optim::{Optimizer, Sgd};
    /// use chainrule::param;
    /// let w = param(1.0);
    /// let sgd = Sgd::new(&[w.clone()], 0.1);
    /// (&w * 3.0).backward()?;
    /// sgd.zero_grad();
    /// assert!(w.grad().is_none());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn zero_grad(&self) {
        self.parameters().iter().for_each(Tensor::zero_grad);
    }

    /// The parameters of all groups.
    ///
    /// ```
    /// use chainrule::optim::{Optimizer, Sgd};
    /// use chainrule::param;
    /// let w = param(1.0);
    /// assert!(Sgd::new(&[w.clone()], 0.1).parameters()[0].is(&w));
    /// ```
    fn parameters(&self) -> &[Tensor];

    /// The learning rate of each group.
    ///
    /// ```
    /// use chainrule::optim::{Group, Optimizer, Sgd};
    /// use chainrule::param;
    /// let sgd = Sgd::groups([Group::new(&[param(1.0)], 0.1), Group::new(&[param(1.0)], 0.2)])?;
    /// assert_eq!(sgd.rates(), [0.1, 0.2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn rates(&self) -> Vec<f64>;

    /// The learning rate of each group, to be changed.
    ///
    /// ```
    /// use chainrule::optim::{Optimizer, Sgd};
    /// use chainrule::param;
    /// let mut sgd = Sgd::new(&[param(1.0)], 0.8);
    /// sgd.rates_mut().into_iter().for_each(|rate| *rate /= 2.0);
    /// assert_eq!(sgd.learning_rate(), 0.4);
    /// ```
    fn rates_mut(&mut self) -> Vec<&mut f64>;

    /// What a cyclic schedule changes in each group beside the rate: SGD's and RMSprop's momentum, Adam's β₁;
    /// empty where the rule has nothing of the kind.
    ///
    /// ```
    /// use chainrule::optim::{Adagrad, Adam, Optimizer};
    /// use chainrule::param;
    /// assert_eq!(*Adam::new(&[param(1.0)], 0.1).momenta_mut()[0], 0.9); // β₁
    /// assert!(Adagrad::new(&[param(1.0)], 0.1).momenta_mut().is_empty());
    /// ```
    fn momenta_mut(&mut self) -> Vec<&mut f64>;

    /// The learning rate of the first group.
    ///
    /// ```
    /// use chainrule::optim::{Optimizer, Sgd};
    /// use chainrule::param;
    /// assert_eq!(Sgd::new(&[param(1.0)], 0.1).learning_rate(), 0.1);
    /// ```
    fn learning_rate(&self) -> f64 {
        self.rates().first().copied().unwrap_or(0.0)
    }

    /// Gives all groups this learning rate.
    ///
    /// ```
    /// use chainrule::optim::{Optimizer, Sgd};
    /// use chainrule::param;
    /// let mut sgd = Sgd::new(&[param(1.0)], 0.1);
    /// sgd.set_learning_rate(0.01);
    /// assert_eq!(sgd.rates(), [0.01]);
    /// ```
    fn set_learning_rate(&mut self, rate: f64) {
        self.rates_mut().into_iter().for_each(|own| *own = rate);
    }

    /// What the optimiser remembers between steps, by name; enough to go on after a restart.
    ///
    /// ```
    /// use chainrule::optim::{Adam, Optimizer};
    /// use chainrule::param;
    /// let w = param(1.0);
    /// let mut adam = Adam::new(&[w.clone()], 0.1);
    /// (&w * 3.0).backward()?;
    /// adam.step()?;
    /// let names: Vec<String> = adam.state().into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["rate.0", "step.0", "exp_avg.0", "exp_avg_sq.0"]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn state(&self) -> Vec<(String, Array)>;

    /// Goes on from what [`Optimizer::state`] returned.
    ///
    /// # Errors
    /// A name is missing or of another shape; nothing is changed then.
    ///
    /// ```
    /// use chainrule::optim::{Adam, Optimizer};
    /// use chainrule::param;
    /// let w = param(1.0);
    /// let mut adam = Adam::new(&[w.clone()], 0.1);
    /// (&w * 3.0).backward()?;
    /// adam.step()?;
    /// let mut resumed = Adam::new(&[w.clone()], 0.5);
    /// resumed.load_state(&adam.state())?;
    /// assert_eq!((resumed.learning_rate(), resumed.state().len()), (0.1, 4));
    /// assert!(resumed.load_state(&[]).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn load_state(&mut self, state: &[(String, Array)]) -> Result<()>;
}

/// Refuses a number that isn't in the range its rule allows.
fn check(what: &str, value: f64, fits: bool, range: &str) -> Result<()> {
    if fits { Ok(()) } else { Err(Error::argument(format!("the {what} must be {range}, not {value}"))) }
}
