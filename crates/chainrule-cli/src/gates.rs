//! `chainrule gates`: the table of gates, and one gate in detail.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use chainrule::gate::{self, Entry};
use clap::Args;

use crate::Failure;

/// Options of `chainrule gates`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chainrule gates          all gates
  chainrule gates softmax  one gate: formula, local gradient, convention at kinks, example, source")]
pub struct Options {
    /// A gate's name, or the name of its method
    name: Option<String>,
}

/// The first sample's gate stands for all of a gate's parameters.
fn formula(entry: &Entry) -> Option<(String, Vec<String>)> {
    let sample = (entry.samples)().into_iter().find(|sample| sample.refused.is_none())?;
    let formula = sample.gate.formula();
    let mut gradients: Vec<String> = (0..sample.inputs.len()).filter_map(|i| formula.gradient(i)).collect();
    gradients.dedup();
    Some((formula.to_string(), gradients))
}

/// Prints the table, or one gate.
pub fn run(options: Options) -> Result<ExitCode, Failure> {
    let mut text = String::new();
    match options.name {
        None => {
            writeln!(text, "{:<28}{:<44}", "gate", "formula")?;
            for entry in gate::table() {
                let (value, _) = formula(entry).unwrap_or_default();
                writeln!(text, "{:<28}{value}", entry.name)?;
            }
        }
        Some(name) => {
            let wanted = name.to_lowercase();
            let entry = gate::table()
                .find(|e| {
                    e.name.to_lowercase() == wanted || e.method.split(", ").any(|method| method == wanted)
                })
                .ok_or_else(|| {
                    let close: Vec<&str> = gate::table()
                        .map(|e| e.name)
                        .filter(|n| n.to_lowercase().contains(&wanted))
                        .collect();
                    let hint = if close.is_empty() {
                        String::new()
                    } else {
                        format!("; did you mean {}?", close.join(", "))
                    };
                    format!("there is no gate {name}{hint} (chainrule gates lists them all)")
                })?;
            let (value, gradients) = formula(entry).unwrap_or_default();
            writeln!(text, "{}", entry.name)?;
            writeln!(text, "  formula         {value}")?;
            for (i, gradient) in gradients.iter().enumerate() {
                writeln!(text, "  {:<16}{gradient}", if i == 0 { "local gradient" } else { "" })?;
            }
            if let Some(kink) = entry.at_kink {
                writeln!(text, "  at a kink       {kink}")?;
            }
            writeln!(text, "  methods         {}", entry.method)?;
            writeln!(text, "  source          {}:{}", entry.file, entry.line)?;
            writeln!(text)?;
            for line in entry.doc.lines() {
                // The example's lines that only serve the documentation's tests stay out.
                let line = line.strip_prefix(' ').unwrap_or(line);
                if !line.starts_with("# ") {
                    writeln!(text, "  {line}")?;
                }
            }
        }
    }
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
