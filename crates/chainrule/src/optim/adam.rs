//! Adam and AdamW.

use super::{DType, Optimizer, Real, find, number, update, zeros_like};
use crate::array::{Array, Element};
use crate::error::Result;
use crate::tensor::{Tensor, no_grad};

/// What Adam can be told; the default is PyTorch's.
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
}

impl Default for AdamOptions {
    fn default() -> Self {
        AdamOptions { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: false }
    }
}

impl AdamOptions {
    /// AdamW with PyTorch's weight decay of 0.01.
    pub fn adamw() -> AdamOptions {
        AdamOptions { weight_decay: 0.01, decoupled: true, ..AdamOptions::default() }
    }
}

/// Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019).
///
/// `m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; p ← p − γ/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε)`; AdamW first
/// `p ← p(1 − γλ)`.
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
#[derive(Debug)]
pub struct Adam {
    parameters: Vec<Tensor>,
    rate: f64,
    options: AdamOptions,
    steps: u64,
    means: Vec<(Array, Array)>,
}

impl Adam {
    /// Adam with PyTorch's defaults and learning rate γ.
    pub fn new(parameters: &[Tensor], rate: f64) -> Adam {
        Adam::with(parameters, rate, AdamOptions::default())
    }

    /// With other options, or as AdamW.
    pub fn with(parameters: &[Tensor], rate: f64, options: AdamOptions) -> Adam {
        let means = parameters.iter().map(|p| (zeros_like(p), zeros_like(p))).collect();
        Adam { parameters: parameters.to_vec(), rate, options, steps: 0, means }
    }
}

impl Optimizer for Adam {
    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        let AdamOptions { beta1, beta2, eps, weight_decay, decoupled } = self.options;
        let size = self.rate / (1.0 - beta1.powf(self.steps as f64));
        let root = (1.0 - beta2.powf(self.steps as f64)).sqrt();
        let (decay, shrink) =
            if decoupled { (0.0, 1.0 - self.rate * weight_decay) } else { (weight_decay, 1.0) };
        for (parameter, (m, v)) in self.parameters.iter().zip(&mut self.means) {
            let Some(gradient) = parameter.grad() else { continue };
            let gradient = gradient.array();
            no_grad(|| -> Result<()> {
                update!(parameter, gradient, |p, g, T| {
                    let (Some(m), Some(v)) = (m.make_mut::<T>(), v.make_mut::<T>()) else { return };
                    let [keep1, take1, keep2, take2] =
                        [beta1, 1.0 - beta1, beta2, 1.0 - beta2].map(T::from_f64);
                    let [size, root, eps, decay, shrink] = [size, root, eps, decay, shrink].map(T::from_f64);
                    for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                        *p *= shrink;
                        let g = g + decay * *p;
                        *m = keep1 * *m + take1 * g;
                        *v = keep2 * *v + take2 * g * g;
                        *p -= size * *m / (Real::sqrt(*v) / root + eps);
                    }
                });
                Ok(())
            })?;
        }
        Ok(())
    }

    fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    fn learning_rate(&self) -> f64 {
        self.rate
    }

    fn set_learning_rate(&mut self, rate: f64) {
        self.rate = rate;
    }

    fn state(&self) -> Vec<(String, Array)> {
        let mut state = vec![("steps".to_string(), Array::scalar(self.steps as i64))];
        for (i, (m, v)) in self.means.iter().enumerate() {
            state.push((format!("mean.{i}"), m.clone()));
            state.push((format!("square.{i}"), v.clone()));
        }
        state
    }

    fn load_state(&mut self, state: &[(String, Array)]) -> Result<()> {
        self.steps = number(state, "steps")? as u64;
        for (i, (parameter, (m, v))) in self.parameters.iter().zip(&mut self.means).enumerate() {
            *m = find(state, &format!("mean.{i}"), parameter)?;
            *v = find(state, &format!("square.{i}"), parameter)?;
        }
        Ok(())
    }
}
