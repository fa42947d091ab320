//! `chainrule check`: the gradient check of a saved or fresh network.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use chainrule::train::{TrainedModel, Training};
use clap::Args;

use crate::train::Network;
use crate::{Failure, data};

/// Options of `chainrule check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chainrule check                              a fresh network for the embedded digits
  chainrule check --model runs/digits-mlp-1    a trained one
  chainrule check --arch softmax --elements 650")]
pub struct Options {
    /// A run's folder, or its model.safetensors (a fresh network where none is given)
    #[arg(long)]
    model: Option<PathBuf>,
    #[command(flatten)]
    network: Network,
    /// How many elements of each parameter are compared at most
    #[arg(long, default_value_t = 200)]
    elements: usize,
}

/// Checks the network and prints the worst element of each parameter.
pub fn run(options: Options) -> Result<ExitCode, Failure> {
    let training = match &options.model {
        None => {
            let settings = options.network.settings();
            let (train, test) = data::load(&settings)?;
            Training::new(settings, train, test)?
        }
        Some(path) => {
            let model = TrainedModel::load(path)?;
            let (train, test) = data::load(&model.settings)?;
            Training::with_network(model, train, test)?
        }
    };
    let report = training.check_gradients(options.elements)?;
    writeln!(std::io::stdout(), "{report}")?;
    let passed = report.passed();
    writeln!(
        std::io::stdout(),
        "{}",
        if passed { "gradient check passed" } else { "gradient check FAILED" }
    )?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
