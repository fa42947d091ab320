//! Learning rates that change with the step (or the epoch: whatever is counted).

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::Optimizer;

/// How the learning rate depends on the base rate γ and the step t, counted from 0, by PyTorch's rules.
///
/// Every rule is a closed form in t, so that training can go on anywhere without a memory of its own.
///
/// ```
/// use chainrule::optim::Schedule;
/// let schedule = Schedule::Step { every: 2, factor: 0.1 };
/// assert_eq!(schedule.rate(1.0, 1), 1.0);
/// assert!((schedule.rate(1.0, 4) - 0.01).abs() < 1e-12);
/// // Warm-up over 5 steps, then half a cosine down to 0.
/// let schedule = Schedule::Cosine { steps: 95, minimum: 0.0 }.warm_up(5, 0.1);
/// assert_eq!([schedule.rate(1.0, 0), schedule.rate(1.0, 5)], [0.1, 1.0]);
/// assert!(schedule.rate(1.0, 100) < 1e-12);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Schedule {
    /// Always γ
    #[default]
    Constant,
    /// Times `factor` after every so many steps: `γ·factor^⌊t/every⌋` (`StepLR`)
    Step {
        /// Steps between two changes.
        every: usize,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// Times `factor` at each of these steps (`MultiStepLR`)
    MultiStep {
        /// The steps, in any order; one that occurs twice counts twice.
        at: Vec<usize>,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// `γ·factorᵗ` (`ExponentialLR`)
    Exponential {
        /// What the rate is multiplied by at each step.
        factor: f64,
    },
    /// Along half a cosine: `minimum + (γ − minimum)(1 + cos(πt/steps))/2`, and up again after it
    /// (`CosineAnnealingLR`)
    Cosine {
        /// The step at which the minimum is reached.
        steps: usize,
        /// The lowest rate.
        #[serde(default)]
        minimum: f64,
    },
    /// From `γ·start` evenly to `γ·end`, which is kept (`LinearLR`)
    Linear {
        /// The factor at the first step.
        start: f64,
        /// The factor from `steps` on.
        end: f64,
        /// How many steps the change takes.
        steps: usize,
    },
    /// Evenly from `γ·start` to γ over so many steps, and from there by another rule, whose steps begin with 0
    /// then (`SequentialLR` of a `LinearLR` and the other)
    WarmUp {
        /// The factor at the first step.
        start: f64,
        /// How many steps warming up takes.
        steps: usize,
        /// What comes after it.
        then: Box<Schedule>,
    },
    /// Up to γ and far down again (`OneCycleLR`)
    OneCycle(OneCycle),
}

/// The 1cycle rule (Smith and Topin, 2018) by PyTorch's `OneCycleLR`: from `γ/divisor` up to γ, then down to
/// `γ/(divisor·final_divisor)`, which is kept; the momentum goes the other way.
///
/// ```
/// use chainrule::optim::{OneCycle, Schedule};
/// let schedule = Schedule::OneCycle(OneCycle { steps: 100, ..OneCycle::default() });
/// assert!((schedule.rate(1.0, 0) - 1.0 / 25.0).abs() < 1e-12 && schedule.rate(1.0, 29) == 1.0);
/// assert!(schedule.rate(1.0, 99) < 1e-5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OneCycle {
    /// All steps of the cycle.
    pub steps: usize,
    /// The share of steps that go up.
    pub rise: f64,
    /// The shape of the ways up and down.
    pub anneal: Anneal,
    /// What γ is divided by at the beginning.
    pub divisor: f64,
    /// What the first rate is divided by at the end.
    pub final_divisor: f64,
    /// The momentum (Adam's β₁) at the highest rate and at the lowest; `None` leaves it alone.
    pub momentum: Option<(f64, f64)>,
    /// Whether the way down first mirrors the way up and falls below it only then.
    pub three_phase: bool,
}

impl Default for OneCycle {
    fn default() -> Self {
        OneCycle {
            steps: 1,
            rise: 0.3,
            anneal: Anneal::Cosine,
            divisor: 25.0,
            final_divisor: 1e4,
            momentum: Some((0.85, 0.95)),
            three_phase: false,
        }
    }
}

/// The shape of a way from one value to another.
///
/// ```
/// use chainrule::optim::{Anneal, OneCycle, Schedule};
/// let cycle =
///     OneCycle { steps: 21, rise: 0.5, anneal: Anneal::Linear, divisor: 10.0, ..OneCycle::default() };
/// let middle = Schedule::OneCycle(cycle).rate(1.0, 4); // of the 9.5 steps up
/// assert!((middle - (0.1 + 0.9 * 4.0 / 9.5)).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anneal {
    /// Half a cosine
    #[default]
    Cosine,
    /// A straight line
    Linear,
}

impl Anneal {
    /// The value at this part (0 to 1) of the way.
    fn between(self, start: f64, end: f64, part: f64) -> f64 {
        match self {
            Anneal::Cosine => end + (start - end) / 2.0 * (1.0 + (PI * part).cos()),
            Anneal::Linear => start + (end - start) * part,
        }
    }
}

impl OneCycle {
    /// The value at step t of something that is `low` at the beginning, `high` after the rise, and `last` at
    /// the end.
    fn value(&self, t: usize, low: f64, high: f64, last: f64) -> f64 {
        let (t, all) = (t as f64, self.steps as f64);
        let rise = self.rise * all - 1.0;
        let phases = match self.three_phase {
            false => vec![(rise, low, high), (all - 1.0, high, last)],
            true => vec![(rise, low, high), (2.0 * rise, high, low), (all - 1.0, low, last)],
        };
        let mut begin = 0.0;
        for (i, &(end, from, to)) in phases.iter().enumerate() {
            if t <= end || i + 1 == phases.len() {
                // A phase without length is over at once.
                let part = if end > begin { ((t - begin) / (end - begin)).min(1.0) } else { 1.0 };
                return self.anneal.between(from, to, part);
            }
            begin = end;
        }
        last
    }
}

impl Schedule {
    /// The learning rate at step t for the base rate γ.
    ///
    /// ```
    /// use chainrule::optim::Schedule;
    /// let schedule = Schedule::MultiStep { at: vec![30, 60], factor: 0.5 };
    /// assert_eq!([0, 30, 60].map(|t| schedule.rate(0.8, t)), [0.8, 0.4, 0.2]);
    /// ```
    pub fn rate(&self, base: f64, t: usize) -> f64 {
        match self {
            Schedule::Constant => base,
            Schedule::Step { every, factor } => base * factor.powf((t / every.max(&1)) as f64),
            Schedule::MultiStep { at, factor } => {
                base * factor.powf(at.iter().filter(|&&step| step <= t).count() as f64)
            }
            Schedule::Exponential { factor } => base * factor.powf(t as f64),
            Schedule::Cosine { steps, minimum } => {
                // Reduced to one period first: the cosine of a large angle loses digits.
                let period = 2 * (*steps).max(1);
                let angle = 2.0 * PI * (t % period) as f64 / period as f64;
                minimum + (base - minimum) * (1.0 + angle.cos()) / 2.0
            }
            Schedule::Linear { start, end, steps } => {
                let part = t.min(*steps) as f64 / (*steps).max(1) as f64;
                base * if *steps == 0 { *end } else { start + (end - start) * part }
            }
            Schedule::WarmUp { start, steps, .. } if t < *steps => {
                Schedule::Linear { start: *start, end: 1.0, steps: *steps }.rate(base, t)
            }
            Schedule::WarmUp { steps, then, .. } => then.rate(base, t - steps),
            Schedule::OneCycle(cycle) => {
                let low = base / cycle.divisor;
                cycle.value(t, low, base, low / cycle.final_divisor)
            }
        }
    }

    /// The momentum at step t, where the schedule changes it.
    ///
    /// ```
    /// use chainrule::optim::{OneCycle, Schedule};
    /// let schedule = Schedule::OneCycle(OneCycle { steps: 100, ..OneCycle::default() });
    /// assert_eq!((schedule.momentum(0), schedule.momentum(29)), (Some(0.95), Some(0.85)));
    /// assert_eq!(Schedule::Constant.momentum(0), None);
    /// ```
    pub fn momentum(&self, t: usize) -> Option<f64> {
        match self {
            Schedule::OneCycle(cycle) => {
                let (at_top, at_bottom) = cycle.momentum?;
                Some(cycle.value(t, at_bottom, at_top, at_bottom))
            }
            Schedule::WarmUp { steps, then, .. } => then.momentum(t.saturating_sub(*steps)),
            _ => None,
        }
    }

    /// This schedule after a warm-up: evenly from `γ·start` to γ over so many steps.
    ///
    /// ```
    /// use chainrule::optim::Schedule;
    /// let schedule = Schedule::Constant.warm_up(4, 0.0);
    /// assert_eq!([0, 1, 2, 4, 9].map(|t| schedule.rate(1.0, t)), [0.0, 0.25, 0.5, 1.0, 1.0]);
    /// ```
    pub fn warm_up(self, steps: usize, start: f64) -> Schedule {
        Schedule::WarmUp { start, steps, then: Box::new(self) }
    }
}

/// A schedule at work on an optimiser; each group's learning rate at the beginning is its base rate γ.
///
/// ```
/// use chainrule::optim::{Optimizer, Schedule, Scheduler, Sgd};
/// let mut sgd = Sgd::new(&[chainrule::param(1.0)], 0.8);
/// let mut scheduler = Scheduler::new(Schedule::Exponential { factor: 0.5 }, &mut sgd);
/// scheduler.step(&mut sgd);
/// assert_eq!(sgd.learning_rate(), 0.4);
/// ```
#[derive(Debug, Clone)]
pub struct Scheduler {
    schedule: Schedule,
    bases: Vec<f64>,
    t: usize,
}

impl Scheduler {
    /// Sets the rates of step 0.
    ///
    /// ```
    /// use chainrule::optim::{Optimizer, Schedule, Scheduler, Sgd};
    /// use chainrule::param;
    /// let mut sgd = Sgd::new(&[param(1.0)], 0.8);
    /// Scheduler::new(Schedule::Constant.warm_up(4, 0.25), &mut sgd);
    /// assert_eq!(sgd.learning_rate(), 0.2);
    /// ```
    pub fn new(schedule: Schedule, optimizer: &mut dyn Optimizer) -> Scheduler {
        let mut scheduler = Scheduler { schedule, bases: optimizer.rates(), t: 0 };
        scheduler.go_to(0, optimizer);
        scheduler
    }

    /// Sets the rates of the next step.
    ///
    /// ```
    /// use chainrule::optim::{Optimizer, Schedule, Scheduler, Sgd};
    /// use chainrule::param;
    /// let mut sgd = Sgd::new(&[param(1.0)], 0.8);
    /// let mut scheduler = Scheduler::new(Schedule::Step { every: 2, factor: 0.5 }, &mut sgd);
    /// let rates = [(); 3].map(|()| {
    ///     scheduler.step(&mut sgd);
    ///     sgd.learning_rate()
    /// });
    /// assert_eq!(rates, [0.8, 0.4, 0.4]);
    /// ```
    pub fn step(&mut self, optimizer: &mut dyn Optimizer) {
        self.go_to(self.t + 1, optimizer);
    }

    /// Sets the rates of step t: how training goes on after a restart, with a scheduler made before the
    /// optimiser's state is loaded.
    ///
    /// ```
    /// use chainrule::optim::{Optimizer, Schedule, Scheduler, Sgd};
    /// use chainrule::param;
    /// let mut sgd = Sgd::new(&[param(1.0)], 1.0);
    /// let mut scheduler = Scheduler::new(Schedule::Exponential { factor: 0.5 }, &mut sgd);
    /// scheduler.go_to(3, &mut sgd);
    /// assert_eq!(sgd.learning_rate(), 0.125);
    /// ```
    pub fn go_to(&mut self, t: usize, optimizer: &mut dyn Optimizer) {
        self.t = t;
        for (rate, &base) in optimizer.rates_mut().into_iter().zip(&self.bases) {
            *rate = self.schedule.rate(base, t);
        }
        if let Some(momentum) = self.schedule.momentum(t) {
            optimizer.momenta_mut().into_iter().for_each(|own| *own = momentum);
        }
    }

    /// The step that the rates are of.
    ///
    /// ```
    /// use chainrule::optim::{Schedule, Scheduler, Sgd};
    /// use chainrule::param;
    /// let mut sgd = Sgd::new(&[param(1.0)], 1.0);
    /// let mut scheduler = Scheduler::new(Schedule::Constant, &mut sgd);
    /// scheduler.step(&mut sgd);
    /// assert_eq!(scheduler.t(), 1);
    /// ```
    pub fn t(&self) -> usize {
        self.t
    }
}
