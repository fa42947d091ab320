//! What a picture shows: nodes, edges and frames, before anything has a place.

use std::collections::HashMap;

/// What a node of a picture stands for.
///
/// ```
/// use chainrule::draw::{make_dot, NodeKind, NO_PARAMS};
/// use chainrule::param;
/// let picture = make_dot(&param(2.0).exp()?, NO_PARAMS, &Default::default());
/// let leaves = picture.nodes.iter().filter(|node| node.kind == NodeKind::Leaf);
/// assert_eq!(leaves.count(), 1);
/// # Ok::<(), chainrule::Error>(())
/// ```
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
///
/// ```
/// use chainrule::draw::{Mark, Tone};
/// assert_eq!(Mark::new("-4.00", Tone::Gradient).tone, Tone::Gradient); // red on the board
/// ```
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
///
/// ```
/// use chainrule::draw::{Mark, Tone};
/// let mark = Mark { text: "3.00".into(), tone: Tone::Value };
/// assert_eq!(mark, Mark::new("3.00", Tone::Value));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The text.
    pub text: String,
    /// Its meaning.
    pub tone: Tone,
}

impl Mark {
    /// A text with its meaning.
    ///
    /// ```
    /// use chainrule::draw::{Mark, Tone};
    /// assert_eq!(Mark::new("[2, 3]", Tone::Faint).text, "[2, 3]");
    /// ```
    pub fn new(text: impl Into<String>, tone: Tone) -> Mark {
        Mark { text: text.into(), tone }
    }
}

/// A box or a name.
///
/// ```
/// use chainrule::draw::{make_dot, NO_PARAMS};
/// use chainrule::param;
/// let picture = make_dot(&param(2.0).exp()?, NO_PARAMS, &Default::default());
/// assert!(picture.nodes.iter().any(|node| node.label == "ExpBackward0"));
/// # Ok::<(), chainrule::Error>(())
/// ```
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
///
/// ```
/// use chainrule::draw::{Line, NodeKind, Picture};
/// let mut picture = Picture::default();
/// let (gate, saved) = (picture.node("Exp", NodeKind::Gate, "Exp"), picture.node("y", NodeKind::Saved, "y"));
/// picture.line(gate, saved, Line::Undirected);
/// assert_eq!(picture.edges[0].line, Line::Undirected);
/// ```
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
///
/// ```
/// use chainrule::draw::{NodeKind, Picture};
/// let mut picture = Picture::default();
/// let (x, y) = (picture.node("x", NodeKind::Leaf, "x"), picture.node("Exp", NodeKind::Gate, "Exp"));
/// picture.arrow(x, y);
/// let edge = &picture.edges[0];
/// assert_eq!((edge.from, edge.to, edge.marks.len()), (x, y, 0));
/// ```
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
///
/// ```
/// use chainrule::draw::{Frame, NodeKind, Picture};
/// let mut picture =
///     Picture { frames: vec![Frame { name: "fc".into(), parent: None }], ..Picture::default() };
/// let gate = picture.node("Addmm", NodeKind::Gate, "Addmm");
/// picture.nodes[gate].frame = Some(0);
/// assert_eq!(picture.frames[picture.nodes[gate].frame.unwrap()].name, "fc");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The module's name.
    pub name: String,
    /// The frame around this one; it has a smaller place.
    pub parent: Option<usize>,
}

/// The manner of a picture.
///
/// ```
/// use chainrule::draw::{Picture, Style};
/// assert_eq!(Picture::default().style, Style::Torchviz);
/// ```
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
///
/// ```
/// use chainrule::draw::{NodeKind, Picture};
/// let mut picture = Picture::default();
/// let (x, y) = (picture.node("x", NodeKind::Leaf, "x"), picture.node("Exp", NodeKind::Gate, "Exp"));
/// picture.arrow(x, y);
/// assert_eq!((picture.nodes.len(), picture.edges.len()), (2, 1));
/// ```
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
    /// What it is a picture of.
    pub title: String,
}

impl Picture {
    /// Adds a node and returns its place.
    ///
    /// ```
    /// use chainrule::draw::{NodeKind, Picture};
    /// let mut picture = Picture::default();
    /// assert_eq!(picture.node("x", NodeKind::Leaf, "x\n (3)"), 0);
    /// assert_eq!(picture.nodes[0].id, "x");
    /// ```
    pub fn node(&mut self, id: impl Into<String>, kind: NodeKind, label: impl Into<String>) -> usize {
        self.nodes.push(Node { id: id.into(), kind, label: label.into(), frame: None, outputs: Vec::new() });
        self.nodes.len() - 1
    }

    /// Adds an arrow from the first output of a node.
    ///
    /// ```
    /// use chainrule::draw::{Line, NodeKind, Picture};
    /// let mut picture = Picture::default();
    /// let (a, b) = (picture.node("a", NodeKind::Leaf, "a"), picture.node("b", NodeKind::Gate, "b"));
    /// picture.arrow(a, b);
    /// assert_eq!(picture.edges[0].line, Line::Arrow);
    /// ```
    pub fn arrow(&mut self, from: usize, to: usize) {
        self.line(from, to, Line::Arrow);
    }

    /// Adds an edge from the first output of a node.
    ///
    /// ```
    /// use chainrule::draw::{Line, NodeKind, Picture};
    /// let mut picture = Picture::default();
    /// let (base, view) = (picture.node("x", NodeKind::Base, "x"), picture.node("y", NodeKind::Output, "y"));
    /// picture.line(base, view, Line::Dotted);
    /// assert_eq!((picture.edges[0].from, picture.edges[0].line), (base, Line::Dotted));
    /// ```
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
