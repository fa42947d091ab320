//! Measuring a graph: every gate's time in whole runs, and its work in a run by itself.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{GateCost, Profile, Work};
use crate::array::{Array, Generator};
use crate::error::{Error, Result};
use crate::gate::{Needs, Saves};
use crate::graph::{ComputationalGraph, Source, ValueId, given};
use crate::order;
use crate::tensor::{Backward, Kept, Recording, Tensor, enable_grad, no_grad};

impl ComputationalGraph {
    /// Runs the graph forward and backward a few times and measures each gate; see [`Profile`]. The graph's
    /// last run stays as it is.
    ///
    /// One run more than `runs` warms up and isn't counted. A loss that isn't one number starts its backward
    /// pass from ones.
    ///
    /// ```
    /// use chainrule::{param, tensor, ComputationalGraph};
    /// let graph = ComputationalGraph::capture(&param([1.0, 2.0]).exp()?.sum()?)?;
    /// let profile = graph.profile(&[("x0", &tensor([0.0, 1.0]))], 2)?;
    /// assert_eq!((profile.gates.len(), profile.runs), (2, 2));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`ComputationalGraph::forward`] and [`ComputationalGraph::backward`]; or `runs` is 0.
    pub fn profile(&self, inputs: &[(&str, &Tensor)], runs: usize) -> Result<Profile> {
        if runs == 0 {
            return Err(Error::argument("a profile needs at least one run"));
        }
        let generator = Generator::of_thread();
        self.timed(inputs)?;
        let all = (0..runs).map(|_| self.timed(inputs)).collect::<Result<Vec<Times>>>()?;
        // Measuring draws as if it hadn't happened.
        generator.set_thread();
        let mut gates = self.counted(inputs, &all[0].ran)?;
        generator.set_thread();
        for (place, gate) in gates.iter_mut().enumerate() {
            gate.forward = median(all.iter().map(|times| times.forward[place]));
            gate.backward = median(all.iter().map(|times| times.backward[place]));
        }
        Ok(Profile {
            gates,
            runs,
            forward: median(all.iter().map(|times| times.whole_forward)),
            backward: median(all.iter().map(|times| times.whole_backward)),
        })
    }

    /// One run as in earnest: values are let go after their last use, unless a backward pass needs them.
    fn timed(&self, inputs: &[(&str, &Tensor)]) -> Result<Times> {
        let output = self.output.ok_or_else(|| Error::argument("the graph has no gates yet"))?;
        let mut last_use = vec![0; self.values.len()];
        for (place, step) in self.steps.iter().enumerate() {
            step.inputs.iter().chain(&step.outputs).for_each(|id| last_use[id.place()] = place);
        }
        last_use[output.place()] = self.steps.len();
        let mut tensors = self.sources(inputs)?;
        let mut times = Times::new(self.steps.len());
        let marks: Arc<Mutex<Vec<(usize, Instant)>>> = Arc::default();
        for (place, step) in self.steps.iter().enumerate() {
            let ready: Vec<&Tensor> =
                step.inputs.iter().filter_map(|id| tensors[id.place()].as_ref()).collect();
            let start = Instant::now();
            let run = || Tensor::apply_many(step.gate.clone(), &ready);
            let outputs = if step.frozen { no_grad(run) } else { enable_grad(run) }?;
            times.forward[place] = start.elapsed();
            for (id, y) in step.outputs.iter().zip(outputs) {
                if y.requires_grad() {
                    // A node's hooks run right before its gate does: the time from one node's to the next one's
                    // is the first one's.
                    let marks = marks.clone();
                    y.register_hook(move |_| {
                        let mut marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
                        marks.push((place, Instant::now()));
                        None
                    })?;
                }
                tensors[id.place()] = Some(y);
            }
            let start = Instant::now();
            for id in step.inputs.iter().chain(&step.outputs) {
                if last_use[id.place()] == place {
                    tensors[id.place()] = None;
                }
            }
            // Letting go is part of what a gate costs.
            times.forward[place] += start.elapsed();
            times.whole_forward += times.forward[place];
        }
        let loss = tensors[output.place()].take().expect("the last gate made the output");
        drop(tensors);
        if !loss.requires_grad() {
            return Ok(times);
        }
        let start = Instant::now();
        match loss.elements() {
            1 => loss.backward()?,
            _ => loss.backward_with(&loss.ones_like())?,
        }
        let end = Instant::now();
        times.whole_backward = end - start;
        let marks = std::mem::take(&mut *marks.lock().unwrap_or_else(PoisonError::into_inner));
        let nexts = marks.iter().skip(1).map(|(_, at)| *at).chain([end]);
        for ((place, at), next) in marks.iter().zip(nexts) {
            times.backward[*place] += next - *at;
            times.ran.insert(*place);
        }
        Ok(times)
    }

    /// The tensors of inputs and constants.
    fn sources(&self, inputs: &[(&str, &Tensor)]) -> Result<Vec<Option<Tensor>>> {
        let tensor = |source: &Source| match source {
            Source::Input { name, default, .. } => given(name, default.as_ref(), inputs).map(Some),
            Source::Constant(tensor) => Ok(Some(tensor.clone())),
            Source::Gate(_) => Ok(None),
        };
        self.values.iter().map(tensor).collect()
    }

    /// Each gate's work and the memory that it keeps; times are still zero.
    fn counted(&self, inputs: &[(&str, &Tensor)], ran: &HashSet<usize>) -> Result<Vec<GateCost>> {
        let mut graph = self.clone();
        graph.forward(inputs)?;
        let run = graph.run.as_ref().expect("forward ran");
        // The value in whose buffer each value lies.
        let mut owner: Vec<usize> = (0..graph.values.len()).collect();
        let mut kept: HashSet<usize> = HashSet::new();
        let mut gates = Vec::with_capacity(graph.steps.len());
        for (place, step) in graph.steps.iter().enumerate() {
            let array = |id: &ValueId| run.tensors[id.place()].array();
            for y in &step.outputs {
                if let Some(x) = step.inputs.iter().find(|x| array(x).shares_buffer(&array(y))) {
                    owner[y.place()] = owner[x.place()];
                }
            }
            let wants = |id: &ValueId| !step.frozen && run.tensors[id.place()].requires_grad();
            let needs: Vec<bool> = step.inputs.iter().map(wants).collect();
            let leaves: Vec<Tensor> =
                step.inputs.iter().zip(&needs).map(|(id, &needs)| Tensor::leaf(array(id), needs)).collect();
            let (outputs, forward) = Recording::of(|| {
                enable_grad(|| Tensor::apply_many(step.gate.clone(), &leaves.iter().collect::<Vec<_>>()))
            });
            let outputs = outputs?;
            let backward =
                if ran.contains(&place) { backward_work(&leaves, &outputs)? } else { Work::default() };
            let mut bytes = extra_bytes(&outputs);
            for id in saved(&step.gate.saves(&Needs::new(needs.iter().copied())), &step.inputs, &step.outputs)
                .filter(|_| needs.contains(&true))
            {
                let own = owner[id.place()];
                // Inputs and constants exist anyway.
                if matches!(graph.values[own], Source::Gate(_)) && kept.insert(own) {
                    bytes += run.tensors[own].array().bytes() as u64;
                }
            }
            gates.push(GateCost {
                name: graph.name_of(step.outputs[0]),
                gate: step.gate.name().to_string(),
                module: step.scope.map(|scope| graph.module_of(scope)).filter(|name| !name.is_empty()),
                output: run.tensors[step.outputs[0].place()].meta(),
                forward: Duration::ZERO,
                backward: Duration::ZERO,
                forward_work: forward.steps.iter().map(Work::of).sum(),
                backward_work: backward,
                kept: bytes,
            });
        }
        Ok(gates)
    }
}

/// The times of one run.
struct Times {
    forward: Vec<Duration>,
    backward: Vec<Duration>,
    whole_forward: Duration,
    whole_backward: Duration,
    /// The gates that ran backward.
    ran: HashSet<usize>,
}

impl Times {
    fn new(gates: usize) -> Times {
        Times {
            forward: vec![Duration::ZERO; gates],
            backward: vec![Duration::ZERO; gates],
            whole_forward: Duration::ZERO,
            whole_backward: Duration::ZERO,
            ran: HashSet::new(),
        }
    }
}

/// The work of a gate's backward rule: that of the gates in which it is written.
fn backward_work(leaves: &[Tensor], outputs: &[Tensor]) -> Result<Work> {
    let roots: Vec<&Tensor> = outputs.iter().filter(|y| y.requires_grad()).collect();
    let wanted: Vec<&Tensor> = leaves.iter().filter(|x| x.requires_grad()).collect();
    let upstream: Vec<Tensor> =
        roots.iter().map(|y| Tensor::from_array(Array::constant(1.0, y.meta()).contiguous())).collect();
    let upstream: Vec<&Tensor> = upstream.iter().collect();
    let pass = Backward::of(&roots).upstream(&upstream).create_graph(true).allow_unused(true);
    let (found, recording) = Recording::of(|| pass.gradients(&wanted));
    found?;
    Ok(recording.steps.iter().map(Work::of).sum())
}

/// Bytes that a gate's forward pass keeps beside inputs and outputs, such as the places of maxima.
fn extra_bytes(outputs: &[Tensor]) -> u64 {
    let kept = outputs.iter().find_map(Tensor::node).map(|(node, _)| node.keep(true));
    match kept {
        Some(Ok(Kept::Values(values))) => values.extras().iter().map(|x| x.bytes() as u64).sum(),
        _ => 0,
    }
}

/// The values that a gate keeps.
fn saved<'a>(
    saves: &Saves,
    inputs: &'a [ValueId],
    outputs: &'a [ValueId],
) -> impl Iterator<Item = &'a ValueId> + use<'a> {
    let saves = *saves;
    let inputs = inputs.iter().enumerate().filter(move |(i, _)| saves.has_input(*i));
    let outputs = outputs.iter().enumerate().filter(move |(i, _)| saves.has_output(*i));
    inputs.chain(outputs).map(|(_, id)| id)
}

/// The middle one; of an even number the lower of the two.
pub(super) fn median<T: Ord>(all: impl Iterator<Item = T>) -> T {
    let mut all: Vec<T> = all.collect();
    order::sort(&mut all);
    let middle = (all.len() - 1) / 2;
    all.swap_remove(middle)
}
