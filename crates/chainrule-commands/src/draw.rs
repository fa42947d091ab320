//! `chainrule draw`: a picture of a network, of a trained run, or of an expression.

use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chainrule::draw::{DotOptions, Picture, Style, make_dot};
use chainrule::explorer::{Explorer, MOST_ELEMENTS, MOST_GATES};
use chainrule::formula::Expr;
use chainrule::io::write_atomic;
use chainrule::nn::Module;
use chainrule::train::{ImageClassifier, TrainedModel};
use chainrule::{ComputationalGraph, Generator, Shape, Tensor, models};
use clap::{Args, ValueEnum};

use crate::layout::WIDTH;
use crate::{Failure, explain};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StyleArg {
    /// the backward graph, as torchviz draws it
    Torchviz,
    /// the forward pass from the inputs down, with shapes and modules
    Forward,
    /// a circuit with values, gradients and local gradients, as on a blackboard
    Board,
}

impl From<StyleArg> for Style {
    fn from(style: StyleArg) -> Style {
        match style {
            StyleArg::Torchviz => Style::Torchviz,
            StyleArg::Forward => Style::Forward,
            StyleArg::Board => Style::Board,
        }
    }
}

/// Options of `chainrule draw`.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Examples:
  chainrule draw alexnet
  chainrule draw alexnet --input 1x3x227x227 -o alexnet.svg
  chainrule draw resnet18 -o resnet18.dot
  chainrule draw '(x+y)*z' x=-2 y=5 z=-4 -o graph.svg
  chainrule draw '(x+y)*z' x=-2 y=5 z=-4 --style torchviz -o graph.png
  chainrule draw --model runs/digits-mlp-1 -o mlp.html

Without -o the picture is drawn as text; .dot is torchviz's for Graphviz, .html
the explorer. SVG files are light or dark as the reader's system is."
)]
pub struct Options {
    /// A network's name (alexnet, resnet18, lenet, …) or an expression
    #[arg(allow_hyphen_values = true, required_unless_present = "model", conflicts_with = "model")]
    what: Option<String>,
    /// The values of an expression's names: `x=-2`, `v=[1,2,3]`
    #[arg(value_name = "NAME=VALUE")]
    values: Vec<String>,
    /// A trained network: a run's folder or its model.safetensors
    #[arg(long)]
    model: Option<PathBuf>,
    /// The shape of a network's input, the batch first, such as 1x3x224x224
    #[arg(long, value_name = "SIZES", value_parser = shape)]
    input: Option<Shape>,
    /// The file: .svg, .png, .dot, .txt, or .html for the explorer's page
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The manner (default: board for small graphs, torchviz for .dot files and with its options, else forward)
    #[arg(long, value_enum)]
    style: Option<StyleArg>,
    /// Draw the network in training mode, with its dropout
    #[arg(long)]
    training: bool,
    /// A dark PNG
    #[arg(long)]
    dark: bool,
    /// With torchviz's style: the attributes of each node
    #[arg(long)]
    show_attrs: bool,
    /// With torchviz's style: the tensors that nodes keep for the backward pass
    #[arg(long)]
    show_saved: bool,
    /// With torchviz's style: longer attributes are cut (at least 3)
    #[arg(long, value_name = "LETTERS", default_value_t = 50)]
    max_attr_chars: usize,
}

fn shape(text: &str) -> Result<Shape, String> {
    let sizes: Option<Vec<usize>> =
        text.split(['x', '×', ',']).map(|size| size.trim().parse().ok().filter(|&size| size > 0)).collect();
    let sizes = sizes.ok_or("it takes sizes from 1 up, such as 1x3x224x224")?;
    Shape::new(&sizes).map_err(|e| e.to_string())
}

/// What a file's ending asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Svg,
    Png,
    Dot,
    Text,
    Html,
}

fn kind(path: &Path) -> Result<Kind, Failure> {
    match path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase).as_deref() {
        Some("svg") => Ok(Kind::Svg),
        Some("png") => Ok(Kind::Png),
        Some("dot" | "gv") => Ok(Kind::Dot),
        Some("txt") => Ok(Kind::Text),
        Some("html" | "htm") => Ok(Kind::Html),
        _ => Err(format!(
            "{}: a picture's file ends in .svg, .png, .dot, .txt, or .html for the explorer's page",
            path.display()
        )
        .into()),
    }
}

/// Draws the picture.
pub fn run(options: Options) -> Result<ExitCode, Failure> {
    let kind = options.output.as_deref().map(kind).transpose()?;
    let wants_dot = options.show_attrs || options.show_saved;
    if wants_dot && options.style.is_some_and(|style| style != StyleArg::Torchviz) {
        return Err("--show-attrs and --show-saved belong to --style torchviz".into());
    }
    if kind == Some(Kind::Html) && (wants_dot || options.style.is_some()) {
        return Err("the explorer's page has a style of its own: --style, --show-attrs and --show-saved belong to pictures".into());
    }
    if options.dark && kind != Some(Kind::Png) {
        return Err(
            "--dark belongs to .png files; SVG files and pages are light or dark as the reader's system is"
                .into(),
        );
    }
    let subject = Subject::of(&options)?;
    let style = options.style.map(Style::from).unwrap_or(match kind {
        Some(Kind::Dot) => Style::Torchviz,
        _ if wants_dot => Style::Torchviz,
        _ if subject.is_small() => Style::Board,
        _ => Style::Forward,
    });
    if let (Some(path), Some(Kind::Html)) = (&options.output, kind) {
        return subject.page(path);
    }
    let picture = subject.picture(style, &options)?;
    match (&options.output, kind) {
        (Some(path), Some(Kind::Text)) => write_atomic(path, picture.to_text(WIDTH, false).as_bytes())?,
        (Some(path), _) => picture.save(path, options.dark)?,
        (None, _) => {
            let text = picture.to_text(WIDTH, std::io::stdout().is_terminal());
            std::io::stdout().write_all(text.as_bytes())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is drawn.
enum Subject {
    Expression { expr: Expr, graph: Box<ComputationalGraph> },
    Network { name: String, network: Box<dyn Module>, x: Tensor },
}

impl Subject {
    fn of(options: &Options) -> Result<Subject, Failure> {
        if let Some(path) = &options.model {
            return trained(path, options);
        }
        let what = options.what.as_deref().unwrap_or_default();
        let is_name = what.chars().all(|c| c.is_alphanumeric() || "._-".contains(c))
            && what.starts_with(char::is_alphabetic)
            && options.values.is_empty();
        if is_name {
            let model = models::by_name(what)?;
            let mut generator = Generator::new(0);
            let shape = options.input.map_or_else(|| model.input(1), Ok)?;
            let network =
                model.build_for(shape.get(1..).unwrap_or_default(), model.classes, &mut generator)?;
            let x = model.random_input(shape, &mut generator)?;
            return Ok(Subject::network(model.name.to_string(), network, x, options));
        }
        if options.input.is_some() || options.training {
            return Err("--input and --training belong to a network, and this is an expression".into());
        }
        let expr = Expr::parse(what)?;
        let inputs = explain::inputs::parse(&expr, &options.values)?;
        let mut graph = ComputationalGraph::from_expr(&expr)?;
        let given: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, x)| (name.as_str(), x)).collect();
        let loss = graph.forward(&given)?;
        if loss.elements() == 1 && !inputs.is_empty() {
            graph.backward()?;
        }
        Ok(Subject::Expression { expr, graph: Box::new(graph) })
    }

    fn network(name: String, network: Box<dyn Module>, x: Tensor, options: &Options) -> Subject {
        network.set_training(options.training);
        // As an input whose gradient is wanted it is part of the backward graph.
        let x = if x.dtype().is_float() { x.requires_grad_(true).unwrap_or(x) } else { x };
        Subject::Network { name, network, x }
    }

    /// Whether it can be drawn with all its numbers.
    fn is_small(&self) -> bool {
        match self {
            Subject::Network { .. } => false,
            Subject::Expression { graph, .. } => {
                let small = |gates: Vec<chainrule::graph::GateReport>| {
                    gates.iter().all(|gate| gate.value.elements() <= MOST_ELEMENTS)
                };
                graph.len() <= MOST_GATES && graph.gates().is_ok_and(small)
            }
        }
    }

    fn picture(&self, style: Style, options: &Options) -> Result<Picture, Failure> {
        let dot = DotOptions {
            show_attrs: options.show_attrs,
            show_saved: options.show_saved,
            max_attr_chars: options.max_attr_chars,
        };
        let mut picture = match (self, style) {
            (Subject::Expression { graph, .. }, Style::Torchviz) => graph.backward_picture(&dot)?,
            (Subject::Expression { graph, .. }, _) => graph.picture(style)?,
            (Subject::Network { network, x, .. }, Style::Torchviz) => {
                let names = network.named_parameters();
                let names = names.iter().map(|(name, tensor)| (name.as_str(), tensor)).chain([("x", x)]);
                make_dot(&network.call(x)?, names, &dot)
            }
            (Subject::Network { network, x, .. }, _) => {
                let mut graph = recorded(network.as_ref(), x)?;
                graph.forward(&[])?;
                graph.picture(style)?
            }
        };
        picture.title = match self {
            Subject::Expression { expr, .. } => format!("L = {expr}"),
            Subject::Network { name, x, .. } => {
                let sizes: Vec<String> = x.shape().iter().map(usize::to_string).collect();
                format!("{name} for an input of {}", sizes.join("×"))
            }
        };
        Ok(picture)
    }

    /// Writes the explorer's page.
    fn page(self, path: &Path) -> Result<ExitCode, Failure> {
        match self {
            Subject::Expression { expr, graph } => graph.explorer()?.expression(&expr).save(path)?,
            Subject::Network { name, network, x } => {
                // Gradients start from one number: the loss if the first class were the right one.
                let page = Explorer::of_network(network.as_ref(), &x, |y| match (y.rank(), y.shape()[0]) {
                    (2, n) => y.cross_entropy(&Tensor::from_vec(vec![0i64; n], [n])?),
                    _ => y.mean(),
                })?;
                page.title(name).save(path)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The graph of a network's call, with the parameters under their names.
fn recorded(network: &dyn Module, x: &Tensor) -> Result<ComputationalGraph, Failure> {
    let state = network.state().into_iter().map(|(name, owned)| (name, owned.tensor().clone()));
    let names: Vec<(String, Tensor)> = state.chain([("x".to_string(), x.clone())]).collect();
    Ok(ComputationalGraph::record_named(&names, || network.call(x))?)
}

/// A network that was trained.
fn trained(path: &Path, options: &Options) -> Result<Subject, Failure> {
    let name = path.file_name().map_or_else(|| "network".into(), |name| name.to_string_lossy().into_owned());
    let mut generator = Generator::new(0);
    let first = match TrainedModel::load(path) {
        Ok(model) => {
            let x = match options.input {
                Some(shape) => Tensor::from_array(generator.randn(shape, chainrule::DType::F32)),
                None => model.random_input(1, &mut generator)?,
            };
            return Ok(Subject::network(name, model.network, x, options));
        }
        Err(error) => error,
    };
    match ImageClassifier::load(path, None) {
        Ok(model) => {
            let shape = options.input.map_or_else(|| Shape::new(&[1, 3, 224, 224]), Ok)?;
            let x = Tensor::from_array(generator.randn(shape, chainrule::DType::F32));
            Ok(Subject::network(name, model.network, x, options))
        }
        Err(_) => Err(first.into()),
    }
}
