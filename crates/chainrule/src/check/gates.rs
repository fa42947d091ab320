//! Finding the gate that is wrong: every node's backward against differences of that node alone.

use std::fmt;

use super::numerical::{derivative, same_randomness};
use crate::array::{Array, DType};
use crate::error::Result;
use crate::gate::{GateRef, run};
use crate::tensor::{Backward, Recording, Tensor, enable_grad};

/// A gate whose backward disagrees with its forward.
///
/// ```
/// use chainrule::check::{check_gates, GateFault};
/// use chainrule::{param, Tensor};
/// let x = param([0.5, 2.0]);
/// let (y, faults): (Tensor, Vec<GateFault>) = check_gates(|| x.exp()?.sum())?;
/// assert!(faults.is_empty()); // the built-in gates are right
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct GateFault {
    /// The gate's name.
    pub gate: String,
    /// Which input's gradient is wrong.
    pub input: usize,
    /// ⟨upstream, J·direction⟩ by the gate's backward.
    pub analytic: f64,
    /// The same by differences.
    pub numeric: f64,
    /// The line of the user's program that ran the gate, where it is known.
    pub location: Option<String>,
}

impl fmt::Display for GateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the gate {} is wrong: the gradient of its input {} gives {:.6e} along a test direction, differences give {:.6e}",
            self.gate, self.input, self.analytic, self.numeric
        )?;
        if let Some(location) = &self.location {
            write!(f, " [called at {location}]")?;
        }
        Ok(())
    }
}

/// Checks one gate at these inputs: each input, unless it is listed as constant, along one test direction.
pub(super) fn check_gate(gate: &GateRef, inputs: &[Array], constants: &[usize]) -> Result<Vec<GateFault>> {
    let doubled: Vec<Array> =
        inputs.iter().map(|x| if x.dtype().is_float() { x.cast(DType::F64) } else { x.clone() }).collect();
    let differentiated = |i: usize, x: &Array| x.dtype().is_float() && !constants.contains(&i);
    let tensors: Vec<Tensor> =
        doubled.iter().enumerate().map(|(i, x)| Tensor::leaf(x.clone(), differentiated(i, x))).collect();
    let outputs = same_randomness(|| {
        enable_grad(|| Tensor::apply_many(gate.clone(), &tensors.iter().collect::<Vec<_>>()))
    })?;
    let differentiable: Vec<&Tensor> = outputs.iter().filter(|y| y.requires_grad()).collect();
    let mut faults = Vec::new();
    if differentiable.is_empty() {
        return Ok(faults);
    }
    let upstream: Vec<Tensor> =
        differentiable.iter().map(|y| Tensor::from_array(pattern(&y.array(), 3))).collect();
    let wanted: Vec<&Tensor> = tensors.iter().filter(|x| x.requires_grad()).collect();
    let gradients = Backward::of(&differentiable)
        .upstream(&upstream.iter().collect::<Vec<_>>())
        .allow_unused(true)
        .gradients(&wanted)?;
    let places: Vec<usize> = (0..tensors.len()).filter(|&i| tensors[i].requires_grad()).collect();
    for (&i, gradient) in places.iter().zip(gradients) {
        let direction = pattern(&doubled[i], 5);
        let analytic = gradient.map_or(0.0, |g| dot(&g.array(), &direction));
        let along = |t: f64| -> Result<f64> {
            let mut moved = doubled.clone();
            let values: Vec<f64> =
                moved[i].to_f64_vec().iter().zip(direction.to_f64_vec()).map(|(x, d)| x + t * d).collect();
            moved[i] = Array::from_vec(values, *moved[i].shape())?;
            let outputs = same_randomness(|| run(&**gate, &moved.iter().collect::<Vec<_>>()))?;
            let float = outputs.iter().filter(|y| y.dtype().is_float());
            Ok(float.zip(&upstream).map(|(y, g)| dot(y, &g.array())).sum())
        };
        let measured = derivative(along, 0.0)?;
        let scale = analytic.abs().max(measured.value.abs());
        let wrong = (analytic - measured.value).abs() > 1e-5 * scale + 10.0 * measured.error + 1e-12;
        if measured.kink.is_none() && (wrong || analytic.is_nan() != measured.value.is_nan()) {
            faults.push(GateFault {
                gate: gate.name().to_string(),
                input: i,
                analytic,
                numeric: measured.value,
                location: None,
            });
        }
    }
    Ok(faults)
}

/// Uneven numbers of the shape of `x`, in f64.
fn pattern(x: &Array, seed: usize) -> Array {
    let values =
        (0..x.elements()).map(|i| 0.3 + ((i * 7 + seed) % 11) as f64 / 9.0 - ((i + seed) % 4) as f64 * 0.35);
    Array::from_vec(values.collect(), *x.shape()).expect("there are as many numbers as elements")
}

fn dot(a: &Array, b: &Array) -> f64 {
    a.to_f64_vec().iter().zip(b.to_f64_vec()).map(|(a, b)| a * b).sum()
}

/// Runs `body` and checks every gate that it ran by itself, at the values it had.
///
/// # Errors
/// The body fails, or a gate fails when run again.
///
/// ```
/// use chainrule::check::check_gates;
/// use chainrule::param;
/// let (_, faults) = check_gates(|| param([0.5, 1.0]).tanh()?.sum())?;
/// assert!(faults.is_empty());
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn check_gates<R>(body: impl FnOnce() -> Result<R>) -> Result<(R, Vec<GateFault>)> {
    let (result, recording) = Recording::of(body);
    let result = result?;
    let mut faults = Vec::new();
    for step in recording.steps {
        if step.is_frozen() {
            continue;
        }
        let inputs: Vec<Array> = step.inputs.iter().map(Tensor::array).collect();
        // Where nothing needs a gradient, every input is checked.
        let needs = |x: &Tensor| x.requires_grad() || !step.inputs.iter().any(Tensor::requires_grad);
        let constants: Vec<usize> = (0..inputs.len()).filter(|&i| !needs(&step.inputs[i])).collect();
        for fault in check_gate(&step.gate, &inputs, &constants)? {
            let at = step.location;
            let location = Some(format!("{}:{}:{}", at.file(), at.line(), at.column()));
            faults.push(GateFault { location, ..fault });
        }
    }
    Ok((result, faults))
}
