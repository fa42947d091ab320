//! The commands of the `chainrule` program: train, predict, explain, draw, check and the rest.
//!
//! They stand apart from the package that makes the program because the two are compiled differently: what reads
//! options and writes reports is to be small, and the program as a whole, in which loops become vector code when it is
//! linked, is to be fast.

#![forbid(unsafe_code)]

mod check;
mod completions;
mod cost;
mod draw;
mod explain;
mod gates;
mod layout;
mod predict;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Computational graphs and backpropagation: train, explain and check networks.
#[derive(Debug, Parser)]
#[command(name = "chainrule", version, about, long_about = None, max_term_width = 80, after_help = "Examples:
  chainrule train                          train on the embedded handwritten digits
  chainrule predict --model runs/digits-mlp-1 --data new.csv
  chainrule explain '(x+y)*z' x=-2 y=5 z=-4
  chainrule draw alexnet --input 1x3x227x227 -o alexnet.svg
  chainrule check --model runs/digits-mlp-1
  chainrule cost alexnet --images 1281167 --epochs 90
  chainrule gates Tanh                     what a gate computes, and its local gradient")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a classifier and write a run folder
    Train(Box<train::Options>),
    /// Classify the rows of a table with a trained network
    Predict(predict::Options),
    /// Work out an expression's gradients step by step
    Explain(explain::Options),
    /// Draw a network, a run or an expression: text, SVG, PNG, DOT, or the explorer's page
    Draw(draw::Options),
    /// Compare a network's gradients with numerical ones
    Check(check::Options),
    /// What training a network costs: time, multiply-adds, memory, energy
    Cost(cost::Options),
    /// The table of gates, or one gate in detail
    Gates(gates::Options),
    /// Completions for a shell
    Completions(completions::Options),
}

/// What a command fails with: the library's error, or the program's own sentence.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the program: reads its arguments, does what they ask, and says with what code to end.
///
/// ```no_run
/// let code = chainrule_commands::main();
/// ```
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Train(options) => train::run(*options),
        Command::Predict(options) => predict::run(options),
        Command::Explain(options) => explain::run(options),
        Command::Draw(options) => draw::run(options),
        Command::Check(options) => check::run(options),
        Command::Cost(options) => cost::run(options),
        Command::Gates(options) => gates::run(options),
        Command::Completions(options) => completions::run(options),
    };
    match result {
        Ok(code) => code,
        // A reader that has seen enough (`| head`) is no failure of ours.
        Err(error) if is_closed_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chainrule: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}
