//! Adam and AdamW.

use super::{Moment, Real, Rule, Updater, check};
use crate::error::Result;
use crate::kernel::update::at_each;

/// What Adam can be told; the default is PyTorch's.
///
/// ```
/// use chainrule::optim::{Adam, AdamOptions, Optimizer};
/// use chainrule::param;
/// let options = AdamOptions { beta1: 0.8, amsgrad: true, ..AdamOptions::default() };
/// let adam = Adam::with(&[param(1.0)], 1e-3, options)?;
/// assert_eq!(adam.learning_rate(), 1e-3);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamOptions {
    /// How slowly the mean of gradients changes (β₁).
    pub beta1: f64,
    /// How slowly the mean of squared gradients changes (β₂).
    pub beta2: f64,
    /// Added to the denominator (ε).
    pub eps: f64,
    /// How strongly parameters are pulled to 0 (λ).
    pub weight_decay: f64,
    /// Whether the pull acts on the parameters directly (AdamW), not through the gradient.
    pub decoupled: bool,
    /// Whether the largest mean square so far counts, not the present one (AMSGrad).
    pub amsgrad: bool,
    /// Climb to the highest value instead of descending to the lowest: the gradient counts with its sign turned.
    pub maximize: bool,
}

impl Default for AdamOptions {
    fn default() -> Self {
        AdamOptions {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            amsgrad: false,
            maximize: false,
        }
    }
}

impl AdamOptions {
    /// AdamW with PyTorch's weight decay of 0.01.
    ///
    /// ```
    /// use chainrule::optim::{Adam, AdamOptions, Optimizer};
    /// use chainrule::param;
    /// let w = param(3.0);
    /// let mut adamw =
    ///     Adam::with(&[w.clone()], 0.1, AdamOptions { weight_decay: 0.5, ..AdamOptions::adamw() })?;
    /// w.set_grad(Some(chainrule::tensor(0.0)))?;
    /// adamw.step()?;
    /// assert!((w.item()? - 3.0 * (1.0 - 0.1 * 0.5)).abs() < 1e-6); // the pull to 0 alone
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn adamw() -> AdamOptions {
        AdamOptions { weight_decay: 0.01, decoupled: true, ..AdamOptions::default() }
    }
}

/// Adam (Kingma and Ba, 2015), AdamW (Loshchilov and Hutter, 2019) and AMSGrad (Reddi, Kale, Kumar, 2018).
///
/// `m ← m + (1 − β₁)(g − m); v ← β₂v + (1 − β₂)g²; p ← p − γ/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε)`; AdamW first
/// `p ← p(1 − γλ)`, Adam `g ← g + λp`.
///
/// ```
/// use chainrule::optim::{Adam, Optimizer};
/// use chainrule::param;
/// let w = param(3.0);
/// let mut adam = Adam::new(&[w.clone()], 0.1);
/// w.square()?.backward()?;
/// adam.step()?;
/// assert!((w.item()? - 2.9).abs() < 1e-6); // the first step has the length of the learning rate
/// # Ok::<(), chainrule::Error>(())
/// ```
pub type Adam = Updater<AdamOptions>;

impl Rule for AdamOptions {
    fn memory(&self) -> Vec<(&'static str, f64)> {
        let mut memory = vec![("exp_avg", 0.0), ("exp_avg_sq", 0.0)];
        if self.amsgrad {
            memory.push(("max_exp_avg_sq", 0.0));
        }
        memory
    }

    #[inline(always)]
    fn update<T: Real>(&self, at: Moment, p: &mut [T], g: &[T], memory: &mut [&mut [T]]) {
        let AdamOptions { beta1, beta2, eps, weight_decay, decoupled, .. } = *self;
        let size = at.rate / (1.0 - beta1.powf(at.step as f64));
        let root = (1.0 - beta2.powf(at.step as f64)).sqrt();
        let (decay, shrink) =
            if decoupled { (0.0, 1.0 - at.rate * weight_decay) } else { (weight_decay, 1.0) };
        let [size, root, eps, decay, shrink, keep, take] =
            [size, root, eps, decay, shrink, beta2, 1.0 - beta2].map(T::from_f64);
        let means = |p: T, g: T, m: T, v: T| {
            let p = p * shrink;
            let g = g + decay * p;
            (p, m.lerp(g, 1.0 - beta1), keep * v + take * g * g)
        };
        let changed = |p: T, m: T, v: T| p - size * m / (v.sqrt() / root + eps);
        match memory.len() {
            2 => at_each(p, g, memory, |p, g, [m, v]| {
                let (p, m, v) = means(p, g, m, v);
                (changed(p, m, v), [m, v])
            }),
            _ => at_each(p, g, memory, |p, g, [m, v, most]| {
                let (p, m, v) = means(p, g, m, v);
                let most = most.larger(v);
                (changed(p, m, most), [m, v, most])
            }),
        }
    }

    fn momentum_mut(&mut self) -> Option<&mut f64> {
        Some(&mut self.beta1)
    }

    fn maximizes(&self) -> bool {
        self.maximize
    }

    fn check(&self) -> Result<()> {
        for (name, beta) in [("β₁ of Adam", self.beta1), ("β₂ of Adam", self.beta2)] {
            check(name, beta, (0.0..1.0).contains(&beta), "from 0 to below 1")?;
        }
        check("ε of Adam", self.eps, self.eps >= 0.0, "a number from 0 on")?;
        check("weight decay", self.weight_decay, self.weight_decay >= 0.0, "a number from 0 on")
    }
}
