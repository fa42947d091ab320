//! `chainrule explain`: the worked solution of a backpropagation exercise.

mod inputs;
mod paths;
mod text;

use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use chainrule::check::{Derivative, derivative};
use chainrule::formula::Expr;
use chainrule::graph::{GateReport, Local};
use chainrule::{Array, ComputationalGraph, Tensor};
use clap::Args;
use serde::Serialize;

use crate::Failure;
use text::{Paint, numbers};

/// Options of `chainrule explain`.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Examples:
  chainrule explain '(x+y)*z' x=-2 y=5 z=-4
  chainrule explain '1/(1+exp(-(w0*x0+w1*x1+w2)))' w0=2 x0=-1 w1=-3 x1=-2 w2=-3 --symbolic
  chainrule explain 'dot(softmax(v), [0,1,0])' v=[1,2,3] --json
  chainrule explain 'x*y + sin(x)' x=2 y=3 --html graph.html

Expressions: numbers, names, + - * / ^, parentheses, vectors [1,2,3], and
exp log sqrt sin cos tanh sigmoid relu abs sign max min softmax dot sum."
)]
pub struct Options {
    /// The expression
    #[arg(allow_hyphen_values = true)]
    expression: String,
    /// The values of its names: `x=-2`, `v=[1,2,3]`
    #[arg(value_name = "NAME=VALUE")]
    values: Vec<String>,
    /// Add the derivatives by hand: symbolic, and as products of local derivatives along each path
    #[arg(long)]
    symbolic: bool,
    /// Print the forward and backward pass one gate at a time
    #[arg(long, conflicts_with = "json")]
    step: bool,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
    /// Write the explorer too: a page on which to step through the graph, change inputs and practise
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// One input's gradient, by backpropagation and by differences.
#[derive(Debug, Serialize)]
struct InputGradient {
    name: String,
    value: Vec<f64>,
    gradient: Vec<f64>,
    numerical: Vec<f64>,
    numerical_error: Vec<f64>,
    agrees: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kinks: Vec<Kink>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbolic: Option<String>,
}

/// Where the derivatives to the left and right differ.
#[derive(Debug, Serialize)]
struct Kink {
    element: usize,
    left: f64,
    right: f64,
}

/// Explains the expression.
pub fn run(options: Options) -> Result<ExitCode, Failure> {
    let expr = Expr::parse(&options.expression)?;
    let inputs = inputs::parse(&expr, &options.values)?;
    let mut graph = ComputationalGraph::from_expr(&expr)?;
    let given: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, x)| (name.as_str(), x)).collect();
    let loss = graph.forward(&given)?;
    if loss.elements() != 1 {
        return Err(format!(
            "the expression's value has {} elements, and a gradient starts from one number; sum(…) or dot(…) makes one of them",
            loss.elements()
        )
        .into());
    }
    let gradients = graph.backward()?;
    if let Some(path) = &options.html {
        graph.explorer()?.expression(&expr).save(path)?;
    }
    let gates = graph.gates()?;
    let mut found = Vec::new();
    for (name, gradient) in &gradients {
        let x = inputs.iter().find(|(other, _)| other == name).map(|(_, x)| x.array());
        let x = x.ok_or_else(|| format!("the input {name} has no value"))?;
        found.push(compare(&expr, &inputs, name, &x, gradient, options.symbolic)?);
    }
    let all_agree = found.iter().all(|input| input.agrees);
    let output = if options.json {
        json(&options.expression, &loss, &gates, &found)?
    } else {
        let paint = Paint { on: std::io::stdout().is_terminal() };
        let mut page = text::header(&expr, &inputs, &loss, &paint)?;
        page += &if options.step { text::steps(&gates, &paint) } else { text::table(&gates, &paint) };
        page += &text::forks(&gates, &paint);
        if options.symbolic {
            page += &paths::by_hand(&expr, &inputs, &found, &gates, &paint);
        }
        page + &text::gradients(&found, &paint)
    };
    std::io::stdout().write_all(output.as_bytes())?;
    Ok(if all_agree { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The numerical check of one input.
fn compare(
    expr: &Expr,
    inputs: &[(String, Tensor)],
    name: &str,
    x: &Array,
    gradient: &Array,
    symbolic: bool,
) -> Result<InputGradient, Failure> {
    let values = x.to_f64_vec();
    let graph = std::cell::RefCell::new(ComputationalGraph::from_expr(expr)?);
    let mut measured: Vec<Derivative> = Vec::new();
    for i in 0..values.len() {
        let moved = |at: f64| {
            let mut values = values.clone();
            values[i] = at;
            let changed = Tensor::from_array(Array::from_vec(values, *x.shape())?);
            let given: Vec<(&str, &Tensor)> = inputs
                .iter()
                .map(|(other, x)| (other.as_str(), if other == name { &changed } else { x }))
                .collect();
            graph.borrow_mut().forward(&given)?.item()
        };
        measured.push(derivative(moved, values[i])?);
    }
    let gradient = gradient.to_f64_vec();
    let agrees = gradient.iter().zip(&measured).all(|(&g, m)| {
        m.kink.is_some()
            || g == m.value
            || (g - m.value).abs() <= 1e-6 * g.abs().max(m.value.abs()) + 4.0 * m.error + 1e-9
    });
    let kinks = measured
        .iter()
        .enumerate()
        .filter_map(|(element, m)| m.kink.map(|(left, right)| Kink { element, left, right }));
    Ok(InputGradient {
        name: name.to_string(),
        kinks: kinks.collect(),
        numerical: measured.iter().map(|m| m.value).collect(),
        numerical_error: measured.iter().map(|m| m.error).collect(),
        agrees,
        // Vectors have no symbolic derivative; the table shows theirs by rules.
        symbolic: if symbolic && x.rank() == 0 {
            expr.derivative(name).ok().map(|d| d.to_string())
        } else {
            None
        },
        value: values,
        gradient,
    })
}

#[derive(Serialize)]
struct JsonInput {
    name: String,
    local_gradient: Option<Vec<f64>>,
    rule: Option<String>,
    passed: Option<Vec<f64>>,
}

#[derive(Serialize)]
struct JsonGate {
    name: String,
    gate: String,
    formula: String,
    shape: Vec<usize>,
    value: Vec<f64>,
    upstream: Option<Vec<f64>>,
    inputs: Vec<JsonInput>,
}

fn json(
    expression: &str,
    loss: &Tensor,
    gates: &[GateReport],
    found: &[InputGradient],
) -> Result<String, Failure> {
    #[derive(Serialize)]
    struct Page<'a> {
        expression: &'a str,
        value: f64,
        gates: Vec<JsonGate>,
        inputs: &'a [InputGradient],
    }
    let gates = gates
        .iter()
        .map(|gate| JsonGate {
            name: gate.output_name.clone(),
            gate: gate.name.clone(),
            formula: text::formula(gate),
            shape: gate.value.shape().to_vec(),
            value: gate.value.to_f64_vec(),
            upstream: gate.upstream.as_ref().map(Array::to_f64_vec),
            inputs: gate
                .inputs
                .iter()
                .map(|input| JsonInput {
                    name: input.name.clone(),
                    local_gradient: match &input.local {
                        Local::Values(values) => Some(numbers(values)),
                        _ => None,
                    },
                    rule: match &input.local {
                        Local::Rule(rule) => Some(rule.clone()),
                        _ => None,
                    },
                    passed: input.passed.as_ref().map(Array::to_f64_vec),
                })
                .collect(),
        })
        .collect();
    let page = Page { expression, value: loss.item()?, gates, inputs: found };
    Ok(serde_json::to_string_pretty(&page)? + "\n")
}
