//! Stochastic gradient descent.

use super::{Moment, Real, Rule, Updater, check};
use crate::error::{Error, Result};
use crate::kernel::update::at_each;

/// What SGD can be told; the default is plain gradient descent.
///
/// ```
/// use chainrule::optim::{Optimizer, Sgd, SgdOptions};
/// use chainrule::param;
/// let w = param(3.0);
/// let mut sgd = Sgd::with(&[w.clone()], 0.1, SgdOptions { weight_decay: 0.5, ..SgdOptions::default() })?;
/// w.square()?.backward()?;
/// sgd.step()?;
/// assert!((w.item()? - 2.25).abs() < 1e-6); // 3 − 0.1·(6 + 0.5·3)
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SgdOptions {
    /// How much of the last update goes on (μ).
    pub momentum: f64,
    /// How much of the gradient is held back from the momentum (τ).
    pub dampening: f64,
    /// How strongly parameters are pulled to 0 (λ).
    pub weight_decay: f64,
    /// Nesterov's momentum, which looks one step ahead.
    pub nesterov: bool,
    /// Climb to the highest value instead of descending to the lowest: the gradient counts with its sign turned.
    pub maximize: bool,
}

/// Gradient descent: `p ← p − γ·∇`, with PyTorch's momentum, Nesterov momentum and weight decay.
///
/// `g ← ∇ + λp; b ← μb + (1 − τ)g` (at first `b ← g`)`; g ← g + μb` (Nesterov) or `b; p ← p − γg`.
///
/// ```
/// use chainrule::optim::{Optimizer, Sgd};
/// use chainrule::param;
/// let w = param(3.0);
/// let mut sgd = Sgd::new(&[w.clone()], 0.1);
/// w.square()?.backward()?;
/// sgd.step()?;
/// assert!((w.item()? - 2.4).abs() < 1e-6); // 3 − 0.1·6
/// # Ok::<(), chainrule::Error>(())
/// ```
pub type Sgd = Updater<SgdOptions>;

impl Rule for SgdOptions {
    fn memory(&self) -> Vec<(&'static str, f64)> {
        if self.momentum == 0.0 { Vec::new() } else { vec![("momentum_buffer", 0.0)] }
    }

    #[inline(always)]
    fn update<T: Real>(&self, at: Moment, p: &mut [T], g: &[T], memory: &mut [&mut [T]]) {
        let [rate, momentum, keep, decay] =
            [at.rate, self.momentum, 1.0 - self.dampening, self.weight_decay].map(T::from_f64);
        if memory.is_empty() {
            // Two slices need no blocks to become vector code.
            for (p, &g) in p.iter_mut().zip(g) {
                *p -= rate * (g + decay * *p);
            }
            return;
        }
        let (first, nesterov) = (at.step == 1, self.nesterov);
        at_each(p, g, memory, |p, g, [b]| {
            let g = g + decay * p;
            let b = if first { g } else { momentum * b + keep * g };
            (p - rate * if nesterov { g + momentum * b } else { b }, [b])
        });
    }

    fn momentum_mut(&mut self) -> Option<&mut f64> {
        Some(&mut self.momentum)
    }

    fn maximizes(&self) -> bool {
        self.maximize
    }

    fn check(&self) -> Result<()> {
        check("momentum", self.momentum, self.momentum >= 0.0, "a number from 0 on")?;
        check("weight decay", self.weight_decay, self.weight_decay >= 0.0, "a number from 0 on")?;
        if self.nesterov && (self.momentum <= 0.0 || self.dampening != 0.0) {
            return Err(Error::argument("Nesterov's momentum needs a momentum, and no dampening"));
        }
        Ok(())
    }
}
