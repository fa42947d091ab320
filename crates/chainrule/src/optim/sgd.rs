//! Stochastic gradient descent.

use super::{DType, Optimizer, find, update, zeros_like};
use crate::array::{Array, Element};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, no_grad};

/// What SGD can be told; the default is plain gradient descent.
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
#[derive(Debug)]
pub struct Sgd {
    parameters: Vec<Tensor>,
    rate: f64,
    options: SgdOptions,
    momentum: Vec<Option<Array>>,
}

impl Sgd {
    /// Plain gradient descent with learning rate γ.
    pub fn new(parameters: &[Tensor], rate: f64) -> Sgd {
        Sgd {
            parameters: parameters.to_vec(),
            rate,
            options: SgdOptions::default(),
            momentum: vec![None; parameters.len()],
        }
    }

    /// With momentum, weight decay or Nesterov's variant.
    ///
    /// # Errors
    /// Nesterov's momentum needs momentum and no dampening.
    pub fn with(parameters: &[Tensor], rate: f64, options: SgdOptions) -> Result<Sgd> {
        if options.nesterov && (options.momentum <= 0.0 || options.dampening != 0.0) {
            return Err(Error::argument("Nesterov's momentum needs a momentum, and no dampening"));
        }
        Ok(Sgd { options, ..Sgd::new(parameters, rate) })
    }
}

impl Optimizer for Sgd {
    fn step(&mut self) -> Result<()> {
        let SgdOptions { momentum, dampening, weight_decay, nesterov } = self.options;
        let rate = self.rate;
        for (parameter, memory) in self.parameters.iter().zip(&mut self.momentum) {
            let Some(gradient) = parameter.grad() else { continue };
            let gradient = gradient.array();
            let first = momentum != 0.0 && memory.is_none();
            if first {
                *memory = Some(zeros_like(parameter));
            }
            let memory = memory.as_mut();
            no_grad(|| -> Result<()> {
                update!(parameter, gradient, |p, g, T| {
                    let [rate, momentum, keep, decay] =
                        [rate, momentum, 1.0 - dampening, weight_decay].map(T::from_f64);
                    match memory.and_then(|memory| memory.make_mut::<T>()) {
                        None => {
                            for (p, &g) in p.iter_mut().zip(g) {
                                *p -= rate * (g + decay * *p);
                            }
                        }
                        Some(memory) => {
                            for ((p, &g), b) in p.iter_mut().zip(g).zip(memory) {
                                let g = g + decay * *p;
                                *b = if first { g } else { momentum * *b + keep * g };
                                *p -= rate * if nesterov { g + momentum * *b } else { *b };
                            }
                        }
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
        let memory = |(i, memory): (usize, &Option<Array>)| Some((format!("momentum.{i}"), memory.clone()?));
        self.momentum.iter().enumerate().filter_map(memory).collect()
    }

    fn load_state(&mut self, state: &[(String, Array)]) -> Result<()> {
        for (i, (parameter, memory)) in self.parameters.iter().zip(&mut self.momentum).enumerate() {
            let name = format!("momentum.{i}");
            // A parameter that never had a gradient has no momentum either.
            *memory = match state.iter().any(|(other, _)| *other == name) {
                true => Some(find(state, &name, parameter)?),
                false => None,
            };
        }
        Ok(())
    }
}
