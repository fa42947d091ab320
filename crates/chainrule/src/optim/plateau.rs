//! The learning rate that falls when a measure no longer improves.

use serde::{Deserialize, Serialize};

use super::Optimizer;

/// Which way a measure improves.
///
/// ```
/// use chainrule::optim::{Goal, Threshold};
/// assert!(Goal::Lowest.is_better(0.5, Some(1.0), Threshold::Absolute(0.1)));
/// assert!(!Goal::Highest.is_better(0.5, Some(1.0), Threshold::Absolute(0.1)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Lower is better: a loss
    #[default]
    Lowest,
    /// Higher is better: an accuracy
    Highest,
}

/// How much better than the best so far counts as an improvement.
///
/// ```
/// use chainrule::optim::{Goal, Threshold};
/// let better = |threshold| Goal::Lowest.is_better(9.5, Some(10.0), threshold);
/// assert!(better(Threshold::Relative(0.01)) && !better(Threshold::Absolute(1.0)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Threshold {
    /// By this share of the best
    Relative(f64),
    /// By this much
    Absolute(f64),
}

impl Goal {
    /// Whether a measure is better than the best so far; the first one always is, NaN never.
    ///
    /// ```
    /// use chainrule::optim::{Goal, Threshold};
    /// let threshold = Threshold::Relative(1e-4);
    /// assert!(Goal::Lowest.is_better(2.0, None, threshold));
    /// assert!(!Goal::Lowest.is_better(f64::NAN, None, threshold));
    /// ```
    pub fn is_better(self, value: f64, best: Option<f64>, threshold: Threshold) -> bool {
        let Some(best) = best else { return !value.is_nan() };
        match (self, threshold) {
            (Goal::Lowest, Threshold::Relative(share)) => value < best * (1.0 - share),
            (Goal::Lowest, Threshold::Absolute(much)) => value < best - much,
            (Goal::Highest, Threshold::Relative(share)) => value > best * (share + 1.0),
            (Goal::Highest, Threshold::Absolute(much)) => value > best + much,
        }
    }
}

/// What a [`Plateau`] can be told; the default is PyTorch's.
///
/// ```
/// use chainrule::optim::{Goal, PlateauOptions};
/// let options = PlateauOptions { goal: Goal::Highest, ..PlateauOptions::default() };
/// assert_eq!((options.factor, options.patience), (0.1, 10));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlateauOptions {
    /// Which way the measure improves.
    pub goal: Goal,
    /// What the rate is multiplied by.
    pub factor: f64,
    /// How many measures without improvement are borne.
    pub patience: usize,
    /// What counts as an improvement.
    pub threshold: Threshold,
    /// How many measures after a change aren't counted.
    pub cooldown: usize,
    /// The lowest rate.
    pub minimum: f64,
    /// Changes of the rate that aren't larger are left out.
    pub eps: f64,
}

impl Default for PlateauOptions {
    fn default() -> Self {
        PlateauOptions {
            goal: Goal::Lowest,
            factor: 0.1,
            patience: 10,
            threshold: Threshold::Relative(1e-4),
            cooldown: 0,
            minimum: 0.0,
            eps: 1e-8,
        }
    }
}

/// Multiplies the learning rates by a factor when a measure hasn't improved for a while (PyTorch's
/// `ReduceLROnPlateau`).
///
/// ```
/// use chainrule::optim::{Optimizer, Plateau, PlateauOptions, Sgd};
/// let mut sgd = Sgd::new(&[chainrule::param(1.0)], 0.1);
/// let mut plateau = Plateau::new(PlateauOptions { factor: 0.5, patience: 1, ..Default::default() });
/// let changes: Vec<bool> = [1.0, 0.9, 0.9, 0.9].map(|loss| plateau.step(loss, &mut sgd)).into();
/// assert_eq!(changes, [false, false, false, true]);
/// assert_eq!(sgd.learning_rate(), 0.05);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    options: PlateauOptions,
    best: Option<f64>,
    bad: usize,
    cooling: usize,
}

impl Plateau {
    /// One that hasn't seen a measure yet.
    ///
    /// ```
    /// use chainrule::optim::{Plateau, PlateauOptions};
    /// assert_eq!(Plateau::new(PlateauOptions::default()).best(), None);
    /// ```
    pub fn new(options: PlateauOptions) -> Plateau {
        Plateau { options, best: None, bad: 0, cooling: 0 }
    }

    /// Takes note of a measure; says whether it lowered the learning rates.
    ///
    /// ```
    /// use chainrule::optim::{Optimizer, Plateau, PlateauOptions, Sgd};
    /// use chainrule::param;
    /// let mut sgd = Sgd::new(&[param(1.0)], 0.1);
    /// let mut plateau = Plateau::new(PlateauOptions { patience: 0, factor: 0.5, ..Default::default() });
    /// assert!(!plateau.step(1.0, &mut sgd));
    /// assert!(plateau.step(1.0, &mut sgd)); // not better, and no patience
    /// assert_eq!(sgd.learning_rate(), 0.05);
    /// ```
    pub fn step(&mut self, value: f64, optimizer: &mut dyn Optimizer) -> bool {
        let PlateauOptions { goal, factor, patience, threshold, cooldown, minimum, eps } = self.options;
        if goal.is_better(value, self.best, threshold) {
            self.best = Some(value);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.bad = 0;
        }
        if self.bad <= patience {
            return false;
        }
        self.cooling = cooldown;
        self.bad = 0;
        let mut changed = false;
        for rate in optimizer.rates_mut() {
            let lower = (*rate * factor).max(minimum);
            if *rate - lower > eps {
                *rate = lower;
                changed = true;
            }
        }
        changed
    }

    /// The best measure so far.
    ///
    /// ```
    /// use chainrule::optim::{Plateau, PlateauOptions, Sgd};
    /// use chainrule::param;
    /// let mut sgd = Sgd::new(&[param(1.0)], 0.1);
    /// let mut plateau = Plateau::new(PlateauOptions::default());
    /// for loss in [3.0, 1.0, 2.0] {
    ///     plateau.step(loss, &mut sgd);
    /// }
    /// assert_eq!(plateau.best(), Some(1.0));
    /// ```
    pub fn best(&self) -> Option<f64> {
        self.best
    }
}
