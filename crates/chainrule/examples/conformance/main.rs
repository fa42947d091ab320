//! The conformance run: PyTorch's own samples of its operators, against chainrule.
//!
//!     cargo run --release -p chainrule --example conformance -- DIR [--require LIST] [--only NAME] [--every] [--grad-fns] [--strided] [--json]
//!
//! `DIR` holds one safetensors file an operator: what went in, what PyTorch gave, the gradients, and calls
//! that must be refused. Each case calls chainrule through the table (`table.rs`, one file a family) and is
//! compared element by element. The exit code is 0 where every operator named in `LIST` is whole, 1 where one
//! isn't, 2 where the run itself failed. `--every` shows every case that failed, not only an operator's first.
//! `--strided` gives every input as a view that isn't contiguous.
//! `--grad-fns` lists the operators whose results print another `grad_fn` than PyTorch's, which fails no case.

mod arguments;
mod cases;
mod compare;
mod report;
mod table;

mod activation;
mod assemble;
mod attention;
mod fft;
mod image;
mod index;
mod join;
mod linalg;
mod logic;
mod loss;
mod masked;
mod matmul;
mod nn;
mod norm;
mod pad;
mod pointwise;
mod reduce;
mod shape;
mod sort;
mod special;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use arguments::{Call, Failure, Outcome};
use cases::{Case, Expected, File, Leaves};
use chainrule::{Array, Backward, Tensor};
use report::{GradFns, Report, Tally};

struct Options {
    folder: PathBuf,
    require: Option<PathBuf>,
    only: Option<String>,
    every: bool,
    grad_fns: bool,
    strided: bool,
    json: bool,
}

const USAGE: &str =
    "usage: conformance DIR [--require LIST] [--only NAME] [--every] [--grad-fns] [--strided] [--json]";

fn options() -> Result<Options, String> {
    let (mut folder, mut require, mut only) = (None, None, None);
    let (mut every, mut grad_fns, mut strided, mut json) = (false, false, false, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"));
        match word.as_str() {
            "--require" => require = Some(value()?.into()),
            "--only" => only = Some(value()?),
            "--every" => every = true,
            "--grad-fns" => grad_fns = true,
            "--strided" => strided = true,
            "--json" => json = true,
            _ if word.starts_with('-') || folder.is_some() => {
                return Err(format!("what is {word}?\n{USAGE}"));
            }
            _ => folder = Some(word.into()),
        }
    }
    Ok(Options { folder: folder.ok_or(USAGE)?, require, only, every, grad_fns, strided, json })
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs all cases and prints the report; true where everything required is whole.
fn run(options: &Options) -> Result<bool, String> {
    let listed = match &options.require {
        Some(path) => read_list(path)?,
        None => Vec::new(),
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&options.folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|e| format!("{}: {e}", options.folder.display()))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    paths.sort();
    // A panic is caught and counted; its text would only stand between the lines of the report.
    std::panic::set_hook(Box::new(|_| {}));
    let mut operators = Vec::new();
    for path in &paths {
        if let Some(file) = File::read(path)?
            && !file.cases.is_empty()
            && options.only.as_ref().is_none_or(|only| *only == file.operator)
        {
            operators.push(tally(&file, options.strided));
        }
    }
    if operators.is_empty() {
        return Err(format!("{} holds no cases", options.folder.display()));
    }
    let report = Report::new(operators, listed);
    match options.json {
        true => println!("{:#}", report.json()),
        false => println!("{}", report.text(options.every, options.grad_fns)),
    }
    Ok(report.broken.is_empty())
}

/// The operators named in a list, one a line; `#` starts a comment.
fn read_list(path: &Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim().to_string());
    Ok(lines.filter(|line| !line.is_empty()).collect())
}

fn tally(file: &File, strided: bool) -> Tally {
    let mut tally = Tally { operator: file.operator.clone(), ..Tally::default() };
    for case in &file.cases {
        let refusal = matches!(case.expected, Expected::Refusal(_));
        let result = catch_unwind(AssertUnwindSafe(|| check(file, case, strided, &mut tally.grad_fns)))
            .unwrap_or_else(|payload| {
                tally.panics += 1;
                let text = payload.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
                Err(format!("it panicked: {}", text.unwrap_or("without a text")))
            });
        let passed = usize::from(result.is_ok());
        if refusal {
            tally.refusals += 1;
            tally.refused += passed;
        } else {
            tally.cases += 1;
            tally.passed += passed;
        }
        if let Err(what) = result {
            tally.failures.push((case.id, what));
        }
    }
    tally
}

/// Runs one case; an error says what was wrong. Names of nodes are compared on the side.
fn check(file: &File, case: &Case, strided: bool, grad_fns: &mut GradFns) -> Result<(), String> {
    let mut leaves = Leaves::new(strided);
    let called = call(file, case, &mut leaves);
    match (&case.expected, called) {
        (Expected::Refusal(_), Err(Failure::Refused(_))) => Ok(()),
        (Expected::Refusal(theirs), Ok(_)) => Err(format!("it was accepted; PyTorch says: {theirs}")),
        (_, Err(failure)) => Err(failure.to_string()),
        (Expected::Values { outputs, upstream, grads }, Ok(ours)) => {
            for (theirs, ours) in case.grad_fns.iter().flatten().zip(&ours) {
                grad_fns.note(ours.grad_fn().map(|node| node.name()), theirs.clone());
            }
            check_outputs(file, outputs, &ours)?;
            check_gradients(file, &leaves, upstream, grads, &ours)
        }
    }
}

fn call(file: &File, case: &Case, leaves: &mut Leaves) -> Outcome<Vec<Tensor>> {
    let Some(row) = table::find(&file.operator) else {
        return Err(Failure::Unmapped("the table has no such operator".into()));
    };
    let mut positional = vec![file.argument(&case.input, leaves)?];
    for argument in &case.args {
        positional.push(file.argument(argument, leaves)?);
    }
    let mut named = Vec::new();
    for (name, argument) in &case.kwargs {
        named.push((name.clone(), file.argument(argument, leaves)?));
    }
    let mut call = Call::new(positional, named);
    let out = call.out();
    let outputs = (row.call)(&mut call)?;
    if let Some(out) = out {
        arguments::check_out(out, &outputs)?;
    }
    Ok(outputs)
}

fn check_outputs(file: &File, names: &[String], ours: &[Tensor]) -> Result<(), String> {
    if names.len() != ours.len() {
        return Err(format!("{} outputs, not {}", ours.len(), names.len()));
    }
    for (i, (name, ours)) in names.iter().zip(ours).enumerate() {
        let theirs = file.array(name).map_err(|e| e.to_string())?;
        if let Some(what) = compare::difference(&ours.array(), &theirs) {
            return Err(format!("output {i}: {what}"));
        }
    }
    Ok(())
}

fn check_gradients(
    file: &File,
    leaves: &Leaves,
    upstream: &[Option<String>],
    grads: &[(String, Option<String>)],
    ours: &[Tensor],
) -> Result<(), String> {
    let (mut outputs, mut gradients) = (Vec::new(), Vec::new());
    for (output, name) in ours.iter().zip(upstream) {
        if let Some(name) = name
            && output.requires_grad()
        {
            outputs.push(output);
            gradients.push(Tensor::from_array(file.array(name).map_err(|e| e.to_string())?));
        }
    }
    let mut inputs = Vec::new();
    for (name, _) in grads {
        inputs.push(leaves.leaf(name).ok_or_else(|| format!("there is no input {name}"))?);
    }
    let found = match outputs.is_empty() || inputs.is_empty() {
        true => vec![None; inputs.len()],
        false => Backward::of(&outputs)
            .upstream(&gradients.iter().collect::<Vec<_>>())
            .allow_unused(true)
            .gradients(&inputs)
            .map_err(|e| format!("backward: {e}"))?,
    };
    for ((input, theirs), ours) in grads.iter().zip(found) {
        let theirs: Option<Array> =
            theirs.as_ref().map(|name| file.array(name)).transpose().map_err(|e| e.to_string())?;
        let ours = ours.map(|gradient| gradient.array());
        if let Some(what) = compare::gradient_difference(ours.as_ref(), theirs.as_ref()) {
            return Err(format!("gradient of {input}: {what}"));
        }
    }
    Ok(())
}
