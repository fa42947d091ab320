//! Walking the graph from a tensor back to its leaves.

use std::collections::HashSet;

use super::Tensor;
use super::node::{Edge, Node, Shared};

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
                    && seen.insert(Shared::as_ptr(leaf))
                {
                    found.push(Tensor::from(leaf.clone()));
                }
            }
        }
        found
    }

    /// The nodes through which this tensor was computed, in the order in which they ran.
    pub(crate) fn graph(&self) -> Vec<Shared<Node>> {
        let mut seen = HashSet::new();
        let mut nodes: Vec<Shared<Node>> = Vec::new();
        let mut stack: Vec<Shared<Node>> = self.node().map(|(node, _)| node.clone()).into_iter().collect();
        while let Some(node) = stack.pop() {
            if seen.insert(node.number()) {
                for edge in node.edges() {
                    if let Edge::Node(input, _) = edge {
                        stack.push(input.clone());
                    }
                }
                nodes.push(node);
            }
        }
        nodes.sort_by_key(|node| node.number());
        nodes
    }
}
