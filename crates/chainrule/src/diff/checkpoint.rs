//! Activation checkpointing: values that backward needs are computed again there, not kept.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::array::{Array, Generator, Meta};
use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::gate::{Context, Gate, Gradients, Metas, Needs, Outputs, Saved, Saves};
use crate::tensor::{AnomalyGuard, Backward, CallerGuard, Tensor, enable_grad, is_anomaly_enabled, line_of};

type Segment = Arc<dyn Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync>;

/// Runs a part of a network without keeping what its gates would save: only the segment's inputs are kept, and
/// backward runs the segment again. A network cut into √n segments needs memory for about 2√n layers in place of
/// n, for one more forward pass (Chen et al., “Training Deep Nets with Sublinear Memory Cost”, 2016).
///
/// The second run draws the same random numbers and has the same modes as the first, so the gradients are those
/// of the plain computation, bit for bit, also with dropout. Parameters that the segment captures get their
/// gradients too.
///
/// # Errors
/// Those of the segment. In backward: the second run's outputs have other shapes than the first's.
///
/// ```
/// use chainrule::{diff, param};
/// let (w, x) = (param(3.0), param(2.0));
/// let own = w.clone();
/// let y = diff::checkpoint(move |x| Ok(vec![x[0].mul(&own)?.tanh()?]), &[&x])?;
/// y[0].backward()?;
/// let (w2, x2) = (param(3.0), param(2.0));
/// x2.mul(&w2)?.tanh()?.backward()?;
/// assert_eq!(x.grad().unwrap().item()?, x2.grad().unwrap().item()?);
/// assert_eq!(w.grad().unwrap().item()?, w2.grad().unwrap().item()?);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[track_caller]
pub fn checkpoint(
    segment: impl Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static,
    inputs: &[&Tensor],
) -> Result<Vec<Tensor>> {
    let generator = Generator::of_thread();
    let anomaly = is_anomaly_enabled();
    let caller = line_of(Location::caller());
    // Run once with gradients, to see which parameters the segment uses; its graph is dropped at once.
    let stand_ins: Vec<Tensor> =
        inputs.iter().map(|x| x.detach().requires_grad_(x.requires_grad())).collect::<Result<_>>()?;
    let outputs = segment(&stand_ins)?;
    let mut captured: Vec<Tensor> = Vec::new();
    for leaf in outputs.iter().flat_map(Tensor::leaves) {
        if !stand_ins.iter().chain(&captured).any(|known| known.is(&leaf)) {
            captured.push(leaf);
        }
    }
    let values = outputs.iter().map(Tensor::array).collect();
    drop(outputs);
    let gate =
        Checkpoint { segment: Arc::new(segment), inputs: inputs.len(), values, generator, anomaly, caller };
    let all: Vec<&Tensor> = inputs.iter().copied().chain(&captured).collect();
    Tensor::apply_many(gate, &all)
}

/// A segment as one gate: of its inputs, then of the parameters that it captured.
struct Checkpoint {
    segment: Segment,
    inputs: usize,
    /// What the first run gave.
    values: Vec<Array>,
    generator: Generator,
    anomaly: bool,
    /// Where the checkpoint was made.
    caller: &'static Location<'static>,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checkpoint")
    }
}

impl Gate for Checkpoint {
    fn name(&self) -> &'static str {
        "Checkpoint"
    }

    fn infer(&self, _inputs: &[Meta]) -> Result<Metas> {
        Ok(self.values.iter().map(Array::meta).collect())
    }

    fn forward(&self, _inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        Ok(self.values.iter().cloned().collect())
    }

    fn saves(&self, needs: &Needs) -> Saves {
        (0..needs.len()).fold(Saves::NONE, |all, i| all | Saves::input(i))
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let inputs: Vec<Tensor> = (0..self.inputs).map(|i| saved.input(i)).collect::<Result<_>>()?;
        // Stand-ins of the inputs, so that what leads to these runs once, in the pass that this one is a part of.
        // Where a graph of the gradient is wanted they are joined to it; else they are leaves.
        let inputs: Vec<Tensor> = inputs
            .iter()
            .enumerate()
            .map(|(i, x)| super::stand_in(x, needs.input(i)))
            .collect::<Result<_>>()?;
        let now = Generator::of_thread();
        self.generator.set_thread();
        let again = {
            let _anomaly = AnomalyGuard::set(self.anomaly);
            let _line = CallerGuard::enter(self.caller);
            enable_grad(|| (self.segment)(&inputs))
        };
        now.set_thread();
        let outputs = again?;
        if outputs.len() != self.values.len()
            || outputs.iter().zip(&self.values).any(|(y, first)| y.meta() != first.meta())
        {
            return Err(Error::autograd("the second run of a checkpointed segment gave other shapes")
                .hint("what the segment computes may depend on its inputs and random numbers only"));
        }
        let parameters: Vec<Tensor> =
            (self.inputs..needs.len()).map(|i| saved.input(i)).collect::<Result<_>>()?;
        let wanted: Vec<&Tensor> = (0..needs.len())
            .filter(|&i| needs.input(i))
            .map(|i| if i < self.inputs { &inputs[i] } else { &parameters[i - self.inputs] })
            .collect();
        let (mut of, mut along) = (Vec::new(), Vec::new());
        for (y, gradient) in outputs.iter().zip(upstream) {
            if let (true, Some(gradient)) = (y.requires_grad(), gradient) {
                of.push(y);
                along.push(gradient);
            }
        }
        let mut found = match of.is_empty() {
            true => vec![None; wanted.len()],
            false => Backward::of(&of)
                .upstream(&along)
                .create_graph(crate::is_grad_enabled())
                .allow_unused(true)
                .quiet()
                .gradients(&wanted)?,
        }
        .into_iter();
        Ok((0..needs.len()).map(|i| if needs.input(i) { found.next().flatten() } else { None }).collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = segment(x)", ["∂y/∂x: the segment run again, and backward through it"])
    }
}
