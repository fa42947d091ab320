//! Pictures of a `ComputationalGraph`: the forward pass with shapes and modules.

use std::collections::HashMap;

use super::board;
use super::picture::{Edge, Frame, Ids, Line, Mark, NodeKind, Picture, Style, Tone};
use super::torchviz::{DotOptions, make_dot};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::graph::{ComputationalGraph, Source, ValueId};
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

/// Which modules become frames: those that ran more than one gate.
struct Modules<'a> {
    graph: &'a ComputationalGraph,
    /// Each call's frame: its own, or that of the nearest call around it which has one.
    frame: Vec<Option<usize>>,
    /// Whether a call ran one gate alone, which then stands for the module.
    alone: Vec<bool>,
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
        let mut frames = Vec::new();
        let mut frame: Vec<Option<usize>> = vec![None; scopes.len()];
        for (place, scope) in scopes.iter().enumerate() {
            let around = scope.parent.and_then(|parent| frame[parent]);
            frame[place] = around;
            if gates[place] > 1 && !scope.name.is_empty() {
                frame[place] = Some(frames.len());
                frames
                    .push(Frame { name: format!("{}: {}", scope.name, kind(&scope.layer)), parent: around });
            }
        }
        Modules { graph, frame, alone: gates.into_iter().map(|count| count == 1).collect(), frames }
    }

    /// The frame of what ran in this call.
    fn frame(&self, scope: Option<usize>) -> Option<usize> {
        scope.and_then(|scope| self.frame[scope])
    }

    /// A gate's label: the module's kind and name where the gate is the whole module.
    fn label(&self, place: usize) -> String {
        let step = &self.graph.steps[place];
        match step.scope.filter(|&scope| self.alone[scope]) {
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
    let tensors = tensors(graph)?;
    let modules = Modules::of(graph);
    let mut picture = Picture { style: Style::Forward, ..Picture::default() };
    let mut ids = Ids::default();
    // The frames of the gates that use each value.
    let mut users: HashMap<usize, Vec<Option<usize>>> = HashMap::new();
    let mut used = vec![false; graph.values.len()];
    for step in &graph.steps {
        for id in &step.inputs {
            used[id.place()] = true;
            if !matches!(graph.values[id.place()], Source::Gate(_)) {
                users.entry(id.place()).or_default().push(modules.frame(step.scope));
            }
        }
    }
    if let Some(output) = graph.output {
        used[output.place()] = true;
    }
    // Where each value leaves.
    let mut made: Vec<(usize, usize)> = vec![(0, 0); graph.values.len()];
    for (place, source) in graph.values.iter().enumerate() {
        let (tensor, all) = (&tensors[place], users.get(&place));
        let first = all.and_then(|all| all[0]);
        // What several frames use stands outside of them.
        let mut frame = first.filter(|_| all.is_some_and(|all| all.iter().all(|&other| other == first)));
        let node = match source {
            Source::Input { name, .. } => {
                let kind = if tensor.requires_grad() { NodeKind::Leaf } else { NodeKind::Data };
                let local = modules.local(name, frame);
                // Parameters stand in their modules; what is given from outside stands outside.
                frame = frame.filter(|_| local.len() < name.len());
                picture.node(ids.next(name), kind, format!("{local}\n{}", sizes(&tensor.shape())))
            }
            Source::Constant(_) if !used[place] => continue,
            Source::Constant(own) if own.elements() == 1 && own.rank() == 0 => {
                let label = number(own.array().to_f64_vec()[0]);
                picture.node(ids.next("constant"), NodeKind::Constant, label)
            }
            Source::Constant(own) => {
                let name = graph.constant_names.get(&place).map_or("input", String::as_str);
                let local = modules.local(name, frame);
                frame = frame.filter(|_| local.len() < name.len());
                picture.node(ids.next(name), NodeKind::Data, format!("{local}\n{}", sizes(&own.shape())))
            }
            Source::Gate(_) => continue,
        };
        picture.nodes[node].frame = frame;
        made[place] = (node, 0);
    }
    for (place, step) in graph.steps.iter().enumerate() {
        let node = picture.node(ids.next(step.gate.name()), NodeKind::Gate, modules.label(place));
        picture.nodes[node].frame = modules.frame(step.scope);
        for id in &step.inputs {
            let (from, output) = made[id.place()];
            picture.edges.push(Edge { from, output, to: node, line: Line::Arrow, marks: Vec::new() });
        }
        for (output, id) in step.outputs.iter().enumerate() {
            made[id.place()] = (node, output);
            if output == 0 || used[id.place()] {
                let shape = sizes(&tensors[id.place()].shape());
                let marks = if used[id.place()] { vec![Mark::new(shape, Tone::Faint)] } else { Vec::new() };
                picture.nodes[node].outputs.resize(output, Vec::new());
                picture.nodes[node].outputs.push(marks);
            }
        }
    }
    if let Some(output) = graph.output {
        let end = picture.node(ids.next("output"), NodeKind::Output, "output");
        let (from, output) = made[output.place()];
        picture.edges.push(Edge { from, output, to: end, line: Line::Arrow, marks: Vec::new() });
    }
    picture.frames = modules.frames;
    picture.title = format!("{} gates", graph.len());
    Ok(picture)
}
