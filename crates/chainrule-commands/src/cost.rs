//! `chainrule cost`: what a training step costs, and what a whole training will, before it is paid.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chainrule::explorer::MOST_CHECKED;
use chainrule::models::{self, NamedModel};
use chainrule::nn::Module;
use chainrule::profile::{
    Energy, StepCost, TrainingCost, Work, bytes_text, count_text, energy_text, grouped_text, time_text,
};
use chainrule::train::TrainedModel;
use chainrule::{ComputationalGraph, Generator, Shape, Tensor};
use clap::Args;
use serde::Serialize;

use crate::Failure;
use crate::layout::flow;
use crate::train::at_least_one;

/// Options of `chainrule cost`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chainrule cost alexnet                       one step of AlexNet, gate by gate
  chainrule cost alexnet --images 1281167 --epochs 90
  chainrule cost resnet18 --batch 8 --threads 1 --watts 15
  chainrule cost lenet --input 32x1x28x28 --trace lenet.json --html lenet.html
  chainrule cost --model runs/digits-mlp-1 --images 60000 --epochs 40 --json

Times are measured on this machine; multiply-adds and bytes are counted from
shapes. Energy comes from the processor's counters where Linux shows them, else
it is time x --watts, and marked as an assumption. The data is random; no file
is read but --model's.")]
pub struct Options {
    /// The network's name: softmax, mlp, lenet, alexnet, squeezenet1_1, resnet18, vit, chargpt…
    #[arg(required_unless_present = "model", conflicts_with = "model")]
    network: Option<String>,
    /// A run's folder, or its model.safetensors, in place of a name
    #[arg(long)]
    model: Option<PathBuf>,
    /// The shape of a step's input with the batch first, such as 8x3x224x224
    #[arg(long, value_name = "SHAPE", value_parser = shape)]
    input: Option<Sizes>,
    /// Examples in a step (default: 4; the first size of --input)
    #[arg(long, value_parser = at_least_one, conflicts_with = "input")]
    batch: Option<usize>,
    /// Classes of a network by name (default: its own)
    #[arg(long, value_parser = at_least_one, conflicts_with = "model")]
    classes: Option<usize>,
    /// Images in an epoch: extrapolate a whole training
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    images: Option<u64>,
    /// How often each image is seen
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "images",
        value_parser = clap::value_parser!(u64).range(1..))]
    epochs: u64,
    /// How many steps are measured, after one that warms up
    #[arg(long, default_value = "3", value_parser = at_least_one)]
    steps: usize,
    /// How many threads work (default: all processors)
    #[arg(long, value_parser = at_least_one)]
    threads: Option<usize>,
    /// The power that is assumed where the machine has no energy counter
    #[arg(long, default_value_t = 65.0, value_parser = positive, allow_negative_numbers = true)]
    watts: f64,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
    /// Write the gates' times for chrome://tracing and ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write the explorer: a page with every gate's times, costs, values and gradients
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Check every gate numerically for the page, however long that takes (otherwise only small ones)
    #[arg(long, requires = "html")]
    check: bool,
}

/// The sizes of a shape.
#[derive(Debug, Clone)]
struct Sizes(Vec<usize>);

fn shape(text: &str) -> Result<Sizes, String> {
    let sizes: Result<Vec<usize>, _> = text.split(['x', '×', ',']).map(at_least_one).collect();
    sizes.map(Sizes).map_err(|_| "it must be sizes from 1 up with x between them, such as 8x3x224x224".into())
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x > 0.0 && x.is_finite() => Ok(x),
        _ => Err("it must be a positive number, such as 65".into()),
    }
}

/// Examples in a step where nothing else is asked for: few, so that the answer comes soon.
const FEW: usize = 4;

/// A network, its name, and an input for it.
struct Subject {
    name: String,
    network: Box<dyn Module>,
    x: Tensor,
}

impl Options {
    fn subject(&self) -> Result<Subject, Failure> {
        match &self.model {
            Some(path) => self.trained(path),
            None => self.named(models::by_name(self.network.as_deref().unwrap_or_default())?),
        }
    }

    fn named(&self, model: &NamedModel) -> Result<Subject, Failure> {
        let mut generator = Generator::new(0);
        let sizes = match &self.input {
            Some(Sizes(sizes)) => Shape::new(sizes)?,
            None => model.input(self.batch.unwrap_or(FEW))?,
        };
        let classes = self.classes.unwrap_or(model.classes);
        let network = model.build_for(&sizes[1..], classes, &mut generator)?;
        Ok(Subject { name: model.name.into(), network, x: model.random_input(sizes, &mut generator)? })
    }

    fn trained(&self, path: &Path) -> Result<Subject, Failure> {
        let model = TrainedModel::load(path)?;
        let batch = match &self.input {
            Some(Sizes(sizes)) if sizes[1..] == model.example => sizes[0],
            Some(Sizes(sizes)) => {
                let example = joined(&model.example);
                return Err(format!(
                    "{}: the network takes examples of {example}, so that --input is Nx{example}, not {}",
                    path.display(),
                    joined(sizes)
                )
                .into());
            }
            None => self.batch.unwrap_or(FEW),
        };
        let x = model.random_input(batch, &mut Generator::new(0))?;
        model.network.set_training(true);
        Ok(Subject { name: path.display().to_string(), network: model.network, x })
    }
}

fn joined(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// Measures, extrapolates, and prints.
pub fn run(options: Options) -> Result<ExitCode, Failure> {
    if let Some(threads) = options.threads {
        chainrule::set_num_threads(threads);
    }
    let Subject { name, network, x } = options.subject()?;
    let loss = |logits: &Tensor| models::random_loss(logits, &mut Generator::new(1));
    let cost = StepCost::measure(&*network, &x, loss, options.steps)?;
    if let Some(path) = &options.trace {
        cost.profile.save_chrome_trace(path)?;
    }
    if let Some(path) = &options.html {
        let most = if options.check { u64::MAX } else { MOST_CHECKED };
        let mut graph = ComputationalGraph::of_network(&*network, &x, loss)?;
        graph.forward(&[])?;
        graph.backward()?;
        let page = graph.explorer()?.profile(&cost.profile).checks(&graph.check_gates(most)?);
        page.title(format!("{name}, one training step")).save(path)?;
    }
    let training = options.images.map(|images| cost.training(images, options.epochs));
    let text = if options.json {
        serde_json::to_string_pretty(&Report::new(&name, &x, &cost, training, &options))? + "\n"
    } else {
        text(&name, &x, &cost, training, &options)
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn text(
    name: &str,
    x: &Tensor,
    cost: &StepCost,
    training: Option<TrainingCost>,
    options: &Options,
) -> String {
    let mut page = String::new();
    let mut say = |beginning: &str, text: &str| page += &flow(beginning, text, str::to_string);
    let threads = chainrule::num_threads();
    say(
        "",
        &format!(
            "{name}: {} parameters; random input {} {}; {threads} thread{}",
            grouped_text(cost.parameters as u64),
            x.dtype(),
            joined(&x.shape()),
            if threads == 1 { "" } else { "s" }
        ),
    );
    page += &format!("\n{}\n\n", cost.profile);
    let mut say = |beginning: &str, text: &str| page += &flow(beginning, text, str::to_string);
    let seconds = cost.time.as_secs_f64();
    let work = cost.work();
    let per_second = |count: f64| count / seconds.max(1e-12);
    say("", "one training step: forward, backward, and the update of the parameters");
    let times = match cost.runs {
        1 => "1 step".into(),
        runs => format!(
            "{runs} steps, {} to {}",
            time_text(cost.range.0.as_secs_f64()),
            time_text(cost.range.1.as_secs_f64())
        ),
    };
    let speed = count_text(per_second(cost.examples as f64));
    say("  time           ", &format!("{} ({times}); {speed} examples/s", time_text(seconds)));
    say(
        "  multiply-adds  ",
        &format!(
            "{}; {} a second",
            count_text(work.multiply_adds as f64),
            count_text(per_second(work.multiply_adds as f64))
        ),
    );
    say(
        "  memory         ",
        &format!(
            "{} moved, {} kept for the backward pass",
            bytes_text(work.bytes_read + work.bytes_written),
            bytes_text(cost.profile.kept())
        ),
    );
    let energy = cost.energy(options.watts);
    say("  energy         ", &energy_line(energy));
    if let Some(training) = training {
        page += "\n";
        let mut say = |beginning: &str, text: &str| page += &flow(beginning, text, str::to_string);
        say(
            "",
            &format!(
                "a whole training: {} epoch{} of {} images in {} steps",
                grouped_text(training.epochs),
                if training.epochs == 1 { "" } else { "s" },
                grouped_text(training.images),
                grouped_text(training.steps)
            ),
        );
        say("  time           ", &time_text(training.seconds));
        say("  multiply-adds  ", &count_text(training.work.multiply_adds as f64));
        say("  energy         ", &energy_line(training.energy(energy)));
        say(
            "  ",
            "Extrapolated from the measured step, on this machine; reading images and looking at test data come on top.",
        );
    }
    page
}

fn energy_line(energy: Energy) -> String {
    let amount = energy_text(energy.joules());
    match energy {
        Energy::Measured { .. } => format!("{amount}, by the processor's own counters"),
        Energy::Assumed { watts, .. } => {
            format!("{amount}, ASSUMED: time x {watts} W (--watts); no energy counter can be read here")
        }
    }
}

/// The answer as data; times are in seconds, energies in joules.
#[derive(Serialize)]
struct Report<'a> {
    network: &'a str,
    input: Vec<usize>,
    dtype: &'static str,
    parameters: usize,
    threads: usize,
    step: Step,
    #[serde(skip_serializing_if = "Option::is_none")]
    training: Option<Whole>,
    gates: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Step {
    seconds: f64,
    shortest: f64,
    longest: f64,
    measured_steps: usize,
    examples: usize,
    work: Counted,
    kept_bytes: u64,
    energy: Joules,
}

#[derive(Serialize)]
struct Whole {
    images: u64,
    epochs: u64,
    steps: u64,
    seconds: f64,
    work: Counted,
    energy: Joules,
}

#[derive(Serialize)]
struct Counted {
    multiply_adds: u64,
    bytes_read: u64,
    bytes_written: u64,
}

impl From<Work> for Counted {
    fn from(work: Work) -> Counted {
        let Work { multiply_adds, bytes_read, bytes_written } = work;
        Counted { multiply_adds, bytes_read, bytes_written }
    }
}

#[derive(Serialize)]
struct Joules {
    joules: f64,
    /// Whether it is a measurement or an assumption.
    measured: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    assumed_watts: Option<f64>,
}

impl From<Energy> for Joules {
    fn from(energy: Energy) -> Joules {
        let (measured, assumed_watts) = match energy {
            Energy::Measured { .. } => (true, None),
            Energy::Assumed { watts, .. } => (false, Some(watts)),
        };
        Joules { joules: energy.joules(), measured, assumed_watts }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    gate: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<&'a str>,
    output: Vec<usize>,
    forward_seconds: f64,
    backward_seconds: f64,
    forward_work: Counted,
    backward_work: Counted,
    kept_bytes: u64,
}

impl<'a> Report<'a> {
    fn new(
        name: &'a str,
        x: &Tensor,
        cost: &'a StepCost,
        training: Option<TrainingCost>,
        options: &Options,
    ) -> Report<'a> {
        let energy = cost.energy(options.watts);
        Report {
            network: name,
            input: x.shape().to_vec(),
            dtype: x.dtype().name(),
            parameters: cost.parameters,
            threads: chainrule::num_threads(),
            step: Step {
                seconds: cost.time.as_secs_f64(),
                shortest: cost.range.0.as_secs_f64(),
                longest: cost.range.1.as_secs_f64(),
                measured_steps: cost.runs,
                examples: cost.examples,
                work: cost.work().into(),
                kept_bytes: cost.profile.kept(),
                energy: energy.into(),
            },
            training: training.map(|training| Whole {
                images: training.images,
                epochs: training.epochs,
                steps: training.steps,
                seconds: training.seconds,
                work: training.work.into(),
                energy: training.energy(energy).into(),
            }),
            gates: cost
                .profile
                .gates
                .iter()
                .map(|gate| Row {
                    name: &gate.name,
                    gate: &gate.gate,
                    module: gate.module.as_deref(),
                    output: gate.output.shape.to_vec(),
                    forward_seconds: gate.forward.as_secs_f64(),
                    backward_seconds: gate.backward.as_secs_f64(),
                    forward_work: gate.forward_work.into(),
                    backward_work: gate.backward_work.into(),
                    kept_bytes: gate.kept,
                })
                .collect(),
        }
    }
}
