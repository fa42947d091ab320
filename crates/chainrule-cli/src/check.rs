//! `chainrule check`: the gradient check of a saved or fresh network.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use chainrule::check::Report;
use chainrule::train::{Data, TrainedModel, Training};
use clap::Args;

use crate::Failure;
use crate::layout::cell;
use crate::train::{Network, at_least_one};

/// Options of `chainrule check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chainrule check                            a fresh network for the digits
  chainrule check --model runs/digits-mlp-1  a trained one
  chainrule check --arch softmax --elements 650")]
pub struct Options {
    /// A run's folder, or its model.safetensors (a fresh network where none is given)
    #[arg(long, conflicts_with = "Network")]
    model: Option<PathBuf>,
    #[command(flatten)]
    network: Network,
    /// How many elements of each parameter are compared at most
    #[arg(long, default_value = "200", value_parser = at_least_one)]
    elements: usize,
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
    let report = training.check_gradients(options.elements)?;
    let text = if report.passed() { table(&report) } else { format!("{report}\n") };
    std::io::stdout().write_all(text.as_bytes())?;
    let passed = report.passed();
    writeln!(std::io::stdout(), "gradient check {}", if passed { "passed" } else { "FAILED" })?;
    if passed { Ok(ExitCode::SUCCESS) } else { Err("a gradient is wrong; see the report above".into()) }
}

/// One row a parameter: how many elements agree, and the worst of them.
fn table(report: &Report) -> String {
    let widest = report.findings.iter().map(|f| f.name.chars().count()).max().unwrap_or(0).max(17);
    let row = |columns: [&str; 6]| {
        let [name, agree, worst, analytic, numeric, error] = columns;
        let cells = [
            cell(name, widest + 2),
            cell(agree, 9),
            cell(worst, 11),
            cell(analytic, 15),
            cell(numeric, 15),
            error.to_string(),
        ];
        format!("{}\n", cells.concat())
    };
    let mut text = row(["parameter", "agree", "worst at", "backprop.", "differences", "relative"]);
    for finding in &report.findings {
        let agree = format!("{}/{}", finding.compared - finding.wrong, finding.compared);
        text += &match &finding.worst {
            Some(m) => row([
                &finding.name,
                &agree,
                &format!("{:?}", m.index),
                &format!("{:.6e}", m.analytic),
                &format!("{:.6e}", m.numeric),
                &format!("{:.1e}", m.relative),
            ]),
            None => row([&finding.name, &agree, "", "", "", ""]),
        };
        if !finding.kinks.is_empty() {
            text += &format!("  {} elements at kinks were left out\n", finding.kinks.len());
        }
        if !finding.undecided.is_empty() {
            let count = finding.undecided.len();
            text += &format!("  {count} elements were left out where differences are too rough to tell\n");
        }
    }
    text
}
