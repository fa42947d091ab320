//! Learning rates that change with the epoch.

/// How the learning rate changes with the epoch, counted from 0.
///
/// ```
/// use chainrule::optim::Schedule;
/// let schedule = Schedule::Step { every: 2, factor: 0.1 };
/// assert_eq!(schedule.rate(1.0, 1), 1.0);
/// assert!((schedule.rate(1.0, 4) - 0.01).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// Always the same
    Constant,
    /// Times `factor` after every so many epochs
    Step {
        /// Epochs between two changes.
        every: usize,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// Down to 0 along half a cosine: `γ·(1 + cos(π·epoch/epochs))/2`
    Cosine {
        /// The epoch at which 0 is reached.
        epochs: usize,
    },
}

impl Schedule {
    /// The learning rate in this epoch, for a given base rate.
    pub fn rate(&self, base: f64, epoch: usize) -> f64 {
        match *self {
            Schedule::Constant => base,
            Schedule::Step { every, factor } => base * factor.powi((epoch / every.max(1)) as i32),
            Schedule::Cosine { epochs } => {
                let part = (epoch as f64 / epochs.max(1) as f64).min(1.0);
                base * (1.0 + (std::f64::consts::PI * part).cos()) / 2.0
            }
        }
    }
}
