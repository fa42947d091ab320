//! What a picture shows: nodes, edges and frames, before anything has a place.

use std::collections::HashMap;

/// What a node of a picture stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// The tensor that the picture is of
    Output,
    /// The tensor of which an output is a view
    Base,
    /// A leaf that requires a gradient
    Leaf,
    /// An input without gradient
    Data,
    /// A number or tensor of the program
    Constant,
    /// A gate, or a backward node of PyTorch's
    Gate,
    /// A tensor that a gate keeps for its backward pass
    Saved,
}

/// What a piece of text means, which gives it its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// Names
    Plain,
    /// Shapes, parameters
    Faint,
    /// A value of the forward pass (green on the board)
    Value,
    /// A gradient of the backward pass (red on the board)
    Gradient,
    /// A local gradient
    Local,
}

/// A short text on an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The text.
    pub text: String,
    /// Its meaning.
    pub tone: Tone,
}

impl Mark {
    /// A text with its meaning.
    pub fn new(text: impl Into<String>, tone: Tone) -> Mark {
        Mark { text: text.into(), tone }
    }
}

/// A box or a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The same in every run of the same program, so that pictures can be compared.
    pub id: String,
    /// What it stands for.
    pub kind: NodeKind,
    /// One or more lines.
    pub label: String,
    /// The innermost frame it is in.
    pub frame: Option<usize>,
    /// What stands where each of its outputs leaves.
    pub outputs: Vec<Vec<Mark>>,
}

/// How an edge is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Line {
    /// An arrow
    Arrow,
    /// A line without direction: what a gate saved
    Undirected,
    /// From a tensor to its view
    Dotted,
}

/// From a node to one that uses its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Place of the node it comes from.
    pub from: usize,
    /// Which output of that node.
    pub output: usize,
    /// Place of the node it goes to.
    pub to: usize,
    /// How it is drawn.
    pub line: Line,
    /// What stands where it arrives.
    pub marks: Vec<Mark>,
}

/// A module's frame around its nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The module's name.
    pub name: String,
    /// The frame around this one; it has a smaller place.
    pub parent: Option<usize>,
}

/// The manner of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// torchviz's: leaves and backward nodes
    #[default]
    Torchviz,
    /// The forward pass from the inputs down, with shapes
    Forward,
    /// A circuit with values and gradients, from left to right
    Board,
}

/// A picture of a graph: what it shows, without places.
///
/// Made by [`make_dot`](super::make_dot) or read from DOT text; written as DOT text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Picture {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The edges. Without the undirected ones they form no cycle.
    pub edges: Vec<Edge>,
    /// The frames, outer ones before inner ones.
    pub frames: Vec<Frame>,
    /// The manner.
    pub style: Style,
}

impl Picture {
    /// Adds a node and returns its place.
    pub fn node(&mut self, id: impl Into<String>, kind: NodeKind, label: impl Into<String>) -> usize {
        self.nodes.push(Node { id: id.into(), kind, label: label.into(), frame: None, outputs: Vec::new() });
        self.nodes.len() - 1
    }

    /// Adds an arrow from the first output of a node.
    pub fn arrow(&mut self, from: usize, to: usize) {
        self.line(from, to, Line::Arrow);
    }

    /// Adds an edge from the first output of a node.
    pub fn line(&mut self, from: usize, to: usize, line: Line) {
        self.edges.push(Edge { from, output: 0, to, line, marks: Vec::new() });
    }
}

/// Hands out names that are free: `Add`, `Add_2`, `Add_3`…
#[derive(Debug, Default)]
pub(super) struct Ids(HashMap<String, usize>);

impl Ids {
    pub(super) fn next(&mut self, name: &str) -> String {
        let mut wanted = name.to_string();
        loop {
            let count = self.0.entry(wanted.clone()).or_default();
            *count += 1;
            if *count == 1 {
                return wanted;
            }
            wanted = format!("{name}_{count}");
        }
    }
}
