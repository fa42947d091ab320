//! Forward mode: tangents travel with the values, from the inputs to the outputs.
//!
//! The gates that a function runs are recorded; one ascending sweep over the record computes for each gate the
//! tangents of its outputs, `ẏ = Σ ∂y/∂xᵢ · ẋᵢ`. Elementwise gates take their local gradients from the same
//! formula as backward; linear and multilinear gates are applied to the tangents themselves; other gates
//! declare their rule, or it is derived by two backward passes through that one gate: `v ↦ Jᵀv` is linear, and
//! its own gradient is J.

use std::collections::HashMap;

use super::{Values, alias, is_nested, same_shapes, settled, stand_in};
use crate::array::Generator;
use crate::error::Result;
use crate::gate::{Linearity, Tangents};
use crate::tensor::{Backward, Place, Recording, Step, Tensor, enable_grad};

/// The function's outputs, and their directional derivatives `ẏ = Σ ∂y/∂xᵢ · ẋᵢ`. One forward pass.
///
/// # Errors
/// Those of the function; or `tangents` doesn't have the inputs' number and shapes.
///
/// ```
/// use chainrule::{diff, tensor};
/// let (x, direction) = (tensor([1.0, 2.0]), tensor([1.0, 10.0]));
/// let (y, tangent) = diff::jvp(|x| x[0].mul(&x[0]), &[&x], &[&direction])?;
/// assert_eq!(y[0].to_vec::<f32>()?, [1.0, 4.0]);
/// assert_eq!(tangent[0].to_vec::<f32>()?, [2.0, 40.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn jvp<V: Values>(
    f: impl Fn(&[Tensor]) -> Result<V>,
    inputs: &[&Tensor],
    tangents: &[&Tensor],
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    same_shapes("tangent", "input", tangents, inputs)?;
    let nested = is_nested(inputs) || is_nested(tangents);
    let run = Run::of(f, inputs)?;
    let found = run.sweep(tangents)?;
    Ok((settled(run.outputs, nested), settled(found, nested)))
}

/// The function's outputs, and its linear approximation there: `ẋ ↦ J·ẋ`. The function runs once; each application
/// is one sweep of tangents through what ran.
///
/// # Errors
/// Those of the function.
///
/// ```
/// use chainrule::{diff, tensor};
/// let (y, linear) = diff::linearize(|x| x[0].mul(&x[0]), &[&tensor([1.0, 2.0])])?;
/// assert_eq!(y[0].to_vec::<f32>()?, [1.0, 4.0]);
/// assert_eq!(linear.apply(&[&tensor([1.0, 0.0])])?[0].to_vec::<f32>()?, [2.0, 0.0]);
/// assert_eq!(linear.apply(&[&tensor([0.0, 10.0])])?[0].to_vec::<f32>()?, [0.0, 40.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn linearize<V: Values>(
    f: impl Fn(&[Tensor]) -> Result<V>,
    inputs: &[&Tensor],
) -> Result<(Vec<Tensor>, Linearized)> {
    let nested = is_nested(inputs);
    let run = Run::of(f, inputs)?;
    Ok((settled(run.outputs.clone(), nested), Linearized { run, nested }))
}

/// A function's linear approximation at one place: see [`linearize`].
///
/// ```
/// use chainrule::diff::{linearize, Linearized};
/// use chainrule::tensor;
/// let (_, linear): (_, Linearized) = linearize(|x| x[0].exp(), &[&tensor([0.0, 0.0])])?;
/// assert_eq!(linear.apply(&[&tensor([1.0, 2.0])])?[0].to_f64_vec(), [1.0, 2.0]); // eˣ is 1 at 0
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct Linearized {
    run: Run,
    nested: bool,
}

impl Linearized {
    /// The outputs' directional derivatives along these tangents of the inputs.
    ///
    /// # Errors
    /// `tangents` doesn't have the inputs' number and shapes.
    ///
    /// ```
    /// use chainrule::diff::linearize;
    /// use chainrule::tensor;
    /// let (_, product) = linearize(|x| x[0].mul(&x[1]), &[&tensor(2.0), &tensor(5.0)])?;
    /// assert_eq!(product.apply(&[&tensor(1.0), &tensor(10.0)])?[0].item()?, 25.0); // ȧ·b + a·ḃ
    /// assert!(product.apply(&[&tensor(1.0)]).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn apply(&self, tangents: &[&Tensor]) -> Result<Vec<Tensor>> {
        same_shapes("tangent", "input", tangents, &self.run.inputs.iter().collect::<Vec<_>>())?;
        Ok(settled(self.run.sweep(tangents)?, self.nested || is_nested(tangents)))
    }
}

/// A function as it ran: the gates, and its inputs and outputs among their values.
#[derive(Debug)]
struct Run {
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    steps: Vec<Step>,
}

impl Run {
    fn of<V: Values>(f: impl Fn(&[Tensor]) -> Result<V>, inputs: &[&Tensor]) -> Result<Run> {
        let inputs: Vec<Tensor> = inputs.iter().map(|x| alias(x)).collect::<Result<_>>()?;
        let (outputs, recording) = Recording::of_forward_mode(|| f(&inputs));
        Ok(Run { outputs: outputs?.into_tensors(), inputs, steps: recording.steps })
    }

    /// The outputs' tangents; zeros where an output doesn't depend on the inputs.
    fn sweep(&self, tangents: &[&Tensor]) -> Result<Vec<Tensor>> {
        let mut known: HashMap<Place, Tensor> =
            self.inputs.iter().map(Tensor::place).zip(tangents.iter().map(|&t| t.clone())).collect();
        for step in &self.steps {
            let own: Vec<Option<Tensor>> =
                step.inputs.iter().map(|x| known.get(&x.place()).cloned()).collect();
            if own.iter().all(Option::is_none) {
                continue;
            }
            let found = tangents_of(step, &own)
                .map_err(|error| error.at_gate(step.gate.name()).location(step.location))?;
            for (y, tangent) in step.outputs.iter().zip(found) {
                if let Some(tangent) = tangent
                    && y.dtype().is_float()
                {
                    known.insert(y.place(), tangent);
                }
            }
        }
        let of_output = |y: &Tensor| known.get(&y.place()).cloned().unwrap_or_else(|| y.zeros_like());
        Ok(self.outputs.iter().map(of_output).collect())
    }
}

/// The tangents of one gate's outputs.
fn tangents_of(step: &Step, tangents: &[Option<Tensor>]) -> Result<Tangents> {
    if let Some(found) = step.gate.tangent(&step.inputs, &step.outputs, tangents) {
        return found;
    }
    match step.gate.linearity() {
        Linearity::Joint => {
            // Indices and the like take part as they are.
            let inputs: Vec<Tensor> = (step.inputs.iter().zip(tangents))
                .map(|(x, tangent)| match tangent {
                    Some(tangent) => tangent.clone(),
                    None if x.dtype().is_float() => x.zeros_like(),
                    None => x.clone(),
                })
                .collect();
            run(step, &inputs)
        }
        Linearity::Product => {
            let factors: Vec<usize> = (0..2).filter(|&i| tangents[i].is_some()).collect();
            let mut sum: Option<Tangents> = None;
            // Where only the added input moves, a zero in place of a factor leaves just that.
            for &i in if factors.is_empty() { &[0][..] } else { &factors } {
                let mut inputs = step.inputs.clone();
                inputs[i] = tangents[i].clone().unwrap_or_else(|| inputs[i].zeros_like());
                if let Some(added) = inputs.get_mut(2) {
                    let tangent = if sum.is_none() { tangents[2].clone() } else { None };
                    *added = tangent.unwrap_or_else(|| added.zeros_like());
                }
                let part = run(step, &inputs)?;
                sum = Some(match sum {
                    None => part,
                    Some(sum) => {
                        sum.into_iter().zip(part).map(|(a, b)| added(a, b)).collect::<Result<_>>()?
                    }
                });
            }
            Ok(sum.unwrap_or_default())
        }
        Linearity::None => derived(step, tangents),
    }
}

/// The sum of two tangents, of which either may be zero.
fn added(a: Option<Tensor>, b: Option<Tensor>) -> Result<Option<Tensor>> {
    match (a, b) {
        (Some(a), Some(b)) => a.add(&b).map(Some),
        (a, b) => Ok(a.or(b)),
    }
}

/// The gate on other inputs.
fn run(step: &Step, inputs: &[Tensor]) -> Result<Tangents> {
    let outputs = Tensor::apply_many(step.gate.clone(), &inputs.iter().collect::<Vec<_>>())?;
    Ok(outputs.into_iter().map(Some).collect())
}

/// The rule that follows from the gate's backward: with `g(v) = Jᵀv`, the gradient of `⟨g(v), ẋ⟩` by v is `J·ẋ`.
fn derived(step: &Step, tangents: &[Option<Tensor>]) -> Result<Tangents> {
    let moving: Vec<usize> = (0..tangents.len()).filter(|&i| tangents[i].is_some()).collect();
    let (outputs, upstream, gradients) = enable_grad(|| {
        let mut inputs = step.inputs.clone();
        for &i in &moving {
            inputs[i] = stand_in(&inputs[i], true)?;
        }
        // The same random numbers as in the first run.
        let now = Generator::of_thread();
        step.generator.set_thread();
        let outputs = Tensor::apply_many(step.gate.clone(), &inputs.iter().collect::<Vec<_>>());
        now.set_thread();
        let outputs = outputs?;
        let used: Vec<&Tensor> = outputs.iter().filter(|y| y.requires_grad()).collect();
        let upstream: Vec<Tensor> =
            used.iter().map(|y| y.ones_like().requires_grad_(true)).collect::<Result<_>>()?;
        let gradients = match used.is_empty() {
            true => vec![None; moving.len()],
            false => Backward::of(&used)
                .upstream(&upstream.iter().collect::<Vec<_>>())
                .create_graph(true)
                .allow_unused(true)
                .gradients(&moving.iter().map(|&i| &inputs[i]).collect::<Vec<_>>())?,
        };
        drop(used);
        Ok::<_, crate::Error>((outputs, upstream, gradients))
    })?;
    let (mut of, mut along) = (Vec::new(), Vec::new());
    for (gradient, &i) in gradients.iter().zip(&moving) {
        if let (Some(gradient), Some(tangent)) = (gradient, &tangents[i])
            && gradient.requires_grad()
        {
            of.push(gradient);
            along.push(tangent);
        }
    }
    let nested = is_nested(&step.inputs.iter().collect::<Vec<_>>()) || is_nested(&along);
    let mut found = match of.is_empty() {
        true => vec![None; upstream.len()],
        false => Backward::of(&of)
            .upstream(&along)
            .create_graph(nested)
            .allow_unused(true)
            .gradients(&upstream.iter().collect::<Vec<_>>())?,
    }
    .into_iter();
    Ok(outputs.iter().map(|y| if y.requires_grad() { found.next().flatten() } else { None }).collect())
}
