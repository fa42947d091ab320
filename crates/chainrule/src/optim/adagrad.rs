//! Adagrad.

use super::{Moment, Real, Rule, Updater, check};
use crate::error::Result;
use crate::kernel::update::at_each;

/// What Adagrad can be told; the default is PyTorch's.
///
/// ```
/// use chainrule::optim::{Adagrad, AdagradOptions, Optimizer};
/// use chainrule::param;
/// let w = param(3.0);
/// let mut adagrad =
///     Adagrad::with(&[w.clone()], 0.5, AdagradOptions { initial: 64.0, ..Default::default() })?;
/// w.square()?.backward()?;
/// adagrad.step()?;
/// assert!((w.item()? - 2.7).abs() < 1e-6); // 3 − 0.5·6/√(64 + 36)
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdagradOptions {
    /// How fast the learning rate falls with the steps (η).
    pub rate_decay: f64,
    /// How strongly parameters are pulled to 0 (λ).
    pub weight_decay: f64,
    /// What the sum of squared gradients begins with.
    pub initial: f64,
    /// Added to the denominator (ε).
    pub eps: f64,
    /// Climb to the highest value instead of descending to the lowest: the gradient counts with its sign turned.
    pub maximize: bool,
}

impl Default for AdagradOptions {
    fn default() -> Self {
        AdagradOptions { rate_decay: 0.0, weight_decay: 0.0, initial: 0.0, eps: 1e-10, maximize: false }
    }
}

/// Adagrad (Duchi, Hazan, Singer, 2011).
///
/// `g ← ∇ + λp; s ← s + g²; p ← p − γ/(1 + (t − 1)η) · g / (√s + ε)`
///
/// ```
/// use chainrule::optim::{Adagrad, Optimizer};
/// use chainrule::param;
/// let w = param(3.0);
/// let mut adagrad = Adagrad::new(&[w.clone()], 0.5);
/// w.square()?.backward()?;
/// adagrad.step()?;
/// assert!((w.item()? - 2.5).abs() < 1e-6); // the first step has the length of the learning rate
/// # Ok::<(), chainrule::Error>(())
/// ```
pub type Adagrad = Updater<AdagradOptions>;

impl Rule for AdagradOptions {
    fn memory(&self) -> Vec<(&'static str, f64)> {
        vec![("sum", self.initial)]
    }

    #[inline(always)]
    fn update<T: Real>(&self, at: Moment, p: &mut [T], g: &[T], memory: &mut [&mut [T]]) {
        let rate = at.rate / (1.0 + (at.step - 1) as f64 * self.rate_decay);
        let [rate, eps, decay] = [rate, self.eps, self.weight_decay].map(T::from_f64);
        at_each(p, g, memory, |p, g, [s]| {
            let g = g + decay * p;
            let s = s + g * g;
            (p - rate * g / (s.sqrt() + eps), [s])
        });
    }

    fn maximizes(&self) -> bool {
        self.maximize
    }

    fn check(&self) -> Result<()> {
        for (name, value) in [
            ("decay of Adagrad's learning rate", self.rate_decay),
            ("weight decay", self.weight_decay),
            ("initial sum of Adagrad", self.initial),
            ("ε of Adagrad", self.eps),
        ] {
            check(name, value, value >= 0.0, "a number from 0 on")?;
        }
        Ok(())
    }
}
