//! Finding the gate that is wrong: every node's backward against differences of that node alone.

use std::fmt;

use super::numerical::{derivative, same_randomness};
use crate::array::{Array, DType};
use crate::error::{Error, Result};
use crate::gate::{GateRef, run};
use crate::graph::{ComputationalGraph, ValueId};
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

/// The gradient of one input along a test direction: by the gate's backward and by differences.
struct Compared {
    input: usize,
    analytic: f64,
    numeric: f64,
    /// The difference over the larger of the two, as far as it exceeds what is tolerated for tiny numbers.
    relative: f64,
    kink: bool,
    wrong: bool,
}

/// Checks one gate at these inputs: each input, unless it is listed as constant, along one test direction.
pub(super) fn check_gate(gate: &GateRef, inputs: &[Array], constants: &[usize]) -> Result<Vec<GateFault>> {
    let wrong = compare(gate, inputs, constants)?.into_iter().filter(|found| found.wrong);
    Ok(wrong.map(|found| found.fault(gate)).collect())
}

impl Compared {
    fn fault(&self, gate: &GateRef) -> GateFault {
        GateFault {
            gate: gate.name().to_string(),
            input: self.input,
            analytic: self.analytic,
            numeric: self.numeric,
            location: None,
        }
    }
}

fn compare(gate: &GateRef, inputs: &[Array], constants: &[usize]) -> Result<Vec<Compared>> {
    let doubled: Vec<Array> =
        inputs.iter().map(|x| if x.dtype().is_float() { x.cast(DType::F64) } else { x.clone() }).collect();
    let differentiated = |i: usize, x: &Array| x.dtype().is_float() && !constants.contains(&i);
    let tensors: Vec<Tensor> =
        doubled.iter().enumerate().map(|(i, x)| Tensor::leaf(x.clone(), differentiated(i, x))).collect();
    let outputs = same_randomness(|| {
        enable_grad(|| Tensor::apply_many(gate.clone(), &tensors.iter().collect::<Vec<_>>()))
    })?;
    let differentiable: Vec<&Tensor> = outputs.iter().filter(|y| y.requires_grad()).collect();
    let mut all = Vec::new();
    if differentiable.is_empty() {
        return Ok(all);
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
        let direction = within(gate, i, pattern(&doubled[i], 5))?;
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
        let measured = derivative(&along, 0.0)?;
        let mut numeric = measured.value;
        let agrees = |x: f64, error: f64| {
            let scale = analytic.abs().max(x.abs());
            (analytic - x).abs() <= 1e-5 * scale + 10.0 * error + 1e-12
                || analytic == x
                || (analytic.is_nan() && x.is_nan())
        };
        let mut fine = agrees(numeric, measured.error);
        let kink = measured.kink.is_some();
        if !kink && (analytic - numeric).abs() > 1e-6 * analytic.abs() {
            // Among a hundred thousand elements of a ReLU's input many lie so near to its kink that all but the
            // smallest steps cross it. A wrong gradient doesn't become right by a smaller step.
            for step in [1e-6, 1e-7, 1e-8] {
                let difference = (along(step)? - along(-step)?) / (2.0 * step);
                if (analytic - difference).abs() < (analytic - numeric).abs() {
                    fine |= agrees(difference, 0.0);
                    numeric = difference;
                }
            }
        }
        let scale = analytic.abs().max(numeric.abs());
        let difference = ((analytic - numeric).abs() - 1e-12).max(0.0);
        all.push(Compared {
            input: i,
            analytic,
            numeric,
            relative: difference / scale.max(f64::MIN_POSITIVE),
            kink,
            wrong: !kink && !fine,
        });
    }
    Ok(all)
}

/// A direction in which an input may move: see [`Gate::structure`](crate::gate::Gate::structure).
pub(super) fn within(gate: &GateRef, input: usize, direction: Array) -> Result<Array> {
    match gate.structure(input) {
        Some(structure) => structure.nearest(&direction),
        None => Ok(direction),
    }
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

/// What the numerical check of one gate of a graph found; see [`ComputationalGraph::check_gates`].
///
/// ```
/// use chainrule::{check::GateCheck, param, ComputationalGraph};
/// let mut graph = ComputationalGraph::capture(&param([0.5, 1.0]).mul(&param(2.0))?.sum()?)?;
/// graph.forward(&[])?;
/// let GateCheck { place, compared, kinks, .. } = graph.check_gates(1_000_000)?[0];
/// assert_eq!((place, compared, kinks), (0, 2, 0)); // both factors, no kink
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct GateCheck {
    /// The gate's place in the graph, from 0.
    pub place: usize,
    /// How many inputs' gradients were compared with differences.
    pub compared: usize,
    /// At how many of them the gate has a kink along the test direction, so that there is nothing to compare.
    pub kinks: usize,
    /// The largest relative error of the others.
    pub relative: f64,
    /// The gradients that are wrong.
    pub faults: Vec<GateFault>,
}

impl GateCheck {
    /// Whether no gradient is wrong.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let mut graph = ComputationalGraph::capture(&param([0.5, 1.0]).tanh()?)?;
    /// graph.forward(&[])?;
    /// assert!(graph.check_gates(1_000_000)?[0].passed());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn passed(&self) -> bool {
        self.faults.is_empty()
    }
}

impl ComputationalGraph {
    /// Checks each gate by itself against differences, in double precision and at the values of the last run:
    /// the gradient of each input that needs one, along a test direction. Gates of more multiply-adds than
    /// `most` are left out, as each is run dozens of times.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let mut graph = ComputationalGraph::capture(&param([0.5, 1.0]).tanh()?.sum()?)?;
    /// graph.forward(&[])?;
    /// let checks = graph.check_gates(1_000_000)?;
    /// assert!(checks.len() == 2 && checks.iter().all(|check| check.passed()));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ComputationalGraph::forward`] hasn't run, or a gate fails when run again.
    pub fn check_gates(&self, most: u64) -> Result<Vec<GateCheck>> {
        let run = self
            .run
            .as_ref()
            .ok_or_else(|| Error::autograd("there is nothing to check before forward ran"))?;
        let mut checks = Vec::new();
        for (place, step) in self.steps.iter().enumerate() {
            let tensors = |ids: &[ValueId]| ids.iter().map(|id| &run.tensors[id.place()]).collect::<Vec<_>>();
            let metas = |all: &[&Tensor]| all.iter().map(|x| x.meta()).collect::<Vec<_>>();
            let (inputs, outputs) = (tensors(&step.inputs), tensors(&step.outputs));
            let needed = !step.frozen && inputs.iter().any(|x| x.requires_grad());
            if !needed || step.gate.cost(&metas(&inputs), &metas(&outputs)) > most {
                continue;
            }
            let constants: Vec<usize> = (0..inputs.len()).filter(|&i| !inputs[i].requires_grad()).collect();
            let arrays: Vec<Array> = inputs.iter().map(|x| x.array()).collect();
            let all = compare(&step.gate, &arrays, &constants)?;
            let location = step.location.map(|at| format!("{}:{}:{}", at.file(), at.line(), at.column()));
            let wrong = all.iter().filter(|found| found.wrong);
            checks.push(GateCheck {
                place,
                compared: all.len(),
                kinks: all.iter().filter(|found| found.kink).count(),
                relative: all
                    .iter()
                    .filter(|found| !found.kink)
                    .map(|found| found.relative)
                    .fold(0.0, f64::max),
                faults: wrong
                    .map(|found| GateFault { location: location.clone(), ..found.fault(&step.gate) })
                    .collect(),
            });
        }
        Ok(checks)
    }
}
