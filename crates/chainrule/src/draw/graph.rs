//! Pictures of a `ComputationalGraph`: the forward pass with shapes and modules.

use std::collections::HashMap;

use super::board;
use super::picture::{Edge, Frame, Ids, Line, Mark, NodeKind, Picture, Style, Tone};
use super::torchviz::{DotOptions, make_dot};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::graph::{ComputationalGraph, Source, ValueId};
use crate::order;
use crate::tensor::Tensor;

impl ComputationalGraph {
    /// A picture of the last run in one of the three manners: the backward graph as torchviz draws it, the
    /// forward pass with shapes and the modules as frames, or a circuit with values and gradients.
    ///
    /// ```
    /// use chainrule::{draw::Style, formula::Expr, tensor, ComputationalGraph};
    /// let mut graph = ComputationalGraph::from_expr(&Expr::parse("(x+y)*z")?)?;
    /// graph.forward(&[("x", &tensor(-2.0)), ("y", &tensor(5.0)), ("z", &tensor(-4.0))])?;
    /// graph.backward()?;
    /// let svg = graph.picture(Style::Board)?.to_svg();
    /// assert!(svg.contains("−12"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ComputationalGraph::forward`] hasn't run.
    pub fn picture(&self, style: Style) -> Result<Picture> {
        match style {
            Style::Torchviz => self.backward_picture(&DotOptions::default()),
            Style::Forward => forward(self),
            Style::Board => board::board(self),
        }
    }

    /// [`make_dot`] of the last run's output, with the inputs' names.
    ///
    /// ```
    /// use chainrule::{draw::DotOptions, formula::Expr, tensor, ComputationalGraph};
    /// let mut graph = ComputationalGraph::from_expr(&Expr::parse("x*x")?)?;
    /// graph.forward(&[("x", &tensor(3.0))])?;
    /// assert_eq!(graph.backward_picture(&DotOptions::default())?.nodes.len(), 4);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ComputationalGraph::forward`] hasn't run.
    pub fn backward_picture(&self, options: &DotOptions) -> Result<Picture> {
        let tensors = tensors(self)?;
        let output = self.output.map_or(0, ValueId::place);
        let names = self.values.iter().zip(tensors).filter_map(|(source, tensor)| match source {
            Source::Input { name, .. } => Some((name.clone(), tensor)),
            _ => None,
        });
        Ok(make_dot(&tensors[output], names, options))
    }
}

/// The values of the last run.
pub(super) fn tensors(graph: &ComputationalGraph) -> Result<&[Tensor]> {
    let run = graph.run.as_ref().ok_or_else(|| {
        Error::autograd("there is nothing to draw before forward ran").hint("run forward first")
    })?;
    Ok(&run.tensors)
}

/// A shape as it stands at a wire: `1×3×224×224`.
pub(super) fn sizes(shape: &[usize]) -> String {
    match shape {
        [] => "scalar".into(),
        _ => shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×"),
    }
}

/// A number in at most three digits, or whole.
pub(super) fn number(x: f64) -> String {
    let size = x.abs();
    let text = if !x.is_finite() {
        x.to_string()
    } else if x == 0.0 {
        "0".into()
    } else if size < 1e6 && (x.fract() == 0.0 || size >= 1000.0) {
        format!("{x:.0}")
    } else if !(1e-3..1e6).contains(&size) {
        let text = format!("{x:.2e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        format!("{}e{power}", digits.trim_end_matches('0').trim_end_matches('.'))
    } else {
        let digits = (2 - size.log10().floor() as i32).clamp(0, 5) as usize;
        let text = format!("{x:.digits$}");
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
            false => text,
        }
    };
    text.replace('-', "−")
}

/// A value in a few letters: small ones in full, others by their shape.
pub(super) fn value(array: &Array) -> String {
    const MOST: usize = 4;
    match array.elements() {
        1 if array.rank() == 0 => number(array.to_f64_vec()[0]),
        n if array.rank() == 1 && n <= MOST => {
            let all: Vec<String> = array.to_f64_vec().into_iter().map(number).collect();
            format!("[{}]", all.join(", "))
        }
        _ => sizes(array.shape()),
    }
}

/// Which modules become frames: those that ran more than one gate, but for normalisations, which are one box.
struct Modules<'a> {
    graph: &'a ComputationalGraph,
    /// Each call's frame: its own, or that of the nearest call around it which has one.
    frame: Vec<Option<usize>>,
    /// Whether a call ran one gate alone, which then stands for the module.
    alone: Vec<bool>,
    /// Whether the gates of a call are drawn as one box.
    whole: Vec<bool>,
    frames: Vec<Frame>,
}

impl Modules<'_> {
    fn of(graph: &ComputationalGraph) -> Modules<'_> {
        let scopes = &graph.scopes;
        let mut gates = vec![0usize; scopes.len()];
        for step in &graph.steps {
            if let Some(scope) = step.scope {
                gates[scope] += 1;
            }
        }
        for scope in (0..scopes.len()).rev() {
            if let Some(parent) = scopes[scope].parent {
                gates[parent] += gates[scope];
            }
        }
        let mut is_leaf = vec![true; scopes.len()];
        for parent in scopes.iter().filter_map(|scope| scope.parent) {
            is_leaf[parent] = false;
        }
        // The gates of a normalisation differ between training and evaluation, and say little.
        let is_whole =
            |place: usize| gates[place] > 1 && is_leaf[place] && kind(&scopes[place].layer).contains("Norm");
        let whole: Vec<bool> = (0..scopes.len()).map(is_whole).collect();
        let mut frames = Vec::new();
        let mut frame: Vec<Option<usize>> = vec![None; scopes.len()];
        for (place, scope) in scopes.iter().enumerate() {
            let around = scope.parent.and_then(|parent| frame[parent]);
            frame[place] = around;
            if gates[place] > 1 && !whole[place] && !scope.name.is_empty() {
                frame[place] = Some(frames.len());
                frames
                    .push(Frame { name: format!("{}: {}", scope.name, kind(&scope.layer)), parent: around });
            }
        }
        Modules { graph, frame, alone: gates.into_iter().map(|count| count == 1).collect(), whole, frames }
    }

    /// The call in whose one box a gate is.
    fn one_box(&self, place: usize) -> Option<usize> {
        self.graph.steps[place].scope.filter(|&scope| self.whole[scope])
    }

    /// Whether a gate's input is drawn. Of a box, neither what it makes itself nor its own numbers are.
    fn is_seen(&self, place: usize, input: ValueId) -> bool {
        let own = self.one_box(place);
        own.is_none()
            || match &self.graph.values[input.place()] {
                Source::Gate(maker) => self.one_box(*maker) != own,
                Source::Constant(tensor) => {
                    tensor.rank() > 0 && self.graph.constant_names.contains_key(&input.place())
                }
                Source::Input { .. } => true,
            }
    }

    /// The frame of what ran in this call.
    fn frame(&self, scope: Option<usize>) -> Option<usize> {
        scope.and_then(|scope| self.frame[scope])
    }

    /// A gate's label: the module's kind and name where the gate is the whole module.
    fn label(&self, place: usize) -> String {
        let step = &self.graph.steps[place];
        match step.scope.filter(|&scope| self.alone[scope] || self.whole[scope]) {
            Some(scope) => {
                let own = self.graph.scopes.get(scope).map_or("", |scope| &scope.layer);
                format!(
                    "{}\n{}",
                    kind(own),
                    self.local(&self.graph.module_of(scope), self.frame(Some(scope)))
                )
            }
            None => step.gate.name().to_string(),
        }
    }

    /// A full name without what its frame says already.
    fn local(&self, name: &str, frame: Option<usize>) -> String {
        let around = frame.and_then(|frame| self.frame.iter().position(|&own| own == Some(frame)));
        let prefix = around.map_or(String::new(), |scope| self.graph.module_of(scope) + ".");
        name.strip_prefix(&prefix).unwrap_or(name).to_string()
    }
}

/// `Linear` of `Linear(in_features=2, …)`.
fn kind(layer: &str) -> &str {
    layer.split('(').next().unwrap_or(layer)
}

/// The forward pass: inputs and constants, gates, shapes at the wires, modules as frames.
fn forward(graph: &ComputationalGraph) -> Result<Picture> {
    let mut drawing = Drawing {
        graph,
        tensors: tensors(graph)?,
        modules: Modules::of(graph),
        picture: Picture { style: Style::Forward, ..Picture::default() },
        ids: Ids::default(),
        used: vec![false; graph.values.len()],
        made: vec![(0, 0); graph.values.len()],
    };
    drawing.leaves();
    drawing.gates();
    let Drawing { mut picture, mut ids, modules, made, .. } = drawing;
    if let Some(output) = graph.output {
        let end = picture.node(ids.next("output"), NodeKind::Output, "output");
        let (from, output) = made[output.place()];
        picture.edges.push(arrow(from, output, end));
    }
    picture.frames = modules.frames;
    picture.title = format!("{} gates", graph.len());
    Ok(picture)
}

fn arrow(from: usize, output: usize, to: usize) -> Edge {
    Edge { from, output, to, line: Line::Arrow, marks: Vec::new() }
}

/// A forward picture in the making.
struct Drawing<'a> {
    graph: &'a ComputationalGraph,
    tensors: &'a [Tensor],
    modules: Modules<'a>,
    picture: Picture,
    ids: Ids,
    /// Whether a value is drawn.
    used: Vec<bool>,
    /// Where each value leaves: the node, and which of its outputs.
    made: Vec<(usize, usize)>,
}

impl Drawing<'_> {
    /// Inputs and constants.
    fn leaves(&mut self) {
        let (graph, modules) = (self.graph, &self.modules);
        // The frames of the gates that use each value.
        let mut users: HashMap<usize, Vec<Option<usize>>> = HashMap::new();
        for (place, step) in graph.steps.iter().enumerate() {
            for id in step.inputs.iter().filter(|id| modules.is_seen(place, **id)) {
                self.used[id.place()] = true;
                if !matches!(graph.values[id.place()], Source::Gate(_)) {
                    users.entry(id.place()).or_default().push(modules.frame(step.scope));
                }
            }
        }
        if let Some(output) = graph.output {
            self.used[output.place()] = true;
        }
        for (place, source) in graph.values.iter().enumerate() {
            let (tensor, all) = (&self.tensors[place], users.get(&place));
            let first = all.and_then(|all| all[0]);
            // What several frames use stands outside of them.
            let mut frame = first.filter(|_| all.is_some_and(|all| all.iter().all(|&other| other == first)));
            let (picture, ids) = (&mut self.picture, &mut self.ids);
            let mut named = |name: &str, kind: NodeKind| {
                let local = modules.local(name, frame);
                // Parameters stand in their modules; what is given from outside stands outside.
                frame = frame.filter(|_| local.len() < name.len());
                picture.node(ids.next(name), kind, format!("{local}\n{}", sizes(&tensor.shape())))
            };
            let node = match source {
                Source::Input { name, .. } if tensor.requires_grad() => named(name, NodeKind::Leaf),
                Source::Input { name, .. } => named(name, NodeKind::Data),
                Source::Constant(_) if !self.used[place] => continue,
                Source::Constant(own) if own.elements() == 1 && own.rank() == 0 => {
                    let label = number(own.array().to_f64_vec()[0]);
                    picture.node(ids.next("constant"), NodeKind::Constant, label)
                }
                Source::Constant(_) => {
                    named(graph.constant_names.get(&place).map_or("input", String::as_str), NodeKind::Data)
                }
                Source::Gate(_) => continue,
            };
            self.picture.nodes[node].frame = frame;
            self.made[place] = (node, 0);
        }
    }

    /// Gates, and modules that are one box.
    fn gates(&mut self) {
        let graph = self.graph;
        let mut boxes: HashMap<usize, usize> = HashMap::new();
        for (place, step) in graph.steps.iter().enumerate() {
            match self.modules.one_box(place) {
                None => {
                    let node = self.node(place, step.gate.name());
                    self.arrive(node, step.inputs.iter().copied());
                    for (output, id) in step.outputs.iter().enumerate() {
                        self.leave(node, output, *id);
                    }
                }
                Some(scope) => {
                    let node = *boxes.entry(scope).or_insert_with(|| self.one_box(place, scope));
                    for id in &step.outputs {
                        if self.used[id.place()] {
                            self.leave(node, self.picture.nodes[node].outputs.len(), *id);
                        }
                    }
                }
            }
        }
    }

    /// The box of a call that begins with this gate: each input once, and what flows through before the parameters.
    fn one_box(&mut self, first: usize, scope: usize) -> usize {
        let node = self.node(first, kind(&self.graph.scopes[scope].layer));
        let steps = (first..self.graph.len()).take_while(|&place| self.modules.one_box(place) == Some(scope));
        let mut inputs: Vec<ValueId> = Vec::new();
        for place in steps {
            for &id in &self.graph.steps[place].inputs {
                if self.modules.is_seen(place, id) && !inputs.contains(&id) {
                    inputs.push(id);
                }
            }
        }
        let is_given = |id: &ValueId| !matches!(self.graph.values[id.place()], Source::Gate(_));
        order::sort_by(&mut inputs, |a, b| is_given(a).cmp(&is_given(b)));
        self.arrive(node, inputs.into_iter());
        node
    }

    fn node(&mut self, place: usize, name: &str) -> usize {
        let node = self.picture.node(self.ids.next(name), NodeKind::Gate, self.modules.label(place));
        self.picture.nodes[node].frame = self.modules.frame(self.graph.steps[place].scope);
        node
    }

    fn arrive(&mut self, node: usize, inputs: impl Iterator<Item = ValueId>) {
        let arrows = inputs.map(|id| (self.made[id.place()], node));
        self.picture.edges.extend(arrows.map(|((from, output), to)| arrow(from, output, to)));
    }

    /// A value leaves a node, with its shape where it is used.
    fn leave(&mut self, node: usize, output: usize, id: ValueId) {
        self.made[id.place()] = (node, output);
        let is_used = self.used[id.place()];
        if output == 0 || is_used {
            let shape = Mark::new(sizes(&self.tensors[id.place()].shape()), Tone::Faint);
            let outputs = &mut self.picture.nodes[node].outputs;
            outputs.resize(output, Vec::new());
            outputs.push(if is_used { vec![shape] } else { Vec::new() });
        }
    }
}
