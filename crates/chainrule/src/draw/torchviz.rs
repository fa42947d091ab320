//! `make_dot`: the backward graph of a tensor, as torchviz draws it.

use std::collections::HashMap;

use super::picture::{Ids, Line, NodeKind, Picture, Style};
use crate::array::Meta;
use crate::gate::{Needs, Next, SavedAs, TorchNode, Use};
use crate::order;
use crate::tensor::{Origin, Tensor, Visit};

/// What [`make_dot`] shows besides the nodes; the defaults are torchviz's.
///
/// ```
/// use chainrule::draw::{make_dot, DotOptions, NodeKind, NO_PARAMS};
/// use chainrule::param;
/// let y = param([1.0, 2.0]).exp()?;
/// let options = DotOptions { show_saved: true, ..DotOptions::default() };
/// let picture = make_dot(&y, NO_PARAMS, &options);
/// assert!(picture.nodes.iter().any(|node| node.kind == NodeKind::Saved)); // exp keeps its output
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DotOptions {
    /// List each node's attributes in its label.
    pub show_attrs: bool,
    /// Draw the tensors that nodes saved for backward.
    pub show_saved: bool,
    /// Longer values of attributes are cut (at least 3).
    pub max_attr_chars: usize,
}

impl Default for DotOptions {
    fn default() -> DotOptions {
        DotOptions { show_attrs: false, show_saved: false, max_attr_chars: 50 }
    }
}

/// No names for [`make_dot`].
pub const NO_PARAMS: [(&str, &Tensor); 0] = [];

/// The backward graph of a tensor, as torchviz's `make_dot` draws it: the output (green), backward nodes
/// (gray), leaves (blue) by the names in `params`, and on demand saved tensors (orange) and attributes.
///
/// Arrows point in the direction in which data flows. A gate that stands for several nodes of PyTorch's is
/// drawn as those.
///
/// ```
/// use chainrule::{draw::make_dot, param};
/// let (x, y, z) = (param(-2.0), param(5.0), param(-4.0));
/// let loss = (&x + &y) * &z;
/// let picture = make_dot(&loss, [("x", &x), ("y", &y), ("z", &z)], &Default::default());
/// assert_eq!((picture.nodes.len(), picture.edges.len()), (9, 8));
/// ```
pub fn make_dot<N, T>(
    output: &Tensor,
    params: impl IntoIterator<Item = (N, T)>,
    options: &DotOptions,
) -> Picture
where
    N: Into<String>,
    T: std::borrow::Borrow<Tensor>,
{
    make_dot_of(&[output], params, options)
}

/// Like [`make_dot`], of several tensors.
///
/// ```
/// use chainrule::draw::{make_dot_of, NodeKind, NO_PARAMS};
/// use chainrule::param;
/// let x = param(2.0);
/// let picture = make_dot_of(&[&x.exp()?, &x.sin()?], NO_PARAMS, &Default::default());
/// let outputs = picture.nodes.iter().filter(|node| node.kind == NodeKind::Output);
/// assert_eq!(outputs.count(), 2);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn make_dot_of<N, T>(
    outputs: &[&Tensor],
    params: impl IntoIterator<Item = (N, T)>,
    options: &DotOptions,
) -> Picture
where
    N: Into<String>,
    T: std::borrow::Borrow<Tensor>,
{
    let (visits, origins) = Tensor::visits(outputs);
    let names = params.into_iter().map(|(name, tensor)| (Key::of(tensor.borrow()), name.into())).collect();
    let mut drawing = Drawing::new(&visits, names, options);
    for (tensor, origin) in outputs.iter().zip(&origins) {
        drawing.output(tensor, origin);
    }
    drawing.picture
}

/// Which tensor a node of the picture stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Leaf(usize),
    Computed(usize, usize),
}

impl Key {
    fn of(tensor: &Tensor) -> Key {
        match tensor.node() {
            Some((node, output)) => Key::Computed(node.address(), output),
            None => Key::Leaf(tensor.id()),
        }
    }
}

/// A backward node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Function {
    /// The n-th node of the gate with this place.
    Node(usize, usize),
    /// The one that adds gradients to the leaf with this place.
    Accumulate(usize),
}

/// Gates whose output shares memory with their input, so that torchviz calls the input its base.
const VIEWS: [&str; 10] =
    ["View", "Permute", "Transpose", "T", "Expand", "Squeeze", "Unsqueeze", "Select", "Slice", "Diagonal"];

struct Drawing<'a> {
    visits: &'a [Visit],
    nodes: Vec<Vec<TorchNode>>,
    /// The id of each node of each gate, counted in the order in which the gates ran.
    node_ids: Vec<Vec<String>>,
    leaves: Vec<Tensor>,
    places: HashMap<usize, usize>,
    names: HashMap<Key, String>,
    options: &'a DotOptions,
    picture: Picture,
    functions: HashMap<Function, usize>,
    tensors: HashMap<Key, usize>,
    ids: Ids,
}

impl<'a> Drawing<'a> {
    fn new(visits: &'a [Visit], names: HashMap<Key, String>, options: &'a DotOptions) -> Drawing<'a> {
        let mut ids = Ids::default();
        let mut leaves: Vec<Tensor> = Vec::new();
        let mut places = HashMap::new();
        let mut nodes = Vec::with_capacity(visits.len());
        let mut node_ids = Vec::with_capacity(visits.len());
        for visit in visits {
            let mut inputs: Vec<Meta> = Vec::with_capacity(visit.inputs.len());
            for origin in &visit.inputs {
                inputs.push(match origin {
                    Origin::Gate { place, output } => visits[*place].outputs[*output],
                    Origin::Constant(meta) => *meta,
                    Origin::Leaf(leaf) => {
                        places.entry(leaf.id()).or_insert_with(|| {
                            leaves.push(leaf.clone());
                            leaves.len() - 1
                        });
                        leaf.meta()
                    }
                });
            }
            let needs = Needs::new(visit.inputs.iter().map(|origin| !matches!(origin, Origin::Constant(_))));
            let used = Use { inputs: &inputs, outputs: &visit.outputs, needs: &needs };
            let own = match &visit.stands_for {
                Some(node) => vec![node.clone()],
                None => visit.gate.torch_nodes(&used),
            };
            node_ids.push(own.iter().map(|node| ids.next(&node.name)).collect());
            nodes.push(own);
        }
        let picture = Picture { style: Style::Torchviz, ..Picture::default() };
        Drawing {
            visits,
            nodes,
            node_ids,
            leaves,
            places,
            names,
            options,
            picture,
            functions: HashMap::new(),
            tensors: HashMap::new(),
            ids,
        }
    }

    /// The green node of an output, all that led to it, and the tensor of which it is a view.
    fn output(&mut self, tensor: &Tensor, origin: &Origin) {
        let key = Key::of(tensor);
        if self.tensors.contains_key(&key) {
            return;
        }
        let place = self.tensor(key, NodeKind::Output, &tensor.meta(), "");
        let Origin::Gate { place: gate, .. } = origin else { return };
        let last = self.walk(Function::Node(*gate, 0));
        self.picture.arrow(last, place);

        let mut base = origin.clone();
        while let Origin::Gate { place, .. } = base
            && VIEWS.contains(&self.visits[place].gate.name())
        {
            base = self.visits[place].inputs[0].clone();
        }
        match base {
            Origin::Gate { place: gate, output } if Function::Node(gate, 0) != self.root(origin) => {
                let meta = self.visits[gate].outputs[output];
                let node = self.picture.node(self.ids.next("base"), NodeKind::Base, label("", &meta));
                let last = self.walk(Function::Node(gate, 0));
                self.picture.arrow(last, node);
                self.picture.line(node, place, Line::Dotted);
            }
            Origin::Leaf(leaf) => {
                let node = self.tensors[&Key::of(&leaf)];
                self.picture.line(node, place, Line::Dotted);
            }
            _ => {}
        }
    }

    fn root(&self, origin: &Origin) -> Function {
        match origin {
            Origin::Gate { place, .. } => Function::Node(*place, 0),
            Origin::Leaf(leaf) => Function::Accumulate(self.places[&leaf.id()]),
            Origin::Constant(_) => Function::Node(usize::MAX, 0),
        }
    }

    /// The node of a tensor. As in DOT text, what is said of it last holds.
    fn tensor(&mut self, key: Key, kind: NodeKind, meta: &Meta, name: &str) -> usize {
        let name = match name {
            "" => self.names.get(&key).map(String::as_str).unwrap_or_default(),
            name => name,
        };
        let label = label(name, meta);
        if let Some(&place) = self.tensors.get(&key) {
            self.picture.nodes[place].kind = kind;
            self.picture.nodes[place].label = label;
            return place;
        }
        let id = match (self.names.get(&key), kind) {
            (Some(name), _) => self.ids.next(name),
            (None, NodeKind::Output) => self.ids.next("output"),
            (None, NodeKind::Saved) => self.ids.next("saved"),
            (None, _) => self.ids.next("leaf"),
        };
        let place = self.picture.node(id, kind, label);
        self.tensors.insert(key, place);
        place
    }

    /// Draws a backward node and everything behind it, in torchviz's order but without recursion, and
    /// returns the node's place.
    fn walk(&mut self, root: Function) -> usize {
        if let Some(&place) = self.functions.get(&root) {
            return place;
        }
        let first = self.function(root);
        let mut stack = vec![(root, first, 0)];
        while let Some((function, place, next)) = stack.pop() {
            let Some(child) = self.next(function, next) else { continue };
            stack.push((function, place, next + 1));
            let Some(child) = child else { continue };
            match self.functions.get(&child) {
                Some(&known) => self.picture.arrow(known, place),
                None => {
                    let new = self.function(child);
                    self.picture.arrow(new, place);
                    stack.push((child, new, 0));
                }
            }
        }
        first
    }

    /// The n-th place to which a backward node passes gradients; inside, `None` for constants.
    fn next(&self, function: Function, n: usize) -> Option<Option<Function>> {
        let Function::Node(gate, node) = function else { return None };
        Some(match self.nodes[gate].get(node)?.next.get(n)? {
            Next::Node(other) => Some(Function::Node(gate, *other)),
            Next::Input(i) => match self.visits[gate].inputs.get(*i)? {
                Origin::Constant(_) => None,
                origin => Some(self.root(origin)),
            },
        })
    }

    /// Draws one backward node with what it saved, or the leaf it belongs to.
    fn function(&mut self, function: Function) -> usize {
        let (id, label) = match function {
            Function::Node(gate, node) => {
                let own = &self.nodes[gate][node];
                (self.node_ids[gate][node].clone(), attributes(own, self.options))
            }
            Function::Accumulate(leaf) => {
                let key = Key::of(&self.leaves[leaf]);
                let name = self.names.get(&key).map_or(String::new(), |name| format!("_{name}"));
                (self.ids.next(&format!("AccumulateGrad{name}")), "AccumulateGrad".to_string())
            }
        };
        let place = self.picture.node(id, NodeKind::Gate, label);
        self.functions.insert(function, place);
        match function {
            Function::Node(gate, node) if self.options.show_saved => {
                for (name, saved) in self.nodes[gate][node].saved.clone() {
                    let tensor = self.saved(gate, &name, saved);
                    self.picture.line(place, tensor, Line::Undirected);
                }
            }
            Function::Node(..) => {}
            Function::Accumulate(leaf) => {
                let leaf = self.leaves[leaf].clone();
                let tensor = self.tensor(Key::of(&leaf), NodeKind::Leaf, &leaf.meta(), "");
                self.picture.arrow(tensor, place);
            }
        }
        place
    }

    fn saved(&mut self, gate: usize, name: &str, saved: SavedAs) -> usize {
        let visit = &self.visits[gate];
        let fresh = |drawing: &mut Self, meta: &Meta| {
            let id = drawing.ids.next(&format!("{}_{name}", drawing.node_ids[gate][0]));
            drawing.picture.node(id, NodeKind::Saved, label(name, meta))
        };
        match saved {
            SavedAs::Other(shape) => {
                let meta = Meta { shape, ..visit.outputs[0] };
                fresh(self, &meta)
            }
            SavedAs::Input(i) => match &visit.inputs[i] {
                Origin::Leaf(leaf) => self.tensor(Key::of(leaf), NodeKind::Saved, &leaf.meta(), name),
                Origin::Gate { place, output } => {
                    let meta = self.visits[*place].outputs[*output];
                    fresh(self, &meta)
                }
                Origin::Constant(meta) => fresh(self, meta),
            },
        }
    }
}

/// A tensor's label: its name, and its shape in the next line.
fn label(name: &str, meta: &Meta) -> String {
    let sizes: Vec<String> = meta.shape.iter().map(usize::to_string).collect();
    format!("{name}\n ({})", sizes.join(", "))
}

/// A node's label: its name, and where wanted a rule and its attributes in two columns.
fn attributes(node: &TorchNode, options: &DotOptions) -> String {
    let mut rows: Vec<(&str, &str)> =
        node.saved.iter().map(|(name, _)| (&name[..], "[saved tensor]")).collect();
    rows.extend(node.attributes.iter().map(|(name, value)| (&name[..], &value[..])));
    if !options.show_attrs || rows.is_empty() {
        return node.name.clone();
    }
    order::sort(&mut rows);
    let width = |text: &str| text.chars().count();
    let first = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let second = rows.iter().map(|(_, value)| width(value)).max().unwrap_or(0);
    let second = second.min(options.max_attr_chars.max(3));
    let rule = "-".repeat((first + second + 2).max(width(&node.name)));
    let mut text = format!("{}\n{rule}", node.name);
    for (name, value) in rows {
        let value = match width(value) > second {
            true => value.chars().take(second - 3).chain("...".chars()).collect(),
            false => value.to_string(),
        };
        text += &format!("\n{name:<first$}: {value:>second$}");
    }
    text
}
