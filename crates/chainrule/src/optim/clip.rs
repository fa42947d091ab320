//! Gradient clipping.

use crate::array::{Array, DType};
use crate::error::{Error, Result};
use crate::kernel::zip;
use crate::tensor::Tensor;

/// Scales all gradients by one factor so that their common norm is at most `max_norm`; returns the norm before.
///
/// The norm of order p is `(Σ|g|ᵖ)^(1/p)` over the gradients of all parameters, as if they were one vector; for
/// `f64::INFINITY` it is the largest magnitude. The factor is `min(1, max_norm / (norm + 10⁻⁶))`, as in PyTorch.
///
/// # Errors
/// The norm is NaN or infinite (PyTorch's `error_if_nonfinite=True`: scaling would make every gradient NaN), or
/// an argument isn't positive. The gradients are unchanged then.
///
/// ```
/// use chainrule::{optim::clip_grad_norm, param};
/// let w = param([3.0, -4.0]);
/// (w.square()?.sum()? * 0.5).backward()?;
/// assert_eq!(clip_grad_norm(&[w.clone()], 1.0, 2.0)?, 5.0);
/// let clipped = w.grad().unwrap().to_vec::<f32>()?;
/// assert!((clipped[0] - 0.6).abs() < 1e-5 && (clipped[1] + 0.8).abs() < 1e-5);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn clip_grad_norm(parameters: &[Tensor], max_norm: f64, order: f64) -> Result<f64> {
    if !(max_norm > 0.0 && order > 0.0) {
        return Err(Error::argument(format!(
            "the largest norm and the norm's order must be positive, not {max_norm} and {order}"
        )));
    }
    let parameters = once(parameters);
    let norm = parameters.iter().filter_map(|p| p.grad()).fold(0.0, |sum: f64, gradient| {
        let values = gradient.to_f64_vec();
        let own = values.iter().map(|x| x.abs());
        match order {
            f64::INFINITY => own.fold(sum, |most, x| if x > most || x.is_nan() { x } else { most }),
            2.0 => sum + own.map(|x| x * x).sum::<f64>(),
            _ => sum + own.map(|x| x.powf(order)).sum::<f64>(),
        }
    });
    let norm = match order {
        f64::INFINITY => norm,
        2.0 => norm.sqrt(),
        _ => norm.powf(1.0 / order),
    };
    if !norm.is_finite() {
        let culprit = parameters
            .iter()
            .position(|p| p.grad().is_some_and(|gradient| !gradient.array().all_finite()))
            .map_or_else(String::new, |i| format!("; the gradient of parameter {i} is not finite"));
        return Err(Error::argument(format!("the norm of the gradients is {norm}{culprit}"))
            .hint("lower the learning rate, or find the gate with detect_anomaly(|| …)"));
    }
    let factor = max_norm / (norm + 1e-6);
    if factor < 1.0 {
        change(&parameters, move |x| x * factor)?;
    }
    Ok(norm)
}

/// Clamps every element of every gradient to `−limit … limit`.
///
/// # Errors
/// The limit is negative or NaN.
///
/// ```
/// use chainrule::{optim::clip_grad_value, param};
/// let w = param([3.0, -0.25]);
/// (w.square()?.sum()? * 0.5).backward()?;
/// clip_grad_value(&[w.clone()], 0.5)?;
/// assert_eq!(w.grad().unwrap().to_vec::<f32>()?, [0.5, -0.25]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn clip_grad_value(parameters: &[Tensor], limit: f64) -> Result<()> {
    if limit.is_nan() || limit < 0.0 {
        return Err(Error::argument(format!("gradients can't be clamped to ±{limit}")));
    }
    change(&once(parameters), move |x| {
        if x < -limit {
            -limit
        } else if x > limit {
            limit
        } else {
            x
        }
    })
}

/// The parameters, each once: a shared one must not be changed twice.
fn once(parameters: &[Tensor]) -> Vec<&Tensor> {
    let mut all: Vec<&Tensor> = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        if !all.iter().any(|own| own.is(parameter)) {
            all.push(parameter);
        }
    }
    all
}

/// Gives each parameter a gradient with every element changed; one that somebody else holds stays as it is.
fn change(parameters: &[&Tensor], f: impl Fn(f64) -> f64 + Copy) -> Result<()> {
    for parameter in parameters {
        let Some(gradient) = parameter.grad() else { continue };
        // Taken out first, so that the elements are not shared and need not be copied.
        parameter.set_grad(None)?;
        let mut array: Array = gradient.array();
        drop(gradient);
        match array.dtype() {
            DType::F64 => {
                array.make_mut().into_iter().for_each(|all| zip::each(all, move |x: &mut f64| *x = f(*x)))
            }
            _ => array
                .make_mut()
                .into_iter()
                .for_each(|all| zip::each(all, move |x: &mut f32| *x = f((*x).into()) as f32)),
        }
        parameter.set_grad(Some(Tensor::from_array(array)))?;
    }
    Ok(())
}
