//! `Replay`: a graph laid out once, to run again and again.
//!
//! A recorded graph always has the same shapes, so all that an eager pass finds out anew each time is found out
//! here beforehand: which gates run together, which values backward reads, and when a buffer may serve again.
//! A stage of the plan is a run of scalar gates ([`scalars`]), a chain of elementwise gates that one pass
//! through the arrays computes ([`chain`]), or any other gate by itself ([`single`]).

mod chain;
mod plan;
mod scalars;
mod single;

use std::borrow::Cow;

use super::ComputationalGraph;
use crate::array::{Array, Meta};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, no_grad};
use chain::Chain;
use plan::Plan;
use scalars::Scalars;
use single::Single;

/// A graph with its memory plan. Its inputs and constants are the tensors that it was recorded with, which are
/// read at every run: to compute with new numbers, change them in place.
///
/// Results are the same bits as those of the recorded code. Hooks on leaves run; those on computed tensors don't,
/// as most of these have no values of their own here.
///
/// ```
/// use chainrule::optim::{Optimizer, Sgd};
/// use chainrule::{no_grad, param, tensor, ComputationalGraph};
/// let (w, x) = (param([1.0, -1.0]), tensor([3.0, 0.5]));
/// let loss = || w.mul(&x)?.sub(1.0)?.square()?.sum();
/// let mut replay = ComputationalGraph::record(loss)?.replay(&[])?;
/// let mut sgd = Sgd::new(&[w.clone()], 0.01);
/// for batch in [[1.0, 2.0], [0.5, -1.0]] {
///     no_grad(|| x.copy_(&tensor(batch)))?;
///     sgd.zero_grad();
///     let value = replay.forward()?;
///     replay.backward()?;
///     assert_eq!(value.item()?, loss()?.item()?);
///     sgd.step()?;
/// }
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct Replay {
    plan: Plan,
    values: Values,
    gradients: Gradients,
    /// Whether forward ran since the last backward.
    ready: bool,
    /// Whether backward followed upon the last forward, so that it is expected to do so again.
    trains: bool,
}

/// Where a value of the graph stands, and its gradient: 0-d f32 are plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Number(usize),
    Array(usize),
}

/// What was computed so far.
#[derive(Debug)]
struct Values {
    /// One more than there are: what a gate reads for an input that it doesn't have.
    numbers: Vec<f32>,
    arrays: Vec<Option<Array>>,
}

/// The gradients that have arrived so far.
#[derive(Debug)]
struct Gradients {
    numbers: Vec<f32>,
    /// Which of the numbers have arrived.
    arrived: Vec<bool>,
    arrays: Vec<Option<Array>>,
}

/// Some gates that run together.
#[derive(Debug)]
enum Stage {
    Scalars(Scalars),
    Chain(Box<Chain>),
    Single(Box<Single>),
}

impl Values {
    fn get(&self, place: Place) -> Option<Array> {
        self.look(place).map(Cow::into_owned)
    }

    /// The value where it stands.
    #[inline]
    fn look(&self, place: Place) -> Option<Cow<'_, Array>> {
        match place {
            Place::Number(i) => Some(Cow::Owned(Array::scalar(self.numbers[i]))),
            Place::Array(i) => self.arrays[i].as_ref().map(Cow::Borrowed),
        }
    }

    fn set(&mut self, place: Place, array: Array) {
        match place {
            Place::Number(i) => self.numbers[i] = number(&array),
            Place::Array(i) => self.arrays[i] = Some(array),
        }
    }

    /// Lets go of values that nothing will read again, so that their buffers serve for others.
    fn free(&mut self, arrays: &[usize]) {
        for &i in arrays {
            self.arrays[i] = None;
        }
    }
}

impl Gradients {
    fn take(&mut self, place: Place) -> Option<Array> {
        match place {
            Place::Number(i) => self.arrived[i].then(|| Array::scalar(self.numbers[i])),
            Place::Array(i) => self.arrays[i].take(),
        }
    }

    /// Adds to what has arrived, or moves in.
    fn add(&mut self, place: Place, gradient: Array) {
        match place {
            Place::Number(i) => self.add_number(i, number(&gradient)),
            Place::Array(i) => match &mut self.arrays[i] {
                Some(sum) => sum.add_assign(&gradient),
                none => *none = Some(gradient),
            },
        }
    }

    #[inline]
    fn add_number(&mut self, i: usize, gradient: f32) {
        // −0 is what changes no number when added.
        let before = if std::mem::replace(&mut self.arrived[i], true) { self.numbers[i] } else { -0.0 };
        self.numbers[i] = before + gradient;
    }

    fn clear(&mut self) {
        self.arrived.fill(false);
        self.arrays.fill(None);
    }
}

fn number(array: &Array) -> f32 {
    array.repeated().expect("the plan made sure that this is one f32")
}

impl ComputationalGraph {
    /// Lays the graph out to run again and again, with these tensors as inputs.
    ///
    /// The inputs of recorded and captured graphs may be left out: they are the leaves that were recorded.
    ///
    /// # Errors
    /// There are no gates; an input is missing, unknown, no leaf, or of another shape or element type than
    /// recorded; or a gate refuses its inputs.
    ///
    /// ```
    /// use chainrule::{formula::Expr, param, ComputationalGraph};
    /// let graph = ComputationalGraph::from_expr(&Expr::parse("(x+y)*z")?)?;
    /// let (x, y, z) = (param(-2.0), param(5.0), param(-4.0));
    /// let mut replay = graph.replay(&[("x", &x), ("y", &y), ("z", &z)])?;
    /// assert_eq!(replay.forward()?.item()?, -12.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn replay(&self, inputs: &[(&str, &Tensor)]) -> Result<Replay> {
        let plan = Plan::of(self, inputs)?;
        let arrays = vec![None; plan.arrays];
        let mut numbers = vec![0.0; plan.numbers + 1];
        for &(i, literal) in &plan.literals {
            numbers[i] = literal;
        }
        let (zeros, arrived) = (vec![0.0; plan.numbers], vec![false; plan.numbers]);
        Ok(Replay {
            plan,
            values: Values { numbers, arrays: arrays.clone() },
            gradients: Gradients { numbers: zeros, arrived, arrays },
            ready: false,
            trains: false,
        })
    }
}

impl Replay {
    /// Runs all gates on the current values of the inputs, and returns the output without a history.
    ///
    /// # Errors
    /// A gate refuses values.
    ///
    /// ```
    /// use chainrule::{no_grad, param, tensor, ComputationalGraph};
    /// let x = param([1.0, 2.0]);
    /// let mut replay = ComputationalGraph::record(|| x.square()?.sum())?.replay(&[])?;
    /// assert_eq!(replay.forward()?.item()?, 5.0);
    /// no_grad(|| x.copy_(&tensor([3.0, 4.0])))?;
    /// assert_eq!(replay.forward()?.item()?, 25.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn forward(&mut self) -> Result<Tensor> {
        self.trains &= !std::mem::take(&mut self.ready);
        let Replay { plan, values, trains, .. } = self;
        for (place, leaf) in &plan.leaves {
            match (place, leaf.number()) {
                (Place::Number(i), Some(number)) => values.numbers[*i] = number,
                _ => values.set(*place, leaf.array()),
            }
        }
        let summed = plan.summed.filter(|_| *trains);
        let alone = plan.stages.len() - if summed.is_some() { 2 } else { 0 };
        for (stage, lifetimes) in plan.stages[..alone].iter_mut().zip(&plan.lifetimes) {
            match stage {
                Stage::Scalars(scalars) => scalars.forward(values),
                Stage::Chain(chain) => chain.forward(values),
                Stage::Single(single) => no_grad(|| single.forward(values))?,
            }
            values.free(&lifetimes.after_forward);
        }
        if let (Some(slope), [Stage::Chain(chain), Stage::Single(single)]) =
            (summed, &mut plan.stages[alone..])
        {
            let total = single.of_sum(chain.forward_summed(values, slope));
            let total = total.expect("the plan asked the gate before");
            values.set(plan.output, Array::scalar(total));
        }
        let output = values.get(plan.output).map(Tensor::from_array);
        let output = output.ok_or_else(|| Error::autograd("the graph's output wasn't computed"))?;
        self.ready = plan.differentiable;
        if !self.ready {
            values.arrays.fill(None);
        }
        Ok(output)
    }

    /// Runs all gates in reverse, after [`Replay::forward`], and adds the gradients to `.grad` of the leaves.
    ///
    /// # Errors
    /// [`Replay::forward`] hasn't run since the last backward; the output isn't one number, or depends on nothing
    /// that requires a gradient; or a gate has no derivative.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let x = param([1.0, 2.0]);
    /// let mut replay = ComputationalGraph::record(|| x.square()?.sum())?.replay(&[])?;
    /// for _ in 0..2 {
    ///     replay.forward()?;
    ///     replay.backward()?;
    /// }
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([4., 8.])"); // twice 2x
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn backward(&mut self) -> Result<()> {
        let Meta { dtype, shape } = self.plan.output_meta;
        if shape.elements() != 1 {
            return Err(Error::autograd(format!(
                "a gradient starts from one number, and the output has the shape {shape}"
            ))
            .hint("reduce it to a loss (sum, mean) before recording"));
        }
        if !self.plan.differentiable {
            return Err(Error::autograd("the output depends on nothing that requires a gradient"));
        }
        if !std::mem::take(&mut self.ready) {
            return Err(Error::autograd("backward was called before forward")
                .hint("run forward first: it computes what backward needs"));
        }
        self.trains = true;
        self.gradients.clear();
        self.gradients.add(self.plan.output, Array::constant(1.0, Meta { dtype, shape }));
        let result = self.sweep();
        // Leaves may now be changed in place without a copy of what this holds.
        self.values.arrays.fill(None);
        result?;
        for (place, leaf) in self.plan.leaves.iter().filter(|(_, leaf)| leaf.requires_grad()) {
            if let Some(gradient) = self.gradients.take(*place) {
                leaf.deliver(gradient)?;
            }
        }
        Ok(())
    }

    fn sweep(&mut self) -> Result<()> {
        let Replay { plan, values, gradients, .. } = self;
        for (stage, lifetimes) in plan.stages.iter_mut().zip(&plan.lifetimes).rev() {
            match stage {
                Stage::Scalars(scalars) => scalars.backward(values, gradients),
                Stage::Chain(chain) => chain.backward(values, gradients),
                Stage::Single(single) => no_grad(|| single.backward(values, gradients))?,
            }
            values.free(&lifetimes.after_backward);
        }
        Ok(())
    }

    /// How the gates were put together.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let x = param([1.0, 2.0]);
    /// let replay = ComputationalGraph::record(|| x.exp()?.mul(&x)?.sum())?.replay(&[])?;
    /// assert_eq!(replay.summary(), "1 gates run one by one, 2 elementwise gates in 1 pass, 0 scalar gates");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn summary(&self) -> String {
        let (mut single, mut chained, mut chains, mut scalar) = (0, 0, 0, 0);
        for stage in &self.plan.stages {
            match stage {
                Stage::Scalars(scalars) => scalar += scalars.len(),
                Stage::Chain(chain) => (chained, chains) = (chained + chain.len(), chains + 1),
                Stage::Single(_) => single += 1,
            }
        }
        let passes = if chains == 1 { "pass" } else { "passes" };
        format!(
            "{single} gates run one by one, {chained} elementwise gates in {chains} {passes}, {scalar} scalar gates"
        )
    }
}

/// A gate on plain numbers, as the stages hold it.
#[derive(Debug)]
struct Numeric(crate::gate::GateRef);

impl Numeric {
    #[inline]
    fn get(&self) -> &dyn crate::gate::ScalarGate {
        self.0.as_scalar().expect("the plan made sure that the gate works on numbers")
    }
}
