//! Walking the graph from a tensor back to its leaves.

use std::collections::{HashMap, HashSet};

use std::sync::Arc;

use super::node::{Edge, SCALAR};
use super::{Handle, NodeRef, Shared, Tensor};
use crate::array::Meta;
use crate::gate::{GateRef, TorchNode};
use crate::order;

/// Where an input of a visited gate comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// An output of the gate with this place among the visits.
    Gate { place: usize, output: usize },
    /// A leaf that requires a gradient.
    Leaf(Tensor),
    /// A tensor through which no gradient goes.
    Constant(Meta),
}

/// One gate of a graph, for those who look at graphs and don't run them.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) gate: GateRef,
    pub(crate) inputs: Vec<Origin>,
    pub(crate) outputs: Vec<Meta>,
    /// The node of PyTorch's for which this gate and those before it stand, down to the inputs.
    pub(crate) stands_for: Option<TorchNode>,
}

/// Several gates that are one node in PyTorch's graph; kept with the last of them.
#[derive(Debug)]
struct Composite {
    inputs: Vec<Edge>,
    node: TorchNode,
}

/// The key of a [`Composite`] among a node's metadata.
const COMPOSITE: &str = "chainrule.composite";

impl Tensor {
    /// The leaves that require a gradient and on which this tensor depends, in order of first use.
    ///
    /// ```
    /// use chainrule::param;
    /// let (x, y) = (param(1.0), param(2.0));
    /// assert_eq!((&x * &y + &x).leaves().len(), 2);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn leaves(&self) -> Vec<Tensor> {
        if self.node().is_none() {
            return if self.requires_grad() { vec![self.clone()] } else { vec![] };
        }
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for node in self.graph() {
            for edge in node.edges() {
                if let Edge::Leaf(leaf, _) = edge
                    && seen.insert(leaf.address())
                {
                    found.push(Tensor::from(leaf.clone()));
                }
            }
        }
        found
    }

    /// Whether this tensor was computed from the other one, or is it.
    pub(crate) fn depends_on(&self, other: &Tensor) -> bool {
        let is_other = |edge: &Edge| match (edge, other.node()) {
            (Edge::Leaf(leaf, _), None) => other.as_leaf().is_some_and(|own| Shared::ptr_eq(leaf, own)),
            (Edge::Node(node, output), Some((own, place))) => {
                node.address() == own.address() && *output as usize == place
            }
            _ => false,
        };
        self.place() == other.place() || self.graph().iter().any(|node| node.edges().iter().any(is_other))
    }

    /// Notes that the gates from these inputs to this tensor are one node in PyTorch's graph, as torchviz's pictures
    /// show it. Values aren't kept for it.
    pub(crate) fn stands_for(&self, inputs: &[&Tensor], node: impl FnOnce() -> TorchNode) {
        if self.node().is_none() {
            return;
        }
        let edge = |x: &&Tensor| match &x.0 {
            Handle::Scalar(node) => Edge::Node(node.clone(), 0),
            Handle::Computed(computed) => Edge::Node(computed.node.clone(), computed.output as u32),
            Handle::Leaf(leaf) if x.requires_grad() => Edge::Leaf(leaf.clone(), leaf.version()),
            Handle::Leaf(_) => Edge::Number(0.0),
        };
        let composite = Composite { inputs: inputs.iter().map(edge).collect(), node: node() };
        if let Some(own) = self.grad_fn() {
            own.set_metadata(COMPOSITE, Arc::new(composite));
        }
    }

    /// The nodes through which this tensor was computed, in the order in which they ran.
    pub(crate) fn graph(&self) -> Vec<NodeRef> {
        Tensor::graph_of(&[self])
    }

    /// The gates through which these tensors were computed, in the order in which they ran, and where the
    /// tensors themselves come from.
    pub(crate) fn visits(roots: &[&Tensor]) -> (Vec<Visit>, Vec<Origin>) {
        let nodes = Tensor::graph_of(roots);
        let places: HashMap<usize, usize> =
            nodes.iter().enumerate().map(|(place, node)| (node.address(), place)).collect();
        let origin = |edge: &Edge| match edge {
            Edge::Node(node, output) => {
                Origin::Gate { place: places[&node.address()], output: *output as usize }
            }
            Edge::Leaf(leaf, _) => Origin::Leaf(Tensor::from(leaf.clone())),
            Edge::Constant(leaf, _) => Origin::Constant(*leaf.meta()),
            Edge::Number(_) => Origin::Constant(SCALAR),
        };
        let visits = nodes
            .iter()
            .map(|node| {
                let composite =
                    node.hooks().and_then(|hooks| hooks.metadata.get::<Arc<Composite>>(COMPOSITE));
                let edges = composite.as_ref().map_or(node.edges(), |composite| &composite.inputs);
                Visit {
                    gate: node.gate().clone(),
                    inputs: edges.iter().map(origin).collect(),
                    outputs: node.outputs().to_vec(),
                    stands_for: composite.as_ref().map(|composite| composite.node.clone()),
                }
            })
            .collect();
        let origins = roots
            .iter()
            .map(|root| match root.node() {
                Some((node, output)) => Origin::Gate { place: places[&node.address()], output },
                None => Origin::Leaf((*root).clone()),
            })
            .collect();
        (visits, origins)
    }

    fn graph_of(roots: &[&Tensor]) -> Vec<NodeRef> {
        let mut seen = HashSet::new();
        let mut nodes: Vec<NodeRef> = Vec::new();
        let mut stack: Vec<NodeRef> =
            roots.iter().filter_map(|root| root.node()).map(|(node, _)| node.clone()).collect();
        while let Some(node) = stack.pop() {
            if seen.insert(node.address()) {
                for edge in node.edges() {
                    if let Edge::Node(input, _) = edge {
                        stack.push(input.clone());
                    }
                }
                nodes.push(node);
            }
        }
        order::sort_by(&mut nodes, |a, b| a.number().cmp(&b.number()));
        nodes
    }
}
