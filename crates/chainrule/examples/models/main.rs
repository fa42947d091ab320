//! The networks in numbers: parameters, multiply-adds, and how much memory a training step takes at its peak.
//!
//! `cargo run --release -p chainrule --example models` prints the table of `docs/models.md`; each network is measured in a
//! process of its own. Names measure these alone, `--batch N` takes other batches than 16, `--eval` measures an
//! evaluation, which keeps no graph.

use std::process::Command;

use chainrule::models::{MODELS, by_name};
use chainrule::nn::{Module, Summary};
use chainrule::optim::{Optimizer, Sgd};
use chainrule::{Error, Generator, Result, Tensor, no_grad};

/// The largest amount of memory that this process has had, in bytes; `None` where the system doesn't say.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// One training step, or one evaluation, and nothing else.
fn run(network: &dyn Module, x: &Tensor, labels: &Tensor, eval: bool) -> Result<()> {
    network.set_training(!eval);
    let logits = |x: &Tensor| {
        let y = network.call(x)?;
        if y.rank() > 2 { y.flatten(0, -2) } else { Ok(y) }
    };
    if eval {
        return no_grad(|| logits(x)?.cross_entropy(labels)).map(drop);
    }
    let mut sgd = Sgd::new(&network.parameters(), 1e-3);
    logits(x)?.cross_entropy(labels)?.backward()?;
    sgd.step()
}

/// A row of the table, measured in this process.
fn measure(name: &str, batch: usize, eval: bool) -> Result<()> {
    let model = by_name(name)?;
    let mut g = Generator::new(0);
    let network = model.build(model.classes, &mut g)?;
    let x = model.random_input(model.input(batch)?, &mut g)?;
    let answers = batch * if model.tokens.is_some() { model.example.iter().product() } else { 1 };
    let labels = Tensor::from_array(g.randint(0, model.classes as i64, [answers])?);
    run(&*network, &x, &labels, eval)?;
    // Looked at afterwards, for one example, so that it doesn't count.
    let peak = peak().map_or_else(|| "?".into(), |bytes| format!("{:.0} MiB", bytes as f64 / 1048576.0));
    let one = model.random_input(model.input(1)?, &mut g)?;
    let summary = Summary::of(&*network, &one)?;
    let sizes: Vec<String> = model.example.iter().map(ToString::to_string).collect();
    println!(
        "| {name} | {} | {} | {:.2} M | {peak} |",
        sizes.join("×"),
        summary.parameters,
        summary.multiply_adds as f64 / 1e6
    );
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| arguments.iter().skip_while(|a| *a != name).nth(1);
    let batch = value("--batch").and_then(|text| text.parse().ok()).unwrap_or(16);
    let eval = arguments.iter().any(|argument| argument == "--eval");
    if let Some(name) = value("--one") {
        return measure(name, batch, eval);
    }
    let chosen: Vec<&String> =
        arguments.iter().filter(|name| MODELS.iter().any(|model| model.name == name.as_str())).collect();
    let what = if eval { "evaluation" } else { "training step" };
    println!("| network | input | parameters | multiply-adds | peak memory of one {what}, batch {batch} |");
    println!("| --- | --- | ---: | ---: | ---: |");
    let failed = |e: std::io::Error| Error::argument(format!("no process can be started: {e}"));
    let program = std::env::current_exe().map_err(failed)?;
    for model in
        MODELS.iter().filter(|model| chosen.is_empty() || chosen.iter().any(|name| *name == model.name))
    {
        let mut command = Command::new(&program);
        command.args(["--one", model.name, "--batch", &batch.to_string()]).args(eval.then_some("--eval"));
        if !command.status().map_err(failed)?.success() {
            return Err(Error::argument(format!("{} can't be measured", model.name)));
        }
    }
    Ok(())
}
