//! RMSprop.

use super::{Moment, Real, Rule, Updater, check};
use crate::error::Result;
use crate::kernel::update::at_each;

/// What RMSprop can be told; the default is PyTorch's.
///
/// ```
/// use chainrule::optim::{Optimizer, RmsProp, RmsPropOptions};
/// use chainrule::param;
/// let w = param(3.0);
/// let mut rmsprop = RmsProp::with(&[w.clone()], 0.1, RmsPropOptions { alpha: 0.75, ..Default::default() })?;
/// w.square()?.backward()?;
/// rmsprop.step()?;
/// assert!((w.item()? - 2.8).abs() < 1e-6); // 3 − 0.1·6/√(0.25·36)
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RmsPropOptions {
    /// How slowly the mean of squared gradients changes (α).
    pub alpha: f64,
    /// Added to the denominator (ε).
    pub eps: f64,
    /// How strongly parameters are pulled to 0 (λ).
    pub weight_decay: f64,
    /// How much of the last update goes on (μ).
    pub momentum: f64,
    /// Whether the gradient is divided by its standard deviation, not by its root mean square.
    pub centered: bool,
    /// Climb to the highest value instead of descending to the lowest: the gradient counts with its sign turned.
    pub maximize: bool,
}

impl Default for RmsPropOptions {
    fn default() -> Self {
        RmsPropOptions {
            alpha: 0.99,
            eps: 1e-8,
            weight_decay: 0.0,
            momentum: 0.0,
            centered: false,
            maximize: false,
        }
    }
}

/// RMSprop (Hinton, 2012; centred: Graves, 2013), with ε outside the root as in PyTorch.
///
/// `g ← ∇ + λp; v ← αv + (1 − α)g²; b ← μb + g / (√v + ε); p ← p − γb`; centred: `√(v − a²)` with
/// `a ← a + (1 − α)(g − a)`.
///
/// ```
/// use chainrule::optim::{Optimizer, RmsProp};
/// use chainrule::param;
/// let w = param(3.0);
/// let mut rmsprop = RmsProp::new(&[w.clone()], 0.01);
/// w.square()?.backward()?;
/// rmsprop.step()?;
/// assert!((w.item()? - 2.9).abs() < 1e-6); // 3 − 0.01·6 / √(0.01·36)
/// # Ok::<(), chainrule::Error>(())
/// ```
pub type RmsProp = Updater<RmsPropOptions>;

impl Rule for RmsPropOptions {
    fn memory(&self) -> Vec<(&'static str, f64)> {
        let mut memory = vec![("square_avg", 0.0)];
        if self.momentum > 0.0 {
            memory.push(("momentum_buffer", 0.0));
        }
        if self.centered {
            memory.push(("grad_avg", 0.0));
        }
        memory
    }

    #[inline(always)]
    fn update<T: Real>(&self, at: Moment, p: &mut [T], g: &[T], memory: &mut [&mut [T]]) {
        let [rate, keep, take, eps, decay, momentum] =
            [at.rate, self.alpha, 1.0 - self.alpha, self.eps, self.weight_decay, self.momentum]
                .map(T::from_f64);
        let weight = 1.0 - self.alpha;
        let squared = |square: T, g: T| keep * square + take * g * g;
        let change = |g: T, variance: T| g / (variance.sqrt() + eps);
        match (memory.len(), self.centered) {
            (1, _) => at_each(p, g, memory, |p, g, [square]| {
                let g = g + decay * p;
                let square = squared(square, g);
                (p - rate * change(g, square), [square])
            }),
            (2, false) => at_each(p, g, memory, |p, g, [square, buffer]| {
                let g = g + decay * p;
                let square = squared(square, g);
                let buffer = momentum * buffer + change(g, square);
                (p - rate * buffer, [square, buffer])
            }),
            (2, true) => at_each(p, g, memory, |p, g, [square, mean]| {
                let g = g + decay * p;
                let (square, mean) = (squared(square, g), mean.lerp(g, weight));
                (p - rate * change(g, square - mean * mean), [square, mean])
            }),
            _ => at_each(p, g, memory, |p, g, [square, buffer, mean]| {
                let g = g + decay * p;
                let (square, mean) = (squared(square, g), mean.lerp(g, weight));
                let buffer = momentum * buffer + change(g, square - mean * mean);
                (p - rate * buffer, [square, buffer, mean])
            }),
        }
    }

    fn momentum_mut(&mut self) -> Option<&mut f64> {
        Some(&mut self.momentum)
    }

    fn maximizes(&self) -> bool {
        self.maximize
    }

    fn check(&self) -> Result<()> {
        for (name, value) in [
            ("α of RMSprop", self.alpha),
            ("ε of RMSprop", self.eps),
            ("weight decay", self.weight_decay),
            ("momentum", self.momentum),
        ] {
            check(name, value, value >= 0.0, "a number from 0 on")?;
        }
        Ok(())
    }
}
