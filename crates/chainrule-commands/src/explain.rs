//! `chainrule explain`: the worked solution of a backpropagation exercise.

pub mod inputs;
mod paths;
mod text;

use std::cmp::Ordering;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use chainrule::check::{Derivative, derivative};
use chainrule::formula::Expr;
use chainrule::graph::{InputReport, Local};
use chainrule::{Array, ComputationalGraph, Tensor};
use clap::Args;
use serde::Serialize;

use crate::Failure;
use text::{Gate, Paint};

/// The Jacobians of a gate are computed where they have no more elements in all: each row takes a backward pass.
const LARGEST: usize = 2500;

/// Options of `chainrule explain`.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Examples:
  chainrule explain '(x+y)*z' x=-2 y=5 z=-4
  chainrule explain '1/(1+exp(-(w0*x0+w1*x1+w2)))' \\
      w0=2 x0=-1 w1=-3 x1=-2 w2=-3 --symbolic
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

/// What the numerical check says of one element.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Agrees,
    Disagrees,
    /// The derivatives to the left and right differ
    Kink,
    /// The gradient or the difference is not finite
    Undefined,
}

/// One input's gradient, by backpropagation and by differences.
#[derive(Debug, Serialize)]
struct InputGradient {
    name: String,
    #[serde(skip)]
    is_vector: bool,
    value: Vec<f64>,
    gradient: Vec<f64>,
    numerical: Vec<f64>,
    numerical_error: Vec<f64>,
    verdicts: Vec<Verdict>,
    agrees: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kinks: Vec<Kink>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbolic: Option<Symbolic>,
}

/// The derivative by hand: as an expression, and its value, which must be the gradient.
#[derive(Debug, Serialize)]
struct Symbolic {
    expression: String,
    value: Vec<f64>,
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
    if inputs.is_empty() {
        let value = text::short(loss.item()?);
        return Err(format!("the expression has no names to take gradients of; its value is {value}").into());
    }
    let gradients = graph.backward()?;
    if let Some(path) = &options.html {
        graph.explorer()?.expression(&expr).save(path)?;
    }
    let mut gates = Vec::new();
    for report in graph.gates()? {
        let size: usize = report.inputs.iter().map(|input| input.meta.shape.elements()).sum();
        let small = size * report.value.elements() <= LARGEST;
        let rule = |input: &InputReport| small && matches!(input.local, Local::Rule(_));
        let jacobians = report.inputs.iter().enumerate();
        let jacobians = jacobians
            .map(|(i, input)| if rule(input) { graph.jacobian(report.place, i) } else { Ok(None) })
            .collect::<Result<_, _>>()?;
        gates.push(Gate { report, jacobians });
    }
    let mut found = Vec::new();
    for (name, gradient) in &gradients {
        let x = inputs.iter().find(|(other, _)| other == name).map(|(_, x)| x.array());
        let x = x.ok_or_else(|| format!("the input {name} has no value"))?;
        found.push(compare(&expr, &inputs, name, &x, gradient, options.symbolic)?);
    }
    let output = if options.json {
        json(&options.expression, &loss, &gates, &found)?
    } else {
        let paint = Paint { on: std::io::stdout().is_terminal() };
        let mut page = text::header(&expr, &inputs, &loss, &paint);
        page += &if options.step { text::steps(&gates, &paint) } else { text::table(&gates, &paint) };
        page += &text::forks(&gates, &paint);
        if options.symbolic {
            page += &paths::by_hand(&expr, &found, &gates, &paint);
        }
        page + &text::gradients(&found, &paint)
    };
    std::io::stdout().write_all(output.as_bytes())?;
    match found.iter().find(|input| !input.agrees) {
        None => Ok(ExitCode::SUCCESS),
        Some(input) => {
            Err(format!("backpropagation and differences disagree in ∂L/∂{}, see above", input.name).into())
        }
    }
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
    let gradient = gradient.to_f64_vec();
    let graph = std::cell::RefCell::new(ComputationalGraph::from_expr(expr)?);
    let mut measured: Vec<Derivative> = Vec::new();
    for (i, &here) in values.iter().enumerate() {
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
        let mut candidates = vec![derivative(moved, here)?];
        if here != 0.0 && !(1e-2..1e2).contains(&here.abs()) {
            // Steps in proportion to the place suit functions that change with its order of magnitude.
            let relative = derivative(|u| moved(here * u), 1.0)?;
            candidates.push(Derivative {
                value: relative.value / here,
                error: relative.error / here.abs(),
                kink: relative.kink.map(|(left, right)| (left / here, right / here)),
            });
        }
        candidates.sort_by(|a, b| {
            (a.kink.is_some(), a.error).partial_cmp(&(b.kink.is_some(), b.error)).unwrap_or(Ordering::Equal)
        });
        let agreeing = candidates.iter().find(|m| verdict(gradient[i], m) == Verdict::Agrees);
        measured.push(*agreeing.unwrap_or(&candidates[0]));
    }
    let verdicts: Vec<Verdict> = gradient.iter().zip(&measured).map(|(&g, m)| verdict(g, m)).collect();
    let kinks = measured
        .iter()
        .enumerate()
        .filter_map(|(element, m)| m.kink.map(|(left, right)| Kink { element, left, right }));
    Ok(InputGradient {
        name: name.to_string(),
        is_vector: x.rank() > 0,
        kinks: kinks.collect(),
        numerical: measured.iter().map(|m| m.value).collect(),
        numerical_error: measured.iter().map(|m| m.error).collect(),
        agrees: !verdicts.contains(&Verdict::Disagrees),
        verdicts,
        symbolic: if symbolic { by_hand(expr, inputs, name)? } else { None },
        value: values,
        gradient,
    })
}

fn verdict(gradient: f64, measured: &Derivative) -> Verdict {
    let difference = (gradient - measured.value).abs();
    let largest = gradient.abs().max(measured.value.abs());
    match measured.kink {
        _ if !gradient.is_finite() => Verdict::Undefined,
        Some(_) => Verdict::Kink,
        None if !measured.value.is_finite() => Verdict::Undefined,
        None if difference <= 1e-6 * largest + 4.0 * measured.error + 1e-9 => Verdict::Agrees,
        None => Verdict::Disagrees,
    }
}

/// The symbolic derivative and its value; `None` where there is none.
fn by_hand(expr: &Expr, inputs: &[(String, Tensor)], name: &str) -> Result<Option<Symbolic>, Failure> {
    let vectors: Vec<(&str, usize)> =
        inputs.iter().filter(|(_, x)| x.rank() > 0).map(|(name, x)| (name.as_str(), x.elements())).collect();
    let derivative = match expr.derivative(name) {
        Ok(derivative) if vectors.is_empty() => derivative,
        // Where there are vectors, by backpropagation on symbols.
        _ => match expr.gradient(name, &vectors) {
            Ok(gradient) => gradient,
            Err(_) => return Ok(None),
        },
    };
    Ok(Some(Symbolic {
        expression: derivative.to_string(),
        value: value_of(&derivative, inputs)?.to_f64_vec(),
    }))
}

/// The value of an expression of the inputs.
fn value_of(expr: &Expr, inputs: &[(String, Tensor)]) -> Result<Array, Failure> {
    // An expression without an operation has no graph; x + 0 has the value of x.
    let expr = expr.clone() + Expr::number(0.0);
    let names = expr.symbols();
    let given: Vec<(&str, &Tensor)> =
        inputs.iter().filter(|(name, _)| names.contains(name)).map(|(name, x)| (name.as_str(), x)).collect();
    Ok(ComputationalGraph::from_expr(&expr)?.forward(&given)?.array())
}

#[derive(Serialize)]
struct JsonInput {
    name: String,
    local_gradient: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// One row for each element of the output.
    #[serde(skip_serializing_if = "Option::is_none")]
    jacobian: Option<Vec<Vec<f64>>>,
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

fn json(expression: &str, loss: &Tensor, gates: &[Gate], found: &[InputGradient]) -> Result<String, Failure> {
    #[derive(Serialize)]
    struct Page<'a> {
        expression: &'a str,
        value: f64,
        gates: Vec<JsonGate>,
        inputs: &'a [InputGradient],
    }
    let rows = |jacobian: &Array| -> Vec<Vec<f64>> {
        let columns = jacobian.shape()[1].max(1);
        jacobian.to_f64_vec().chunks(columns).map(<[f64]>::to_vec).collect()
    };
    let gates = gates
        .iter()
        .map(|gate| JsonGate {
            name: gate.report.output_name.clone(),
            gate: gate.report.name.clone(),
            formula: gate.formula(),
            shape: gate.report.value.shape().to_vec(),
            value: gate.report.value.to_f64_vec(),
            upstream: gate.report.upstream.as_ref().map(Array::to_f64_vec),
            inputs: gate
                .report
                .inputs
                .iter()
                .zip(&gate.jacobians)
                .map(|(input, jacobian)| JsonInput {
                    name: input.name.clone(),
                    local_gradient: match &input.local {
                        Local::Values(values) => Some(values.to_f64_vec()),
                        _ => None,
                    },
                    rule: match &input.local {
                        Local::Rule(rule) => Some(rule.clone()),
                        _ => None,
                    },
                    jacobian: jacobian.as_ref().map(rows),
                    passed: input.passed.as_ref().map(Array::to_f64_vec),
                })
                .collect(),
        })
        .collect();
    let page = Page { expression, value: loss.item()?, gates, inputs: found };
    Ok(serde_json::to_string_pretty(&page)? + "\n")
}
