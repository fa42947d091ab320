//! Which nodes of PyTorch's graph stand for a gate: what pictures in torchviz's style draw.
//!
//! Most gates are one node there. A fused gate (a linear layer, a loss on logits) stands for several.

use crate::array::{Meta, Shape};

/// What is known of one use of a gate when its PyTorch nodes are asked for.
///
/// ```
/// use chainrule::gate::{functions::Exp, Gate, Needs, Use};
/// use chainrule::{DType, Meta};
/// let meta = [Meta::new(DType::F32, [3])];
/// let node = &Exp.torch_nodes(&Use { inputs: &meta, outputs: &meta, needs: &Needs::new([true]) })[0];
/// assert_eq!(node.saved[0].0, "result"); // PyTorch saves the output of exp under this name
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// Element types and shapes of the inputs.
    pub inputs: &'a [Meta],
    /// Element types and shapes of the outputs.
    pub outputs: &'a [Meta],
    /// Which inputs need a gradient.
    pub needs: &'a super::Needs,
}

/// One node of PyTorch's graph, as torchviz draws it.
///
/// ```
/// use chainrule::gate::{Next, SavedAs, TorchNode};
/// let node =
///     TorchNode::new("MulBackward0", [Next::Input(0), Next::Input(1)]).saving("self", SavedAs::Input(0));
/// assert_eq!((node.next.len(), &node.saved[0].0[..]), (2, "self"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TorchNode {
    /// Its class: `MulBackward0`.
    pub name: String,
    /// Where its gradients go.
    pub next: Vec<Next>,
    /// Tensors that it saved, with PyTorch's names for them.
    pub saved: Vec<(String, SavedAs)>,
    /// Its other attributes, as Python prints them: `("alpha", "1")`.
    pub attributes: Vec<(String, String)>,
}

/// Where a PyTorch node passes a gradient.
///
/// ```
/// use chainrule::gate::{matmul::Linear, Gate, Needs, Next, Use};
/// use chainrule::{DType, Meta};
/// let (x, w) = (Meta::new(DType::F32, [8, 2]), Meta::new(DType::F32, [3, 2]));
/// let used =
///     Use { inputs: &[x, w], outputs: &[Meta::new(DType::F32, [8, 3])], needs: &Needs::new([false, true]) };
/// let nodes = Linear.torch_nodes(&used);
/// assert!(nodes[0].next.contains(&Next::Node(1))); // through the transposition of the weight…
/// assert_eq!(nodes[1].next, [Next::Input(1)]); // …to the weight
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// To what made this input of the gate.
    Input(usize),
    /// To another of the gate's nodes.
    Node(usize),
}

/// Which tensor a PyTorch node saved.
///
/// ```
/// use chainrule::gate::{functions::Exp, Gate, Needs, SavedAs, Use};
/// use chainrule::{DType, Meta};
/// let meta = [Meta::new(DType::F32, [3])];
/// let node = &Exp.torch_nodes(&Use { inputs: &meta, outputs: &meta, needs: &Needs::new([true]) })[0];
/// assert_eq!(node.saved[0].1, SavedAs::Other([3].into())); // its output, no input
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SavedAs {
    /// The gate's input itself.
    Input(usize),
    /// Another tensor of this shape: an output, a transposed weight, a mask.
    Other(Shape),
}

impl TorchNode {
    /// A node without attributes whose gradients go to these places.
    ///
    /// ```
    /// use chainrule::gate::{Next, TorchNode};
    /// assert_eq!(TorchNode::new("ExpBackward0", [Next::Input(0)]).name, "ExpBackward0");
    /// ```
    pub fn new(name: impl Into<String>, next: impl IntoIterator<Item = Next>) -> TorchNode {
        TorchNode {
            name: name.into(),
            next: next.into_iter().collect(),
            saved: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// With a saved tensor.
    ///
    /// ```
    /// use chainrule::gate::{Next, SavedAs, TorchNode};
    /// let node =
    ///     TorchNode::new("ExpBackward0", [Next::Input(0)]).saving("result", SavedAs::Other([3].into()));
    /// assert_eq!(node.saved, [("result".to_string(), SavedAs::Other([3].into()))]);
    /// ```
    pub fn saving(mut self, name: &str, tensor: SavedAs) -> TorchNode {
        self.saved.push((name.to_string(), tensor));
        self
    }

    /// With an attribute.
    ///
    /// ```
    /// use chainrule::gate::{Next, TorchNode};
    /// let node = TorchNode::new("AddBackward0", [Next::Input(0), Next::Input(1)]).with("alpha", 1);
    /// assert_eq!(node.attributes, [("alpha".to_string(), "1".to_string())]);
    /// ```
    pub fn with(mut self, name: &str, value: impl ToString) -> TorchNode {
        self.attributes.push((name.to_string(), value.to_string()));
        self
    }
}

/// A shape as Python prints it: `()`, `(3,)`, `(2, 3)`.
pub(crate) fn tuple(sizes: &[usize]) -> String {
    match sizes {
        [one] => format!("({one},)"),
        _ => format!("({})", sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// Sizes of so many spatial dimensions, where one was given for all or one for each.
pub(crate) fn spread(given: &[usize], rank: usize) -> Vec<usize> {
    if given.len() == rank { given.to_vec() } else { vec![given.first().copied().unwrap_or(0); rank] }
}

/// A pooling's node. PyTorch pools rows as planes of height 1.
pub(crate) fn pooling(node: TorchNode, rank: usize) -> Vec<TorchNode> {
    match rank {
        1 => vec![
            TorchNode::new("SqueezeBackward1", [Next::Node(1)]),
            TorchNode { next: vec![Next::Node(2)], ..node },
            TorchNode::new("UnsqueezeBackward0", [Next::Input(0)]),
        ],
        3 => vec![TorchNode { name: node.name.replace("2D", "3D"), ..node }],
        _ => vec![node],
    }
}

/// PyTorch's usual name for a saved input.
pub(crate) fn input_name(i: usize) -> String {
    match i {
        0 => "self".into(),
        1 => "other".into(),
        _ => format!("input{i}"),
    }
}

/// PyTorch's usual name for a saved output.
pub(crate) fn output_name(i: usize) -> String {
    if i == 0 { "result".into() } else { format!("result{i}") }
}

/// The single node that stands for a gate which says nothing else: its inputs and outputs are saved as it
/// declares, its attributes are the parameters that its `Debug` text shows.
pub(super) fn single(name: String, saves: super::Saves, debug: &str, used: &Use) -> TorchNode {
    let mut node = TorchNode::new(name, (0..used.inputs.len()).map(Next::Input));
    for i in (0..used.inputs.len()).filter(|&i| saves.has_input(i)) {
        node = node.saving(&input_name(i), SavedAs::Input(i));
    }
    for (i, meta) in used.outputs.iter().enumerate().filter(|(i, _)| saves.has_output(*i)) {
        node = node.saving(&output_name(i), SavedAs::Other(meta.shape));
    }
    node.attributes = match &node.name[..] {
        // PyTorch's sums carry a factor; ours is always 1.
        "AddBackward0" | "SubBackward0" => vec![("alpha".into(), "1".into())],
        "PowBackward0" | "PowBackward1" => Vec::new(), // which of the two is in the name
        _ => parameters(debug),
    };
    node
}

/// A gate's parameters by name, read off its `Debug` text: `Dropout { p: 0.5 }` has `p`, which is `0.5`.
fn parameters(text: &str) -> Vec<(String, String)> {
    let Some((_, fields)) = text.strip_suffix(" }").and_then(|text| text.split_once(" { ")) else {
        return Vec::new();
    };
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (i, c) in fields.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&fields[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&fields[start..]);
    parts
        .into_iter()
        .filter_map(|part| part.trim().split_once(": "))
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}
