//! `chainrule gates`: the table of gates, and one gate in detail.

mod example;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use chainrule::Formula;
use chainrule::gate::{self, Entry, Sample};
use clap::Args;
use serde::Serialize;

use crate::Failure;
use crate::layout::{WIDTH, flow, wrap};
use example::Example;

/// Options of `chainrule gates`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chainrule gates          all gates
  chainrule gates softmax  one: formula, gradient, kinks, source, at work
  chainrule gates tanh --json   as data, with MathML and expression trees")]
pub struct Options {
    /// A gate's name, or the name of its method
    name: Option<String>,
    /// JSON instead of text: also MathML, and for elementwise gates the trees of value and local gradients
    #[arg(long)]
    json: bool,
    /// The table as Markdown, as in docs/gates.md
    #[arg(long, conflicts_with_all = ["json", "name"])]
    markdown: bool,
}

/// A gate as data.
#[derive(Serialize)]
struct JsonGate {
    name: &'static str,
    methods: Vec<&'static str>,
    formula: Option<Formula>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_kink: Option<&'static str>,
    documentation: String,
    /// The gate at work on one of its samples.
    example: Option<Example>,
    source: String,
}

impl JsonGate {
    fn of(entry: &Entry) -> JsonGate {
        JsonGate {
            name: entry.name,
            methods: entry.method.split(", ").collect(),
            formula: first_sample(entry).map(|sample| sample.gate.formula()),
            at_kink: entry.at_kink,
            documentation: documentation(entry),
            example: Example::of(entry),
            source: format!("{}:{}", entry.file, entry.line),
        }
    }
}

/// The first sample's gate stands for all of a gate's parameters.
fn first_sample(entry: &Entry) -> Option<Sample> {
    (entry.samples)().into_iter().find(|sample| sample.refused.is_none())
}

/// The gate's documentation; links are names alone, and the example's lines that only serve the documentation's
/// tests stay out.
fn documentation(entry: &Entry) -> String {
    let lines = entry.doc.lines().map(|line| line.strip_prefix(' ').unwrap_or(line));
    let lines = lines.filter(|line| !line.starts_with("# ")).map(without_links);
    lines.collect::<Vec<_>>().join("\n").trim_end().to_string()
}

/// [`name`](where) and [`name`] as `name`.
fn without_links(line: &str) -> String {
    let mut parts = line.split("[`");
    let mut text = parts.next().unwrap_or_default().to_string();
    for part in parts {
        text.push('`');
        match part.split_once("`]") {
            Some((name, rest)) => {
                let target = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
                text += &format!("{name}`{}", target.map_or(rest, |(_, rest)| rest));
            }
            None => text += part,
        }
    }
    text
}

/// The documentation in lines of at most 80 columns: code as it stands, paragraphs filled anew.
fn filled(documentation: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut paragraph: Vec<&str> = Vec::new();
    let mut fenced = false;
    for line in documentation.lines().chain([""]) {
        let fence = line.starts_with("```");
        if !fenced && !fence && !line.is_empty() {
            paragraph.push(line);
            continue;
        }
        if !paragraph.is_empty() {
            lines.extend(wrap(&paragraph.join(" "), WIDTH - 2));
            paragraph.clear();
        }
        fenced ^= fence;
        lines.push(line.to_string());
    }
    lines.pop();
    lines
}

/// The gate's formula, and the distinct rules of its gradients.
fn formula(entry: &Entry) -> (String, Vec<String>) {
    let Some(sample) = first_sample(entry) else { return (String::new(), Vec::new()) };
    let formula = sample.gate.formula();
    let mut gradients: Vec<String> = (0..sample.inputs.len()).filter_map(|i| formula.gradient(i)).collect();
    gradients.dedup();
    (formula.to_string(), gradients)
}

/// The table for a terminal of 80 columns.
fn table() -> String {
    let mut text = format!("{:<29}formula\n", "gate");
    for entry in gate::table() {
        text += &flow(&format!("{:<29}", entry.name), &formula(entry).0, str::to_string);
    }
    text
}

/// The table for the project's documents.
fn markdown() -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut text = String::from(
        "# The gates\n\n\
         Made from the table of gates by `cargo run --release -- gates --markdown > docs/gates.md`; a test checks that\n\
         it is current. `g` stands for the upstream gradient where a rule isn't elementwise.\n\n\
         | gate | formula | gradients | where no derivative exists | methods | source |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for entry in gate::table() {
        let (value, gradients) = formula(entry);
        let methods: Vec<String> = entry.method.split(", ").map(|m| format!("`{m}`")).collect();
        let file = entry.file.rsplit("src/").next().unwrap_or(entry.file);
        text += &format!(
            "| {} | {} | {} | {} | {} | [{file}](../crates/chainrule/src/{file}) |\n",
            entry.name,
            cell(&value),
            cell(&gradients.join("<br>")),
            cell(entry.at_kink.unwrap_or("")),
            methods.join(", "),
        );
    }
    text
}

/// Prints the table, or one gate.
pub fn run(options: Options) -> Result<ExitCode, Failure> {
    let mut text = String::new();
    match options.name {
        None if options.json => {
            let all: Vec<JsonGate> = gate::table().map(JsonGate::of).collect();
            writeln!(text, "{}", serde_json::to_string_pretty(&all)?)?;
        }
        None if options.markdown => text += &markdown(),
        None => text += &table(),
        Some(name) => {
            let entry = find(&name)?;
            if options.json {
                writeln!(text, "{}", serde_json::to_string_pretty(&JsonGate::of(entry))?)?;
            } else {
                describe(entry, &mut text)?;
            }
        }
    }
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The gate of this name, or with a method of this name (`svd` for `linalg::svd`), or the only one whose name
/// holds it.
fn find(name: &str) -> Result<&'static Entry, Failure> {
    let wanted = name.to_lowercase();
    let is_method = |method: &str| method.rsplit("::").next() == Some(&*wanted) || method == wanted;
    let found = gate::table()
        .find(|e| e.name.to_lowercase() == wanted)
        .or_else(|| gate::table().find(|e| e.method.split(", ").any(is_method)));
    if let Some(entry) = found {
        return Ok(entry);
    }
    let close: Vec<&Entry> = gate::table().filter(|e| e.name.to_lowercase().contains(&wanted)).collect();
    if let [only] = close[..] {
        return Ok(only);
    }
    let names: Vec<&str> = close.iter().map(|entry| entry.name).collect();
    let hint = if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(", ")) };
    Err(format!("there is no gate {name}{hint} (chainrule gates lists them all)").into())
}

/// One gate in detail.
fn describe(entry: &Entry, text: &mut String) -> Result<(), Failure> {
    let (value, gradients) = formula(entry);
    writeln!(text, "{}", entry.name)?;
    text.push_str(&flow("  formula         ", &value, str::to_string));
    for (i, gradient) in gradients.iter().enumerate() {
        let beginning = format!("  {:<16}", if i == 0 { "local gradient" } else { "" });
        text.push_str(&flow(&beginning, gradient, str::to_string));
    }
    if let Some(kink) = entry.at_kink {
        text.push_str(&flow("  at a kink       ", kink, str::to_string));
    }
    text.push_str(&flow("  methods         ", entry.method, str::to_string));
    writeln!(text, "  source          {}:{}", entry.file, entry.line)?;
    writeln!(text)?;
    for line in filled(&documentation(entry)) {
        writeln!(text, "{}", format!("  {line}").trim_end())?;
    }
    if let Some(example) = Example::of(entry) {
        writeln!(text, "\n  at work on one of its samples:")?;
        for line in example.lines() {
            writeln!(text, "    {line}")?;
        }
    }
    Ok(())
}
