//! `chainrule check`: the gradient check of a saved or fresh network.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use chainrule::Tensor;
use chainrule::check::Finding;
use chainrule::profile::grouped_text;
use chainrule::train::{CheckPlan, Data, TrainedModel, Training};
use clap::Args;

use crate::Failure;
use crate::layout::cell;
use crate::train::{Network, at_least_one};

/// A check compares at most so many elements of each parameter, …
const ELEMENTS: usize = 200;
/// … and of large networks as few as take about this many multiply-adds: some seconds.
const AFFORDABLE: f64 = 5e9;

/// Options of `chainrule check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chainrule check                            a fresh network for the digits
  chainrule check --model runs/digits-mlp-1  a trained one
  chainrule check --arch softmax --all
  chainrule check --arch resnet18 --elements 3")]
pub struct Options {
    /// A run's folder, or its model.safetensors (a fresh network where none is given)
    #[arg(long, conflicts_with = "Network")]
    model: Option<PathBuf>,
    #[command(flatten)]
    network: Network,
    /// How many elements of each parameter are compared at most [default: 200, fewer in large networks]
    #[arg(long, value_parser = at_least_one)]
    elements: Option<usize>,
    /// Compare every element
    #[arg(long, conflicts_with = "elements")]
    all: bool,
}

/// Checks the network and prints the worst element of each parameter.
pub fn run(options: Options) -> Result<ExitCode, Failure> {
    let training = match &options.model {
        None => {
            let settings = options.network.settings()?;
            let data = Data::open(&settings)?;
            Training::new(settings, data)?
        }
        Some(path) => {
            let model = TrainedModel::load(path)?;
            let data = Data::open(&model.settings)?;
            Training::with_network(model, data)?
        }
    };
    let plan = match (options.all, options.elements) {
        (true, _) => CheckPlan::default(),
        (false, Some(elements)) => CheckPlan { at_most: Some(elements), ..CheckPlan::default() },
        (false, None) => training.check_plan(AFFORDABLE, ELEMENTS)?,
    };
    let parameters = training.network().named_parameters();
    let sizes: Vec<usize> = parameters.iter().map(|(_, p)| p.elements()).collect();
    // Every so many elements one is taken.
    let taken = |size: usize, most: usize| size.div_ceil(size.div_ceil(most).max(1));
    let total: usize = sizes.iter().sum();
    let compared = sizes.iter().map(|&size| plan.at_most.map_or(size, |most| taken(size, most))).sum();
    let mut out = std::io::stdout();
    writeln!(out, "{}", announcement(&plan, total, sizes.len(), compared))?;
    let names = parameters.iter().map(|(name, p)| format!("{name} {}", p.shape()).chars().count());
    let last = |p: &Tensor| format!("{:?}", p.shape().iter().map(|size| size - 1).collect::<Vec<_>>());
    let indices = parameters.iter().map(|(_, p)| last(p).len());
    let table = Table { name: names.max().unwrap_or(0).max(17), index: indices.max().unwrap_or(0).max(9) };
    write!(out, "{}", table.header())?;
    // Each row as soon as it is known: a large network takes its time.
    let mut broken_pipe = None;
    let report = training.check_gradients_telling(&plan, &mut |finding| {
        if let Err(error) = write!(out, "{}", table.rows(finding)).and_then(|()| out.flush()) {
            broken_pipe.get_or_insert(error);
        }
    })?;
    if let Some(error) = broken_pipe {
        return Err(error.into());
    }
    let passed = report.passed();
    if !passed {
        writeln!(out, "{report}")?;
    }
    let compared: usize = report.findings.iter().map(|finding| finding.compared).sum();
    let verdict = if passed { "passed" } else { "FAILED" };
    writeln!(out, "gradient check {verdict}: {} of {} elements compared", grouped(compared), grouped(total))?;
    if passed { Ok(ExitCode::SUCCESS) } else { Err("a gradient is wrong; see the report above".into()) }
}

fn grouped(number: usize) -> String {
    grouped_text(number as u64)
}

/// What will be compared, in words.
fn announcement(plan: &CheckPlan, total: usize, parameters: usize, compared: usize) -> String {
    let whole = format!("{} elements in {parameters} parameters, {} examples", grouped(total), plan.examples);
    match plan.at_most {
        Some(1) if compared < total => {
            format!("{whole};\none of each is compared (--all compares every element)")
        }
        Some(most) if compared < total => format!(
            "{whole}; of each at most {} are compared,\nevenly chosen: {} (--all compares every element)",
            grouped(most),
            grouped(compared)
        ),
        _ => format!("{whole}; all are compared"),
    }
}

/// The table of findings, one row a parameter: how many elements agree, and the worst of them.
struct Table {
    /// The width of the longest name, …
    name: usize,
    /// … and of the longest index.
    index: usize,
}

impl Table {
    fn row(&self, columns: [&str; 6]) -> String {
        let [name, agree, worst, analytic, numeric, error] = columns;
        let cells = [
            cell(name, self.name + 2),
            cell(agree, 9),
            cell(worst, self.index + 2),
            cell(analytic, 15),
            cell(numeric, 15),
            error.to_string(),
        ];
        format!("{}\n", cells.concat())
    }

    fn header(&self) -> String {
        self.row(["parameter", "agree", "worst at", "backprop.", "differences", "relative"])
    }

    fn rows(&self, finding: &Finding) -> String {
        let agree = format!("{}/{}", finding.compared - finding.wrong, finding.compared);
        let mut text = match &finding.worst {
            Some(m) => self.row([
                &finding.name,
                &agree,
                &format!("{:?}", m.index),
                &format!("{:.6e}", m.analytic),
                &format!("{:.6e}", m.numeric),
                &format!("{:.1e}", m.relative),
            ]),
            None => self.row([&finding.name, &agree, "", "", "", ""]),
        };
        if !finding.kinks.is_empty() {
            text += &format!("  {} elements at kinks were left out\n", finding.kinks.len());
        }
        if !finding.undecided.is_empty() {
            let count = finding.undecided.len();
            text += &format!("  {count} elements were left out where differences are too rough to tell\n");
        }
        text
    }
}
