//! What a graph costs: time, multiply-adds, bytes moved and memory kept, gate by gate; and from that what a
//! whole training will cost, before it is paid.
//!
//! Multiply-adds and bytes are counted from shapes and are the same on every machine; times and energy are
//! measured on this one. [`Profile`] has a row for each gate, [`StepCost`] is one training step as it runs in
//! earnest, and [`StepCost::training`] extrapolates it.

mod energy;
mod measure;
mod table;
mod trace;
mod training;
mod units;
mod work;

pub use energy::{Energy, EnergyCounter};
pub use training::{StepCost, TrainingCost};
pub use units::{bytes_text, count_text, energy_text, grouped_text, time_text};
pub use work::Work;

use std::time::Duration;

use crate::array::Meta;

/// What each gate of a graph cost in one run forward and backward; made by
/// [`ComputationalGraph::profile`](crate::ComputationalGraph::profile).
///
/// Printed, it is a table of the costliest gates.
///
/// ```
/// use chainrule::{param, ComputationalGraph, Tensor};
/// let (x, w) = (Tensor::ones([8, 64]), Tensor::ones([64, 32]).requires_grad_(true)?);
/// let graph = ComputationalGraph::record(|| x.matmul(&w)?.relu()?.sum())?;
/// let profile = graph.profile(&[], 3)?;
/// assert_eq!(profile.gates[0].forward_work.multiply_adds, 8 * 64 * 32);
/// // ∂L/∂w = xᵀ·G is as much work; no gradient of x is wanted.
/// assert_eq!(profile.gates[0].backward_work.multiply_adds, 8 * 64 * 32);
/// println!("{profile}");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The gates in the order in which they run forward.
    pub gates: Vec<GateCost>,
    /// How many runs were measured; times are their medians.
    pub runs: usize,
    /// The time of a whole forward run.
    pub forward: Duration,
    /// The time of a whole backward run.
    pub backward: Duration,
}

/// What one gate cost.
///
/// ```
/// use chainrule::{param, profile::GateCost, ComputationalGraph};
/// let profile = ComputationalGraph::capture(&param([1.0, 2.0]).exp()?.sum()?)?.profile(&[], 1)?;
/// let GateCost { name, gate, kept, .. } = &profile.gates[0];
/// // exp keeps its output, two numbers of four bytes, for its local gradient.
/// assert_eq!((name.as_str(), gate.as_str(), *kept), ("g1", "Exp", 8));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GateCost {
    /// Its name in the graph: `g1`.
    pub name: String,
    /// The gate: `Conv2d`.
    pub gate: String,
    /// The module that ran it, where one was recorded: `features.0`.
    pub module: Option<String>,
    /// Element type and shape of its first output.
    pub output: Meta,
    /// The time of its forward pass.
    pub forward: Duration,
    /// The time of its backward pass, with the addition of its gradients to those that other gates passed on;
    /// zero where no gradient goes through it.
    pub backward: Duration,
    /// The work of its forward pass.
    pub forward_work: Work,
    /// The work of its backward pass, by the rule that the gate's `backward` states.
    pub backward_work: Work,
    /// Bytes that stay alive for its backward pass, and that no earlier gate keeps already.
    pub kept: u64,
}

impl Profile {
    /// The work of a forward run.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let profile = ComputationalGraph::capture(&param([1.0, 2.0]).exp()?)?.profile(&[], 1)?;
    /// assert_eq!(profile.forward_work().bytes_written, 8);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn forward_work(&self) -> Work {
        self.gates.iter().map(|gate| gate.forward_work).sum()
    }

    /// The work of a backward run.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let profile = ComputationalGraph::capture(&param([1.0, 2.0]).exp()?)?.profile(&[], 1)?;
    /// assert_eq!(profile.backward_work().multiply_adds, 2); // g·y, element by element
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn backward_work(&self) -> Work {
        self.gates.iter().map(|gate| gate.backward_work).sum()
    }

    /// Bytes that are alive for the backward pass when it begins.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let profile = ComputationalGraph::capture(&param([1.0, 2.0]).exp()?.exp()?)?.profile(&[], 1)?;
    /// assert_eq!(profile.kept(), 16);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn kept(&self) -> u64 {
        self.gates.iter().map(|gate| gate.kept).sum()
    }
}
