//! The explorer: a graph as one HTML page, on which backpropagation can be watched, changed and practised.
//!
//! The page (its source is `web/explorer`) needs no network and no server. This module writes down what it
//! shows: the values and gradients of the last run and each gate's formula as an expression tree, out of
//! which the page makes its formulas and its own evaluator.

mod numbers;
mod page;

use std::path::Path;

use crate::array::Array;
use crate::error::{Error, Result};
use crate::formula::Expr;
use crate::graph::{ComputationalGraph, GateReport, Local, Source};
use crate::io::write_atomic;
use numbers::Numbers;
use page::{GateData, Page, ValueData};

/// The most gates that a page shows as a circuit.
pub const MOST_GATES: usize = 60;
/// The most elements that a value on a circuit may have.
pub const MOST_ELEMENTS: usize = 16;

/// A graph's page, made by [`ComputationalGraph::explorer`].
///
/// ```
/// use chainrule::{formula::Expr, ComputationalGraph, DType, Tensor};
/// let expr = Expr::parse("(x+y)*z")?;
/// let mut graph = ComputationalGraph::from_expr(&expr)?;
/// let [x, y, z] = [-2.0, 5.0, -4.0].map(|x| Tensor::new(x, DType::F64));
/// graph.forward(&[("x", &x?), ("y", &y?), ("z", &z?)])?;
/// graph.backward()?;
/// let html = graph.explorer()?.expression(&expr).html();
/// assert!(html.starts_with("<!doctype html>"));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Explorer {
    page: Page,
}

impl ComputationalGraph {
    /// The page that shows the last run: forward, and backward if that ran too. See [`Explorer`].
    ///
    /// # Errors
    /// [`ComputationalGraph::forward`] hasn't run, or the graph is too large to be drawn as a circuit.
    pub fn explorer(&self) -> Result<Explorer> {
        let gates = self.gates()?;
        if gates.len() > MOST_GATES {
            return Err(Error::argument(format!(
                "the explorer shows at most {MOST_GATES} gates, and the graph has {}",
                gates.len()
            ))
            .hint("explore a part of it: capture the graph of an intermediate tensor"));
        }
        let values = self.values_of_page()?;
        if let Some(value) = values.iter().find(|value| value.value.len() > MOST_ELEMENTS) {
            return Err(Error::argument(format!(
                "the explorer shows values of at most {MOST_ELEMENTS} elements, and {} has {}",
                value.name,
                value.value.len()
            ))
            .hint("explore the graph with smaller inputs"));
        }
        let mut page = Page::new(values, self.output.map_or(0, |id| id.place()));
        for (report, step) in gates.iter().zip(&self.steps) {
            let rule = page.rule(&report.name, &report.formula);
            page.gates.push(GateData {
                name: report.name.clone(),
                rule,
                inputs: step.inputs.iter().map(|id| id.place()).collect(),
                outputs: step.outputs.iter().map(|id| id.place()).collect(),
                local: locals(report),
                passed: report.inputs.iter().map(|input| input.passed.as_ref().map(Numbers::of)).collect(),
                at: report.location.clone(),
            });
        }
        Ok(Explorer { page })
    }

    fn values_of_page(&self) -> Result<Vec<ValueData>> {
        let run = self
            .run
            .as_ref()
            .ok_or_else(|| Error::autograd("there is nothing to explore before forward ran"))?;
        let all = self.values.iter().zip(&run.tensors).enumerate();
        Ok(all
            .map(|(place, (source, tensor))| {
                let array = tensor.array();
                let gradient = run.gradients.as_ref().and_then(|all| all[place].as_ref());
                ValueData {
                    name: self.name_of(crate::graph::ValueId::new(place)),
                    kind: match source {
                        Source::Input { .. } => "input",
                        Source::Constant(_) => "constant",
                        Source::Gate(_) => "gate",
                    },
                    shape: array.shape().to_vec(),
                    dtype: array.dtype().name(),
                    needs: tensor.requires_grad(),
                    gradient: gradient.map(Numbers::of),
                    value: Numbers::of(&array),
                }
            })
            .collect())
    }
}

/// The local gradients of an elementwise gate that are the same at every place or have the output's shape.
fn locals(gate: &GateReport) -> Vec<Option<Numbers>> {
    let of = |local: &Local| match local {
        Local::Values(array) if array.shape() == gate.value.shape() => Some(Numbers::of(array)),
        _ => None,
    };
    gate.inputs.iter().map(|input| of(&input.local)).collect()
}

impl Explorer {
    /// The title at the page's head, in place of the number of gates.
    pub fn title(mut self, title: impl Into<String>) -> Explorer {
        self.page.title = Some(title.into());
        self
    }

    /// The expression that the graph computes, shown as a formula at the page's head.
    pub fn expression(mut self, expr: &Expr) -> Explorer {
        self.page.expression = Some(expr.clone());
        if self.page.title.is_none() {
            self.page.title = Some(expr.to_string());
        }
        self
    }

    /// The page: one HTML file without references to anything outside.
    pub fn html(&self) -> String {
        self.page.html()
    }

    /// Writes the page to a file, whole or not at all.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_atomic(path, self.html().as_bytes())
    }
}

impl Numbers {
    fn of(array: &Array) -> Numbers {
        Numbers::new(array.to_f64_vec())
    }
}
